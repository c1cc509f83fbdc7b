"""Delay of a mapped netlist by OpenSTA, which sees through adder cells: worst arrival, without wires."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from hdl.yosys import ToolMissing

__all__ = ["arrival", "find_sta"]

_SCRIPT = """
read_liberty cells.lib
read_verilog mapped.v
link_design {top}
{clock}
set_cmd_units -time ps
report_checks {option} -path_delay max -digits 1
exit
"""
# A period so long that nothing is late. Inputs come with the clock's edge.
_CLOCK = """
create_clock -name clock -period 1000000 [get_ports {clock}]
set_input_delay 0 -clock clock [all_inputs]
set_output_delay 0 -clock clock [all_outputs]
"""


def find_sta(program: str) -> str:
    """Absolute path of OpenSTA. Raises ToolMissing."""
    path = shutil.which(program)
    if path is None:
        raise ToolMissing(f"--sta {program}: no such program; Debian and Ubuntu have it in the package opensta")
    return str(Path(path).resolve())


def arrival(
    netlist: str, top: str, clock: str | None, liberty: str, sta: str, *, timeout: float | None = None
) -> float:
    """Picoseconds from inputs (or the clock's edge) to the latest output or register input of `netlist`.

    netlist is Verilog of the cells of `liberty`, the text of a Liberty file. Raises ValueError if OpenSTA cannot tell,
    subprocess.TimeoutExpired.
    """
    with tempfile.TemporaryDirectory(prefix="narrowgauge-") as name:
        folder = Path(name)
        (folder / "cells.lib").write_text(liberty)
        (folder / "mapped.v").write_text(netlist)
        clocked = _CLOCK.format(clock=clock) if clock else ""
        script = _SCRIPT.format(top=top, clock=clocked, option="" if clock else "-unconstrained")
        (folder / "time.tcl").write_text(script)
        done = subprocess.run(
            [sta, "-no_init", "-no_splash", "-exit", "time.tcl"],
            cwd=folder,
            timeout=timeout,
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.search(r"^ *([\d.]+) +data arrival time", done.stdout, re.MULTILINE)
    if found is None:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise ValueError(f"OpenSTA found no path: {lines[-1] if lines else 'no output'}")
    return float(found[1])
