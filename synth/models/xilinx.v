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

// Signed 27 x 18 product, plus or minus C or the previous P, with the registers that Yosys can move in.
module DSP48E2 (output [47:0] P, input CLK, input [29:0] A, ACIN, input [17:0] B, BCIN, input [47:0] C, PCIN,
  input [26:0] D, input [8:0] OPMODE, input [4:0] INMODE, input [3:0] ALUMODE, input [2:0] CARRYINSEL, input CARRYIN,
  input CEA1, CEA2, CEAD, CEALUMODE, CEB1, CEB2, CEC, CECARRYIN, CECTRL, CED, CEINMODE, CEM, CEP,
  input RSTA, RSTALLCARRYIN, RSTALUMODE, RSTB, RSTC, RSTCTRL, RSTD, RSTINMODE, RSTM, RSTP);
  parameter AREG = 1;
  parameter BREG = 1;
  parameter CREG = 1;
  parameter MREG = 1;
  parameter PREG = 1;
  parameter ACASCREG = 1;
  parameter BCASCREG = 1;
  parameter ADREG = 1;
  parameter DREG = 1;
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
  parameter [8:0] _TECHMAP_CONSTMSK_OPMODE_ = 0;
  parameter [8:0] _TECHMAP_CONSTVAL_OPMODE_ = 0;
  parameter [3:0] _TECHMAP_CONSTMSK_ALUMODE_ = 0;
  parameter [3:0] _TECHMAP_CONSTVAL_ALUMODE_ = 0;
  localparam [8:0] MODE = _TECHMAP_CONSTVAL_OPMODE_;
  localparam FROM_C = MODE == 9'h035;
  localparam FROM_P = MODE == 9'h025;
  localparam SUBTRACT = _TECHMAP_CONSTVAL_ALUMODE_ == 4'b0011;
  wire _TECHMAP_FAIL_ = ~&_TECHMAP_CONSTMSK_OPMODE_ || ~&_TECHMAP_CONSTMSK_ALUMODE_ ||
    (MODE != 9'h005 && !FROM_C && !FROM_P) || (_TECHMAP_CONSTVAL_ALUMODE_ != 4'b0000 && !SUBTRACT) ||
    AREG > 1 || BREG > 1 || ADREG != 0 || DREG != 0 || ALUMODEREG != 0 || CARRYINREG != 0 || CARRYINSELREG != 0 ||
    INMODEREG != 0 || OPMODEREG != 0 || AMULTSEL != "A" || BMULTSEL != "B" || A_INPUT != "DIRECT" ||
    B_INPUT != "DIRECT" || USE_MULT != "MULTIPLY" || USE_SIMD != "ONE48";
  wire [26:0] a;
  wire [17:0] b;
  wire [47:0] c, m, z;
  wire [47:0] product = {{21{a[26]}}, a} * {{30{b[17]}}, b};
  assign z = FROM_C ? c : FROM_P ? P : 48'b0;
  wire [47:0] sum = SUBTRACT ? z - m : z + m + CARRYIN;
  generate
    if (AREG) \$sdffe #(.WIDTH(27), .CLK_POLARITY(1), .EN_POLARITY(1), .SRST_POLARITY(1), .SRST_VALUE(27'b0))
      a_reg (.CLK(CLK), .EN(CEA2), .SRST(RSTA), .D(A[26:0]), .Q(a)); else assign a = A[26:0];
    if (BREG) \$sdffe #(.WIDTH(18), .CLK_POLARITY(1), .EN_POLARITY(1), .SRST_POLARITY(1), .SRST_VALUE(18'b0))
      b_reg (.CLK(CLK), .EN(CEB2), .SRST(RSTB), .D(B), .Q(b)); else assign b = B;
    if (CREG) \$sdffe #(.WIDTH(48), .CLK_POLARITY(1), .EN_POLARITY(1), .SRST_POLARITY(1), .SRST_VALUE(48'b0))
      c_reg (.CLK(CLK), .EN(CEC), .SRST(RSTC), .D(C), .Q(c)); else assign c = C;
    if (MREG) \$sdffe #(.WIDTH(48), .CLK_POLARITY(1), .EN_POLARITY(1), .SRST_POLARITY(1), .SRST_VALUE(48'b0))
      m_reg (.CLK(CLK), .EN(CEM), .SRST(RSTM), .D(product), .Q(m)); else assign m = product;
    if (PREG) \$sdffe #(.WIDTH(48), .CLK_POLARITY(1), .EN_POLARITY(1), .SRST_POLARITY(1), .SRST_VALUE(48'b0))
      p_reg (.CLK(CLK), .EN(CEP), .SRST(RSTP), .D(sum), .Q(P)); else assign P = sum;
  endgenerate
endmodule
