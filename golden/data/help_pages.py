"""Aligned sentences from LibreOffice's help: a paragraph carries the same id in every language's page."""

from collections.abc import Iterable, Mapping
from html.parser import HTMLParser

__all__ = ["align", "paragraphs"]

_BLOCKS = {"p", "h1", "h2", "h3", "h4", "h5", "h6"}


class _Paragraphs(HTMLParser):
    """Collects id -> text of every paragraph and heading that has an id."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._id: str | None = None
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self._close()
            self._id = dict(attrs).get("id")

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._close()

    def handle_data(self, data: str) -> None:
        if self._id:
            self._text.append(data)

    def _close(self) -> None:
        text = " ".join("".join(self._text).split())
        if self._id and text:
            self.found[self._id] = text
        self._id, self._text = None, []


def paragraphs(page: str) -> dict[str, str]:
    """Texts of a help page by paragraph id, blanks made single."""
    parser = _Paragraphs()
    parser.feed(page)
    parser.close()
    return parser.found


def align(sources: Mapping[str, str], targets: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Pairs of paragraphs of pages (name -> HTML) present in both languages, in order of page and place.

    Paragraphs that read the same in both are left out: they are names and code.
    """
    for name in sorted(sources.keys() & targets.keys()):
        other = paragraphs(targets[name])
        for key, text in paragraphs(sources[name]).items():
            if key in other and other[key] != text:
                yield text, other[key]
