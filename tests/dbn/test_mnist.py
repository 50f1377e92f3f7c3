from __future__ import annotations

import gzip
import hashlib
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from cudadoctor.dbn import mnist
from cudadoctor.dbn.mnist import FILES, IdxFile, MnistError, download, read

SMALL = (("train-images-idx3-ubyte", 60, (28, 28)), ("train-labels-idx1-ubyte", 60, ()),
         ("t10k-images-idx3-ubyte", 10, (28, 28)), ("t10k-labels-idx1-ubyte", 10, ()))  # fmt: skip


@pytest.fixture
def forged(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Files in MNIST's form with 60 and 10 digits, taken for MNIST by their hashes; image i has i in every pixel."""
    table, contents, numbers = [], {}, {}
    for name, items, item in SMALL:
        file = IdxFile(name, items, item, "")
        first = 60 if name.startswith("t10k") else 0
        values = np.arange(first, first + items, dtype=np.uint8)
        numbers[name] = values
        body = np.repeat(values, 784) if item else values % 10
        contents[name] = file.header + body.tobytes()
        table.append(file._replace(sha256=hashlib.sha256(contents[name]).hexdigest()))
    monkeypatch.setattr(mnist, "FILES", tuple(table))
    return contents


def lay_down(folder: Path, contents: dict[str, bytes], *, gzipped: bool = False) -> Path:
    folder.mkdir(exist_ok=True)
    for name, data in contents.items():
        (folder / (f"{name}.gz" if gzipped else name)).write_bytes(gzip.compress(data) if gzipped else data)
    return folder


def test_the_table_is_that_of_the_real_files() -> None:
    assert {file.name: file.size_bytes for file in FILES} == {
        "train-images-idx3-ubyte": 47_040_016,
        "train-labels-idx1-ubyte": 60_008,
        "t10k-images-idx3-ubyte": 7_840_016,
        "t10k-labels-idx1-ubyte": 10_008,
    }
    assert FILES[0].header == bytes.fromhex("00000803 0000ea60 0000001c 0000001c")
    assert FILES[3].header == bytes.fromhex("00000801 00002710")


@pytest.mark.parametrize("gzipped", [False, True])
def test_all_digits_are_split_between_training_and_test_with_their_labels(
    forged: dict[str, bytes], tmp_path: Path, gzipped: bool
) -> None:
    ticks: list[None] = []
    digits = read(lay_down(tmp_path / "m", forged, gzipped=gzipped), tick=lambda: ticks.append(None))
    assert len(ticks) == 4
    assert digits.training_pixels.shape == (46, 784)  # of 70, two thirds as with 46,900 of 70,000
    assert digits.test_pixels.shape == (24, 784)
    assert sorted([*digits.training_pixels[:, 0], *digits.test_pixels[:, 783]]) == list(range(70))
    assert (digits.training_labels == digits.training_pixels[:, 5] % 10).all()
    assert (digits.test_labels == digits.test_pixels[:, 5] % 10).all()
    assert digits.training_pixels.flags.c_contiguous


def test_the_split_is_always_the_same_and_mixes_both_parts(forged: dict[str, bytes], tmp_path: Path) -> None:
    folder = lay_down(tmp_path / "m", forged)
    one, other = read(folder), read(folder)
    assert (one.training_pixels == other.training_pixels).all()
    order = np.random.RandomState(0).permutation(70)
    assert one.test_pixels[:, 0].tolist() == order[:24].tolist()
    assert one.training_pixels[:, 0].tolist() == order[24:].tolist()
    assert 0 < (one.test_pixels[:, 0] >= 60).sum() < 10


def test_fewer_samples_are_the_first_of_all(forged: dict[str, bytes], tmp_path: Path) -> None:
    folder = lay_down(tmp_path / "m", forged)
    some, whole = read(folder, training=7, test=3), read(folder)
    assert (some.training_pixels == whole.training_pixels[:7]).all()
    assert (some.test_labels == whole.test_labels[:3]).all()


def test_names_with_a_dot_are_found_too(forged: dict[str, bytes], tmp_path: Path) -> None:
    dotted = {name.replace("-idx", ".idx"): data for name, data in forged.items()}
    assert len(read(lay_down(tmp_path / "m", dotted)).training_labels) == 46


def complaint(folder: Path) -> str:
    with pytest.raises(MnistError) as caught:
        read(folder)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none").startswith(f"{tmp_path / 'none'} is no folder: put the four")


def test_a_missing_file_is_named(forged: dict[str, bytes], tmp_path: Path) -> None:
    folder = lay_down(tmp_path / "m", forged)
    (folder / "t10k-labels-idx1-ubyte").unlink()
    assert "holds neither t10k-labels-idx1-ubyte nor t10k-labels-idx1-ubyte.gz" in complaint(folder)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[:-5], "it has only 47051 bytes, not 47056"),
        (lambda data: data + b"x", "it has more bytes, not 47056"),
        (lambda data: b"", "does not begin with 00 00 08 03"),
        (lambda data: b"\x00\x00\x08\x01" + data[4:], "does not begin with 00 00 08 03"),
        (lambda data: b"<html>not found</html>", "does not begin with 00 00 08 03"),
        (lambda data: data[:-1] + b"\xff", "damaged or another data set: its sha256 is "),
    ],
)
def test_a_file_that_is_not_mnists_is_refused(
    forged: dict[str, bytes], tmp_path: Path, damage: object, words: str
) -> None:
    forged["train-images-idx3-ubyte"] = damage(forged["train-images-idx3-ubyte"])  # type: ignore[operator]
    text = complaint(lay_down(tmp_path / "m", forged))
    assert words in text
    assert "train-images-idx3-ubyte" in text


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-20], lambda data: b"no gzip at all", lambda data: data[:40] + b"\xff" * 9 + data[49:]],
)
def test_a_damaged_gzip_file_is_refused(forged: dict[str, bytes], tmp_path: Path, damage: object) -> None:
    folder = lay_down(tmp_path / "m", forged, gzipped=True)
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    assert complaint(folder).startswith(f"{path} is damaged")


def test_a_file_that_grows_without_end_is_not_read_to_its_end(forged: dict[str, bytes], tmp_path: Path) -> None:
    name = "train-labels-idx1-ubyte"
    forged[name] += bytes(50_000_000)
    assert "it has more bytes, not 68" in complaint(lay_down(tmp_path / "m", forged, gzipped=True))


class Quiet(http.server.SimpleHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


class Server:
    """A mirror on this machine."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        handler = type("Handler", (Quiet,), {"asked": self.asked})
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}/"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server(forged: dict[str, bytes], tmp_path: Path) -> Iterator[Server]:
    made = Server(lay_down(tmp_path / "served", forged, gzipped=True))
    yield made
    made.http.shutdown()
    made.http.server_close()


def test_a_download_is_made_once_and_read(server: Server, tmp_path: Path) -> None:
    ticks: list[None] = []
    cache = tmp_path / "cache" / "mnist"
    assert download(cache, lambda: ticks.append(None), (server.address,)) == cache
    assert len(server.asked) == 4
    assert ticks
    assert len(read(cache).training_labels) == 46
    download(cache, None, (server.address,))
    assert len(server.asked) == 4
    assert sorted(path.name for path in cache.iterdir()) == sorted(f"{name}.gz" for name, *_ in SMALL)


def test_a_damaged_file_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    cache = download(tmp_path / "cache", None, (server.address,))
    path = cache / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-3])
    download(cache, None, (server.address,))
    assert server.asked[4:] == ["/t10k-labels-idx1-ubyte.gz"]
    read(cache)


def test_the_second_mirror_serves_where_the_first_does_not(server: Server, tmp_path: Path) -> None:
    download(tmp_path / "cache", None, (server.address + "nothing/here/", server.address))
    assert len(server.asked) == 8
    read(tmp_path / "cache")


def test_a_mirror_that_serves_something_else_leaves_nothing_behind(server: Server, tmp_path: Path) -> None:
    served = tmp_path / "served" / "train-images-idx3-ubyte.gz"
    served.write_bytes(gzip.compress(b"another set"))
    with pytest.raises(MnistError, match="what came is not MNIST's") as caught:
        download(tmp_path / "cache", None, (server.address,))
    assert "--data FOLDER" in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_a_network_one_line_says_what_to_do(forged: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(MnistError) as caught:
        download(tmp_path / "cache", None, ("http://127.0.0.1:9/",))
    text = str(caught.value)
    assert text.startswith("train-images-idx3-ubyte.gz could not be downloaded (127.0.0.1:9: ")
    assert "refused" in text
    assert "--data FOLDER" in text
    assert "\n" not in text


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MnistError, match="cannot be made"):
        download(tmp_path / "file" / "mnist")


def test_pooch_is_not_imported_to_read() -> None:
    code = "import sys, cudadoctor.dbn.mnist; sys.exit('pooch' in sys.modules or 'requests' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
