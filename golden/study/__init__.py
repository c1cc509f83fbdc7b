"""Studies of the papers on small models and sets: `python -m golden.study`."""
