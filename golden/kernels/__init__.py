"""Compiled kernels behind the definitions of the golden model: faster, never different."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

__all__ = ["available", "before_compiling"]


@cache
def available() -> bool:
    """Whether numba is there, so that kernels can be compiled."""
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


@contextmanager
def before_compiling(say: Callable[[], None]) -> Iterator[None]:
    """Within, `say` is called once when numba is about to compile; never for kernels that it finds in its cache."""
    if not available():
        yield
        return
    from numba.core import event

    class First(event.Listener):
        said = False

        def on_start(self, event: event.Event) -> None:
            if not self.said:
                self.said = True
                say()

        def on_end(self, event: event.Event) -> None:
            pass

    with event.install_listener("numba:compile", First()):
        yield
