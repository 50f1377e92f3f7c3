"""MNIST from a folder of its four IDX files, gzipped or not, or from a download that is made once and checked.

Nothing is fetched unless `download` is called. The files are known by the sha256 of their decompressed contents, so
another set in the same form (there are several) is not taken for MNIST. MNIST is not part of cudadoctor.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.digits import TEST_SAMPLES, TRAINING_SAMPLES, Digits

SPLIT_SEED = 0
"""The split is one fixed split; the seed of a race draws weights and minibatches."""

MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")

_DATA_DIR = "put the four MNIST files, gzipped or not, into a folder and give it as --data FOLDER"


class IdxFile(NamedTuple):
    """One file: its name, how many items it has, the shape of one, and the sha256 of the decompressed contents."""

    name: str
    items: int
    item: tuple[int, ...]
    sha256: str

    @property
    def header(self) -> bytes:
        """The bytes that an IDX file of unsigned bytes and this shape begins with."""
        shape = (self.items, *self.item)
        return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)

    @property
    def size_bytes(self) -> int:
        """Size of the decompressed file."""
        return len(self.header) + self.items * int(np.prod(self.item, dtype=int))


FILES = (
    IdxFile(
        "train-images-idx3-ubyte",
        60_000,
        (28, 28),
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    IdxFile("train-labels-idx1-ubyte", 60_000, (), "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    IdxFile(
        "t10k-images-idx3-ubyte",
        10_000,
        (28, 28),
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    IdxFile("t10k-labels-idx1-ubyte", 10_000, (), "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
)
"""Images and labels of the 60,000 digits first, then those of the 10,000; hashed first-hand from a bit-exact copy."""


class MnistError(Exception):
    """MNIST cannot be had; the message is one line that says why and what to do."""


def read(
    folder: Path,
    training: int = TRAINING_SAMPLES,
    test: int = TEST_SAMPLES,
    tick: Callable[[], None] | None = None,
) -> Digits:
    """Read MNIST and split its 70,000 digits anew, as nolearn's example did (a third for the test).

    The split is that of scikit-learn's `train_test_split(test_size=23_100, random_state=0)`.

    Args:
        folder: Holds the four files.
        training: Number of training samples, 46,900 at most.
        test: Number of test samples, 23,100 at most.
        tick: Called after each file.

    Raises:
        MnistError: A file is missing, cannot be read, or is not MNIST's.
    """
    if not folder.is_dir():
        raise MnistError(f"{folder} is no folder: {_DATA_DIR}, or use --data mnist to download them")
    parts = []
    for file in FILES:
        parts.append(_checked(_find(folder, file), file))
        if tick is not None:
            tick()
    pixels = np.concatenate(parts[0::2]).reshape(-1, 784)
    labels = np.concatenate(parts[1::2])
    # The generator whose stream NumPy promised never to change, so that the split is the same everywhere.
    order = np.random.RandomState(SPLIT_SEED).permutation(len(pixels))
    tested = len(order) - len(order) * TRAINING_SAMPLES // (TRAINING_SAMPLES + TEST_SAMPLES)
    for_test, for_training = order[:tested][:test], order[tested:][:training]
    return Digits(pixels[for_training], labels[for_training], pixels[for_test], labels[for_test])


def download(folder: Path, tick: Callable[[], None] | None = None, mirrors: tuple[str, ...] = MIRRORS) -> Path:
    """Fetch what is missing or damaged in a folder of gzipped files, 11 MB in all; return the folder.

    Args:
        folder: Usually one in the user's cache; it is made.
        tick: Called while data arrive.
        mirrors: Addresses to try in turn, each ending in a slash.

    Raises:
        MnistError: The folder cannot be written, or no mirror gave a file that is MNIST's.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MnistError(f"{folder} cannot be made ({error.strerror}); {_DATA_DIR}") from error
    for file in FILES:
        path = folder / f"{file.name}.gz"
        if not _is_good(path, file):
            _fetch(file, path, mirrors, tick)
    return folder


def _fetch(file: IdxFile, path: Path, mirrors: tuple[str, ...], tick: Callable[[], None] | None) -> None:
    import pooch  # imported here, because nothing else needs it

    pooch.get_logger().setLevel("ERROR")
    complaints = []
    for mirror in mirrors:
        host = mirror.split("/")[2]
        try:
            path.unlink(missing_ok=True)
            downloader = pooch.HTTPDownloader(progressbar=_Progress(tick), timeout=20)
            # The checksum is of what is inside, so it is compared below.
            pooch.retrieve(mirror + path.name, None, fname=path.name, path=path.parent, downloader=downloader)
            _checked(path, file)
            return
        except MnistError:
            complaints.append(f"{host}: what came is not MNIST's")
        except (OSError, ValueError) as error:  # requests' errors are OSErrors
            complaints.append(f"{host}: {_reason(error)}")
        path.unlink(missing_ok=True)
    raise MnistError(f"{path.name} could not be downloaded ({'; '.join(complaints)}); {_DATA_DIR}")


class _Progress:
    """What pooch takes for a progress bar."""

    total = 0

    def __init__(self, tick: Callable[[], None] | None) -> None:
        self._tick = tick

    def update(self, _: int) -> None:
        if self._tick is not None:
            self._tick()

    def reset(self) -> None:
        """Start anew."""

    def close(self) -> None:
        """End."""


def _reason(error: BaseException) -> str:
    """Return the innermost cause, in a few words."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:120]


def _is_good(path: Path, file: IdxFile) -> bool:
    try:
        _checked(path, file)
    except MnistError:
        return False
    return True


def _find(folder: Path, file: IdxFile) -> Path:
    dotted = file.name.replace("-idx", ".idx")  # as some archives unpack it
    for name in (file.name, f"{file.name}.gz", dotted, f"{dotted}.gz"):
        if (folder / name).is_file():
            return folder / name
    raise MnistError(f"{folder} holds neither {file.name} nor {file.name}.gz: {_DATA_DIR}")


def _checked(path: Path, file: IdxFile) -> NDArray[Any]:
    """Return the items of a file (items, ...), uint8.

    Raises:
        MnistError: It cannot be read, or is not this file.
    """
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as stream:
            contents = stream.read(file.size_bytes + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise MnistError(f"{path} is damaged ({error}): get it anew") from error
    except OSError as error:
        raise MnistError(f"{path} cannot be read ({error.strerror or error})") from error
    if contents[:4] != file.header[:4]:
        raise MnistError(
            f"{path} is not an IDX file of MNIST's kind: it does not begin with {file.header[:4].hex(' ')}"
        )
    if len(contents) != file.size_bytes:
        size = f"only {len(contents)}" if len(contents) < file.size_bytes else "more"
        raise MnistError(f"{path} is not MNIST's: it has {size} bytes, not {file.size_bytes}; get it anew")
    digest = hashlib.sha256(contents).hexdigest()
    if digest != file.sha256:
        raise MnistError(
            f"{path} is damaged or another data set: its sha256 is {digest[:12]}…, not {file.sha256[:12]}…"
        )
    return np.frombuffer(contents, np.uint8, offset=len(file.header)).reshape(file.items, *file.item)
