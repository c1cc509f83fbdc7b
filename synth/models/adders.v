// The adders of a compressor tree as cells: kept whole, each mapped by itself. The carry does not go through the
// exclusive-or of the sum: 30 transistors in generic gates, where the same adder dissolved into a tree takes about 36.

(* keep_hierarchy *)
module full_adder (output sum, carry, input a, b, c);
  assign sum = a ^ b ^ c;
  assign carry = (a & b) | (c & (a | b));
endmodule

(* keep_hierarchy *)
module half_adder (output sum, carry, input a, b);
  assign sum = a ^ b;
  assign carry = a & b;
endmodule

// a + b + 1
(* keep_hierarchy *)
module half_adder_plus (output sum, carry, input a, b);
  assign sum = ~(a ^ b);
  assign carry = a | b;
endmodule
