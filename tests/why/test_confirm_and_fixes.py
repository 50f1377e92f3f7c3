"""Each cause has a command that proves it or rules it out, and a fix that can be pasted."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Diagnosis, Finding
from cudadoctor.rules.base import Rule
from cudadoctor.rules.catalogue import RULES
from cudadoctor.rules.commands import NUMBA, NUMBA_CUDA, NUMPY, install_compiler
from cudadoctor.rules.diagnose import diagnose
from cudadoctor.rules.driver_commands import install_driver, rebuild_module
from cudadoctor.rules.pasted.answer import answer, cause_called
from cudadoctor.rules.pasted.fixes import fix_of
from tests.rules import build

# A race on the CPU is no part of the environment: running it again is what tells.
RACES = {"race-lane-failed", "race-lanes-disagree", "training-learned-nothing"}
CAUSES = [rule for rule in RULES if rule.id not in RACES]

# Programs and options that change something. `tee` and `>` write files, but `2>/dev/null` writes nothing.
WRITES = re.compile(
    r"\b(?:sudo|su|rm|mv|cp|dd|tee|mkdir|touch|ln|chmod|chown|kill|pkill|reboot|poweroff|shutdown|export|unset)\b"
    r"|\b(?:install|uninstall|remove|purge|update|upgrade|enable|disable|restart|start|stop|reload)\b"
    r"|\b(?:rmmod|insmod|depmod|nvidia-modprobe|mkinitcpio|dracut|usermod|sysctl)\b|(?<!/)\bmodprobe\b"
    r"|mokutil --(?!sb-state|list)|nvidia-smi\S* (?:\S+ )*-(?:pm|c|r|mig|pl|lgc|dm|e|srs)\b|--gpu-reset"
    r"|\bdocker (?:run|rm|stop)\b|sed -i|(?<!2)>(?!/dev/null)"
)


def commands_of(rule: Rule) -> list[str]:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", how_to_fix(rule), re.MULTILINE | re.DOTALL)
    return [line for language, block in blocks if language == "sh" for line in block.splitlines()]


def how_to_fix(rule: Rule) -> str:
    return rule.page.partition("## How to fix it\n")[2].partition("\n## ")[0]


def by_id(id: str) -> Rule:
    rule = cause_called(id)
    assert rule is not None
    return rule


@pytest.mark.parametrize("rule", CAUSES, ids=lambda rule: rule.id)
def test_every_cause_has_one_line_that_tells_and_says_what_it_shows(rule: Rule) -> None:
    assert rule.confirm is not None
    for tell in (rule.confirm, rule.confirm_on_windows or rule.confirm):
        assert tell.command == tell.command.strip() != ""
        assert "\n" not in tell.command
        assert tell.shows
        assert not tell.shows.endswith((".", ":"))


@pytest.mark.parametrize("rule", CAUSES, ids=lambda rule: rule.id)
def test_what_tells_changes_nothing(rule: Rule) -> None:
    for tell in (rule.confirm, rule.confirm_on_windows):
        assert tell is None or WRITES.search(tell.command) is None, tell.command


@pytest.mark.parametrize(
    "command", ["sudo cat x", "pip install x", "modprobe nvidia", "echo 1 > /sys/x", "sed -i s/a/b/ x"]
)
def test_a_command_that_changes_something_would_be_noticed(command: str) -> None:
    assert WRITES.search(command)


@pytest.mark.parametrize("rule", CAUSES, ids=lambda rule: rule.id)
def test_every_page_has_a_fix_to_paste(rule: Rule) -> None:
    fix = fix_of(rule)
    assert fix.commands
    assert fix.text
    for command in fix.commands:
        assert not re.search(r"<[\w .-]+>|\.\.\.|\byour_|^#|^\$ ", command), command
        assert not re.search(r"(?<!-)\brm -|mkfs|\bdd if=|--force-all|curl[^|]*\| *(?:sudo +)?(?:ba)?sh\b", command), (
            command
        )


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash to parse with")
def test_a_shell_takes_every_line() -> None:
    lines = [line for rule in CAUSES for line in (*commands_of(rule), rule.confirm.command if rule.confirm else "")]
    run = subprocess.run(["bash", "-n"], input="\n".join(lines), capture_output=True, text=True, check=False)
    wrong = [lines[int(number) - 1] for number in re.findall(r"line (\d+)", run.stderr)]
    assert (run.returncode, run.stderr) == (0, ""), wrong


def test_pages_name_the_versions_that_commands_take() -> None:
    told = "\n".join(rule.page for rule in CAUSES)
    packages = {f'"{NUMBA}"', f'"{NUMBA_CUDA}"', f'"{NUMPY}"', *re.findall(r'"[^"]+"', install_compiler("cu12"))}
    assert set(re.findall(r'"(?:numba|numba-cuda|numpy)[\[<>=][^"]*"', told)) <= packages


def test_why_shows_it_for_each_cause_and_check_where_nothing_is_proven() -> None:
    found = told("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.").findings
    assert len(found) > 1
    assert all(finding.confirm is not None for finding in found)
    broken = build.machine(environment=build.environment(NUMBA_ENABLE_CUDASIM="1"))
    for finding in diagnose(broken)[0]:
        assert (finding.confirm is None) == (finding.confidence == "proven")


def test_every_rule_that_is_not_proven_tells_how() -> None:
    for rule in RULES:
        assert rule.id in RACES or rule.how_to_tell("Linux") is not None


def told(text: str, machine: Machine | None = None) -> Diagnosis:
    here = Diagnosis(command="check", version="1", status="ok", facts=machine) if machine is not None else None
    return answer(text, here, version="1")[0]


def sentence(text: str) -> str:
    return answer(text, None, version="1")[1]


def first(text: str, machine: Machine | None = None) -> Finding:
    return told(text, machine).findings[0]


def test_causes_that_fit_alike_are_said_to_be_told_apart_by_the_commands() -> None:
    assert sentence("no CUDA-capable device is detected").startswith("2 causes fit the text alike: ")
    assert "The command under each tells them apart." in sentence("no CUDA-capable device is detected")
    assert sentence("Failed to initialize NVML: Driver/library version mismatch").startswith("The cause is: ")


SMI = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."


@pytest.mark.parametrize(("family", "word"), [("fedora", "akmods"), ("arch", "pacman"), ("ubuntu debian", "apt-get")])
def test_why_takes_the_commands_of_this_distribution(family: str, word: str) -> None:
    host = build.host(distribution_family=family)
    fix = first(SMI, build.machine(host=host)).fix
    assert fix.commands == rebuild_module(host)
    assert word in " ".join(fix.commands)
    assert not fix.text.endswith(":")


def test_without_the_machine_the_page_says_for_which_system_its_commands_are() -> None:
    fix = first(SMI).fix
    assert fix.text.endswith("On Ubuntu and Debian:")
    assert "apt-get" in fix.commands[0]


def test_no_driver_is_installed_into_a_container_or_wsl() -> None:
    for values in ({"container": "docker"}, {"wsl": True}):
        host = build.host(distribution_family="arch", **values)
        fix = first("The NVIDIA driver on your system is too old (found version 10010)", build.machine(host=host)).fix
        assert fix.commands != install_driver(host)


def test_a_card_that_newer_drivers_dropped_gets_its_last_branch() -> None:
    host = build.host(distribution_family="arch")
    pascal = build.machine(
        host=host,
        pci=build.pci(build.card("GeForce GTX 1080", device_id="1b80", capability="6.1")),
        nvml=build.NONE,
        driver=build.NONE,
    )
    text = "The NVIDIA driver on your system is too old (found version 10010)"
    assert first(text, pascal).fix.commands == install_driver(host, 580)


@pytest.mark.parametrize(
    ("text", "package"),
    [
        ("An NVIDIA GPU may be present on this machine, but a CUDA-enabled jaxlib is not installed", "jax[cuda12]"),
        ("print(tf.test.is_built_with_cuda())\nFalse", "tensorflow[and-cuda]"),
        ("AssertionError: Torch not compiled with CUDA enabled", "torch --index-url"),
    ],
)
def test_the_fix_is_for_the_framework_that_the_text_names(text: str, package: str) -> None:
    found = first(text)
    assert found.id == "cpu-only-wheel"
    assert package in " ".join(found.fix.commands)
    assert "(" not in found.fix.text


def test_on_windows_nothing_of_unix_is_asked_for() -> None:
    windows = build.machine(host=build.host(system="Windows", distribution_family=""))
    text = "RuntimeError: no CUDA-capable device is detected"
    for found in (first(text, windows), first(text + "\nFile C:\\Users\\x\\run.py")):
        assert found.id == "cuda-visible-devices-hides-gpu"
        assert found.confirm == by_id(found.id).confirm_on_windows
        assert found.fix.commands == ("Remove-Item Env:CUDA_VISIBLE_DEVICES",)
    assert by_id("gsp-timeout").how_to_tell("Windows") is None
    assert by_id("arch-not-in-binary").how_to_tell("Windows") == by_id("arch-not-in-binary").confirm
