"""What `import cudadoctor` offers: facts, measurements and a diagnosis, without the command line.

    facts = cudadoctor.examine()             # or cudadoctor.load("node17.json")
    facts = cudadoctor.measure_bandwidth(facts)
    diagnosis = cudadoctor.diagnose(facts)

Facts and diagnoses are frozen; in a notebook both show themselves. Nothing here prints.
"""

from __future__ import annotations

import datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from cudadoctor import __version__, doctor, findings
from cudadoctor.facts.base import Missing
from cudadoctor.facts.document import MAX_BYTES, FactsError, decode_facts, encode_facts
from cudadoctor.facts.machine import Machine
from cudadoctor.gpu.worker import DRIVER_CALL_LIMIT_S

if TYPE_CHECKING:
    from cudadoctor.dbn.network import Network

S = TypeVar("S", bound=msgspec.Struct)

__all__ = ["Diagnosis", "Facts", "FactsError", "diagnose", "examine", "load", "measure_bandwidth", "run_race"]


class Facts(Machine, frozen=True, kw_only=True):
    """All that is known of one machine; each field is a section, or a `Missing` with the reason."""

    def save(self, path: str | PathLike[str], *, redact: bool = True) -> None:
        """Write the facts to a file that `load` and `--facts` read.

        Args:
            path: The file; one that is there is written over.
            redact: Take names, home folders, serials, UUIDs, addresses and tokens out.

        Raises:
            OSError: The file cannot be written.
        """
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        facts = _shared(self) if redact else self
        Path(path).write_bytes(encode_facts(facts, version=__version__, recorded_at=now))

    def __repr__(self) -> str:
        """Return one line; the facts themselves would be hundreds."""
        present = [name for name in self.__struct_fields__ if not isinstance(getattr(self, name), Missing)]
        return f"<cudadoctor.Facts: {', '.join(present) or 'nothing is known'}>"

    def _repr_html_(self) -> str | None:
        """Return the sections for a notebook, without names that a stranger need not see."""
        try:
            from cudadoctor.report.notebook import facts_html

            return facts_html(_shared(self))
        except Exception:  # noqa: BLE001 - a notebook then shows the line of __repr__
            return None


class Diagnosis(findings.Diagnosis, frozen=True, kw_only=True):
    """What is wrong with a machine: `status`, `sentence`, `findings` (worst first), `skipped`, and the facts."""

    @property
    def sentence(self) -> str:
        """The answer, in one sentence."""
        from cudadoctor.rules.verdict import summary_sentence

        return summary_sentence(self.facts, self.findings)

    def text(self, *, width: int = 80, verbose: bool = False) -> str:
        """Return the report as `cudadoctor check` shows it, nothing taken out.

        Args:
            width: Columns.
            verbose: Show all steps of the road and what was not judged.
        """
        from cudadoctor.report.terminal import render_terminal, to_text

        return to_text(render_terminal(self, self.sentence, verbose=int(verbose)), colour=False, width=width)

    def markdown(self, *, redact: bool = True) -> str:
        """Return the report for an issue, by default without home folders, user and host names."""
        from cudadoctor.report.markdown import render_markdown

        return render_markdown(_shared(self) if redact else self, _answer(self, redact))

    def json(self, *, redact: bool = True) -> str:
        """Return the JSON document of `check`, by default without home folders, user and host names."""
        from cudadoctor.report.document import render_json

        return render_json(_shared(self) if redact else self).decode()

    def html(self, *, redact: bool = True) -> str:
        """Return the report as one HTML page that loads nothing, by default without names.

        Raises:
            ModuleNotFoundError: jinja2 is not installed; it comes with the extra `report`.
        """
        try:
            from cudadoctor.report.html.page import render_html
        except ModuleNotFoundError as missing:
            if missing.name not in ("jinja2", "markupsafe"):
                raise
            text = "Diagnosis.html() needs the extra `report` (jinja2): python -m pip install '.[report]' in a checkout"
            raise ModuleNotFoundError(text, name=missing.name) from None
        from cudadoctor.rules.pages import pages_of

        return render_html(_shared(self) if redact else self, _answer(self, redact), pages=pages_of(self.findings))

    def __str__(self) -> str:
        """Return `text()`, so that `print(diagnosis)` shows the report."""
        return self.text()

    def __repr__(self) -> str:
        """Return one line: the status and the ids of the findings."""
        ids = ", ".join(finding.id for finding in self.findings)
        return f"<cudadoctor.Diagnosis: {self.status}{f': {ids}' if ids else ''}>"

    def _repr_html_(self) -> str | None:
        """Return the answer and the findings for a notebook, without names that a stranger need not see."""
        try:
            from cudadoctor.report.notebook import diagnosis_html

            return diagnosis_html(_shared(self), _answer(self, redact=True))
        except Exception:  # noqa: BLE001 - a notebook then shows the line of __repr__
            return None


def examine(
    *,
    quick: bool = False,
    frameworks: bool = False,
    sysroot: str | PathLike[str] | None = None,
    device: int | None = None,
    timeout_s: float = DRIVER_CALL_LIMIT_S,
) -> Facts:
    """Gather the facts of this machine, as `cudadoctor check` does; nothing on it is changed.

    Args:
        quick: Leave out compiling and running kernels.
        frameworks: Let each installed framework use the GPU, in a process of its own.
        sysroot: Read the files of another machine under this folder; its driver is not asked.
        device: The one GPU to try, by CUDA's index; all by default.
        timeout_s: Seconds that one driver call may take; every driver call is made in a child process.

    Raises:
        NotADirectoryError: `sysroot` is no folder.
        ValueError: Two machines are asked for.
    """
    if sysroot is not None and not Path(sysroot).is_dir():
        raise NotADirectoryError(f"sysroot: there is no folder {sysroot}")
    if sysroot is not None and frameworks:
        raise ValueError("frameworks asks this machine, and sysroot is another one: name one of them")
    areas = frozenset(doctor.AREAS) - ({"kernel"} if quick else set())
    what = doctor.Examination(
        areas=areas,
        left_out="--quick: it was left out" if quick else "it was left out",
        sysroot=None if sysroot is None else str(sysroot),
        device=device,
        limit_s=timeout_s,
        ask_frameworks=frameworks,
    )
    return _facts(doctor.examine(what))


def load(path: str | PathLike[str]) -> Facts:
    """Read facts that `--save` or `Facts.save` wrote, or the facts of a report in JSON; no device is touched.

    Raises:
        OSError: The file cannot be read.
        FactsError: It holds no facts that this version can read.
    """
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    try:
        return _facts(decode_facts(data))
    except FactsError as error:
        raise FactsError(f"{path} {error}") from None


def diagnose(facts: Machine) -> Diagnosis:
    """Judge facts, live or saved: the environment, and any measurement among them."""
    judged = doctor.diagnose(facts)
    return Diagnosis(**{name: getattr(judged, name) for name in judged.__struct_fields__})


def measure_bandwidth(
    facts: Machine, *, device: int = 0, quick: bool = False, full: bool = False, force: bool = False
) -> Facts:
    """Measure copies between host and device, and return the facts with the section `bandwidth`.

    That section is a `Missing` where nothing could be measured. Takes some 10 s; `cudadoctor.bandwidth.measure.run`
    tells what happens meanwhile.

    Args:
        facts: Of this machine, by `examine`.
        device: CUDA's index of the GPU.
        quick: Pinned copies and the device's own alone, some 2 s.
        full: Every kind of memory, sizes, latencies and numba's calls, some 50 s.
        force: Measure though another process computes on the GPU.

    Raises:
        ValueError: Both `quick` and `full` were asked for.
    """
    from cudadoctor.bandwidth.busy import idle_gpus, others_computing
    from cudadoctor.bandwidth.events import Finished
    from cudadoctor.bandwidth.measure import BandwidthError, run
    from cudadoctor.bandwidth.plan import Options, default_plan, full_plan, quick_plan

    if quick and full:
        raise ValueError("quick and full are two plans: name one of them")
    if not doctor.usable_gpu(facts):
        return _with(facts, bandwidth=Missing("there is no GPU here that a CUDA program can use"))
    busy = "" if force else others_computing(facts, device)
    if busy:
        return _with(facts, bandwidth=Missing(busy))
    several = idle_gpus(facts, force=force) if full else ()
    plan = quick_plan(device) if quick else full_plan(device, several) if full else default_plan(device)
    try:
        for event in run(Options(plan=plan, pci=facts.pci)):
            if isinstance(event, Finished):
                return _with(facts, bandwidth=event.bandwidth)
    except BandwidthError as error:
        return _with(facts, bandwidth=Missing(str(error)))
    return _with(facts, bandwidth=Missing("the measurement ended without a result"))


def run_race(
    facts: Machine,
    *,
    epochs: int = 10,
    seed: int = 0,
    lanes: tuple[str, ...] | None = None,
    network: Network | None = None,
    device: int = 0,
    explain: bool = True,
) -> Facts:
    """Train the network of 2014 on the CPU, and on the GPU if there is one; return the facts with the section `race`.

    `cudadoctor.dbn.race.run` does the same and tells what happens meanwhile.

    Args:
        facts: Of this machine, by `examine`.
        epochs: Epochs that each lane trains.
        seed: Draws first weights and minibatches.
        lanes: Names out of `cudadoctor.dbn.contenders.LANE_KINDS`; those of `dbn-race` by default.
        network: Layers, minibatch size and rates; those of 2014 by default.
        device: CUDA's index of the GPU.
        explain: Where there is a GPU, measure why too, with the ladder of causes; that takes half a minute more.

    Raises:
        ValueError: What was asked for is no race, such as a lane that does not exist.
    """
    from cudadoctor.dbn.contenders import DEFAULT_LANES
    from cudadoctor.dbn.events import Options
    from cudadoctor.dbn.network import Network
    from cudadoctor.dbn.race import run
    from cudadoctor.facts.race import Race

    asked = Options(
        network=network or Network(),
        epochs=epochs,
        seed=seed,
        lanes=lanes or DEFAULT_LANES,
        stand_ins=lanes is None,
    )
    index = device if doctor.usable_gpu(facts) else None
    race: Race | Missing = Missing("the race ended early")
    for event in run(doctor.race_on(asked, facts, index, None if explain else False)):
        if isinstance(event, (Race, Missing)):
            race = event
    if index is None and isinstance(race, Race):
        race = doctor.race_without_gpu(race, asked, facts)
    return _with(facts, race=race)


def _facts(machine: Machine) -> Facts:
    return Facts(**{name: getattr(machine, name) for name in machine.__struct_fields__})


def _with(machine: Machine, **sections: object) -> Facts:
    return _facts(msgspec.structs.replace(machine, **sections))


def _shared(value: S) -> S:
    from cudadoctor.report.redact import own_names, redacted

    return redacted(value, names=own_names())


def _answer(diagnosis: Diagnosis, redact: bool) -> str:
    from cudadoctor.report.redact import own_names, redacted_text

    return redacted_text(diagnosis.sentence, names=own_names()) if redact else diagnosis.sentence
