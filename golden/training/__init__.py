"""Training runs: configuration, loop, checkpoint, log, footprint, plots. `python -m golden.train` drives them."""
