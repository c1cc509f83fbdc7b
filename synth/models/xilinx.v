// Techmap: UltraScale+ cells to Yosys primitives, so that a mapped netlist can be simulated and proved. Parameters
// outside what synthesis emits are refused. tests/synth proves each equal to the vendor simulation model that Yosys
// carries, but for DSP48E2, which has none: its netlists are proved or simulated against the unit.

module INV (output O, input I);
  assign O = ~I;
endmodule

module LUT1 (output O, input I0);
  parameter [1:0] INIT = 0;
  \$lut #(.WIDTH(1), .LUT(INIT)) _TECHMAP_REPLACE_ (.A(I0), .Y(O));
endmodule

module LUT2 (output O, input I0, I1);
  parameter [3:0] INIT = 0;
  \$lut #(.WIDTH(2), .LUT(INIT)) _TECHMAP_REPLACE_ (.A({I1, I0}), .Y(O));
endmodule

module LUT3 (output O, input I0, I1, I2);
  parameter [7:0] INIT = 0;
  \$lut #(.WIDTH(3), .LUT(INIT)) _TECHMAP_REPLACE_ (.A({I2, I1, I0}), .Y(O));
endmodule

module LUT4 (output O, input I0, I1, I2, I3);
  parameter [15:0] INIT = 0;
  \$lut #(.WIDTH(4), .LUT(INIT)) _TECHMAP_REPLACE_ (.A({I3, I2, I1, I0}), .Y(O));
endmodule

module LUT5 (output O, input I0, I1, I2, I3, I4);
  parameter [31:0] INIT = 0;
  \$lut #(.WIDTH(5), .LUT(INIT)) _TECHMAP_REPLACE_ (.A({I4, I3, I2, I1, I0}), .Y(O));
endmodule

module LUT6 (output O, input I0, I1, I2, I3, I4, I5);
  parameter [63:0] INIT = 0;
  \$lut #(.WIDTH(6), .LUT(INIT)) _TECHMAP_REPLACE_ (.A({I5, I4, I3, I2, I1, I0}), .Y(O));
endmodule

module MUXF7 (output O, input I0, I1, S);
  assign O = S ? I1 : I0;
endmodule

module MUXF8 (output O, input I0, I1, S);
  assign O = S ? I1 : I0;
endmodule

module MUXF9 (output O, input I0, I1, S);
  assign O = S ? I1 : I0;
endmodule

// CYINIT and CI are the one carry in; the unused one is 0.
module CARRY4 (output [3:0] CO, O, input CI, CYINIT, input [3:0] DI, S);
  assign O = S ^ {CO[2:0], CI | CYINIT};
  assign CO[0] = S[0] ? CI | CYINIT : DI[0];
  assign CO[1] = S[1] ? CO[0] : DI[1];
  assign CO[2] = S[2] ? CO[1] : DI[2];
  assign CO[3] = S[3] ? CO[2] : DI[3];
endmodule

module FDRE (output Q, input C, CE, D, R);
  parameter INIT = 1'bx;
  parameter [0:0] IS_C_INVERTED = 0;
  parameter [0:0] IS_D_INVERTED = 0;
  parameter [0:0] IS_R_INVERTED = 0;
  wire _TECHMAP_FAIL_ = IS_C_INVERTED | IS_D_INVERTED | IS_R_INVERTED;
  \$_SDFFE_PP0P_ _TECHMAP_REPLACE_ (.C(C), .E(CE), .R(R), .D(D), .Q(Q));
endmodule

module FDSE (output Q, input C, CE, D, S);
  parameter INIT = 1'bx;
  parameter [0:0] IS_C_INVERTED = 0;
  parameter [0:0] IS_D_INVERTED = 0;
  parameter [0:0] IS_S_INVERTED = 0;
  wire _TECHMAP_FAIL_ = IS_C_INVERTED | IS_D_INVERTED | IS_S_INVERTED;
  \$_SDFFE_PP1P_ _TECHMAP_REPLACE_ (.C(C), .E(CE), .R(S), .D(D), .Q(Q));
endmodule

// Signed 27 x 18 product; for UltraScale+ Yosys moves neither registers nor adders in.
module DSP48E2 (output [47:0] P, input [29:0] A, ACIN, input [17:0] B, BCIN, input [47:0] C, PCIN, input [26:0] D,
  input [8:0] OPMODE, input [4:0] INMODE, input [3:0] ALUMODE, input [2:0] CARRYINSEL, input CARRYIN);
  parameter AREG = 1;
  parameter BREG = 1;
  parameter CREG = 1;
  parameter DREG = 1;
  parameter MREG = 1;
  parameter PREG = 1;
  parameter ADREG = 1;
  parameter ACASCREG = 1;
  parameter BCASCREG = 1;
  parameter ALUMODEREG = 1;
  parameter CARRYINREG = 1;
  parameter CARRYINSELREG = 1;
  parameter INMODEREG = 1;
  parameter OPMODEREG = 1;
  parameter AMULTSEL = "A";
  parameter BMULTSEL = "B";
  parameter A_INPUT = "DIRECT";
  parameter B_INPUT = "DIRECT";
  parameter USE_MULT = "MULTIPLY";
  parameter USE_SIMD = "ONE48";
  parameter _TECHMAP_CONSTVAL_OPMODE_ = 9'bx;
  parameter _TECHMAP_CONSTVAL_ALUMODE_ = 4'bx;
  parameter _TECHMAP_CONSTVAL_INMODE_ = 5'bx;
  parameter _TECHMAP_CONSTVAL_CARRYIN_ = 1'bx;
  wire _TECHMAP_FAIL_ = AREG || BREG || CREG || DREG || MREG || PREG || ADREG || ALUMODEREG || CARRYINREG ||
    CARRYINSELREG || INMODEREG || OPMODEREG || AMULTSEL != "A" || BMULTSEL != "B" || A_INPUT != "DIRECT" ||
    B_INPUT != "DIRECT" || USE_MULT != "MULTIPLY" || USE_SIMD != "ONE48" ||
    _TECHMAP_CONSTVAL_OPMODE_ !== 9'h005 || _TECHMAP_CONSTVAL_ALUMODE_ !== 4'b0 ||
    _TECHMAP_CONSTVAL_INMODE_ !== 5'b0 || _TECHMAP_CONSTVAL_CARRYIN_ !== 1'b0;
  assign P = {{21{A[26]}}, A[26:0]} * {{30{B[17]}}, B};
endmodule
