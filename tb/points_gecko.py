"""Test points of the Gecko units, counted in tensors."""

from collections.abc import Callable
from typing import Any

import numpy as np

from golden.gecko.descriptor import LANES, ROWS, Mode
from tb.gecko_facts import Facts, GeckoView
from tb.gecko_tensors import Config, violations
from tb.testpoints import Need, Point

__all__ = ["GeckoView", "gecko_points"]


def _point(name: str, holds: Callable[[Facts], Any], *needs: Need) -> Point:
    return Point(name, lambda view: np.array([bool(holds(t)) for t in view.tensors]), needs)


_MASKS = Need("zero masks", lambda c: c["zero_mask"] == "on")


def _exponent_bits(ne: int) -> Point:
    return _point(f"{ne} exponent bits", lambda t: t.d.exponent_bits == ne)


def _mode(mode: Mode) -> Point:
    return _point(f"mode {mode.name.lower()}", lambda t: t.d.mode is mode)


def _last_row(count: int) -> Point:
    return _point(f"last row of {count}", lambda t: t.d.length and (t.d.length - 1) % LANES + 1 == count)


def _last_group(rows: int) -> Point:
    return _point(f"last group of {rows}", lambda t: t.d.rows and (t.d.rows - 1) % ROWS + 1 == rows)


_TENSORS = [
    *map(_exponent_bits, range(1, 9)),
    *map(_mode, Mode),
    _point("empty tensor", lambda t: t.d.length == 0),
    _point("a single value", lambda t: t.d.length == 1),
    *map(_last_row, (1, 7, 8)),
    *map(_last_group, (1, 7, 8)),
    _point("several groups", lambda t: t.d.groups > 1),
    _point("masks in mode delta", lambda t: t.d.zero_mask and t.d.mode is Mode.DELTA, _MASKS),
    _point("masks in mode fixed", lambda t: t.d.zero_mask and t.d.mode is Mode.FIXED, _MASKS),
]
_CODERS = [
    _point("late end", lambda t: t.d.length and t.inputs["i"]["count"][-1] == 0),
    _point("row of width 0", lambda t: (t.widths == 0).any()),
    _point("row of the largest width", lambda t: (t.widths == t.d.exponent_bits - 1).any()),
    _point("largest width at 8 bits", lambda t: (t.widths == 7).any()),
    _point("difference of -H", lambda t: t.minus_zero.any()),
    _point(
        "-H alone widens its row",
        lambda t: (t.minus_zero.any(axis=0) & (t.coder.codes >> 1 < 1 << t.d.exponent_bits >> 2).all(axis=0)).any(),
    ),
    _point("difference wraps", lambda t: t.wraps.any()),
    _point("masked base", lambda t: t.zero[:, :, 0].any() and t.d.mode is Mode.DELTA, _MASKS),
    _point("masked base and others in its column", lambda t: (t.zero[:, :, :1] & ~t.zero & t.exists).any(), _MASKS),
    _point("group without zeros under masks", lambda t: t.d.zero_mask and (~t.zero).all(axis=(0, 2)).any(), _MASKS),
    _point("groups with and without a mask", lambda t: t.coder.mask_bits.any() and not t.coder.mask_bits.all(), _MASKS),
    _point("short group with a mask", lambda t: t.d.rows % ROWS and t.coder.mask_bits[-1:].any(), _MASKS),
    _point("only zeros", lambda t: t.d.length and (t.zero == t.exists).all(), _MASKS),
]
_PACKER = [
    _point("row of 0 bits", lambda t: (t.row_bits == 0).any()),
    _point("row of a whole word", lambda t: (t.row_bits == t.word).any()),
    _point("no beats", lambda t: t.d.length and t.row_bits.sum() == 0),
    _point("last beat just full", lambda t: t.row_bits.sum() and t.row_bits.sum() % t.word == 0),
    _point(
        "last row fills a beat and begins another",
        lambda t: t.row_bits[:-1].sum() // t.word < t.row_bits.sum() // t.word and t.row_bits.sum() % t.word,
    ),
    _point("sign error", lambda t: violations(t.bits, t.d)["sign"].any()),
    _point("window error", lambda t: violations(t.bits, t.d)["window"].any()),
    _point(
        "window error on code 0 alone",
        lambda t: (bad := violations(t.bits, t.d)["window"]).any() and (t.field[bad] == t.d.offset).all(),
    ),
    _point("NaN error", lambda t: violations(t.bits, t.d)["nan"].any()),
    _point(
        "error in the last row alone",
        lambda t: (bad := np.logical_or.reduce(list(violations(t.bits, t.d).values())))[-1:].any() and bad.sum() == 1,
    ),
    _point("quiet bit keeps a NaN", lambda t: t.d.mantissa_bits and t.quieted.any()),
    _point("infinity", lambda t: ((t.field == 255) & (t.fraction == 0)).any()),
    _point("minus zero kept", lambda t: (t.minus & (t.d.exponent_bits == 8)).any() and not t.d.sign_elided),
    _point("subnormal kept", lambda t: t.subnormal.any() and t.d.exponent_bits == 8),
    _point("subnormal or minus zero becomes +0", lambda t: (t.subnormal | t.minus).any() and t.d.exponent_bits < 8),
    _point("no mantissa", lambda t: t.d.mantissa_bits == 0),
    _point("whole mantissa", lambda t: t.d.mantissa_bits == t.d.source.mantissa_bits),
    _point("window wraps", lambda t: t.d.offset + (1 << t.d.exponent_bits) > 256 and t.d.exponent_bits < 8),
]
_DECODERS = [
    _point("no error in the metadata", lambda t: t.d.metadata_bytes and not t.wrong.any()),
    _point("width above ne - 1", lambda t: (t.differences & (t.fields >= t.d.exponent_bits)).any()),
    _point("mode field 2..7", lambda t: t.d.mode is Mode.DELTA and (t.fields[:, 0] > 1).any()),
    _point(
        "mode field 1 without a mask",
        lambda t: t.d.mode is Mode.DELTA and not t.d.zero_mask and (t.fields[:, 0] == 1).any(),
    ),
    _point("mode field 1 and a mask", lambda t: t.d.zero_mask and (t.fields[:, 0] == 1).any(), _MASKS),
    _point("field of a missing row", lambda t: t.d.metadata_bytes and t.fields.reshape(-1)[t.d.rows :].any()),
    _point("legal group after an illegal one", lambda t: t.wrong[:-1].any() and not t.wrong[-1]),
    _point("error in the last group alone", lambda t: t.d.groups > 1 and t.wrong[-1] and not t.wrong[:-1].any()),
]
_UNPACKER = [
    _point("beats missing", lambda t: t.beats < 0),
    _point("all beats missing", lambda t: t.beats < 0 and len(t.inputs["data"]["word"]) == 0),
    _point("one beat too many", lambda t: t.beats == 1),
    _point("beats too many", lambda t: t.beats > 1),
    _point("beats for an empty tensor", lambda t: t.beats > 0 and t.d.length == 0),
    _point("no beats needed", lambda t: t.d.length and t.beats == len(t.inputs["data"]["word"])),
]


def gecko_points(config: Config) -> list[Point]:
    """Test points of a unit."""
    own = {
        "gecko_encoder": _CODERS,
        "gecko_decoder": _DECODERS,
        "container_pack": _CODERS + _PACKER,
        "container_unpack": _DECODERS + _UNPACKER,
    }
    return _TENSORS + own[config["unit"]]
