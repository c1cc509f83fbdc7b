"""Cuts a combinational netlist into pipeline stages: the shortest period, and few flip-flops at each cut.

What a retiming tool does with the registers of a pipeline, by a model of delay that favours nobody: unit gates (Tyagi,
1993). Every unit of the comparison goes through it, so that no side gains by where its author put registers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

__all__ = ["DELAYS", "REGISTER_DELAY", "Gate", "Netlist", "Network", "Pipelined", "pipelined", "read_netlist"]

# A gate of two inputs takes 1, an exclusive-or, a multiplexer and a gate of two levels 2, an inverter nothing.
DELAYS: Mapping[str, int] = {
    "$_NOT_": 0,
    **dict.fromkeys(("$_AND_", "$_NAND_", "$_OR_", "$_NOR_"), 1),
    **dict.fromkeys(("$_XOR_", "$_XNOR_", "$_MUX_", "$_NMUX_", "$_AOI3_", "$_OAI3_", "$_AOI4_", "$_OAI4_"), 2),
}
REGISTER_DELAY = 4  # through a flip-flop and into the next: two latches of two gates each

Bit = int | str  # a net, or a constant as Yosys writes it
_CONSTANTS = ("0", "1", "x")
_NO_LIMIT = 1 << 30


@dataclass(frozen=True, slots=True)
class Gate:
    """Nets that it reads, the net that it drives, its delay."""

    inputs: tuple[int, ...]
    output: int
    delay: int


@dataclass(frozen=True, slots=True)
class Netlist:
    """Combinational: nets by port, and gates in an order in which every net is driven before it is read."""

    inputs: Mapping[str, Sequence[int]]
    outputs: Mapping[str, Sequence[Bit]]
    gates: Sequence[Gate]


@dataclass(slots=True)
class Network:
    """Netlists connected to each other; nets without a driver come in at time 0.

    copies   how many of a net there are, where not one: one adder's netlist stands for all adders of a level
    outputs  nets that leave
    """

    gates: list[Gate] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    copies: dict[int, int] = field(default_factory=dict)
    nets: int = 0

    def new_net(self, copies: int = 1) -> int:
        """A net that nothing drives yet."""
        self.nets += 1
        self.copies[self.nets] = copies
        return self.nets

    def add(self, netlist: Netlist, inputs: Mapping[str, Sequence[Bit]], copies: int = 1) -> dict[str, list[Bit]]:
        """So many instances of a netlist, all alike; `inputs` are bits by port. Returns the bits of its outputs.

        A net of `inputs` may have more copies than there are instances: both terms of an adder look the same.
        """
        known: dict[Bit, Bit] = {constant: constant for constant in _CONSTANTS}
        for name, nets in inputs.items():
            known |= dict(zip(netlist.inputs[name], nets, strict=True))
        for gate in netlist.gates:
            known[gate.output] = net = self.new_net(copies)
            read = (known[bit] for bit in gate.inputs)
            self.gates.append(Gate(tuple(bit for bit in read if isinstance(bit, int)), net, gate.delay))
        return {name: [known[bit] for bit in bits] for name, bits in netlist.outputs.items()}

    def give(self, bits: Sequence[Bit]) -> None:
        """These leave; constants take no register."""
        self.outputs += [bit for bit in bits if isinstance(bit, int)]


def read_netlist(module: Mapping[str, Any]) -> Netlist:
    """A module of Yosys's JSON, mapped to simple gates. Raises KeyError for another cell, ValueError for a loop."""
    ports: dict[str, dict[str, list[Any]]] = {"input": {}, "output": {}}
    for name, port in module["ports"].items():
        ports[port["direction"]][name] = port["bits"]
    gates = []
    for cell in module["cells"].values():
        read = {pin: bits[0] for pin, bits in cell["connections"].items()}
        output = read.pop("Y")
        # constants are there from the start
        gates.append(Gate(tuple(net for net in read.values() if net not in _CONSTANTS), output, DELAYS[cell["type"]]))
    return Netlist(inputs=ports["input"], outputs=ports["output"], gates=_drivers_first(gates))


def _drivers_first(gates: Sequence[Gate]) -> list[Gate]:
    of = {gate.output: number for number, gate in enumerate(gates)}
    order = TopologicalSorter({n: [of[net] for net in gate.inputs if net in of] for n, gate in enumerate(gates)})
    try:
        return [gates[number] for number in order.static_order()]
    except CycleError:
        raise ValueError("a loop of gates") from None


@dataclass(frozen=True, slots=True)
class Pipelined:
    """A network in `stages` stages, registers at the end of each: the longest stage's gates, and all flip-flops.

    Operands come from registers that are not counted; results end in registers that are.
    """

    stages: int
    gate_delay: int
    flip_flops: int
    slots: list[int]  # of each gate

    @property
    def period(self) -> int:
        """Unit gates from clock edge to clock edge."""
        return self.gate_delay + REGISTER_DELAY


def pipelined(network: Network, stages: int) -> Pipelined:
    """The shortest period that so many stages allow, then cut by cut from the front the fewest flip-flops."""
    low = max((gate.delay for gate in network.gates), default=0)
    high = max(time for _, time in _earliest(network, _NO_LIMIT, [0] * len(network.gates)))
    nothing_placed = [0] * len(network.gates)
    while low < high:  # the least delay of a stage that is enough
        middle = (low + high) // 2
        if max(slot for slot, _ in _earliest(network, middle, nothing_placed)) < stages:
            high = middle
        else:
            low = middle + 1
    latest = _latest(network, low, stages)
    slots = [0] * len(network.gates)
    flip_flops = sum(network.copies[net] for net in set(network.outputs))
    for stage in range(stages - 1):
        earliest = [slot for slot, _ in _earliest(network, low, slots)]
        crossing = _cut(network, slots, earliest, latest, stage)
        flip_flops += crossing
    return Pipelined(stages, low, flip_flops, slots)


def _earliest(network: Network, length: int, slots: Sequence[int]) -> list[tuple[int, int]]:
    """For each gate the stage and the time in it when it is done, stages being `length` long.

    `slots` are stages before which gates do not start: where they lie, of those that have been placed.
    """
    done: dict[int, tuple[int, int]] = {}
    for gate, slot in zip(network.gates, slots, strict=True):
        stage, time = max((done.get(net, (0, 0)) for net in gate.inputs), default=(0, 0))
        if stage < slot or time + gate.delay > length:
            stage, time = max(slot, stage + (stage >= slot)), 0
        done[gate.output] = stage, time + gate.delay
    return [done[gate.output] for gate in network.gates]


def _latest(network: Network, length: int, stages: int) -> list[int]:
    """The last stage that each gate can lie in."""
    end = (stages - 1, 0)
    needed: dict[int, tuple[int, int]] = {}  # by net: the stage it is read in, less the time that its readers take
    found = []
    for gate in reversed(network.gates):
        stage, after = needed.get(gate.output, end)
        if after - gate.delay < -length:
            stage, after = stage - 1, 0
        found.append(stage)
        for net in gate.inputs:
            needed[net] = min(needed.get(net, end), (stage, after - gate.delay))
    return found[::-1]


def _cut(network: Network, slots: list[int], earliest: Sequence[int], latest: Sequence[int], stage: int) -> int:
    """Moves gates that come after the registers at the end of `stage` to the next; the number of those registers.

    A least cut: a net that is driven before and read after takes a register for each of its copies. Gates are driven
    before they are read, so what a gate before the cut reads lies before it too.
    """
    from scipy.sparse import csr_array  # with the packages of the tests: nothing else needs it
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    source, sink, before_cut = 0, 1, 2
    place: dict[int, int] = {}  # nodes of gates that may lie on either side
    fixed = []
    for number, slot in enumerate(slots):
        if slot < stage or latest[number] == stage:
            fixed.append(source)
        elif earliest[number] > stage:
            fixed.append(sink)
        else:
            fixed.append(before_cut + len(place))
            place[number] = fixed[-1]
    driver = {gate.output: fixed[number] for number, gate in enumerate(network.gates)}
    readers: dict[int, set[int]] = {net: {sink} for net in network.outputs}
    for number, gate in enumerate(network.gates):
        for net in gate.inputs:
            readers.setdefault(net, set()).add(fixed[number])

    edges: dict[tuple[int, int], int] = {}
    always, nodes = 0, before_cut + len(place)
    for net, reading in readers.items():
        origin = driver.get(net, source)
        if origin == source and sink in reading:
            always += network.copies[net]
        elif origin != sink and reading != {source}:
            edges[origin, nodes] = network.copies[net]
            for reader in reading - {source}:
                edges[nodes, reader] = _NO_LIMIT
                if origin != source and reader != sink:
                    edges[reader, origin] = _NO_LIMIT
            nodes += 1
    cut, reached = 0, {source}
    if edges:
        ends = tuple(zip(*edges, strict=True))
        capacity = csr_array((list(edges.values()), ends), shape=(nodes, nodes), dtype="int32")
        flow = maximum_flow(capacity, source, sink)
        left = capacity - flow.flow
        left.data = left.data.clip(min=0)
        left.eliminate_zeros()
        cut, reached = int(flow.flow_value), set(breadth_first_order(left, source, return_predecessors=False).tolist())
    for number, node in enumerate(fixed):
        if node == sink or (node != source and node not in reached):
            slots[number] = stage + 1
    return always + cut
