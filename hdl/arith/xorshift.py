"""Pseudo-random words from one xorshift32 state per lane (formats.md 0.2, policies.md 8)."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["XorshiftLanes"]

_WORD = (1 << 32) - 1
_INDEX_STEP = 0x85EBCA6B
_ZERO_STATE = 0x6D2B79F5  # a xorshift state must not be 0


def _step(s: int) -> int:
    s ^= s << 13 & _WORD
    s ^= s >> 17
    return s ^ (s << 5 & _WORD)


def _initial_state(seed: int, lane: int) -> int:
    """Reset state of a lane: its index hashed with the seed."""
    s = seed ^ (lane * _INDEX_STEP & _WORD) or _ZERO_STATE
    for _ in range(3):
        s = _step(s)
    return s


class XorshiftLanes(wiring.Component):
    """`words[l]` is the next random word of lane l: the top `bits` bits of its next state. `draw` steps every lane."""

    def __init__(self, lanes: int, bits: int, seed: int) -> None:
        self._seed = seed
        super().__init__({"draw": In(1), "words": Out(data.ArrayLayout(bits, lanes))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for lane in range(len(self.words)):
            state = Signal(32, init=_initial_state(self._seed, lane), name=f"state_{lane}")
            following = self._following(m, state, lane)
            m.d.comb += self.words[lane].eq(following[32 - len(self.words[0]) :])
            with m.If(self.draw):
                m.d.sync += state.eq(following)
        return m

    @staticmethod
    def _following(m: Module, state: Signal, lane: int) -> Signal:
        for step, shift in (("a", 13), ("b", -17), ("c", 5)):
            shifted = Cat(Const(0, shift), state[:-shift]) if shift > 0 else state[-shift:]
            following = Signal(32, name=f"next_{step}_{lane}")
            m.d.comb += following.eq(state ^ shifted)
            state = following
        return state
