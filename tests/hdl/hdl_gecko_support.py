"""What the tests of the Gecko hardware share: simulation helpers, and a tensor as streams of rows."""

import random
from itertools import chain

from amaranth.sim import Simulator

from golden.gecko.descriptor import LANES


def flat(lists):
    return list(chain.from_iterable(lists))


def evaluate(m, inputs, outputs, rows):
    """Values of combinational outputs for every row of input values."""
    seen = []

    async def bench(ctx):
        for row in rows:
            for signal, value in zip(inputs, row, strict=True):
                ctx.set(signal, value)
            seen.append([ctx.get(output) for output in outputs])

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


def sender(port, payloads, pauses=lambda: False):
    """A process that offers the payloads to an input stream, with pauses."""

    async def bench(ctx):
        for payload in payloads:
            while pauses():
                await ctx.tick()
            ctx.set(port.payload, payload)
            ctx.set(port.valid, 1)
            ready = False
            while not ready:
                _, _, ready = await ctx.tick().sample(port.ready)
            ctx.set(port.valid, 0)

    return bench


def play(m, given, taken, *, seed=1, stall=0.3):
    """Send `given` (stream, payloads) and return what the streams of `taken` (stream, count) give, with random pauses.

    Then nothing more may be offered.
    """
    simulator, results = Simulator(m), [[] for _ in taken]
    simulator.add_clock(1e-6)

    def taker(port, count, rng, result):
        async def bench(ctx):
            for _ in range(100 * count + 1000):
                if len(result) == count:
                    break
                ctx.set(port.ready, int(rng.random() >= stall))
                _, _, valid, ready, payload = await ctx.tick().sample(port.valid, port.ready, port.payload)
                if valid and ready:
                    result.append(payload)
            assert len(result) == count, "the unit hangs"
            ctx.set(port.ready, 1)
            for _ in range(40):
                _, _, valid = await ctx.tick().sample(port.valid)
                assert not valid, "one too many"

        return bench

    for k, (port, payloads) in enumerate(given):
        rng = random.Random(f"{seed} in {k}")
        simulator.add_testbench(sender(port, payloads, lambda rng=rng: rng.random() < stall), background=True)
    for k, (port, count) in enumerate(taken):
        simulator.add_testbench(taker(port, count, random.Random(f"{seed} out {k}"), results[k]))
    simulator.run()
    return results


def tensor_item(port, d, **more):
    """The facts of a tensor as an item of a unit's `tensor` stream."""
    facts = {
        "length": d.length,
        "ne_minus_1": d.exponent_bits - 1,
        "mantissa_bits": d.mantissa_bits,
        "mode": int(d.mode),
    }
    facts |= {"sign_elided": int(d.sign_elided), "zero_mask": int(d.zero_mask), "bias": d.bias, "offset": d.offset}
    return {name: value for name, value in (facts | more).items() if name in port.payload.shape().members}


def value_rows(values, name):
    """Rows of eight, the last one short, an empty tensor as a row of none."""
    rows = [values[k : k + LANES] for k in range(0, len(values), LANES)] or [[]]
    return [
        {name: row + [85] * (LANES - len(row)), "count": len(row), "last": int(k == len(rows) - 1)}
        for k, row in enumerate(rows)
    ]
