"""The examples of docs/formats-notes.md run and print what they say."""

import doctest

from golden_support import DATA


def test_examples_of_the_notes():
    result = doctest.testfile(str(DATA.parent.parent / "docs" / "formats-notes.md"), module_relative=False)
    assert result.attempted >= 12
    assert result.failed == 0
