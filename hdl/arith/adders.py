"""Full and half adders: modules of their own in emitted Verilog, plain logic in Amaranth's simulator.

As modules they leave the choice to whoever synthesises: `synth -flatten` dissolves them, the attribute keep_hierarchy
keeps them whole, `chtype` or a techmap puts a library's adder cells in their place (synth/flows.py does all three).
"""

from collections.abc import Callable
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Elaboratable, Instance, Module, Signal, Value

__all__ = ["Adders", "CellPlatform"]


def _full(a: Any, b: Any, c: Any) -> tuple[Any, Any]:
    half = a ^ b
    return half ^ c, a & b | half & c


def _half(a: Any, b: Any) -> tuple[Any, Any]:
    return a ^ b, a & b


def _half_plus(a: Any, b: Any) -> tuple[Any, Any]:
    return ~(a ^ b), a | b


_KINDS: dict[str, Callable[..., tuple[Any, Any]]] = {
    "full_adder": _full,
    "half_adder": _half,
    "half_adder_plus": _half_plus,
}


class CellPlatform:
    """Elaborated for this platform, adders become instances of the modules `<prefix>_full_adder` and so on."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._used: set[str] = set()

    def cell(self, kind: str) -> str:
        """Module name of a kind of adder, which `modules` then defines."""
        self._used.add(kind)
        return f"{self._prefix}_{kind}"

    def modules(self) -> str:
        """RTLIL of the adder modules that were asked for."""
        texts = [_cell_rtlil(kind, self.cell(kind)) for kind in _KINDS if kind in self._used]
        return "".join(text.split("\n", 1)[1] if text.startswith("attribute \\generator") else text for text in texts)


class Adders:
    """Makes adders inside a module, each returning (sum, carry) of one-bit values, and counts them in `used`."""

    def __init__(self, m: Module, platform: object, *, name: str) -> None:
        self._m, self._name = m, name
        self._platform = platform if isinstance(platform, CellPlatform) else None
        self.used = dict.fromkeys(_KINDS, 0)

    def full(self, a: Value, b: Value, c: Value) -> tuple[Signal, Signal]:
        """a + b + c; `c` may come late: it passes one exclusive-or, the others two."""
        return self._make("full_adder", a, b, c)

    def half(self, a: Value, b: Value) -> tuple[Signal, Signal]:
        """a + b."""
        return self._make("half_adder", a, b)

    def half_plus(self, a: Value, b: Value) -> tuple[Signal, Signal]:
        """a + b + 1: what remains of a full adder whose third input is one."""
        return self._make("half_adder_plus", a, b)

    def _make(self, kind: str, *inputs: Value) -> tuple[Signal, Signal]:
        label = f"{self._name}_{kind}_{self.used[kind]}"
        self.used[kind] += 1
        total, carry = Signal(name=f"{label}_sum"), Signal(name=f"{label}_carry")
        if self._platform is None:
            made_total, made_carry = _KINDS[kind](*inputs)
            self._m.d.comb += [total.eq(made_total), carry.eq(made_carry)]
        else:
            ports = {f"i_{port}": value for port, value in zip("abc", inputs, strict=False)}
            cell = Instance(self._platform.cell(kind), **ports, o_sum=total, o_carry=carry)
            self._m.submodules[label] = cell
        return total, carry


class _Cell(Elaboratable):
    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.inputs = [Signal(name=port) for port in "abc"[: 3 if kind == "full_adder" else 2]]
        self.outputs = [Signal(name="sum"), Signal(name="carry")]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += [out.eq(value) for out, value in zip(self.outputs, _KINDS[self._kind](*self.inputs), strict=True)]
        return m


def _cell_rtlil(kind: str, name: str) -> str:
    cell = _Cell(kind)
    return rtlil.convert(cell, name=name, ports=[*cell.inputs, *cell.outputs], emit_src=False)
