"""Commands that install a framework so that it fits the card and the driver."""

from __future__ import annotations

from cudadoctor.tables.reader import numbers, rows
from cudadoctor.tables.wheels import runs_on, torch_wheel

_INDEX = "https://download.pytorch.org/whl"


def fitting_torch(
    capability: tuple[int, int] | None, driver_cuda: tuple[int, ...] | None, processor: str
) -> tuple[str, str] | None:
    """Return (release, CUDA version) of the newest PyTorch wheel for a card and a driver, or None.

    Args:
        capability: Of the oldest card that is to be used; None for any.
        driver_cuda: The driver's CUDA version; None for any.
        processor: `x86_64` or `aarch64`.
    """
    best: tuple[tuple[int, ...], bool, tuple[int, ...], str, str] | None = None
    for _, last, cuda, machine, *_ in rows("torch_wheels.tsv"):
        version = numbers(cuda)
        if machine != processor or (driver_cuda is not None and version[0] > driver_cuda[0]):
            continue
        wheel = torch_wheel(f"{last}.0", cuda, processor)
        if (
            wheel is None
            or wheel.certainty != "certain"
            or (capability is not None and not runs_on(wheel.targets, capability))
        ):
            continue
        # PTX of a newer CUDA than the driver's would fail, so of one release the build that is no newer comes first.
        no_newer = driver_cuda is None or version <= driver_cuda[:2]
        candidate = (numbers(last), no_newer, version, last, cuda)
        best = candidate if best is None else max(best, candidate)
    return None if best is None else best[3:]


def install_torch(
    capability: tuple[int, int] | None, driver_cuda: tuple[int, ...] | None, processor: str
) -> tuple[str, ...]:
    """Return the command that installs such a wheel, none where the table has none."""
    found = fitting_torch(capability, driver_cuda, processor or "x86_64")
    if found is None:
        return ()
    release, cuda = found
    wanted = f'"torch=={release}.*" --index-url {_INDEX}/cu{cuda.replace(".", "")}'
    return (f"python -m pip install --force-reinstall {wanted}",)


def install_jax(extra: str) -> tuple[str, ...]:
    """Return the commands that install JAX with the plugin of `cu12` or `cu13` and leave no other behind."""
    major = extra.removeprefix("cu")
    other = "12" if major == "13" else "13"
    return (
        f"python -m pip uninstall -y jax-cuda{other}-plugin jax-cuda{other}-pjrt",
        f'python -m pip install -U "jax[cuda{major}]"',
    )
