// The adders of a compressor tree as cells of the library. It has none for a + b + 1: that one stays logic.

module full_adder (output sum, carry, input a, b, c);
  FA cell_ (.A(a), .B(b), .C(c), .S(sum), .CO(carry));
endmodule

module half_adder (output sum, carry, input a, b);
  HA cell_ (.A(a), .B(b), .S(sum), .CO(carry));
endmodule

module half_adder_plus (output sum, carry, input a, b);
  assign sum = ~(a ^ b);
  assign carry = a | b;
endmodule
