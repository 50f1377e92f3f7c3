"""What Python runs first in a process that a traced program starts: trace it as well, into a pool of its own.

The traced program's environment names this folder in PYTHONPATH and the folder for pools in CUDADOCTOR_TRACE. Whatever
goes wrong here must not be seen in the user's process, and a sitecustomize of their own still runs.
"""


def _trace() -> None:
    import os
    import sys

    folder, home = os.environ.get("CUDADOCTOR_TRACE"), os.environ.get("CUDADOCTOR_HOME")
    if not folder or not home or sys.version_info < (3, 10) or not os.path.isdir(folder):
        return
    sys.path.insert(0, home)
    try:
        from cudadoctor.profile.offspring import begin

        begin(folder)
    finally:
        sys.path.remove(home)


def _run_the_hidden_one() -> None:
    import importlib.machinery
    import os
    import sys

    here = os.path.dirname(os.path.abspath(__file__))
    folders = [each for each in sys.path if os.path.abspath(each) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", folders)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(sys.modules["sitecustomize"])


try:  # noqa: SIM105 - nothing more is imported than must be
    _trace()
except Exception:  # noqa: BLE001 - the user's process must not see it
    pass
_run_the_hidden_one()
