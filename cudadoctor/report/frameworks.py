"""Rows of what the frameworks said when they were asked to use the GPU."""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.frameworks import Framework, Frameworks
from cudadoctor.facts.ladder import Step

TITLE = "The frameworks, each in a process of its own"
NONE = "none that can be asked (PyTorch, JAX, TensorFlow, CuPy) is installed in this Python environment"


def rows(frameworks: Frameworks | Missing, *, brief: bool = False) -> list[tuple[str, str, str]]:
    """Return (name, state, what was seen) row by row; the name of the framework stands in its first row alone.

    Args:
        frameworks: The section.
        brief: Leave out which libraries were loaded from where, by frameworks that used the GPU.
    """
    if isinstance(frameworks, Missing):
        return [] if frameworks.reason.startswith("not asked for") else [("", "-", frameworks.reason)]
    if not frameworks.asked:
        return [("", "-", NONE)]
    return [row for framework in frameworks.asked for row in _rows(framework, brief)]


def _rows(framework: Framework, brief: bool) -> Iterator[tuple[str, str, str]]:
    failure = framework.failure
    version = known(framework.version)
    title = f"{framework.name} {version}" if version else framework.name
    if failure is not None:
        yield title, failure.state, _ended(failure)
    else:
        count = known(framework.device_count)
        gpus = f"{count} {'GPU' if count == 1 else 'GPUs'}; " if count is not None else ""
        step = framework.step("operation")
        yield title, "passed", f"{gpus}{step.detail if step is not None else ''}"
    if isinstance(framework.built_with_cuda, Known):
        cuda = framework.built_with_cuda.value
        yield "", "", f"built with CUDA {cuda}" if cuda else "built without CUDA"
    loaded = [
        f"{name} {fact.value}"
        for name, fact in (("CUDA runtime", framework.cuda_runtime_version), ("cuDNN", framework.cudnn_version))
        if isinstance(fact, Known)
    ]
    if loaded:
        yield "", "", f"uses {', '.join(loaded)}"
    if isinstance(framework.architectures, Known) and framework.architectures.value:
        yield "", "", f"holds {' '.join(framework.architectures.value)}"
    folders: dict[str, list[str]] = {}
    for library in framework.libraries if failure is not None or not brief else ():
        folder, _, name = library.path.replace("\\", "/").rpartition("/")
        folders.setdefault(folder, []).append(name)
    for folder, names in folders.items():
        yield "", "", f"loaded {', '.join(names)} from {folder}"


def _ended(step: Step) -> str:
    return f"{step.name}: {step.detail}" if step.detail else step.name
