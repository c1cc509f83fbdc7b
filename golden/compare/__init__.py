"""Every policy on the same nets and data, beside FP32: `python -m golden.compare`."""
