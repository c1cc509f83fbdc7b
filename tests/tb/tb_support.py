"""What the simulation tests share: a missing tool skips locally, with its install hint, and fails where CI is set."""

import os

import pytest

from tb import toolchain


def require_compiler():
    _require(toolchain.compiler)


def require_verilator():
    _require(toolchain.find_verilator, toolchain.compiler, toolchain.python_library)


def _require(*tools):
    try:
        for tool in tools:
            tool()
    except toolchain.ToolMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
