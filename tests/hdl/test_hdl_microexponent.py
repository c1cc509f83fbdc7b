"""The microexponent shifter's component in Amaranth's simulator, against integers of any length."""

import pytest
from amaranth.sim import Simulator

from hdl.units.microexponent import ShiftGroup


def totals(dut, rows):
    """Sums of groups given as (products, microexponents)."""
    got = []

    async def bench(ctx):
        for products, shared in rows:
            for k, product in enumerate(products):
                ctx.set(dut.products[k], product)
            for k, t in enumerate(shared):
                ctx.set(getattr(dut, f"t_{k}"), t)
            got.append(ctx.get(dut.total))

    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()
    return got


@pytest.mark.parametrize("bits", [(1, 1), (2,), (2, 1)])
def test_every_pair_of_small_products_under_every_microexponent(bits):
    largest = sum((1 << b) - 1 for b in bits)
    shared = [()]
    for b in bits:
        shared = [(*before, t) for before in shared for t in range(1 << b)]
    rows = [((x, y), t) for x in range(-8, 8) for y in range(-8, 8) for t in shared]
    assert totals(ShiftGroup(2, 4, bits), rows) == [sum(products) << largest - sum(t) for products, t in rows]


def test_the_worked_example_of_the_specification():
    # formats.md 2.5, MX9: pair sums and how far they move
    pairs = [(-448, 0, 1, 1), (9005, 0, 0, 0), (-2540, 0, 0, 1)]
    moved = totals(ShiftGroup(2, 15, (1, 1)), [((x, y), (a, b)) for x, y, a, b in pairs])
    assert moved == [-448, 9005 << 2, -2540 << 1]


def test_group_of_one_is_a_shift():
    assert totals(ShiftGroup(1, 5, (3,)), [((-16,), (0,)), ((15,), (7,))]) == [-16 << 7, 15]
