"""What a unit can be synthesised for, and the exact Yosys script of each.

`cmos` is technology-neutral: generic gates chosen for transistor count. The script bounds every step: ABC's SAT
sweeping (`scorr`, plain `ifraig`, unbounded `dch`) can run for minutes on trees of exclusive-ors and is left out.
`submodules` is the same with module borders kept, which is what a breakdown per part needs. `adders` keeps only the
adder modules of a compressor tree whole, `library` puts the adder cells of a Liberty file in their place. FPGA targets
are Yosys's stock scripts without memory primitives, pads and clock buffers.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synth.liberty import liberty_text

__all__ = ["ABC_AREA", "ADDERS", "FLIP_FLOPS", "TARGETS", "Target"]

_MODELS = Path(__file__).parent / "models"

ABC_AREA = "-script +strash;dc2;dc2;&get,-n;&nf,-p,-R,1000;&put"
_ABC = f"abc -g cmos {ABC_AREA}"

# Enables and synchronous resets become gates: what is left is one kind of flip-flop, which is counted. Emitted
# registers have no initial values; `x` would refuse any. No `opt` may follow: it would infer enables again.
FLIP_FLOPS = "dfflegalize -cell $_DFF_P_ x -mince 0 -minsrst 0"

# Adders of a compressor tree by type, whatever unit they belong to; `models.v` then says what a type is.
ADDERS = (
    *(f"chtype -set {kind} */t:{{top}}_{kind}" for kind in ("full_adder", "half_adder", "half_adder_plus")),
    "read_verilog models.v",
    "hierarchy -check -top {top}",
)

_CMOS_END = ("tee -q -o stat.json stat -json -tech cmos", "tee -q -o path.txt ltp -noff {top}")
_LIBRARY_END = ("tee -q -o stat.json stat -json -liberty cells.lib", "tee -q -o path.txt ltp -noff {top}")
_FPGA_END = ("tee -q -o stat.json stat -json", "techmap -autoproc -map models.v")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One way to synthesise. `commands` take the unit from modules to mapped cells ({top} is the top module's name).

    luts, flip_flops, carries, dsps: FPGA cell types and how many of the resource each takes.
    model: the techmap file that turns the target's cells back into Yosys primitives, or the adders' definitions.
    flatten: commands after the figures that leave one flat module.
    liberty: text of the library that the target maps to, `cells.lib` to its script.
    models: text of the model file where it is not one of ours but made for that library.
    """

    name: str
    summary: str
    commands: tuple[str, ...]
    model: str = ""
    flatten: tuple[str, ...] = ()
    liberty: str = ""
    models: str = ""
    luts: Mapping[str, int] = field(default_factory=dict)
    flip_flops: tuple[str, ...] = ()
    carries: tuple[str, ...] = ()
    dsps: tuple[str, ...] = ()

    @property
    def is_fpga(self) -> bool:
        """Whether the cells are those of an FPGA."""
        return bool(self.luts)

    @property
    def script(self) -> tuple[str, ...]:
        """All commands, from unit.v to stat.json, path.txt (longest path, gates only), netlist.v (flat)."""
        return (
            "read_verilog unit.v",
            "hierarchy -check -top {top}",
            *self.commands,
            "delete */t:$scopeinfo",
            *(_FPGA_END if self.is_fpga else _LIBRARY_END if self.liberty else _CMOS_END),
            *self.flatten,
            "flatten",
            "opt_clean",
            # a cell that its model refuses, or that has none, would be simulated as nothing
            "select -assert-none t:* t:$* %d",
            "setattr -unset init */w:*",
            "write_verilog -noattr netlist.v",
        )

    @property
    def sha256(self) -> str:
        """Of the script, and of the cell models it uses."""
        texts = (*self.script, self.model_text, *([self.liberty] if self.liberty else []))
        return hashlib.sha256("\n".join(texts).encode()).hexdigest()

    @property
    def model_text(self) -> str:
        """Contents of the model file."""
        return (_MODELS / self.model).read_text(encoding="utf-8") if self.model else self.models


def _xilinx(name: str, summary: str, option: str = "") -> Target:
    return Target(
        name=name,
        summary=summary,
        commands=(
            "synth_xilinx -family xcup -flatten -nobram -nolutram -nosrl -noiopad -noclkbuf -top {top}" + option,
        ),
        model="xilinx.v",
        # an inverter takes a lookup table unless the placer can absorb it: counted
        luts={"LUT1": 1, "LUT2": 1, "LUT3": 1, "LUT4": 1, "LUT5": 1, "LUT6": 1, "INV": 1},
        flip_flops=("FDRE", "FDSE"),
        carries=("CARRY4", "CARRY8"),
        dsps=("DSP48E2",),
    )


TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        Target(
            name="cmos",
            summary="generic gates, flattened; estimated transistors, gate equivalents and depth",
            commands=("synth -flatten -noabc -top {top}", FLIP_FLOPS, "opt_clean", _ABC, "opt_clean"),
        ),
        Target(
            name="submodules",
            summary="generic gates with module borders kept: the breakdown",
            commands=("synth -noabc -top {top}", FLIP_FLOPS, "opt_clean", _ABC, "opt_clean"),
        ),
        Target(
            name="adders",
            summary="generic gates, flattened but for the adders of compressor trees, which stay whole",
            commands=(*ADDERS, "synth -flatten -noabc -top {top}", FLIP_FLOPS, "opt_clean", _ABC, "opt_clean"),
            model="adders.v",
            flatten=(
                "setattr -mod -unset keep_hierarchy =*",
                "flatten",
                "opt_clean",
                "tee -q -o path.txt ltp -noff {top}",
            ),
        ),
        Target(
            name="library",
            summary="the cells of synth/liberty.py, adders included; area in gate equivalents",
            commands=(
                "libcache -scl -disable",
                "read_liberty -lib cells.lib",
                *ADDERS,
                "synth -flatten -noabc -top {top}",
                FLIP_FLOPS,
                "opt_clean",
                "dfflibmap -liberty cells.lib",
                f"abc -liberty cells.lib {ABC_AREA}",
                "opt_clean",
            ),
            model="library.v",
            flatten=("read_liberty -overwrite cells.lib",),
            liberty=liberty_text(),
        ),
        Target(
            name="ice40",
            summary="Lattice iCE40, 4-input tables",
            commands=("synth_ice40 -nobram -top {top}",),
            model="ice40.v",
            luts={"SB_LUT4": 1},
            flip_flops=("SB_DFF", "SB_DFFE", "SB_DFFSR", "SB_DFFSS", "SB_DFFESR", "SB_DFFESS"),
            carries=("SB_CARRY",),
        ),
        _xilinx("xilinx", "AMD UltraScale+, 6-input tables, without DSP blocks", " -nodsp"),
        _xilinx("xilinx-dsp", "AMD UltraScale+ with DSP blocks"),
        Target(
            name="ecp5",
            summary="Lattice ECP5, 4-input tables, without DSP blocks",
            commands=("synth_ecp5 -nobram -nolutram -nodsp -noiopad -top {top}",),
            model="ecp5.v",
            # a carry cell has both of its slice's tables inside
            luts={"LUT4": 1, "CCU2C": 2},
            flip_flops=("TRELLIS_FF",),
            carries=("CCU2C",),
        ),
    )
}
