"""Commands that fit the machine's distribution: shown, never run, and they work when pasted.

Nothing that was read from the machine is put into a command, except whole numbers. Kernel release, Fedora release and
architecture are left to the shell (`$(uname -r)`).

Sources: NVIDIA Driver Installation Guide (docs.nvidia.com/datacenter/tesla/driver-installation-guide), the driver
pages of Ubuntu, Debian, RPM Fusion, openSUSE and Arch Linux; Container Toolkit Install Guide.
"""

from __future__ import annotations

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.facts.machine import Machine
from cudadoctor.rules.reading import capabilities

REBOOT = "sudo reboot"
LOOK_AT_DRIVER_LOG = "sudo dmesg | grep -iE 'nvrm|nvidia|xid'"

# The ranges that work together; the same as in this project's own pyproject.toml.
NUMBA = "numba>=0.68,<0.69"
NUMBA_CUDA = "numba-cuda>=0.30,<0.31"
NUMPY = "numpy>=2.2,<2.5"

_FAMILIES = (
    ("ubuntu", ("ubuntu", "linuxmint", "pop", "zorin", "elementary", "neon")),
    ("debian", ("debian",)),
    ("fedora", ("fedora",)),
    ("suse", ("suse", "opensuse", "sles", "sle-micro")),
    ("arch", ("arch", "cachyos", "manjaro", "endeavouros")),
)
_RHEL = ("rhel", "centos", "rocky", "almalinux", "ol", "amzn")

_FUSION = "https://mirrors.rpmfusion.org/{0}/fedora/rpmfusion-{0}-release-$(rpm -E %fedora).noarch.rpm"
_RHEL_REPOSITORY = (
    "https://developer.download.nvidia.com/compute/cuda/repos/rhel$(rpm -E %rhel)/"
    "$(uname -m | sed s/aarch64/sbsa/)/cuda-rhel$(rpm -E %rhel).repo"
)
_TOOLKIT = "https://nvidia.github.io/libnvidia-container"
_TOOLKIT_KEY = "/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg"
_ARCH_HEADERS = '"$(cat /usr/lib/modules/$(uname -r)/pkgbase)-headers"'


def family_of(host: Host | Missing) -> str:
    """Return `ubuntu`, `debian`, `fedora`, `rhel`, `suse`, `arch`, or "" for any other system."""
    names = _ids(host)
    # RHEL and its kin name fedora among their ancestors, and Ubuntu names debian, so the nearer family is asked first.
    if any(name in _RHEL for name in names):
        return "rhel"
    for family, members in _FAMILIES:
        if any(name.startswith(members) if family == "suse" else name in members for name in names):
            return family
    return ""


def _ids(host: Host | Missing) -> list[str]:
    if not isinstance(host, Host):
        return []
    return (known(host.distribution_family) or known(host.distribution) or "").lower().split()


def install_driver(host: Host | Missing, branch: int | None = None) -> tuple[str, ...]:
    """Return the commands that install a driver, and the reboot; none for an unknown distribution.

    Args:
        host: The machine.
        branch: A driver branch (580) that must be taken, for cards that newer ones have dropped; None for the newest,
            with the open kernel modules, which serve Turing and everything after it.
    """
    family = family_of(host)
    if isinstance(host, Host) and known(host.wsl) is True:
        return ()  # the driver of WSL2 is that of Windows
    if family == "ubuntu":
        wanted = "sudo ubuntu-drivers install" + (f" nvidia:{branch}" if branch else "")
        return ("sudo apt-get update", "sudo apt-get install -y ubuntu-drivers-common", wanted, REBOOT)
    if family == "debian":
        driver = (
            "sudo apt-get install -y linux-headers-$(dpkg --print-architecture) nvidia-driver firmware-misc-nonfree"
        )
        return ("sudo apt-get update", driver, REBOOT)
    if family == "fedora":
        suffix = f"-{branch}xx" if branch else ""
        driver = f"sudo dnf install -y akmod-nvidia{suffix} xorg-x11-drv-nvidia{suffix}-cuda"
        fusion = " ".join(_FUSION.format(part) for part in ("free", "nonfree"))
        return (f"sudo dnf install -y {fusion}", driver, REBOOT)
    if family == "rhel":
        stream = f"{branch}-dkms" if branch else "open-dkms"
        return (
            f'sudo dnf config-manager --add-repo "{_RHEL_REPOSITORY}"',
            f'if [ "$(rpm -E %rhel)" -lt 10 ]; then sudo dnf module enable -y nvidia-driver:{stream}; fi',
            f"sudo dnf install -y {'cuda-drivers' if branch else 'nvidia-open'}",
            REBOOT,
        )
    if family == "suse":
        flavour = "Tumbleweed" if any("tumbleweed" in name for name in _ids(host)) else "Leap"
        module = "nvidia-driver-G06-kmp-default" if branch else "nvidia-open-driver-G06-signed-kmp-default"
        return (
            f"sudo zypper install -y openSUSE-repos-{flavour}-NVIDIA",
            "sudo zypper --gpg-auto-import-keys refresh",
            f"sudo zypper install -y {module} nvidia-compute-utils-G06",
            REBOOT,
        )
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


def update_driver(machine: Machine) -> tuple[str, ...]:
    """Return the commands that install the newest driver which serves this machine's cards; none if none does.

    Compute capabilities below 7.5 were dropped after branch 580, those below 5.0 long before.
    """
    found = capabilities(machine.driver, machine.nvml, machine.pci)
    lowest = min((capability for _, capability, _ in found), default=None)
    if lowest is not None and lowest < (5, 0):
        return ()
    return install_driver(machine.host, 580 if lowest is not None and lowest < (7, 5) else None)


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


def rebuild_module(host: Host | Missing) -> tuple[str, ...]:
    """Return the commands that build the kernel module for the running kernel and load it."""
    load = "sudo modprobe nvidia && nvidia-smi"
    return {
        "ubuntu": ("sudo apt-get install -y linux-headers-$(uname -r)", "sudo dkms autoinstall", load),
        "debian": ("sudo apt-get install -y linux-headers-$(uname -r)", "sudo dkms autoinstall", load),
        "fedora": (
            'sudo dnf install -y "kernel-devel-uname-r == $(uname -r)"',
            'sudo akmods --force --kernels "$(uname -r)"',
            load,
        ),
        "rhel": ('sudo dnf install -y "kernel-devel-$(uname -r)"', "sudo dkms autoinstall", load),
        "suse": (
            "sudo zypper install -y kernel-default-devel",
            "sudo zypper install --force -y nvidia-open-driver-G06-signed-kmp-default",
            load,
        ),
        "arch": (f"sudo pacman -S --needed {_ARCH_HEADERS}", "sudo dkms autoinstall", load),
    }.get(family_of(host), ("dkms status", "sudo dkms autoinstall", load))


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


def install_container_toolkit(host: Host | Missing) -> tuple[str, ...]:
    """Return the commands that install NVIDIA Container Toolkit from NVIDIA's repository; none for other systems.

    Source: docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html.
    """
    family = family_of(host)
    if family in ("ubuntu", "debian"):
        return (
            f"curl -fsSL {_TOOLKIT}/gpgkey | sudo gpg --dearmor -o {_TOOLKIT_KEY}",
            f"curl -fsSL {_TOOLKIT}/stable/deb/nvidia-container-toolkit.list"
            f" | sed 's#deb https://#deb [signed-by={_TOOLKIT_KEY}] https://#g'"
            " | sudo tee /etc/apt/sources.list.d/nvidia-container-toolkit.list",
            "sudo apt-get update && sudo apt-get install -y nvidia-container-toolkit",
        )
    repository = f"{_TOOLKIT}/stable/rpm/nvidia-container-toolkit.repo"
    if family in ("fedora", "rhel"):
        return (
            f"curl -fsSL {repository} | sudo tee /etc/yum.repos.d/nvidia-container-toolkit.repo",
            "sudo dnf install -y nvidia-container-toolkit",
        )
    if family == "suse":
        return (
            f"sudo zypper addrepo {repository}",
            "sudo zypper --gpg-auto-import-keys install -y nvidia-container-toolkit",
        )
    return ("sudo pacman -S --needed nvidia-container-toolkit",) if family == "arch" else ()


def rebuild_initramfs(host: Host | Missing) -> str:
    """Return the command that writes the initial RAM disk anew, so that a blacklist holds at boot."""
    return {
        "ubuntu": "sudo update-initramfs -u",
        "debian": "sudo update-initramfs -u",
        "arch": "sudo mkinitcpio -P",
    }.get(family_of(host), "sudo dracut --force")


def install_compiler(extra: str) -> str:
    """Return the command that installs numba-cuda with the compiler wheels `cu12` or `cu13`."""
    return f'python -m pip install "{NUMBA_CUDA.replace("numba-cuda", f"numba-cuda[{extra}]")}" "{NUMPY}"'


def install_gcc(host: Host | Missing, major: int) -> tuple[str, ...]:
    """Return the commands that install an older g++ beside the newest, and tell nvcc and CMake to take it."""
    family = family_of(host)
    compiler = f"g++-{major}"
    if family in ("ubuntu", "debian"):
        install = f"sudo apt-get install -y gcc-{major} g++-{major}"
    elif family == "suse":
        install = f"sudo zypper install -y gcc{major} gcc{major}-c++"
    elif family == "rhel":
        install = f"sudo dnf install -y gcc-toolset-{major}"
        compiler = f"/opt/rh/gcc-toolset-{major}/root/usr/bin/g++"
    else:
        arm = isinstance(host, Host) and known(host.architecture) == "aarch64"
        install = f"conda install -y -c conda-forge gxx_linux-{'aarch64' if arm else '64'}={major}"
        compiler = f'"$CONDA_PREFIX/bin/{"aarch64" if arm else "x86_64"}-conda-linux-gnu-g++"'
    return (install, *take_host_compiler(compiler))


def take_host_compiler(compiler: str) -> tuple[str, ...]:
    """Return the commands that make nvcc and CMake take a host compiler, in this shell."""
    plain = compiler.strip('"')
    return (f'export NVCC_PREPEND_FLAGS="-ccbin {plain}"', f"export CUDAHOSTCXX={compiler}")


def compiler_extra(driver_cuda: tuple[int, ...] | None, lowest_capability: tuple[int, ...] | None) -> str:
    """Return `cu13` where both the driver and every card take CUDA 13, else `cu12`.

    CUDA 13 compiles for compute capability 7.5 and above and needs a driver of CUDA 13; CUDA 12 compiles from 5.0.
    """
    new_driver = driver_cuda is not None and driver_cuda >= (13,)
    new_card = lowest_capability is None or lowest_capability >= (7, 5)
    return "cu13" if new_driver and new_card else "cu12"
