"""Commands that install, update or build the NVIDIA driver on the machine's distribution: shown, never run.

Nothing that was read from the machine is put into a command, except whole numbers. Kernel release, release of the
distribution and architecture are left to the shell (`$(uname -r)`).

Sources: NVIDIA Driver Installation Guide (docs.nvidia.com/datacenter/tesla/driver-installation-guide), the driver
pages of Ubuntu, Debian, RPM Fusion and Arch Linux; SUSE: sndirsch.github.io (its maintainer of the driver), which says
why modules and libraries must be asked for in one release.
"""

from __future__ import annotations

import re

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import ModuleFile
from cudadoctor.facts.machine import Machine
from cudadoctor.rules.commands import REBOOT, family_of, ids_of
from cudadoctor.rules.reading import capabilities

_FUSION = "https://mirrors.rpmfusion.org/{0}/fedora/rpmfusion-{0}-release-$(rpm -E %fedora).noarch.rpm"
_EPEL = "https://dl.fedoraproject.org/pub/epel/epel-release-latest-$(rpm -E %rhel).noarch.rpm"
_NVIDIA = "https://developer.download.nvidia.com/compute/cuda/repos"
_PROCESSOR = "$(uname -m | sed s/aarch64/sbsa/)"
_RHEL_REPOSITORY = f"{_NVIDIA}/rhel$(rpm -E %rhel)/{_PROCESSOR}/cuda-rhel$(rpm -E %rhel).repo"
_AMAZON_REPOSITORY = f"{_NVIDIA}/amzn2023/{_PROCESSOR}/cuda-amzn2023.repo"
_DEBIAN_KEYRING = f"{_NVIDIA}/debian$(. /etc/os-release; echo $VERSION_ID)/{_PROCESSOR}/cuda-keyring_1.1-1_all.deb"
_SLE = "https://download.nvidia.com/suse/sle$(. /etc/os-release; echo $VERSION_ID | sed 's/[.]0$//; s/[.]/sp/')"
_ARCH_HEADERS = '"$(cat /usr/lib/modules/$(uname -r)/pkgbase)-headers"'
_DEBIAN_HEADERS = "linux-headers-$(dpkg --print-architecture)"
_SUSE_MODULE = "nvidia-open-driver-G06-signed-kmp-default"
_SUSE_RELEASE = f"$(rpm -q --queryformat '%{{VERSION}}\\n' {_SUSE_MODULE} | cut -d_ -f1 | sort -uV | tail -n 1)"

_DEBIANS_OWN = 550
"""The branch of Debian 13; that of Debian 12 is 535 (packages.debian.org/nvidia-driver)."""

# Ubuntu's modules that come built and signed: kernel/nvidia-580-server-open/nvidia.ko.zst.
_PREBUILT = re.compile(r"/kernel/nvidia-(\d{3})(-server)?(-open)?/nvidia\.ko")
# Where NVIDIA's .run installer puts the module if it does not hand it to DKMS.
_OF_RUN_FILE = re.compile(r"/kernel/drivers/video/nvidia\.ko$")


def install_driver(host: Host | Missing, branch: int | None = None, at_least: int | None = None) -> tuple[str, ...]:
    """Return the commands that install a driver, and the reboot; none for a distribution without known ones.

    Args:
        host: The machine.
        branch: A driver branch (580) that must be taken, for cards that newer ones have dropped; None for the newest,
            with the open kernel modules, which serve Turing and everything after it.
        at_least: The oldest branch that will do, where the distribution's own packages may be older.
    """
    family = family_of(host)
    if (isinstance(host, Host) and known(host.wsl) is True) or _without_dnf(host):
        return ()  # the driver of WSL2 is that of Windows
    if family == "ubuntu":
        wanted = "sudo ubuntu-drivers install" + (f" nvidia:{branch}" if branch else "")
        return ("sudo apt-get update", "sudo apt-get install -y ubuntu-drivers-common", wanted, REBOOT)
    if family == "debian":
        return _on_debian(nvidias=branch is None and (at_least or 0) > _DEBIANS_OWN)
    if family == "fedora":
        suffix = f"-{branch}xx" if branch else ""
        driver = f"sudo dnf install -y akmod-nvidia{suffix} xorg-x11-drv-nvidia{suffix}-cuda"
        fusion = " ".join(_FUSION.format(part) for part in ("free", "nonfree"))
        # Without the second line the module is still being built when the machine goes down.
        return (f"sudo dnf install -y {fusion}", driver, "sudo akmods --force", REBOOT)
    if family == "rhel":
        return _on_rhel(branch, amazon="amzn" in ids_of(host))
    if family == "suse":
        return _on_suse(host, branch)
    if family == "arch":
        if branch:
            build = f"git clone https://aur.archlinux.org/nvidia-{branch}xx-utils.git"
            return (
                f"sudo pacman -S --needed base-devel git dkms {_ARCH_HEADERS}",
                f"{build} && cd nvidia-{branch}xx-utils && makepkg -si",
                REBOOT,
            )
        return (f"sudo pacman -Syu --needed nvidia-open-dkms nvidia-utils {_ARCH_HEADERS}", REBOOT)
    return ()


def _on_debian(*, nvidias: bool) -> tuple[str, ...]:
    if nvidias:
        return (
            f'curl -fsSLo cuda-keyring.deb "{_DEBIAN_KEYRING}" && sudo dpkg -i cuda-keyring.deb',
            "sudo apt-get update",
            f"sudo apt-get install -y {_DEBIAN_HEADERS} nvidia-open",
            REBOOT,
        )
    driver = f"sudo apt-get install -y {_DEBIAN_HEADERS} nvidia-driver firmware-misc-nonfree"
    return ("sudo apt-get update", driver, REBOOT)


def _on_rhel(branch: int | None, *, amazon: bool) -> tuple[str, ...]:
    stream = f"{branch}-dkms" if branch else "open-dkms"
    package = "cuda-drivers" if branch else "nvidia-open"
    if amazon:
        return (
            f'sudo dnf config-manager --add-repo "{_AMAZON_REPOSITORY}"',
            'sudo dnf install -y dkms "kernel-devel-uname-r == $(uname -r)"',
            f"sudo dnf module enable -y nvidia-driver:{stream}",
            f"sudo dnf install -y {package}",
            REBOOT,
        )
    # Release 10 has no streams: there the branch is held by its number.
    lock = f"else sudo dnf install -y 'dnf-command(versionlock)' && sudo dnf versionlock '*nvidia*{branch}*'; "
    lock = lock if branch else ""
    return (
        f'sudo dnf install -y "{_EPEL}" && sudo /usr/bin/crb enable',  # dkms and what it needs
        f'sudo dnf config-manager --add-repo "{_RHEL_REPOSITORY}"',
        f'if [ "$(rpm -E %rhel)" -lt 10 ]; then sudo dnf module enable -y nvidia-driver:{stream}; {lock}fi',
        f"sudo dnf install -y {package}",
        REBOOT,
    )


def _on_suse(host: Host | Missing, branch: int | None) -> tuple[str, ...]:
    names = ids_of(host)
    if any(name.startswith(("sle-micro", "sl-micro")) for name in names):
        return ()  # its root folder is read-only
    flavour = "Tumbleweed" if any("tumbleweed" in name for name in names) else "Leap"
    repository = f"sudo zypper install -y openSUSE-repos-{flavour}-NVIDIA"
    if any(name in ("sles", "sled") for name in names):
        repository = f'sudo zypper addrepo --refresh "{_SLE}/" nvidia'
    driver: tuple[str, ...] = ("sudo zypper install -y nvidia-driver-G06-kmp-default nvidia-compute-utils-G06",)
    if branch is None:
        driver = (
            f"sudo zypper install -y {_SUSE_MODULE}",
            f'sudo zypper install -y "nvidia-compute-utils-G06 == {_SUSE_RELEASE}"',
        )
    return (repository, "sudo zypper --gpg-auto-import-keys refresh", *driver, REBOOT)


def _without_dnf(host: Host | Missing) -> bool:
    """Say whether this is release 7 of RHEL and its kin, or Amazon Linux 2: for yum, and out of NVIDIA's care."""
    if family_of(host) != "rhel" or not isinstance(host, Host):
        return False
    name = known(host.distribution) or ""
    return name == "Amazon Linux 2" or re.search(r"\b7(\.\d+)?\b", name) is not None


def debian_note(commands: tuple[str, ...]) -> str:
    """Return the sentence on the parts of Debian's archive that these commands need, "" on other systems."""
    if any("firmware-misc-nonfree" in command for command in commands):
        return " On Debian, first enable contrib, non-free and non-free-firmware in the apt sources."
    return " On Debian, first enable contrib in the apt sources." if any("keyring" in c for c in commands) else ""


def update_driver(machine: Machine) -> tuple[str, ...]:
    """Return the commands that install the newest driver which serves this machine's cards; none if none does.

    Compute capabilities below 7.5 were dropped after branch 580, those below 5.0 long before.
    """
    return _newest(machine, None)


def newer_driver(machine: Machine) -> tuple[str, ...]:
    """Return the commands that install a driver of CUDA 13 in place of an older one, as `update_driver` does."""
    return _newest(machine, 580)


def _newest(machine: Machine, at_least: int | None) -> tuple[str, ...]:
    found = capabilities(machine.driver, machine.nvml, machine.pci)
    lowest = min((capability for _, capability, _ in found), default=None)
    if lowest is not None and lowest < (5, 0):
        return ()
    return install_driver(machine.host, 580 if lowest is not None and lowest < (7, 5) else None, at_least)


def driver_source(host: Host | Missing) -> str:
    """Return where a driver comes from, to follow "Install ..."; "" where `install_driver` has the commands."""
    system = known(host.system) if isinstance(host, Host) else None
    if system == "Windows":
        return " from nvidia.com/drivers, and start Windows again"
    if isinstance(host, Host) and known(host.wsl) is True:
        return " in Windows, from nvidia.com/drivers, then run wsl.exe --shutdown there; install none inside WSL2"
    if system == "Darwin":
        return " that names this macOS, from NVIDIA's archive of Mac drivers"
    return "" if install_driver(host) else " from your distribution's packages, or from nvidia.com/drivers"


def rebuild_module(host: Host | Missing, others: tuple[ModuleFile, ...] = ()) -> tuple[str, ...]:
    """Return the commands that bring the kernel module for the running kernel and load it.

    `others` are the module's files for other kernels: their places tell whether it was built here or came built.
    """
    load = "sudo modprobe nvidia && nvidia-smi"
    family = family_of(host)
    built = next((match for file in others if (match := _PREBUILT.search(file.path))), None)
    if built is not None:
        package = f"linux-modules-nvidia-{int(built[1])}{built[2] or ''}{built[3] or ''}-$(uname -r)"
        return ("sudo apt-get update", f"sudo apt-get install -y {package}", load)
    headers = {
        "ubuntu": "sudo apt-get install -y linux-headers-$(uname -r)",
        "debian": "sudo apt-get install -y linux-headers-$(uname -r)",
        "fedora": 'sudo dnf install -y "kernel-devel-uname-r == $(uname -r)"',
        "rhel": 'sudo dnf install -y "kernel-devel-uname-r == $(uname -r)"',
        "suse": "sudo zypper install -y kernel-default-devel",
        "arch": f"sudo pacman -S --needed {_ARCH_HEADERS}",
    }.get(family, "dkms status")
    if of_run_file(others):
        return (*((headers,) if family else ()), "sudo sh ./NVIDIA-Linux-*.run --kernel-module-only", load)
    build = {
        "fedora": 'sudo akmods --force --kernels "$(uname -r)"',
        # Whichever kind is installed is fetched anew, in the build for this kernel.
        "suse": "sudo zypper install --force -y $(rpm -qa --queryformat '%{NAME}\\n' 'nvidia*kmp-default' | sort -u)",
    }.get(family, "sudo dkms autoinstall")
    return (headers, build, load)


def comes_built(others: tuple[ModuleFile, ...]) -> bool:
    """Say whether the modules for other kernels are those that Ubuntu builds and signs."""
    return any(_PREBUILT.search(file.path) for file in others)


def of_run_file(others: tuple[ModuleFile, ...]) -> bool:
    """Say whether NVIDIA's .run installer put the modules for other kernels there."""
    return bool(others) and all(_OF_RUN_FILE.search(file.path) for file in others)


def install_libcuda(host: Host | Missing, branch: int | None) -> tuple[str, ...]:
    """Return the commands that add libcuda to an installed driver of that branch."""
    check = "sudo ldconfig && ldconfig -p | grep libcuda.so.1"
    family = family_of(host)
    if family == "ubuntu" and branch:
        return (f"sudo apt-get install -y libnvidia-compute-{branch}", check)
    return {
        "debian": ("sudo apt-get install -y libcuda1", check),
        "fedora": ("sudo dnf install -y xorg-x11-drv-nvidia-cuda-libs", check),
        "rhel": ("sudo dnf install -y nvidia-driver-cuda-libs", check),
        "suse": ("sudo zypper install -y nvidia-compute-G06", check),
        "arch": ("sudo pacman -S nvidia-utils", check),
    }.get(family, (check,))
