"""Commands that fit the machine's distribution: shown, never run, and they work when pasted.

Nothing that was read from the machine is put into a command, except whole numbers. Kernel release, Fedora release and
architecture are left to the shell (`$(uname -r)`).

Those that install or build a driver are in driver_commands.py. Sources: Container Toolkit Install Guide; packages of
compilers: those of the distributions.
"""

from __future__ import annotations

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.host import Host

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

_TOOLKIT = "https://nvidia.github.io/libnvidia-container"
_TOOLKIT_KEY = "/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg"


def family_of(host: Host | Missing) -> str:
    """Return `ubuntu`, `debian`, `fedora`, `rhel`, `suse`, `arch`, or "" for any other system."""
    names = ids_of(host)
    # RHEL and its kin name fedora among their ancestors, and Ubuntu names debian, so the nearer family is asked first.
    if any(name in _RHEL for name in names):
        return "rhel"
    for family, members in _FAMILIES:
        if any(name.startswith(members) if family == "suse" else name in members for name in names):
            return family
    return ""


def ids_of(host: Host | Missing) -> list[str]:
    """Return the ids of /etc/os-release, own id first."""
    if not isinstance(host, Host):
        return []
    return (known(host.distribution_family) or known(host.distribution) or "").lower().split()


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


def set_module_option(host: Host | Missing, option: str, name: str) -> str:
    """Return the command that gives the module nvidia an option, in /etc/modprobe.d/<name>.conf.

    Debian loads it under the name nvidia-current, which options for nvidia do not reach.
    """
    line = f'echo "options nvidia {option}"'
    if family_of(host) == "debian":
        line = f'for m in nvidia nvidia-current; do echo "options $m {option}"; done'
    return f"{line} | sudo tee /etc/modprobe.d/{name}.conf"


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
