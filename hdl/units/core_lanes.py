"""The lanes of a compressor tree: each fills one heap with the bits of its product, and all are added up once.

Lanes with signs give their product's magnitude with every bit inverted where the product is negative. What that leaves
out, a constant per negative product, is added for all lanes together from the number of negative products.
"""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data

from hdl.arith.adders import Adders
from hdl.arith.align import shift_left_chosen, shift_left_filled
from hdl.arith.compress import carry_save, ripple
from hdl.arith.heap import Bit, Heap
from hdl.arith.prefix import prefix_add
from hdl.arith.products import baugh_wooley, booth, magnitudes, signed_by_magnitude
from hdl.units.core_e2m1 import multiply_e2m1
from hdl.units.core_operands import Amount, Operand

__all__ = ["BOOTH_BITS", "Lanes"]

# When the bits of a lane's product come, in exclusive-or delays: after the number of negative products, which adders
# count at leisure. In the fast tree no sign waits for others, and a sign's product joins just after the first adders.
_LATE, _SOON = 20, 3

# From this width of the shorter two's-complement operand on, Booth's rows take fewer transistors than Baugh-Wooley's.
BOOTH_BITS = 7


class Lanes:
    """The heap that lanes fill, and how it is added up.

    `negated` says that the heap holds the negative sum less one, which is the inverted sum: two's-complement products
    are smaller that way. `group` names the lanes of one microexponent, whose sum is then shifted.
    """

    def __init__(self, m: Module, platform: object, width: int, *, fast: bool, group: str = "") -> None:
        self._m, self._fast, self._group = m, fast, group
        self.adders = Adders(m, platform, name=f"{group}tree")
        self._lane_adders = Adders(m, platform, name=f"{group}lane")
        self._heap = Heap(width)
        self._negative: list[Value] = []
        self._missing = 0  # what one negative product lacks
        self._negated = False

    def add_e2m1(self, number: int, x: data.View, y: data.View) -> None:
        """One product of E2M1 elements, every bit inverted where it is negative."""
        sign = self._sign_of(number, x.sign, y.sign)
        product = multiply_e2m1(self._m, x, y, name=f"product_{number}")
        self._missing = (1 << len(product)) - 1
        self._heap.add_word([Bit(bit ^ sign, _LATE) for bit in product])

    def _sign_of(self, number: int, x: Value, y: Value) -> Signal:
        """Whether a product is negative; the tree adds what that leaves out."""
        sign = Signal(name=f"negative_{number}")
        self._m.d.comb += sign.eq(x ^ y)
        self._negative.append(sign)
        return sign

    def add(self, number: int, x: Operand, y: Operand, amount: Amount | None) -> None:
        """One product, moved left by what `amount` exceeds its least."""
        if x.sign is not None and y.sign is not None:
            sign = self._sign_of(number, x.sign, y.sign)
            if amount is None:
                self._add_magnitude(number, x, y, sign)
            else:
                self._add_shifted(number, x, y, sign, amount)
        elif x.sign is None and y.sign is None:
            assert amount is None  # two's complement has no exponents
            self._add_twos(number, x.digits, y.digits)
        else:
            signed, other = (x, y) if x.sign is None else (y, x)
            self._add_mixed(number, signed.digits, other, amount)

    def _add_magnitude(self, number: int, x: Operand, y: Operand, sign: Value) -> None:
        """Fast: the whole product, as fewer bits wait for the sign, which drives an exclusive-or for each of them.

        In a group, too: thinned products save adders only where a tall heap takes their bits in anyway.
        """
        if not self._fast and not self._group:
            self._add_thinned(x, y, sign)
            return
        product = [~(bit ^ sign) for bit in self._inverted_product(number, x, y)]
        self._missing = (1 << len(product)) - 1
        self._heap.add_word([Bit(bit, _SOON if self._fast else _LATE) for bit in product])

    def _add_thinned(self, x: Operand, y: Operand, sign: Value) -> None:
        """Partial products, thinned by full adders as far as they go: each of them saves an exclusive-or."""
        lane = Heap(len(x.digits) + len(y.digits))
        magnitudes(lane, x.digits, y.digits)
        lane.constant = 0  # full adders alone map inverted bits to inverted bits
        columns = [list(column) for column in lane.columns]
        for k, column in enumerate(columns):
            while len(column) > 2:
                total, carry = self._lane_adders.full(*(column.pop(0).value for _ in range(3)))
                column.append(Bit(total, 2))
                columns[k + 1].append(Bit(carry, 2))
        self._missing = sum(len(column) << k for k, column in enumerate(columns))
        for k, column in enumerate(columns):
            for bit in column:
                self._heap.add(~(bit.value ^ sign), k, bit.arrival + 1)

    def _add_shifted(self, number: int, x: Operand, y: Operand, sign: Value, amount: Amount) -> None:
        """The whole magnitude, inverted with the sign, and shifted between fills of the sign."""
        inverted = self._inverted_product(number, x, y)
        if amount.choices:  # few places: cheaper to fill with zeros and to invert afterwards
            (one,) = amount.bits
            word = shift_left_chosen([~bit for bit in inverted], [~one, one], 1)
            word = shift_left_chosen(word, amount.choices, 2)[: len(inverted) + amount.most]
            shifted = [bit ^ sign for bit in word]
        else:
            shifted = self._shift(number, [~(bit ^ sign) for bit in inverted], amount, below=sign, above=sign)
        self._missing = (1 << len(shifted)) - 1
        self._heap.add_word([Bit(bit, _SOON if self._fast else _LATE) for bit in shifted])

    def _inverted_product(self, number: int, x: Operand, y: Operand) -> list[Value]:
        """Every bit of the magnitudes' product, inverted."""
        product = Heap(len(x.digits) + len(y.digits))
        magnitudes(product, x.digits, y.digits)
        product.constant -= 1  # -p - 1 is p inverted
        return self._added_up(product, self._lane_adders, name=f"product_{number}")

    def _add_twos(self, number: int, x: list[Value], y: list[Value]) -> None:
        if min(len(x), len(y)) >= BOOTH_BITS:
            booth(self._m, self._heap, x, y, name=f"lane_{number}")
        else:
            self._negated = True
            baugh_wooley(self._heap, x, y)

    def _add_mixed(self, number: int, x: list[Value], y: Operand, amount: Amount | None) -> None:
        """Two's complement by sign and magnitude; shifted, its top bit is the one that counts negative."""
        assert y.sign is not None
        if amount is None:
            self._negated = True
            signed_by_magnitude(self._heap, x, y.digits, y.sign)
            return
        product = Heap(len(x) + len(y.digits))
        signed_by_magnitude(product, x, y.digits, y.sign)
        product.constant -= 1
        inverted = self._added_up(product, self._lane_adders, name=f"product_{number}")
        self.add_sum(number, Cat(~bit for bit in inverted), amount)

    def add_sum(self, number: int, total: Value, amount: Amount) -> None:
        """A number in two's complement, moved left by what `amount` exceeds its least; its top bit counts negative."""
        word = list(total)
        *shifted, top = self._shift(number, word, amount, below=Const(0, 1), above=word[-1])
        self._heap.add_word([Bit(bit, _LATE) for bit in shifted])
        self._heap.subtract(top, len(shifted), _LATE)

    def _shift(self, number: int, word: list[Value], amount: Amount, *, below: Value, above: Value) -> list[Value]:
        """The word within the places that it can move to."""
        width, name = len(word) + amount.most, f"shifted_{number}"
        moved = shift_left_filled(self._m, word, amount.bits, below=below, above=above, width=width, name=name)
        return moved[amount.least :]

    def total(self) -> Value:
        """Everything added up."""
        # counted together they take fewer bits of the heap, but come late
        counted_together = [[sign] for sign in self._negative] if self._fast else [self._negative]
        for signs in counted_together:
            count = Heap(len(signs).bit_length())
            for sign in signs:
                count.add(sign, 0, 1)
            self._heap.add_multiple(ripple(count, self.adders), -self._missing)
        if self._negated:
            self._heap.constant -= 1
        total = Cat(self._added_up(self._heap, self.adders, name=f"{self._group}final"))
        return ~total if self._negated else total

    def _added_up(self, heap: Heap, adders: Adders, *, name: str) -> list[Value]:
        """The heap's number: by a ripple of adders, or by a tree and a parallel-prefix adder."""
        if not self._fast:
            return [bit.value for bit in ripple(heap, adders)]
        columns = carry_save(heap, adders)
        rows = [[column[k].value if k < len(column) else Const(0, 1) for column in columns] for k in range(2)]
        return list(prefix_add(self._m, *rows, name=name))
