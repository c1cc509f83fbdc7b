"""What Gecko does to real tensors: `python -m golden.gecko study network.npz ...`.

Every number is the codec's exact size count. Part one: exponent ratios of each weight (w*), activation (x*) and
gradient (g*) of every file, by mode, and their sums by kind. Part two: whole footprints of each network after trimming
as learned bit lengths do (policies.md 1, 2): top wm mantissa bits, a QE_MAX window of ne exponent bits; Gecko's
cheapest mode, bypass included, beside plain containers.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.gecko.descriptor import Descriptor, Mode, Source
from golden.gecko.ratios import qe_max_window
from golden.gecko.size import choose, measure
from golden.gecko.stat import entropy
from golden.gecko.values import codes_of

__all__ = ["KINDS", "TRIMS", "Networks", "exponent_study", "footprint_study", "kind_study", "study_table", "tensors_of"]

Networks = Mapping[str, Mapping[str, NDArray[np.uint32]]]  # name -> tensor -> FP32 bit patterns

KINDS = {"w": "weights", "x": "activations", "g": "gradients"}
TRIMS = ((1, 3), (2, 3), (1, 4), (2, 4), (2, 5), (7, 8))  # (wm, ne) as QM and QE learn them; then BF16
_MODES = ((Mode.DELTA, False), (Mode.DELTA, True), (Mode.FIXED, False), (Mode.FIXED, True))


def tensors_of(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.uint32]]:
    """FP32 bit patterns, flat in memory order, of every array whose name says what it is. Raises ValueError if none."""
    found = {
        name: np.ascontiguousarray(array).view(np.uint32).reshape(-1)
        for name, array in arrays.items()
        if name[0] in KINDS and name[1:].isdigit() and array.dtype == np.float32
    }
    if not found:
        raise ValueError("no float32 arrays named w1, x1, g1, ...")
    return found


def exponent_study(networks: Networks) -> list[dict[str, Any]]:
    """Per tensor: cost of its exponents over 8 bits a value by mode, each with its cheapest bias; zeros; entropy."""
    return [_exponents(network, name, bits) for network, t in networks.items() for name, bits in t.items()]


def _exponents(network: str, name: str, bits: NDArray[np.uint32]) -> dict[str, Any]:
    ratios = {}
    for mode, masked in _MODES:
        best = choose(bits, Source.FP32, mode=mode, zero_mask=masked)
        ratios[mode.name.lower() + (" + mask" if masked else "")] = round(measure(bits, best).exponent_ratio(8), 4)
    plain = Descriptor(source=Source.FP32, length=bits.size, mantissa_bits=23)
    facts = {"network": network, "tensor": name, "kind": KINDS[name[0]], "values": bits.size}
    zeros = round(float(np.mean((bits & 0x7FFFFFFF) == 0)), 4)
    return facts | {"zeros": zeros, **ratios, "entropy": round(entropy(codes_of(bits, plain)) / 8, 4)}


def kind_study(exponents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of `exponent_study` summed by network and kind: every ratio weighted with its values."""
    sums = []
    for network, kind in dict.fromkeys((row["network"], row["kind"]) for row in exponents):
        rows = [row for row in exponents if (row["network"], row["kind"]) == (network, kind)]
        values = [row["values"] for row in rows]
        means = {
            key: round(float(np.average([row[key] for row in rows], weights=values)), 3)
            for key in list(exponents[0])[list(exponents[0]).index("zeros") :]
        }
        sums.append({"network": network, "kind": kind, "values": sum(values)} | means)
    return sums


def footprint_study(networks: Networks) -> list[dict[str, Any]]:
    """Per network and trim: bits a value over weights and activations, plain and coded, and how much below FP32."""
    rows = []
    for network, tensors in networks.items():
        stashed = [bits for name, bits in tensors.items() if name[0] in "wx"]
        rows += [{"network": network} | _footprint(stashed, wm, ne) for wm, ne in TRIMS]
    return rows


def _footprint(stashed: Iterable[NDArray[np.uint32]], wm: int, ne: int) -> dict[str, Any]:
    plain = coded = masked = values = 0
    for bits in stashed:
        kept, offset = qe_max_window(bits, Source.FP32, ne)
        facts: dict[str, Any] = {"exponent_bits": ne, "offset": offset, "mantissa_bits": wm}
        plain += measure(kept, Descriptor(source=Source.FP32, length=kept.size, **facts)).total
        coded += measure(kept, choose(kept, Source.FP32, **facts)).total
        masked += measure(kept, choose(kept, Source.FP32, zero_mask=None, **facts)).total
        values += kept.size
    row: dict[str, Any] = {"mantissa_bits": wm, "exponent_bits": ne}
    for name, bits_in_all in (("plain", plain), ("gecko", coded), ("gecko, mask allowed", masked)):
        row |= {f"{name}: bits per value": round(bits_in_all / values, 3)}
        row |= {f"{name}: over FP32": round(32 * values / bits_in_all, 3)}
    return row


_ON_EXPONENTS = """
Published, from memory of the paper (gecko.md 5): about 0.56 for weights, 0.52 for activations. Weights agree in every
network here: their exponents spread like a Gaussian's, which gives 0.57 in `delta` mode whatever the layer. Activations
agree where zeros do not count. Behind a ReLU half of them or more are exact zeros, whose exponent lies far from any
base, so that without a mask little or nothing is gained; with it, in `fixed` mode, the published figure is reached or
passed. Images and pooled gradients have longer runs of zeros, whose rows cost nothing even without one. Activations
that are never zero (SiLU, `mnist_mlp`) need no mask. Gradients of the last layers spread too widely to gain much.
"""

_ON_FOOTPRINTS = """
Published, relative to FP32: 4.74 with learned lengths, 5.64 with Gecko on top. 4.74 is 6.75 bits a value: a sign, one
or two mantissa bits and three or four exponent bits, as in the plain columns. The step to 5.64 saves 1.08 bits a value.
What Gecko saves here without mask, at (wm, ne):

{saved}

A narrow window leaves exponents close to their entropy, so that base and widths cost what they save: at three bits no
weight gains anything, only images and the feature maps next to them do, whose neighbours are alike; at four bits most
tensors gain about half a bit. So the published step asks for more such correlation than there is here, as larger images
have, or for wider exponents. Lengths are set here, the same for all tensors of a row, not learned.
"""


def study_table(exponents: list[dict[str, Any]], footprints: list[dict[str, Any]]) -> str:
    """Both parts as Markdown tables, with the papers' figures and what the difference means."""
    parts = [
        "## Exponents of real tensors\n",
        "Cost of the exponents over 8 bits a value; 1 is uncompressed. `fixed` has its cheapest bias.\n",
        *_markdown(kind_study(exponents)),
        _ON_EXPONENTS,
        "Tensor by tensor, in the order of the layers:\n",
        *_markdown(exponents),
        "\n## Footprint after trimming, weights and activations\n",
        *_markdown(footprints),
        _ON_FOOTPRINTS.format(saved="\n".join(_savings(footprints))).rstrip(),
    ]
    return "\n".join(parts)


def _savings(footprints: list[dict[str, Any]]) -> list[str]:
    """A table of the bits a value that Gecko saves: a row for each network, a column for each trim."""
    rows: dict[str, dict[str, Any]] = {}
    for row in footprints:
        trim = f"({row['mantissa_bits']}, {row['exponent_bits']})"
        saving = row["plain: bits per value"] - row["gecko: bits per value"]
        rows.setdefault(row["network"], {"network": row["network"]})[trim] = f"{saving:.2f}"
    return _markdown(list(rows.values()))


def _markdown(rows: list[dict[str, Any]]) -> list[str]:
    head = list(rows[0])
    body = ["| " + " | ".join(str(row[key]) for key in head) + " |" for row in rows]
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *body]
