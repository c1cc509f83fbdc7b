"""The 256-bit descriptor: its layout bit by bit, and every illegal case of gecko.md 4."""

from dataclasses import replace

import pytest

from golden.gecko.descriptor import Descriptor, GeckoError, Mode, Source

FULL = Descriptor(
    source=Source.FP32,
    length=0xA1B2C3D4E5F6,
    mode=Mode.FIXED,
    exponent_bits=6,
    mantissa_bits=19,
    bias=0x2B,
    offset=0x9C,
    sign_elided=True,
    zero_mask=True,
    data_address=0x0123456789ABCDEF,
    meta_address=0xFEDCBA9876543210,
)


def word(**fields):
    """A descriptor written by hand from gecko.md 4: {lowest bit: value}."""
    return sum(value << int(lsb[1:]) for lsb, value in fields.items()).to_bytes(32, "little")


def test_layout():
    expected = word(
        b0=0x0123456789ABCDEF, b64=0xFEDCBA9876543210, b128=0xA1B2C3D4E5F6, b176=1, b178=5, b181=19, b186=2, b188=1,
        b189=1, b192=0x2B, b200=0x9C,
    )  # fmt: skip
    assert FULL.to_bytes() == expected
    assert Descriptor.from_bytes(expected) == FULL


@pytest.mark.parametrize("bit", [190, 191, *range(208, 256)])
def test_reserved_bits(bit):
    flipped = int.from_bytes(FULL.to_bytes(), "little") | 1 << bit
    with pytest.raises(GeckoError, match=f"bit {bit} "):
        Descriptor.from_bytes(flipped.to_bytes(32, "little"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"b176": 2, "b178": 7}, "source 2: 0..1"),
        ({"b176": 0, "b178": 7, "b181": 8}, "mantissa_bits 8: 0..7"),
        ({"b176": 1, "b178": 7, "b181": 24}, "mantissa_bits 24: 0..23"),
        ({"b178": 2, "b192": 8}, "bias 8: 0..7"),
        ({"b178": 7, "b200": 1}, "offset 1: 0..0"),
        ({"b178": 7, "b186": 3}, "mode 3: 0..2"),
        ({"b178": 0, "b186": 1}, "1 exponent bit"),
        ({"b178": 0, "b186": 2}, "1 exponent bit"),
        ({"b178": 7, "b189": 1}, "zero_mask"),
    ],
)
def test_illegal(fields, message):
    with pytest.raises(GeckoError, match=message):
        Descriptor.from_bytes(word(**fields))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"length": -1}, "length -1: 0.."),
        ({"length": 1 << 48}, "length"),
        ({"exponent_bits": 0}, "exponent_bits 0: 1..8"),
        ({"exponent_bits": 9}, "exponent_bits 9: 1..8"),
        ({"mantissa_bits": -1}, "mantissa_bits -1: 0..23"),
        ({"data_address": 1 << 64}, "data_address"),
    ],
)
def test_out_of_range(facts, message):
    with pytest.raises(GeckoError, match=message):
        replace(FULL, **facts)


def test_not_32_bytes():
    with pytest.raises(GeckoError, match="31 bytes: 32"):
        Descriptor.from_bytes(bytes(31))


def test_geometry():
    d = replace(FULL, length=65)
    assert (d.rows, d.groups, d.tail_bits, d.metadata_bytes, d.beat_bytes) == (9, 2, 19, 6, 32)
    assert replace(d, mode=Mode.RAW, zero_mask=False).metadata_bytes == 0
