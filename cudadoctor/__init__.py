"""cudadoctor: says what is wrong with a CUDA environment, and why the GPU may be slower than the CPU.

From Python, `import cudadoctor` offers what `__all__` names; docs/python.md shows how it is used. All of it is imported
when it is first used, since every command of the command line imports this file.
"""

__version__ = "0.1.0"

__all__ = ["Diagnosis", "Facts", "FactsError", "diagnose", "examine", "load", "measure_bandwidth", "run_race"]

TYPE_CHECKING = False  # importing it from typing would take longer than the rest of this file
if TYPE_CHECKING:
    from cudadoctor.api import Diagnosis, Facts, FactsError, diagnose, examine, load, measure_bandwidth, run_race
else:

    def __getattr__(name):
        """Import what is offered when somebody asks for it."""
        if name not in __all__:
            raise AttributeError(f"module 'cudadoctor' has no attribute {name!r}")
        import importlib

        return getattr(importlib.import_module("cudadoctor.api"), name)

    def __dir__():
        """Name what is offered, though it is not imported yet."""
        return sorted([*globals(), *__all__])
