"""The circuit that a proof is about: hardware, free inputs around it, and checks that must hold in every cycle."""

from typing import Any

from amaranth.asserts import Initial
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, ClockDomain, Module, Signal, Value

__all__ = ["TOP", "Setup"]

TOP = "proof"


class Setup:
    """Hardware under proof, added to `m`, and what is claimed of it.

    Registers power up with any contents, as silicon does; reset is high in the first cycle and never again. Checks
    count from the second cycle on. In a circuit without registers there is no first cycle and checks always count.
    """

    def __init__(self) -> None:
        self.m = Module()
        clock = Signal(name="clk")
        self._ports: list[Value] = [clock]
        self.m.domains.sync = domain = ClockDomain("sync")
        self.m.d.comb += [domain.clk.eq(clock), domain.rst.eq(Initial())]

    def free(self, name: str, shape: Any = 1) -> Any:
        """An input of any shape that takes any value in any cycle."""
        signal = Signal(shape, name=name)
        self._ports.append(Value.cast(signal))
        return signal

    def constant(self, name: str, shape: Any) -> Any:
        """A value of the solver's choosing that stays the same; it exists from the second cycle on."""
        kept = Signal(shape, name=f"{name}_kept", reset_less=True)
        with self.m.If(Initial()):
            self.m.d.sync += kept.eq(self.free(name, shape))
        return kept

    def seen(self, name: str, shape: Any = 1) -> Any:
        """An output of any shape, for the hardware to drive: rules look at it, counterexamples show it."""
        return self.free(name, shape)

    def assume(self, condition: Value) -> None:
        """Restrict the free inputs to what the environment promises, in the cycles that checks count in."""
        with self.m.If(~Initial()):
            self.m.d.comb += Assume(condition)

    def check(self, condition: Value) -> None:
        """Claim that `condition` holds."""
        with self.m.If(~Initial()):
            self.m.d.comb += Assert(condition)

    def rtlil(self) -> str:
        """RTLIL text, top module `TOP`."""
        return rtlil.convert(self.m, name=TOP, ports=self._ports, emit_src=False)
