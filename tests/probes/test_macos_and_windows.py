"""What a Mac and Windows tell: files, programs and the registry."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.macos import MacOS
from cudadoctor.facts.windows import Windows
from cudadoctor.probes import gather, host, ladder, macos, windows
from cudadoctor.probes.programs import outputs
from cudadoctor.probes.root import Root
from tests.probes.machine_tree import MachineTree, machine_without_card

DISPLAYS = """Graphics/Displays:

    Intel Iris Pro:

      Chipset Model: Intel Iris Pro
      Vendor: Intel (0x8086)
      Device ID: 0x0d26

    NVIDIA GeForce GT 750M:

      Chipset Model: NVIDIA GeForce GT 750M
      Vendor: NVIDIA (0x10de)
      Device ID: 0x0fe9
      Displays:
        Color LCD:
          Display Type: Retina LCD
"""
EXTENSIONS = (
    " 107 0 0xffffff com.apple.GeForce (10.0.0) <102>\n 149 0 0xffffff com.nvidia.CUDA (1.1.0) E13478CB <4 1>\n"
)
SAID = {
    "cards": DISPLAYS,
    "kexts": EXTENSIONS,
    "power": " gpuswitch            1\n",
    "protection": "System Integrity Protection status: enabled.\n",
}
ALL_AREAS = frozenset(("host", "pci", "driver", "toolkit", "python", "kernel"))


def mac(folder: Path, version: str = "10.10.5", *, driver: bool = True) -> MachineTree:
    tree = MachineTree(folder)
    tree.write(
        macos.SYSTEM_VERSION, f"<plist><dict><key>ProductVersion</key>\n<string>{version}</string></dict></plist>"
    )
    if driver:
        info = "<plist><dict><key>CFBundleVersion</key><string>6.5.18</string></dict></plist>"
        tree.write(f"{macos.FRAMEWORK}/Versions/A/Resources/Info.plist", info)
        tree.write("/usr/local/cuda/lib/libcuda.dylib", "x")
        tree.write("/System/Library/Extensions/CUDA.kext/Contents/Info.plist", "x")
    return tree


def told(tree: MachineTree, **said: str | Missing) -> MacOS:
    root = Root(tree.root)
    return macos.describe(root, macos.version(root), SAID | said)


def test_a_mac_with_cuda_tells_all_its_parts(tmp_path: Path) -> None:
    found = told(mac(tmp_path))
    assert known(found.version) == "10.10.5"
    assert known(found.cuda_driver) == "6.5.18"
    assert known(found.libcuda) == "/usr/local/cuda/lib/libcuda.dylib"
    assert known(found.kernel_extension) == "/System/Library/Extensions/CUDA.kext"
    assert known(found.kernel_extension_loaded) is True
    assert known(found.display_driver) == "apple"
    assert known(found.integrity_protection) is True
    assert known(found.graphics_switching) == "discrete"


def test_the_cards_of_a_mac_are_told_apart_and_nvidias_go_on_the_bus(tmp_path: Path) -> None:
    bus = macos.bus(told(mac(tmp_path)))
    assert not isinstance(bus, Missing)
    assert [(card.device_id, known(card.compute_capability)) for card in bus.devices] == [("0fe9", "3.0")]
    assert isinstance(macos.bus(told(mac(tmp_path / "b"), cards=Missing("no"))), Missing)


@pytest.mark.parametrize(
    ("text", "mode"), [(" gpuswitch 2\n", "automatic"), (" gpuswitch 0\n", "integrated"), (" womp 1\n", None)]
)
def test_graphics_switching_is_what_pmset_says(tmp_path: Path, text: str, mode: str | None) -> None:
    assert known(told(mac(tmp_path), power=text).graphics_switching) == mode


def test_a_mac_without_the_driver_says_what_is_not_there(tmp_path: Path) -> None:
    found = told(mac(tmp_path, driver=False), kexts=" 1 com.nvidia.web.GeForceWeb (10.3.2)\n")
    assert isinstance(found.cuda_driver, Missing)
    assert "CUDA.framework" in found.cuda_driver.reason
    assert isinstance(found.kernel_extension, Missing)
    assert (known(found.kernel_extension_loaded), known(found.display_driver)) == (False, "nvidia-web")


@pytest.mark.parametrize(
    ("version", "architecture", "has"),
    [("10.13.6", "x86_64", True), ("10.9", "x86_64", True), ("10.14", "x86_64", False), ("14.5", "arm64", False)],
)
def test_the_last_macos_with_cuda_is_10_13(version: str, architecture: str, has: bool) -> None:
    assert macos.has_cuda(version, architecture) is has


def test_a_tree_of_a_mac_is_read_as_a_mac_and_one_of_linux_as_linux(tmp_path: Path) -> None:
    root = Root(mac(tmp_path / "mac").root)
    assert root.system == "Darwin"
    found = host.gather(root)
    assert not isinstance(found, Missing)
    assert known(found.distribution) == "macOS 10.10.5"
    assert isinstance(found.cpu_name, Missing), "that of this machine is not that of the tree's"
    assert Root(machine_without_card(tmp_path / "linux").root).system == "Linux"


def test_a_whole_tree_of_a_mac_asks_no_driver_and_says_what_macos_does_not_have(tmp_path: Path) -> None:
    root = mac(tmp_path).root
    machine = gather.machine(areas=ALL_AREAS, left_out="", sysroot=root, live=False, device=None, limit_s=1)
    assert isinstance(machine.macos, MacOS)
    assert isinstance(machine.macos.cards, Missing)
    assert "--sysroot" in machine.macos.cards.reason
    steps = ladder.build(
        pci=machine.pci,
        kernel_driver=machine.kernel_driver,
        device_nodes=machine.device_nodes,
        asked=macos.steps(machine.macos, {}),
        not_asked=macos.NO_NUMBA,
    )
    assert {step.state for step in steps.steps} == {"not reached"}


def test_programs_are_asked_at_once_and_none_is_waited_for_longer_than_the_limit() -> None:
    slow = (sys.executable, "-c", "import time; time.sleep(60)")
    said = outputs(
        {
            "quick": (sys.executable, "-c", "print('here')"),
            "slow": slow,
            "fails": (sys.executable, "-c", "raise SystemExit(3)"),
            "absent": ("/nonexistent/program",),
        },
        limit_s=1.5,
    )
    assert said["quick"] == "here\n"
    assert [isinstance(said[name], Missing) for name in ("slow", "fails", "absent")] == [True, True, True]
    assert "1.5 s" in str(said["slow"])


class Registry:
    """A registry of dictionaries."""

    def __init__(self, keys: dict[str, list[str]], values: dict[tuple[str, str], str]) -> None:
        self._keys, self._values = keys, values

    def keys(self, path: str) -> list[str]:
        return self._keys.get(path, [])

    def text(self, path: str, name: str) -> str:
        return self._values.get((path, name), "")


DISPLAY = "{4d36e968-e325-11ce-bfc1-08002be10318}"
BUS = r"SYSTEM\CurrentControlSet\Enum\PCI"
CARD = rf"{BUS}\VEN_10DE&DEV_2786&SUBSYS_51881462&REV_A1"


def registry(service: str = "nvlddmkm") -> Registry:
    sound = rf"{BUS}\VEN_10DE&DEV_22BC"
    keys = {
        BUS: ["VEN_8086&DEV_0D26", CARD.rpartition("\\")[2], "VEN_10DE&DEV_22BC"],
        CARD: ["4&1&0"],
        sound: ["5&1&0"],
    }
    version = rf"SYSTEM\CurrentControlSet\Control\Class\{DISPLAY}\0001"
    values = {
        (rf"{CARD}\4&1&0", "ClassGUID"): DISPLAY.upper(),
        (rf"{CARD}\4&1&0", "Service"): service,
        (rf"{CARD}\4&1&0", "Driver"): rf"{DISPLAY}\0001",
        (rf"{CARD}\4&1&0", "DeviceDesc"): "@oem12.inf,%nvidia_dev.2786%;NVIDIA GeForce RTX 4070",
        (version, "DriverVersion"): "32.0.15.8097",
        (rf"{sound}\5&1&0", "ClassGUID"): "{4d36e96c-e325-11ce-bfc1-08002be10318}",
    }
    return Registry(keys, values)


@pytest.mark.parametrize(
    ("version", "release"),
    [("32.0.15.8097", "580.97"), ("31.0.15.5222", "552.22"), ("26.21.14.2623", "426.23"), ("6.2.9200", ""), ("x", "")],
)
def test_windows_counts_drivers_in_its_own_way(version: str, release: str) -> None:
    assert windows.release_of(version) == release


def test_the_registry_tells_the_card_its_driver_and_not_its_sound(tmp_path: Path) -> None:
    found = windows.gather(Root(str(tmp_path)), {}, registry())
    assert isinstance(found, Windows)
    bus = windows.bus(found)
    assert not isinstance(bus, Missing)
    assert [(known(card.name), card.device_id) for card in bus.devices] == [("NVIDIA GeForce RTX 4070", "2786")]
    cards = known(found.cards)
    assert cards is not None
    assert (known(cards[0].service), known(cards[0].driver_release)) == ("nvlddmkm", "580.97")


def test_a_card_under_microsofts_driver_has_no_release_of_nvidias(tmp_path: Path) -> None:
    found = windows.gather(Root(str(tmp_path)), {}, registry("BasicDisplay"))
    assert isinstance(found, Windows)
    cards = known(found.cards)
    assert cards is not None
    assert isinstance(cards[0].driver_release, Missing)


def test_a_registry_without_a_card_proves_nothing(tmp_path: Path) -> None:
    found = windows.gather(Root(str(tmp_path)), {}, Registry({BUS: ["VEN_8086&DEV_0D26"]}, {}))
    assert isinstance(windows.bus(found), Missing)


def test_the_release_is_read_from_the_version_of_nvcuda(tmp_path: Path) -> None:
    fixed = struct.pack("<IIII", 0xFEEF04BD, 0x00010000, 32 << 16, 15 << 16 | 8097)
    path = tmp_path / "nvcuda.dll"
    path.write_bytes(b"MZ" + bytes(5000) + fixed + bytes(64))
    found = windows._release_of_file(Root(), Known(str(path), "test"))
    assert known(found) == "580.97"
    path.write_bytes(b"MZ" + bytes(5000))
    assert isinstance(windows._release_of_file(Root(), Known(str(path), "test")), Missing)


def test_this_linux_is_neither_a_mac_nor_windows(tmp_path: Path) -> None:
    root = Root(machine_without_card(tmp_path).root)
    assert isinstance(macos.gather(root, Missing("")), Missing)
    assert isinstance(windows.gather(root, {}), Missing)
