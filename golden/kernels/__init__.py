"""Compiled kernels behind the definitions of the golden model: faster, never different."""

from functools import cache

__all__ = ["available"]


@cache
def available() -> bool:
    """Whether numba is there, so that kernels can be compiled."""
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True
