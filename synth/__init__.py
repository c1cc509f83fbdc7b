"""Area of generated units: synthesis with Yosys, netlist checks, records and reports."""
