"""Pipelining a netlist: legal, as fast as any placement of registers, and with hardly more of them than need be."""

import itertools
import random

import pytest

from synth.density import stages as density_stages
from synth.density.cut import REGISTER_DELAY, Gate, Netlist, Network, pipelined, read_netlist
from synth.density.netlists import Mapped
from synth.density.stages import STAGES, Pipeline, best, measure_pipeline


def registers(network, slots, stages, length):
    """Flip-flops of a placement of gates in stages; None where a gate reads the future or a stage is too long."""
    stage, time, last = {}, {}, dict.fromkeys(network.outputs, stages)
    for gate, slot in zip(network.gates, slots, strict=True):
        if any(stage.get(net, 0) > slot for net in gate.inputs):
            return None
        started = max((time.get(net, 0) for net in gate.inputs if stage.get(net, 0) == slot), default=0)
        stage[gate.output], time[gate.output] = slot, started + gate.delay
        if time[gate.output] > length:
            return None
        for net in gate.inputs:
            last[net] = max(last.get(net, 0), slot)
    return sum(network.copies[net] * (until - stage.get(net, 0)) for net, until in last.items())


def any_network(rng):
    network = Network()
    nets = [network.new_net(rng.choice((1, 1, 2, 4))) for _ in range(3)]
    for _ in range(rng.randrange(2, 8)):
        net = network.new_net(rng.choice((1, 1, 2)))
        network.gates.append(Gate(tuple(rng.sample(nets, 2)), net, rng.choice((0, 1, 2))))
        nets.append(net)
    read = {net for gate in network.gates for net in gate.inputs}
    network.give([gate.output for gate in network.gates if gate.output not in read])
    return network


def test_no_other_placement_is_faster_and_few_take_fewer_registers():
    rng, ours, least = random.Random(1), 0, 0
    for _ in range(40):
        network = any_network(rng)
        for stages in (1, 2, 3):
            cut = pipelined(network, stages)
            assert registers(network, cut.slots, stages, cut.gate_delay) == cut.flip_flops
            every = list(itertools.product(range(stages), repeat=len(network.gates)))
            assert all(registers(network, slots, stages, cut.gate_delay - 1) is None for slots in every)
            found = [registers(network, slots, stages, cut.gate_delay) for slots in every]
            ours, least = ours + cut.flip_flops, least + min(count for count in found if count is not None)
    assert least <= ours <= 1.05 * least


def test_registers_go_where_the_network_is_narrow():
    network = Network()
    level = [network.new_net() for _ in range(8)]
    while len(level) > 1:  # three levels of exclusive-ors: 4, 2, 1 nets
        outputs = [network.new_net() for _ in level[::2]]
        pairs = zip(level[::2], level[1::2], strict=True)
        network.gates += [Gate(pair, out, 2) for pair, out in zip(pairs, outputs, strict=True)]
        level = outputs
    network.give(level)
    assert (pipelined(network, 1).period, pipelined(network, 1).flip_flops) == (6 + REGISTER_DELAY, 1)
    assert (pipelined(network, 2).period, pipelined(network, 2).flip_flops) == (4 + REGISTER_DELAY, 2 + 1)
    assert (pipelined(network, 3).period, pipelined(network, 3).flip_flops) == (2 + REGISTER_DELAY, 4 + 2 + 1)


def cell(kind, output, **inputs):
    return {"type": kind, "connections": {pin: [bit] for pin, bit in inputs.items()} | {"Y": [output]}}


def module(*cells):
    ports = {"a": {"direction": "input", "bits": [2, 3]}, "y": {"direction": "output", "bits": [9, "1"]}}
    return {"ports": ports, "cells": dict(enumerate(cells))}


def test_yosys_json_is_read_drivers_first_and_constants_take_no_register():
    netlist = read_netlist(module(cell("$_XOR_", 9, A=4, B=3), cell("$_NAND_", 4, A=2, B="1")))
    assert [gate.output for gate in netlist.gates] == [4, 9]
    assert [(gate.inputs, gate.delay) for gate in netlist.gates] == [((2,), 1), ((4, 3), 2)]
    network = Network()
    network.give(network.add(netlist, {"a": [network.new_net(), network.new_net()]}, copies=3)["y"])
    assert pipelined(network, 1).flip_flops == 3
    with pytest.raises(ValueError, match="a loop"):
        read_netlist(module(cell("$_XOR_", 9, A=4, B=3), cell("$_NAND_", 4, A=9, B=2)))
    with pytest.raises(KeyError, match="DFF"):
        read_netlist(module(cell("$_DFF_P_", 9, D=2, C=3)))


class Parts:
    """Netlists of one gate per output bit: a multiplier, an adder, a core and its conversion."""

    def unit(self, config):
        return Mapped(netlist({"a": 2, "b": 2}, {"sum" if config.unit == "dot_core" else "value": 2}), 100)

    def part(self, name, make):
        return Mapped(netlist({"a": 5, "b": 5, "sum": 2}, {"value": 5}), 30)

    def tell(self, text):
        pass


def netlist(inputs, outputs):
    """Output bit k reads bit k of every input, and takes 2."""
    nets, read = itertools.count(2), {}
    read = {name: [next(nets) for _ in range(width)] for name, width in inputs.items()}
    driven = {name: [next(nets) for _ in range(width)] for name, width in outputs.items()}
    gates = [
        Gate(tuple(bits[k] for bits in read.values() if k < len(bits)), bit, 2)
        for bits_out in driven.values()
        for k, bit in enumerate(bits_out)
    ]
    return Netlist(read, driven, gates)


def by_stages(pipeline):
    record = measure_pipeline(pipeline, Parts())
    return [best(record, stages) for stages in STAGES]


def test_a_tree_of_floats_has_as_many_copies_as_terms():
    one, two, three, *_ = by_stages(Pipeline("FP32", "fp32", 4, is_float=True))
    assert one["logic"] == 4 * 100 + 3 * 100
    assert (one["period"], one["flip_flops"]) == (6 + REGISTER_DELAY, 2)
    # the better of the two cuts: after the first level of adders, two sums of two bits
    assert (two["period"], two["flip_flops"]) == (4 + REGISTER_DELAY, 2 * 2 + 2)
    assert (three["period"], three["flip_flops"]) == (2 + REGISTER_DELAY, 4 * 2 + 2 * 2 + 2)
    assert two["transistors"] == two["logic"] + 16 * two["flip_flops"]
    with pytest.raises(ValueError, match="a power of two"):
        measure_pipeline(Pipeline("FP32", "fp32", 6, is_float=True), Parts())


def test_a_core_reads_the_elements_below_the_exponent():
    network, _ = density_stages._block(Pipeline("HBFP4", "bfp4x64", 64), "area", Parts())
    assert [gate.inputs for gate in network.gates[:2]] == [(1, 6), (2, 7)]  # of a's nets 1 to 5, b's 6 to 10


def test_what_goes_past_the_core_waits_in_registers():
    one, two, *_ = by_stages(Pipeline("HBFP4", "bfp4x64", 64))
    assert one["logic"] == 130
    assert (one["period"], one["flip_flops"]) == (4 + REGISTER_DELAY, 5)
    # the core's two bits, both operands beside them, of the other three bits their results
    assert (two["period"], two["flip_flops"]) == (2 + REGISTER_DELAY, 2 + 2 * 2 + 3 + 5)
