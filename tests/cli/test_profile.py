"""`cudadoctor profile` as a user calls it, on a pretended GPU."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cudadoctor.cli.passed_on import passed_on
from tests.fake_driver.build import FakeDriver
from tests.profile.programs import PRETEND

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="programs are traced on Linux")

LAUNCHES = (
    PRETEND + "import sys\nprint('hello', sys.argv[1:])\nfor i in range(3000):\n    launch('tiny', 30_000, 2_000)\n"
)
HEALTHY = PRETEND + "for i in range(60):\n    launch('long', 10_000, 5_000_000)\ngpu.fake_sync()\n"


class Ended:
    """What a call of the command came to."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def profile(fake_driver: FakeDriver, tmp_path: Path) -> Any:
    """Call the command in a folder with programs, on a machine with the fake driver and the fake libcupti."""
    home = tmp_path / "toolkit"
    folder = home / "extras" / "CUPTI" / "lib64"
    folder.mkdir(parents=True)
    shutil.copy(fake_driver.cupti, folder / "libcupti.so.13")
    (tmp_path / "launches.py").write_text(LAUNCHES)
    (tmp_path / "healthy.py").write_text(HEALTHY)

    def call(*arguments: str, scenario: dict[str, Any] | None = None, **variables: str) -> Ended:
        environment = fake_driver.scenario(
            environment={"CUDA_HOME": str(home), "FAKE_CUPTI": str(folder / "libcupti.so.13"), **variables},
            **(scenario or {}),
        )
        command = [sys.executable, "-m", "cudadoctor", "profile", *arguments]
        environment["PYTHONPATH"] = str(Path(__file__).parent.parent.parent)
        return Ended(
            subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False,
                stdin=subprocess.DEVNULL,
            )
        )  # fmt: skip

    return call


def test_launches_are_named_with_their_figures(profile: Any, tmp_path: Path) -> None:
    trace, saved = tmp_path / "trace.json.gz", tmp_path / "saved.json"
    ended = profile("--format", "json", "--trace", str(trace), "--save", str(saved), "launches.py", "a", "--b")
    assert ended.code == 0
    assert "hello ['a', '--b']" in ended.err  # standard output is the document's
    assert ended.err.count("hello") == 1
    found = ended.document
    section = found["facts"]["profile"]
    assert found["command"] == "profile"
    assert section["tracer"]["state"] == "traced"
    assert section["program"] == {"script": "launches.py", "arguments": 2, "module": False} | {
        "python_version": section["program"]["python_version"]
    }
    analysis = section["analysis"]
    assert analysis["kernels"][0]["name"] == "tiny"
    assert analysis["kernels"][0]["count"] == 3000
    for breakdown in analysis["steady"] + analysis["whole"]:
        parts = sum(part["ms"] for part in breakdown["parts"]) + breakdown["residual_ms"]
        assert parts == pytest.approx(breakdown["wall_ms"], rel=1e-6)
    if not analysis["replay"]["why_no_what_if"]:  # a busy machine may run the program at another speed each time
        assert found["findings"][0]["id"] == "launch-bound-small-work"
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    assert sum(event.get("name") == "tiny" and event["ph"] == "X" for event in events) == 3000
    again = profile("--facts", str(saved), "--format", "json")
    assert [each["id"] for each in again.document["findings"]] == [each["id"] for each in found["findings"]]


def test_the_text_fits_its_terminal(profile: Any) -> None:
    for columns, what in (("80", ("--save", "saved.json", "healthy.py")), ("120", ("--facts", "saved.json"))):
        ended = profile(*what, COLUMNS=columns, NO_COLOR="1")
        assert ended.code == 0
        assert "\x1b" not in ended.out
        assert max(map(len, ended.out.splitlines())) <= int(columns)
        assert "kernels" in ended.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name the program to profile"),
        (["nowhere.py"], "nowhere.py: there is no such script"),
        (["--facts", "x.json", "launches.py"], "--facts shows a saved profile"),
        (["--probe", "--no-tracer", "launches.py"], "--probe needs the tracer"),
        (["--pool", "1", "launches.py"], "1 is not between 16 and 16384"),
    ],
)
def test_bad_input_is_one_line(profile: Any, arguments: list[str], words: str) -> None:
    ended = profile(*arguments)
    assert ended.code == 2
    assert words in ended.err
    assert len(ended.err.splitlines()) == 1
    assert ended.out == ""


def test_without_a_gpu_nothing_is_run(profile: Any) -> None:
    ended = profile("launches.py", scenario={"cu_init": 100})
    assert ended.code == 3
    assert "hello" not in ended.out + ended.err
    assert "there is no GPU here" in ended.out


def test_an_option_that_the_script_may_not_know_is_passed_on_and_named(profile: Any, tmp_path: Path) -> None:
    after = ("launches.py", "--format", "json", "--save=x", "--epochs", "2")
    ended = profile("--no-tracer", *after)
    assert "hello ['--format', 'json', '--save=x', '--epochs', '2']" in ended.out
    told = [line for line in ended.err.splitlines() if "goes to" in line]
    assert told == [
        f"cudadoctor: {name} goes to launches.py, after which it stands; options of profile stand before the program"
        for name in ("--format", "--save")
    ]
    assert "goes to" not in profile("--no-tracer", "--quiet", *after).err


def test_an_option_that_the_script_knows_is_not(tmp_path: Path) -> None:
    own = ("--format", "--save", "--time-limit", "--no-tracer", "--help", "-v")
    script = tmp_path / "train.py"
    script.write_text(
        "parser.add_argument('--format')\ndef main(time_limit: float = 3, save=None): ...\n"
        "print('{}'.format(no_tracer == 1))\n"
    )
    given = ["--format", "json", "--save=x", "--time-limit", "3", "--help", "-v", "--other"]
    assert passed_on(given, own, str(script)) == ()
    assert passed_on([*given, "--no-tracer"], own, str(script)) == ("--no-tracer",)
    assert passed_on(given, own, None) == ("--format", "--save", "--time-limit")
    assert passed_on(["--", *given], own, None) == ()
    assert passed_on(["--format=json"], own, str(tmp_path)) == ("--format",)


def test_a_refused_tracer_leaves_the_untraced_run(profile: Any) -> None:
    ended = profile("launches.py", "--format", "json", FAKE_CUPTI_ERROR="cuptiActivityEnable:39")
    assert "launches.py" in ended.err or ended.code == 0
    ended = profile("--format", "json", "launches.py", FAKE_CUPTI_ERROR="cuptiActivityEnable:39")
    assert ended.code == 0
    section = ended.document["facts"]["profile"]
    assert section["tracer"]["state"] == "refused"
    assert "another tool holds CUPTI" in section["tracer"]["reason"]
    assert section["control"][0]["wall_s"] > 0
    assert section["analysis"] is None


def test_the_programs_end_is_told(profile: Any, tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text(LAUNCHES + "raise SystemExit(7)\n")
    (tmp_path / "dies.py").write_text(LAUNCHES + "import signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    fails = profile("--format", "json", "fails.py").document["facts"]["profile"]
    dies = profile("--format", "json", "dies.py").document["facts"]["profile"]
    assert (fails["control"][0]["exit_code"], fails["traced"]["exit_code"]) == (7, 7)
    assert dies["traced"]["signal"] == "SIGKILL"
    assert dies["analysis"]["kernels"][0]["count"] == 3000


def test_a_program_that_leaves_the_gpu_alone_is_told_so_and_run_only_twice(profile: Any, tmp_path: Path) -> None:
    (tmp_path / "alone.py").write_text("open('ran', 'a').write('x')\n")
    ended = profile("alone.py")
    assert ended.code == 0
    assert (tmp_path / "ran").read_text() == "xx"
    assert "No work of a GPU was recorded" in " ".join(ended.out.split())
    assert "where the time goes" not in ended.out


def test_a_program_that_fails_before_it_uses_the_gpu_is_not_judged(profile: Any, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("import no_such_module\n")
    ended = profile("--format", "json", "wrong.py")
    assert ended.code == 3
    assert "No module named 'no_such_module'" in ended.err
    assert "exit code 1" in ended.document["error"]["message"]
    assert "before any work of a GPU" in ended.document["error"]["message"]


def test_a_probe_tells_whether_launches_matter(profile: Any) -> None:
    section = profile("--probe", "--format", "json", "launches.py").document["facts"]["profile"]
    found = {each["calls"]: each for each in section["probes"]}
    assert 1000 < found["launches"]["count"] < 2000  # about half of 3000
    assert found["launches"]["low"] > 0.5  # on the critical path, whatever else this machine does


def test_elsewhere_than_on_linux_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cudadoctor.cli.app import run

    monkeypatch.setattr(sys, "platform", "win32")
    assert run(["profile", "launches.py"]) == 3
    told = capsys.readouterr().err
    assert "programs are run and traced on Linux, and this is win32" in told
    assert len(told.splitlines()) == 1
