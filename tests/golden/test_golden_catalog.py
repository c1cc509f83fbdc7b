"""Format facts and names."""

import subprocess
import sys

import pytest
from golden_support import msfp

import golden
from golden.catalog import bfp, get_format


@pytest.mark.parametrize(
    ("name", "canonical"),
    [("bfp4x64", "bfp4x64"), ("hbfp4x64", "bfp4x64"), ("hbfp4", "bfp4x64"), ("BFP6x16e8", "bfp6x16e8")],
)
def test_names_and_aliases(name, canonical):
    assert get_format(name).name == canonical
    assert get_format(get_format(name).name) == get_format(name)


def test_catalogue_lists_names_that_resolve():
    names = golden.list_formats()
    assert "bfp4x64" in names
    assert [get_format(name).name for name in names] == names


@pytest.mark.parametrize(("name", "nearest"), [("bfp4y64", "bfp4x64"), ("fp8x576", "bfp8x576"), ("", "bfp")])
def test_unknown_name_names_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=f"did you mean '{nearest}"):
        get_format(name)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((1, 64), r"mantissa 1: 2\.\.16"),
        ((17, 64), r"mantissa 17: 2\.\.16"),
        ((4, 0), r"block 0: 1\.\.1024"),
        ((4, 1025), r"block 1025: 1\.\.1024"),
        ((4, 64, 4), r"exponent 4: 5\.\.10"),
        ((4, 64, 11), r"exponent 11: 5\.\.10"),
    ],
)
def test_sizes_out_of_range(sizes, message):
    with pytest.raises(ValueError, match=message):
        bfp(*sizes)


@pytest.mark.parametrize(
    ("fmt", "bits", "lowest", "highest", "poison"),
    [
        (bfp(4, 64), 64 * 4 + 10, -512, 510, 0x1FF),
        (bfp(8, 3, 5), 29, -16, 14, 0xF),
        (msfp(3), 16 * 4 + 8, -127, 127, 255),
        (msfp(7), 16 * 8 + 8, -127, 127, 255),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_stored_facts(fmt, bits, lowest, highest, poison):
    """The table of formats.md 0.9."""
    scale = fmt.scale
    assert (fmt.bits, scale.lowest, scale.highest, scale.poison_code) == (bits, lowest, highest, poison)
    assert [scale.decode(scale.encode(e)) for e in range(lowest, highest + 1)] == list(range(lowest, highest + 1))


def test_formats_load_without_numpy():
    code = "import sys, golden.formats, golden.catalog, golden.reference; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        golden.quantise  # noqa: B018
