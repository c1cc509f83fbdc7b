"""Verilog to a simulator in under a second: runtime and precompiled header once per machine, one compile per unit.

Verilator's stock flow compiles its own runtime, cocotb's main and a mass of library headers anew for every unit. Here
those are built once (`runtime`), and a unit is one translation unit compiled against the precompiled header, linked
with the archive. Everything is cached by content (`tb.cache`): Verilog, flags, tool versions and the sources below.

Every model has `--x-initial unique --x-assign unique`: what a register holds at power-up is drawn at run time from an
initial-value seed, so that no result can come to depend on it unseen.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tb.cache import build_once, content_key
from tb.manifest import Manifest
from tb.toolchain import compiler, find_verilator, run_tool

__all__ = ["Model", "build_bulk", "build_cocotb", "native_lanes", "runtime"]

_HERE = Path(__file__).parent
_RUNTIME_SOURCES = ("verilated", "verilated_vpi", "verilated_dpi", "verilated_threads")
_HEADERS = ("verilated.h", "verilated_syms.h", "verilated_dpi.h", "verilated_vpi.h")
# A precompiled header is ignored unless all of these agree with the compile that uses it.
_FEATURES = ("COVERAGE", "SC", "TIMING", "TRACE_FST", "TRACE_SAIF")
# Functions are kept short: g++ -O2 needs minutes for a netlist of gates as one function, 15 s in pieces.
_VERILATE = (
    "-cc",
    "--output-split-cfuncs",
    "500",
    "--prefix",
    "Vm",
    "--quiet",
    "-Wno-fatal",
    "--x-initial",
    "unique",
    "--x-assign",
    "unique",
)

# cocotb's main includes "Vtop.h" and uses these members; behind a pointer, it compiles once for all units.
_MAIN_HEADER = """#pragma once
#include <cstdint>
class VerilatedTraceBaseC;
struct Vtop {
    void* model;
    Vtop(const char* name); ~Vtop();
    void eval_step(); void eval_end_step(); void final();
    bool eventsPending(); uint64_t nextTimeSlot();
    void trace(VerilatedTraceBaseC* file, int levels);
};
"""
_MAIN_GLUE = """
#define M static_cast<Vm*>(model)
Vtop::Vtop(const char* name) : model(new Vm(name)) {}
Vtop::~Vtop() { delete M; }
void Vtop::eval_step() { M->eval_step(); }
void Vtop::eval_end_step() { M->eval_end_step(); }
void Vtop::final() { M->final(); }
bool Vtop::eventsPending() { return M->eventsPending(); }
uint64_t Vtop::nextTimeSlot() { return M->nextTimeSlot(); }
#if VM_TRACE
void Vtop::trace(VerilatedTraceBaseC* file, int levels) { M->trace(file, levels); }
#endif
"""
# bulk_shim.cpp knows no unit; these five functions are all it needs of one. PORTS: one line per port.
_BULK_GLUE = """
#include <cstring>
#define M static_cast<Vm*>(model)
VerilatedModel* unit_new(VerilatedContext* context) { return new Vm{context}; }
void unit_delete(VerilatedModel* model) { delete M; }
void unit_eval(VerilatedModel* model) { M->eval(); }
void unit_final(VerilatedModel* model) { M->final(); }
void* unit_port(VerilatedModel* model, const char* name) {
PORTS    return nullptr;
}
"""


@dataclass(frozen=True, slots=True)
class Model:
    """A built unit: `path` is an executable (cocotb) or a shared library (bulk)."""

    path: Path
    manifest: Manifest
    top: str
    waves: bool
    seconds: float  # what building cost this time, runtime excluded; 0.0 from the cache


def runtime(*, waves: bool = False) -> Path:
    """Verilator's runtime, cocotb's main, the bulk shim and two precompiled headers: some 30 s once per machine.

    With `waves` everything is compiled for VCD tracing, a second runtime that is made when first asked for.
    """
    key = content_key(_tools(), _flags(waves), _MAIN_HEADER, _HEADERS, _shim(), _main().read_text(encoding="utf-8"))
    return build_once("runtime-waves" if waves else "runtime", key, lambda folder: _build_runtime(folder, waves))[0]


def native_lanes() -> Path:
    """The compiled twin of `tb.lanes`: the library for `lanes.accelerate`. Needs a C++ compiler but no Verilator."""
    words, version = compiler()
    source = (_HERE / "lanes.cpp").read_text(encoding="utf-8")
    flags = ["-std=c++17", "-O2", "-fPIC", "-shared"]

    def build(folder: Path) -> None:
        run_tool([*words, *flags, _HERE / "lanes.cpp", "-o", folder / "lanes.so"])

    return build_once("lanes", content_key(words, version, flags, source), build)[0] / "lanes.so"


def build_cocotb(verilog: str, manifest: Manifest, *, top: str | None = None, waves: bool = False) -> Model:
    """An executable for `runner.run`. Only the ports are public: all signals public would simulate three times slower.

    `top` is the module's name when it is not the manifest's. With `waves` the model can write a VCD of every signal.
    """
    top = top or manifest.top
    ports = "".join(f'public_flat_rw -module "{top}" -var "{p.name}"\n' for p in manifest.ports)
    options = ["--vpi", "--timescale", "1ns/1ps", *(["--trace-vcd"] if waves else [])]

    def build(folder: Path, ready: Path) -> None:
        (folder / "ports.vlt").write_text(f"`verilator_config\n{ports}", encoding="utf-8")
        _verilate(folder, verilog, top, [*options, folder / "ports.vlt"])
        _compile(folder, ready, "O0", waves, '#include "Vtop.h"' + _MAIN_GLUE)
        libraries = _cocotb_libraries()
        words, _ = compiler()
        link: list[str | Path] = [f"-Wl,-rpath,{libraries}", f"-L{libraries}", "-lcocotbvpi_verilator", "-lpthread"]
        run_tool([*words, ready / "main.o", folder / "unit.o", ready / "verilated.a", *link, "-o", folder / "unit"])

    return _model("unit", "cocotb", [ports, options, _MAIN_GLUE], verilog, manifest, top, waves, build)


def build_bulk(verilog: str, manifest: Manifest, *, top: str | None = None, optimize: bool = True) -> Model:
    """A shared library for `bulk.Bulk`. `optimize` compiles at -O2: eight times the speed for half a second more."""
    top = top or manifest.top
    level = "O2" if optimize else "O0"

    def build(folder: Path, ready: Path) -> None:
        _verilate(folder, verilog, top, [])
        declared = re.findall(r"VL_(?:IN|OUT)\w*\(&(\w+)", (folder / "Vm.h").read_text(encoding="utf-8"))
        lines = [f'    if (!strcmp(name, "{_verilog_name(p)}")) return &M->{p};\n' for p in declared]
        _compile(folder, ready, level, False, _BULK_GLUE.replace("PORTS", "".join(lines)))
        words, _ = compiler()
        # -Bsymbolic: two units in one process must not call into each other
        link: list[str | Path] = [
            "-shared",
            "-Wl,-Bsymbolic",
            ready / "shim.o",
            folder / "unit.o",
            ready / "verilated.a",
            "-lpthread",
        ]
        run_tool([*words, *link, "-o", folder / "unit.so"])

    return _model("unit.so", "bulk", [level, _BULK_GLUE], verilog, manifest, top, False, build)


def _model(product, kind, parts, verilog, manifest, top, waves, build) -> Model:
    """Look the product up under everything it depends on, or build it; only the product is kept."""
    ready = runtime(waves=waves)
    spent = 0.0

    def make(folder: Path) -> None:
        nonlocal spent
        start = time.perf_counter()
        build(folder, ready)
        for path in folder.iterdir():
            if path.name != product:
                path.unlink()
        spent = time.perf_counter() - start

    key = content_key(ready.name, kind, _VERILATE, parts, verilog, top)
    entry, _ = build_once(f"{kind}-{top}"[:80], key, make)
    return Model(entry / product, manifest, top, waves, spent)


def _verilate(folder: Path, verilog: str, top: str, options: Sequence[str | Path]) -> None:
    source = folder / f"{top}.v"
    source.write_text(verilog, encoding="utf-8")
    find_verilator().run(*_VERILATE, "-Mdir", folder, "--top-module", top, *options, source)


def _compile(folder: Path, ready: Path, level: str, waves: bool, glue: str) -> None:
    """All generated C++ and the glue as one translation unit: unit.o."""
    sources = "".join(f'#include "{path.name}"\n' for path in sorted(folder.glob("Vm*.cpp")))
    (folder / "unit.cc").write_text(f'{sources}#include "Vm.h"\n{glue}', encoding="utf-8")
    header: list[str | Path] = ["-include", ready / level / "runtime.h", "-Winvalid-pch"]
    words, _ = compiler()
    paths = [f"-I{folder}", f"-I{ready}"]
    run_tool([*words, f"-{level}", *_flags(waves), *paths, *header, "-c", folder / "unit.cc", "-o", folder / "unit.o"])


def _build_runtime(folder: Path, waves: bool) -> None:
    print("compiling Verilator's runtime, once per machine: about half a minute", file=sys.stderr)
    words, _ = compiler()
    include = find_verilator().include

    def compile_(level: str, *arguments: str | Path) -> None:
        run_tool([*words, f"-{level}", *_flags(waves), *arguments])

    for level in ("O0", "O2"):
        (folder / level).mkdir()
        header = folder / level / "runtime.h"
        header.write_text("".join(f'#include "{name}"\n' for name in _HEADERS), encoding="utf-8")
        compile_(level, "-x", "c++-header", header, "-o", f"{header}.gch")
    objects = []
    for name in (*_RUNTIME_SOURCES, *(["verilated_vcd_c"] if waves else [])):
        objects.append(folder / f"{name}.o")
        compile_("O2", "-c", include / f"{name}.cpp", "-o", objects[-1])
    run_tool(["ar", "rcs", folder / "verilated.a", *objects])
    (folder / "Vtop.h").write_text(_MAIN_HEADER, encoding="utf-8")
    precompiled: list[str | Path] = ["-include", folder / "O2" / "runtime.h", f"-I{folder}"]
    compile_("O2", *precompiled, "-c", _main(), "-o", folder / "main.o")
    compile_("O2", *precompiled, "-c", _HERE / "bulk_shim.cpp", "-o", folder / "shim.o")
    for path in objects:
        path.unlink()


def _flags(waves: bool) -> list[str]:
    include = find_verilator().include
    features = [*(f"-DVM_{name}=0" for name in _FEATURES), f"-DVM_TRACE={waves:d}", f"-DVM_TRACE_VCD={waves:d}"]
    return ["-fPIC", f"-I{include}", f"-I{include / 'vltstd'}", "-DVERILATOR=1", *features]


def _tools() -> list[str]:
    """Everything about the tools that may change a product; the binary's size tells two builds of one version apart."""
    import cocotb

    words, version = compiler()
    verilator = find_verilator()
    size = verilator.executable.stat().st_size
    return [*words, version, verilator.version, str(verilator.root), str(size), cocotb.__version__, str(_main())]


def _shim() -> str:
    return (_HERE / "bulk_shim.cpp").read_text(encoding="utf-8")


def _main() -> Path:
    from cocotb_tools.config import share_dir

    return Path(share_dir, "lib", "verilator", "verilator.cpp")


def _cocotb_libraries() -> Path:
    from cocotb_tools.config import libs_dir

    return Path(libs_dir)


def _verilog_name(member: str) -> str:
    """Verilator spells the second of two underscores as `_05F` with a `__` before it."""
    return member.replace("___05F", "__")
