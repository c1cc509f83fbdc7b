"""From a set's files, or from nothing, to its three parts: one function per kind of source."""

from collections.abc import Callable, Sequence
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

from golden.data.files import Images, read_cifar, read_idx_folder
from golden.data.mnist1d import signals
from golden.data.photos import grey
from golden.data.sets import DataError, DataSet, Split, divide, standardise, unit_range
from golden.data.text import language, translation

__all__ = [
    "SUBWORDS",
    "Reader",
    "cifar",
    "digits",
    "idx",
    "mnist1d",
    "packed",
    "photos",
    "pydoc_topics",
    "sentences",
    "text_files",
]

Reader = Callable[[str, Path, int], DataSet]
"""(name, path of the set's file or folder, tokens of context) -> the set."""

SUBWORDS, _PAIR_SUBWORDS = 512, 2000


def _images(name: str, classes: int, parts: Sequence[Split]) -> DataSet:
    train, validation, test = parts
    return DataSet(name=name, kind="images", classes=classes, train=train, validation=validation, test=test)


def digits(name: str, path: Path, context: int) -> DataSet:
    """scikit-learn's handwritten digits; pixels are sixteenths, exact in FP32."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataError(f'{name}: scikit-learn is missing: pip install "scikit-learn>=1.6"') from None
    found = load_digits()
    x = (found.images[..., None] / 16).astype(np.float32)
    return _images(name, 10, divide(name, x, found.target.astype(np.int64), 360, 360))


def packed(validation: int, test: int) -> Reader:
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


def idx(name: str, path: Path, context: int) -> DataSet:
    """A folder with the four idx files of MNIST or Fashion-MNIST."""
    return _with_own_test(name, read_idx_folder(path), 10, validation=5000, colour=False)


def cifar(layout: tuple[list[str], list[str], bytes], classes: int) -> Reader:
    """A folder of python batches, in one of the two layouts of `files`."""
    return lambda name, path, context: _with_own_test(name, read_cifar(path, layout), classes, 5000, colour=True)


def mnist1d(name: str, path: Path, context: int) -> DataSet:
    """Signals as images of one row; the last 1,000 are the package's own test part."""
    x, y = signals()
    x = x[:, None, :, None]
    return _images(name, 10, [*divide(name, x[:4000], y[:4000], 500), Split(x[4000:], y[4000:])])


def photos(colour: bool) -> Reader:
    """Patches that `fetch` left in an .npz; colour and grey test on the same ones."""

    def loader(name: str, path: Path, context: int) -> DataSet:
        with np.load(path) as file:
            x, y = file["x"], file["y"].astype(np.int64)
        x = unit_range(x) if colour else grey(x)
        parts = divide("photos", x, y, 2000, 2000)
        return _images(name, 12, standardise(parts) if colour else parts)

    return loader


def pydoc_topics(subwords: int | None) -> Reader:
    """The help texts that come with CPython, in the order of their names."""

    def loader(name: str, path: Path, context: int) -> DataSet:
        text = "\n".join(topics[key] for key in sorted(topics))
        return language(name, text, subwords=subwords, context=context)

    return loader


def sentences(name: str, path: Path, context: int) -> DataSet:
    """A file of pairs, source and target with a tab between."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return translation(name, [(row[0], row[1]) for row in rows], subwords=_PAIR_SUBWORDS)


def text_files(name: str, context: int) -> DataSet:
    """chars:FILE, subwords:FILE, or pairs:SOURCE,TARGET with one sentence a line; the parts do not depend on paths."""
    kind, _, rest = name.partition(":")
    texts = []
    for path in rest.split(",") if kind == "pairs" else [rest]:
        try:
            texts.append(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from None
    if kind != "pairs":
        return language(kind, texts[0], subwords=SUBWORDS if kind == "subwords" else None, context=context)
    lines = [text.splitlines() for text in texts]
    if len(lines) != 2 or len(lines[0]) != len(lines[1]):
        counts = " and ".join(str(len(part)) for part in lines)
        raise DataError(f"{name}: {counts} lines; two files of as many lines each")
    return translation(kind, list(zip(*lines, strict=True)), subwords=_PAIR_SUBWORDS)
