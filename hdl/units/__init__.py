"""One file per unit: its configuration and its component."""
