"""Our models of FPGA cells against the vendor models that Yosys carries: proved equal, cell by cell."""

import pytest

from hdl.yosys import YosysError, find_engine
from synth.flows import TARGETS

LUT_BITS = {1: "2'h1", 2: "4'h6", 3: "8'hd4", 4: "16'h8f2d", 5: "32'h3ac5_0f96", 6: "64'h9bd1_72c4_e8a3_5f06"}

# cell, parameters, inputs; with "output" wider than one bit its width
ICE40 = [
    ("SB_LUT4", f".LUT_INIT({LUT_BITS[4]})", "I0 I1 I2 I3", "O"),
    ("SB_CARRY", "", "I0 I1 CI", "CO"),
    *((name, "", inputs, "Q") for name, inputs in {"SB_DFF": "C D", "SB_DFFE": "C E D"}.items()),
    *((f"SB_DFF{e}SR", "", f"C {e} R D", "Q") for e in ("", "E")),
    *((f"SB_DFF{e}SS", "", f"C {e} S D", "Q") for e in ("", "E")),
]
XILINX = [
    ("INV", "", "I", "O"),
    *((f"LUT{n}", f".INIT({LUT_BITS[n]})", " ".join(f"I{k}" for k in range(n)), "O") for n in range(1, 7)),
    *((f"MUXF{n}", "", "I0 I1 S", "O") for n in (7, 8, 9)),
    ("CARRY4", "", "CI CYINIT DI:4 S:4", "CO:4 O:4"),
    ("FDRE", "", "C CE D R", "Q"),
    ("FDSE", "", "C CE D S", "Q"),
]
ECP5_LUTS = f".INIT0({LUT_BITS[4]}), .INIT1(16'h6e35)"
ECP5 = [
    ("LUT4", f".INIT({LUT_BITS[4]})", "A B C D", "Z"),
    ("PFUMX", "", "ALUT BLUT C0", "Z"),
    ("L6MUX21", "", "D0 D1 SD", "Z"),
    *(
        (
            "CCU2C",
            f'{ECP5_LUTS}, .INJECT1_0("{a}"), .INJECT1_1("{b}")',
            "CIN A0 B0 C0 D0 A1 B1 C1 D1",
            "COUT S0 S1",
        )
        for a in ("YES", "NO")
        for b in ("YES", "NO")
    ),
    *(
        ("TRELLIS_FF", f'.GSR("DISABLED"), .CEMUX("{ce}"), .REGSET("{to}")', "CLK LSR CE DI", "Q")
        for ce in ("1", "CE", "INV")
        for to in ("RESET", "SET")
    ),
]
FAMILIES = {
    "ice40": (ICE40, "-D ICE40_HX -D NO_ICE40_DEFAULT_ASSIGNMENTS +/ice40/cells_sim.v"),
    "xilinx": (XILINX, "+/xilinx/cells_sim.v"),
    "ecp5": (ECP5, "+/ecp5/cells_sim.v"),
}


def wrapper(cells):
    """One module with an instance of every cell; ports of instance k end in _k."""
    ports, instances = [], []
    for k, (cell, parameters, inputs, outputs) in enumerate(cells):
        pins = []
        for direction, names in (("input", inputs), ("output", outputs)):
            for name, _, width in (word.partition(":") for word in names.split()):
                ports.append(f"{direction} [{int(width or 1) - 1}:0] {name}_{k}")
                pins.append(f".{name}({name}_{k})")
        instances.append(f"  {cell} {f'#({parameters})' if parameters else ''} u{k} ({', '.join(pins)});")
    return f"module wrapper({', '.join(ports)});\n" + "\n".join(instances) + "\nendmodule\n"


def prove_models(cells, library, models, folder):
    (folder / "wrapper.v").write_text(wrapper(cells))
    (folder / "models.v").write_text(models)
    lower = ("hierarchy -check -top wrapper", "proc", "flatten", "setattr -unset init */w:*", "opt_clean")
    script = [
        *(
            "read_verilog wrapper.v",
            f"read_verilog -defer -nooverwrite {library}",
            *lower,
            "rename wrapper gold",
            "design -stash gold",
        ),
        *("read_verilog wrapper.v", "techmap -autoproc -map models.v", *lower, "rename wrapper gate"),
        *("design -copy-from gold -as gold gold", "miter -equiv -flatten gold gate miter", "hierarchy -top miter"),
        *("dffunmap", "opt_clean"),
        "sat -verify -prove trigger 0 -tempinduct -set-init-zero -maxsteps 4 -timeout 30 miter",
    ]
    find_engine().run(script, folder, timeout=60)


@pytest.mark.parametrize("family", FAMILIES)
def test_models_equal_the_vendor_models(family, tmp_path):
    cells, library = FAMILIES[family]
    prove_models(cells, library, TARGETS[family].model_text, tmp_path)


@pytest.mark.parametrize(
    ("family", "right", "wrong"),
    [
        ("ice40", "$_SDFFCE_PP0P_", "$_SDFFE_PP0P_"),  # reset before enable
        ("xilinx", "CO[1] : DI[2]", "CO[0] : DI[2]"),
        ("ecp5", "SD ? D1 : D0", "SD ? D0 : D1"),
    ],
)
def test_wrong_model_is_found(family, right, wrong, tmp_path):
    cells, library = FAMILIES[family]
    assert right in TARGETS[family].model_text
    with pytest.raises(YosysError, match="proof did fail"):
        prove_models(cells, library, TARGETS[family].model_text.replace(right, wrong, 1), tmp_path)
