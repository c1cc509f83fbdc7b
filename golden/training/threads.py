"""One BLAS thread: a plain FP32 product differs in its last bits with their number, so it is part of a run."""

import os
import sys

__all__ = ["pin"]

_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def pin() -> None:
    """Give BLAS one thread: through its variables before NumPy is loaded, through threadpoolctl afterwards.

    One thread is also the faster choice as soon as anything else runs on the machine.
    """
    for variable in _VARIABLES:
        os.environ[variable] = "1"
    if "numpy" in sys.modules:
        try:
            from threadpoolctl import threadpool_limits
        except ImportError:  # it comes with scikit-learn; without it the variables hold if they were set early enough
            return
        threadpool_limits(limits=1)
