// Techmap: ECP5 cells to Yosys primitives, so that a mapped netlist can be simulated and proved. Parameters outside
// what synthesis emits are refused. tests/synth proves each equal to the vendor simulation model that Yosys carries.

module LUT4 (output Z, input A, B, C, D);
  parameter [15:0] INIT = 0;
  \$lut #(.WIDTH(4), .LUT(INIT)) _TECHMAP_REPLACE_ (.A({D, C, B, A}), .Y(Z));
endmodule

module PFUMX (output Z, input ALUT, BLUT, C0);
  assign Z = C0 ? ALUT : BLUT;
endmodule

module L6MUX21 (output Z, input D0, D1, SD);
  assign Z = SD ? D1 : D0;
endmodule

// Two bits of carry chain, a lookup table each; INJECT1_x = "NO" lets the carry into the sum.
module CCU2C (output COUT, S0, S1, input CIN, A0, B0, C0, D0, A1, B1, C1, D1);
  parameter [15:0] INIT0 = 0;
  parameter [15:0] INIT1 = 0;
  parameter INJECT1_0 = "YES";
  parameter INJECT1_1 = "YES";
  wire lut4_0, lut2_0, lut4_1, lut2_1, between;
  \$lut #(.WIDTH(4), .LUT(INIT0)) upper0 (.A({D0, C0, B0, A0}), .Y(lut4_0));
  \$lut #(.WIDTH(2), .LUT(INIT0[3:0])) lower0 (.A({B0, A0}), .Y(lut2_0));
  \$lut #(.WIDTH(4), .LUT(INIT1)) upper1 (.A({D1, C1, B1, A1}), .Y(lut4_1));
  \$lut #(.WIDTH(2), .LUT(INIT1[3:0])) lower1 (.A({B1, A1}), .Y(lut2_1));
  assign S0 = lut4_0 ^ (INJECT1_0 == "YES" ? 1'b0 : CIN);
  assign between = lut4_0 ? CIN : (INJECT1_0 == "YES" ? 1'b0 : lut2_0);
  assign S1 = lut4_1 ^ (INJECT1_1 == "YES" ? 1'b0 : between);
  assign COUT = lut4_1 ? between : (INJECT1_1 == "YES" ? 1'b0 : lut2_1);
endmodule

module TRELLIS_FF (output Q, input CLK, LSR, CE, DI, M);
  parameter GSR = "ENABLED";
  parameter CEMUX = "1";
  parameter CLKMUX = "CLK";
  parameter LSRMUX = "LSR";
  parameter SRMODE = "LSR_OVER_CE";
  parameter REGSET = "RESET";
  parameter LSRMODE = "LSR";
  wire _TECHMAP_FAIL_ = CLKMUX != "CLK" || LSRMUX != "LSR" || SRMODE != "LSR_OVER_CE" || LSRMODE != "LSR" ||
    (CEMUX != "1" && CEMUX != "CE" && CEMUX != "INV");
  wire enable;
  assign enable = CEMUX == "1" ? 1'b1 : CEMUX == "INV" ? ~CE : CE;
  generate
    if (REGSET == "SET")
      \$_SDFFE_PP1P_ _TECHMAP_REPLACE_ (.C(CLK), .E(enable), .R(LSR), .D(DI), .Q(Q));
    else
      \$_SDFFE_PP0P_ _TECHMAP_REPLACE_ (.C(CLK), .E(enable), .R(LSR), .D(DI), .Q(Q));
  endgenerate
endmodule
