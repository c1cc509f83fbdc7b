"""The deliberate bugs: mistakes that people make in such hardware, one line of Verilog each.

Every unit kind has some, every part of the specification that a bench could forget has one: each kind of rounding,
the ends of every range, special values, state that outlives what it belongs to, handshakes.
"""

from tb.mutants.plant import Mutant

__all__ = ["MUTANTS"]

_DOT = {"unit": "dot", "format": "bfp4x16"}
_OPERATORS = _DOT | {"arch": "plain"}
_E2M1 = {"unit": "dot", "format": "mxfp4x4"}
_PAIRS = {"unit": "dot", "format": "mx_m4_k4_2_d8_1"}
_FIXED = {"unit": "dot", "format": "bfp4x4", "result": "fixed"}
_SUM = {"unit": "dot", "format": "bfp4x3", "accumulate": "fp32"}
_FUSED = {"unit": "dot", "format": "bfp4x3", "accumulate": "fused", "contexts": 2, "pipeline": 0}
_QUANTIZE = {"unit": "quantize", "format": "bfp4x8"}
_SERIAL = {"unit": "quantize", "format": "bfp4x8e6", "lanes": 2}
_WORDS = {"unit": "quantize", "format": "bfp4x8", "lanes": 2, "rounding": "sr"}
_XORSHIFT = {"unit": "quantize", "format": "bfp4x8", "lanes": 2, "rounding": "sr", "random": "xorshift"}
_DEQUANTIZE = {"unit": "dequantize", "format": "bfp4x8", "lanes": 2}
_TILE = {"unit": "tile", "format": "bfp4x4"}

_BLOCK_SUM = [
    Mutant(
        "dropped carry", "a full adder of the compressor tree does not see another one's carry", _DOT, "",
        ".a(tree_full_adder_20_carry),", ".a(1'h0),",
    ),
    Mutant(
        "three times three", "the product of two E2M1 significands of three is five", _E2M1, "",
        "assign product_2_nine = @1 & @2;", "assign product_2_nine = 1'h0;",
    ),
    Mutant(
        "pair taken for negative", "a sum under one microexponent is negative unless it moves", _PAIRS, "",
        "assign shifted_2_clear_above0 = @1 & @2;", "assign shifted_2_clear_above0 = 1'h0;",
    ),
    Mutant(
        "carry between halves", "a carry is lost between the low and the high half of a sum", _OPERATORS, "",
        "assign sum2_0 = $signed(sum1_0) + $signed(sum1_1);",
        "assign sum2_0 = { { sum1_0[8], sum1_0[8:4] } + { sum1_1[8], sum1_1[8:4] }, sum1_0[3:0] + sum1_1[3:0] };",
    ),
    Mutant(
        "lost product sign", "one lane ignores the sign of operand b", _DOT, "",
        "assign negative_7 = i__payload[31] ^ i__payload[105];", "assign negative_7 = i__payload[31];",
    ),
    Mutant(
        "poison missing", "the reserved exponent of operand b is taken for a number", _DOT, "",
        "assign @1 = i__payload[147:138] == 9'h1ff;", "assign @1 = 1'h0;",
    ),
    Mutant(
        "poison leaks an exponent", "a poisoned block's fixed-point sum is 0, its exponent is not", _FIXED, "",
        "= sum_poison ? 12'h000 : sum_exponent;", "= sum_exponent;",
    ),
    Mutant(
        "sum cut by a bit", "the magnitude of the largest positive sums loses its top bit", _DOT, "",
        "assign magnitude = @1 ? @2 : sum_total[9:0];", "assign magnitude = @1 ? @2 : sum_total[8:0];",
    ),
]  # fmt: skip

_ROUNDER = [
    Mutant(
        "ties up", "a tie rounds up even where the kept bits are even", _DOT, "_round",
        "assign round_up = significand[1] & @1;", "assign round_up = significand[1];",
    ),
    Mutant(
        "off-by-one denormal shift", "a value below FP32's normal range moves one place less than it has to",
        _DOT, "_to_raw", "assign @1 = - $signed(top[9:0]);", "assign @1 = ~ top[9:0];",
    ),
    Mutant(
        "sticky bit lost", "bits that leave the longest stage of the denormal shifter are forgotten", _DOT, "_to_raw",
        "assign @1 = denormal_by8[16] | @2;", "assign @1 = denormal_by8[16];",
    ),
    Mutant(
        "no overflow to infinity", "too large a sum wraps into the exponent field", _DOT, "_round",
        "assign @1 = infinity | @2;", "assign @1 = infinity;",
    ),
    Mutant(
        "infinity a binade late", "the lowest sums that overflow come out as a NaN pattern", _DOT, "_round",
        "biased > 8'hfd;", "biased > 8'hfe;",
    ),
    Mutant(
        "NaN keeps a sign", "the NaN of a poisoned block is not the canonical one", _DOT, "_round",
        "nan ? 32'd2143289344", "nan ? { sign, 31'd2143289344 }",
    ),
]  # fmt: skip

_ACCUMULATOR = [
    Mutant(
        "reset leaves the sum", "the accumulator starts with what it held at power-up", _SUM, "_accumulate",
        "if (rst) sum_0 <= 32'd0;\n    else if (@1)", "if (@1)",
    ),
    Mutant(
        "first ignored", "a new sum goes on from the old one", _SUM, "_accumulate",
        "assign @1 = ~ first;", "assign @1 = 1'h1;",
    ),
    Mutant(
        "infinity minus infinity", "infinities of both signs add up to one of them", _SUM, "_accumulate",
        "assign @1 = @2 & subtract;", "assign @1 = 1'h0;",
    ),
    Mutant(
        "far shift wraps", "an addend 32 to 63 binades below is shifted by 32 places less", _SUM, "_accumulate_align",
        "assign @1 = | distance[7:5];", "assign @1 = | distance[7:6];",
    ),
    Mutant(
        "adder's sticky bit lost", "what the aligner shifts out by 16 does not count in the rounding",
        _SUM, "_accumulate_align", "assign @1 = aligned_by8[16] | @2;", "assign @1 = aligned_by8[16];",
    ),
    Mutant(
        "difference of minus zero", "equal numbers of opposite sign cancel to -0", _SUM, "_accumulate_add",
        "assign total_sign = sign & @1;", "assign total_sign = sign;",
    ),
    Mutant(
        "adder's ties up", "an addition's ties round up even where the kept bits are even", _SUM, "_accumulate_round",
        "assign round_up = significand[3] & @1;", "assign round_up = significand[3];",
    ),
    Mutant(
        "subnormal accumulator as zero", "an accumulator below FP32's normal range is read as 0", _SUM, "_accumulate",
        "(running[22:0]),\n", "(running[22:0] & { 23{running_hidden} }),\n",
    ),
    Mutant(
        "contexts turn on bubbles", "the next sum is selected in every cycle, with or without an addend",
        _FUSED, "_accumulate", "assign @1 = enable & i_valid;\n", "assign @1 = enable;\n",
    ),
    Mutant(
        "sum of the other context", "a result is stored where the addend that arrives now belongs",
        _FUSED, "_accumulate", "if (enable) total_context <= @1;", "if (enable) total_context <= ~ @1;",
    ),
]  # fmt: skip

_BUFFER = [
    Mutant(
        "transfer lost", "the output buffer takes a third transfer while two of them wait", _DOT, "_buffer",
        "assign i__ready = ~ spill_valid;", "assign i__ready = 1'h1;",
    ),
    Mutant(
        "transfer twice", "a spilled transfer that leaves ahead of a bubble stays in the buffer", _DOT, "_buffer",
        "assign @1 = | { @2, rst };", "assign @1 = | { @2 & (i__valid | ~ spill_valid), rst };",
    ),
    Mutant(
        "payload changes while stalled", "a transfer that waits is overwritten by the next one", _DOT, "_buffer",
        "if (@1) o__payload <= @2;", "if (@1 | i__valid) o__payload <= @2;",
    ),
    Mutant(
        "reset leaves a transfer", "one cycle of reset does not empty the output buffer", _DOT, "_buffer",
        "assign @1 = | { @2, rst };", "assign @1 = @2;",
    ),
    Mutant(
        "ready through ready", "the buffer's ready follows the ready that it is given within a cycle", _DOT, "_buffer",
        "assign i__ready = ~ spill_valid;", "assign i__ready = ~ spill_valid & (o__ready | ~ o__valid);",
    ),
]  # fmt: skip

_CONVERTERS = [
    Mutant(
        "ties away", "one lane rounds a tie away from zero", _QUANTIZE, "_round_5",
        "assign round_up = @1[0] & @2;", "assign round_up = @1[0];",
    ),
    Mutant(
        "saturation missing", "a largest mantissa that rounds up wraps to 0", _QUANTIZE, "_round_0",
        "assign more = round_up & @1;", "assign more = round_up;",
    ),
    Mutant(
        "minus zero stored", "a negative value that rounds to 0 keeps its sign", _QUANTIZE, "_round_3",
        "= sign & @1;", "= sign;",
    ),
    Mutant(
        "infinity not seen", "a NaN or an infinity is taken for a number of the largest exponent", _QUANTIZE, "",
        "assign @1 = & { block_largest7,", "assign @1 = 1'h0 & { block_largest7,",
    ),
    Mutant(
        "last value out of the race", "the largest exponent is sought among all but the last value", _QUANTIZE, "",
        "block_race7 & { i__payload[253],", "block_race7 & { 1'h0,",
    ),
    Mutant(
        "last sticky bit lost", "of what lies below a tie, the lowest bit does not count", _QUANTIZE, "_align_2",
        "[4:0];\n", "[4:1];\n",
    ),
    Mutant(
        "subnormals as zero", "a block of subnormals gets the exponent of the lowest normal number",
        _QUANTIZE, "_exponent", "? peak_leading_zeros : 5'h00;", "? 5'h00 : 5'h00;",
    ),
    Mutant(
        "exponent not clamped", "an exponent above the format's range is stored as it is", _SERIAL, "",
        "assign @1 = $signed(wanted) > $signed(6'h1e);", "assign @1 = 1'h0;",
    ),
    Mutant(
        "clamped too late", "the exponent just below the format's range is stored as it is", _SERIAL, "",
        "$signed(wanted) < $signed(6'h20);", "$signed(wanted) < $signed(7'h5f);",
    ),
    Mutant(
        "no saturation above the range", "where the exponent was clamped from above, large values lose their top bits",
        _SERIAL, "_round_0", "{ overflow, overflow, overflow }", "3'h0",
    ),
    Mutant(
        "last transfer not looked at", "a serial converter's exponent ignores the values that come last", _SERIAL, "",
        "if (@1) block_peak <= block_peak_so_far;", "if (@1) block_peak <= running_peak;",
    ),
    Mutant(
        "peak of the block before", "a poisoned block poisons the next one too", _SERIAL, "",
        "assign block_peak_so_far = @1 ?", "assign block_peak_so_far = 1'h0 ?",
    ),
    Mutant(
        "a bubble per block", "the last values of a block wait until the block before has left", _SERIAL, "",
        "assign @1 = @2 | @3;\n  assign i__ready = w_rdy & @1;", "assign @1 = @2;\n  assign i__ready = w_rdy & @1;",
    ),
    Mutant(
        "block overwritten", "a finished block does not wait until it is taken", _SERIAL, "",
        "assign enable = ~ @1;", "assign enable = 1'h1;",
    ),
    Mutant(
        "word of another lane", "two lanes round with the same random word", _WORDS, "",
        ".random(exponent_words_1),", ".random(exponent_words_0),",
    ),
    Mutant(
        "word too small", "a word that just does not carry rounds up", _WORDS, "_round_0",
        "assign round_up = random > @1;", "assign round_up = random >= @1;",
    ),
    Mutant(
        "words drawn while stalled", "the generator runs on while its block waits", _XORSHIFT, "",
        "assign draw = enable & @1;", "assign draw = @1;",
    ),
    Mutant(
        "block taken too early", "a block that is still leaving is overwritten by the next one", _DEQUANTIZE, "",
        "assign i__ready = @1 | @2;", "assign i__ready = @1 | beat == 2'h3;",
    ),
    Mutant(
        "minus zero given", "a stored minus zero comes out as -0", _DEQUANTIZE, "",
        "assign @1 = block[7] & @2;", "assign @1 = block[7];",
    ),
    Mutant(
        "lanes swapped in time", "the elements of a block leave in the wrong order of transfers", _DEQUANTIZE, "",
        "{ block[7:0], block[31:8] }", "{ block[23:0], block[31:24] }",
    ),
    Mutant(
        "no activation", "negative results pass the tile", _TILE, "",
        "assign @1 = @2 | @3;", "assign @1 = 1'h1;",
    ),
    Mutant(
        "sums shown early", "the tile converts every running sum, finished or not", _TILE, "_dot_accumulate",
        "assign o_valid = i_valid & last;", "assign o_valid = i_valid;",
    ),
    Mutant(
        "queue overruns", "the converter's queue does not say that it is full", _TILE, "_quantize_waiting",
        "assign w_rdy = level != 3'h5;", "assign w_rdy = 1'h1;",
    ),
]  # fmt: skip

MUTANTS: tuple[Mutant, ...] = (*_BLOCK_SUM, *_ROUNDER, *_ACCUMULATOR, *_BUFFER, *_CONVERTERS)
