"""What a race was asked for, from the command line's words."""

from __future__ import annotations

import re
import sys
from enum import Enum
from typing import TYPE_CHECKING

from cudadoctor.cli.delivery import RefusedError

if TYPE_CHECKING:
    from cudadoctor.dbn.events import Options


class Hidden(str, Enum):
    """Kinds of hidden units."""

    RELU = "relu"
    SIGMOID = "sigmoid"


class Style(str, Enum):
    """A choice of lanes."""

    DEFAULT = "default"
    OF_2014 = "2014"


def race_options(
    *,
    epochs: int,
    seed: int,
    layers: str,
    hidden: Hidden,
    batch_size: int,
    lanes: str | None,
    style: Style,
    repeat: int,
    data: str,
    pretrain_epochs: int,
    pretrain_rate: float,
) -> Options:
    """Return a race's options; MNIST is read once, and downloaded if that was asked for.

    Raises:
        RefusedError: A word that names no layers, lane or data, or a race that cannot be.
    """
    from cudadoctor.dbn.contenders import LANE_KINDS, STYLES
    from cudadoctor.dbn.events import Options
    from cudadoctor.dbn.network import Network

    if re.fullmatch(r"\d{1,6}(-\d{1,6})+", layers) is None:
        raise RefusedError(f"--layers {layers}: give 2 numbers of units or more, below a million, such as 784-300-10")
    names = STYLES[style.value]
    if lanes is not None:
        if style is not Style.DEFAULT:
            raise RefusedError("--lanes and --style both choose lanes: give one of them")
        words = [word for word in lanes.replace(",", " ").split() if word]
        names = tuple(LANE_KINDS) if words == ["all"] else tuple(words)
        unknown = [name for name in names if name not in LANE_KINDS]
        if unknown or not names:
            raise RefusedError(f"--lanes {lanes}: the lanes are {', '.join(LANE_KINDS)}, or all")
    try:
        return Options(
            network=Network(
                layers=tuple(int(number) for number in layers.split("-")),
                batch_size=batch_size,
                hidden=hidden.value,
            ),
            epochs=epochs,
            seed=seed,
            lanes=names,
            rounds=repeat,
            mnist=_mnist(data),
            pretrain_epochs=pretrain_epochs,
            pretrain_rate=pretrain_rate,
            stand_ins=lanes is None,
        )
    except ValueError as error:
        raise RefusedError(str(error)) from None


def _mnist(data: str) -> str | None:
    """Return the folder of MNIST's files, checked, or None for the procedural digits."""
    if data == "procedural":
        return None
    from pathlib import Path

    from cudadoctor.dbn.mnist import MnistError, download, read

    try:
        if data == "mnist":
            from platformdirs import user_cache_path

            print("cudadoctor: MNIST, 11 MB, is downloaded unless it is there", file=sys.stderr)
            folder = download(user_cache_path("cudadoctor") / "mnist")
        else:
            folder = Path(data)
        read(folder)
    except MnistError as error:
        raise RefusedError(f"--data {data}: {error}") from None
    return str(folder.resolve())
