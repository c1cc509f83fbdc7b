"""What a conversion chooses, rounding and scale rule, and what one block format loses on the way to another."""

from enum import StrEnum

from golden.formats.blocks import BlockFormat

__all__ = ["Rounding", "ScaleRule", "conversion_loss"]


class Rounding(StrEnum):
    """How a magnitude is cut to fewer bits; the sign is re-applied afterwards."""

    RNE = "rne"  # to nearest, ties to even
    RNA = "rna"  # to nearest, ties away from zero
    RTZ = "rtz"  # towards zero
    SR = "sr"  # stochastic: floor(|y| + r / 2^R) with a random word r of R bits


class ScaleRule(StrEnum):
    """Which exponent a block's largest magnitude a > 0 asks for (p significand bits, largest element P in [1, 2))."""

    FLOOR = "floor"  # floor(log2 a)
    CEIL = "ceil"  # one more where a would clip: a > P * 2^floor(log2 a)
    EVEN = "even"  # floor(log2 of a rounded RNE to p bits)


def conversion_loss(source: BlockFormat, target: BlockFormat, rule: ScaleRule) -> str:
    """Why some block of `source` has a value that no block of `target` made by `rule` holds; "" if there is none.

    Both have one block length and power-of-two scales. Values only: infinities and NaN, which no conversion keeps, do
    not count. Binades and places are those under the shared exponent 0.
    """
    from_, to = source.element, target.element
    span = from_.largest_code_integer.bit_length()  # from an element's largest binade to its last place
    kept = to.emax - to.lsb_exponent + 1

    def clips(significand: int) -> bool:
        """Whether an element of the source lies above the target's largest in the same binade."""
        return significand << to.max_integer.bit_length() > to.max_integer << significand.bit_length()

    saturates = rule is not ScaleRule.CEIL and clips((1 << from_.precision) - 1)
    bump = rule is ScaleRule.CEIL and clips(from_.largest_code_integer)  # below the top binade it costs none
    # A group under one microexponent of the target lies in one of the source, or else in the whole block.
    shared = source.max_microexponent if source.microexponents > 1 else 0  # how far apart two groups can lie
    inside = target.microexponents > 0 and (not shared or source.subblock % target.subblock == 0)
    wanted = span if inside else span + shared
    if to.is_float and from_.precision > to.precision:
        return f"elements have {from_.precision} significant bits, {target.name} keeps {to.precision}"
    if wanted + bump > kept or span + shared + bump > kept + target.max_microexponent:
        return f"elements reach down {wanted - 1} binades, {target.name} keeps {kept - 1 - bump}"
    if saturates:
        return f"the largest elements saturate in {target.name} under the scale rule {rule.value}"
    lowest, highest = source.scale.lowest + source.unit_exponent, target.scale.lowest + target.unit_exponent
    if lowest < highest:
        return f"values go down to 2^{lowest}, {target.name} to 2^{highest}"
    top = source.scale.highest + from_.lsb_exponent + span - 1 + bump
    if top > target.scale.highest + to.emax:
        return f"values go up to 2^{top}, {target.name} to 2^{target.scale.highest + to.emax}"
    return ""
