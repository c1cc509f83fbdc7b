"""Runs configurations through the cocotb bench: emit, build, three simulations, verdict over all test points.

A run differs from the next in what registers and memories hold at power-up and in all random data. `run_unit` is the
whole check of one piece of Verilog; the regression applies it to its list, the tests to a few, and
`python -m tb --manifest M --verilog V` to any file.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hdl.config import UnitConfig
from hdl.emit import emit
from hdl.yosys import find_engine
from tb import build, runner
from tb.cache import build_once, content_key
from tb.manifest import Manifest
from tb.models_gecko import GECKO_MODELS
from tb.plan import verdict

__all__ = ["INITIAL_SEEDS", "Outcome", "Settings", "emitted", "run_configuration", "run_unit", "sources_sha256"]

INITIAL_SEEDS = (1, 2, 3)
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run: `vectors` are input transfers per cell of the idle x backpressure matrix; `waves` a folder."""

    seed: int = 1
    initial_seeds: Sequence[int] = INITIAL_SEEDS
    vectors: int = 100
    waves: Path | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one configuration. `tests` maps each test of each run to its failure, "" if passed; `log` is theirs."""

    name: str
    config: dict[str, Any]
    unit_sha256: str
    vectors: int
    testpoints: dict[str, int | str]
    cycles: int
    build_seconds: float
    run_seconds: float
    built: bool
    seed: int
    passed: bool
    tests: dict[str, str]
    log: str

    def record(self) -> dict[str, Any]:
        """JSON entry, without log."""
        return {key: value for key, value in asdict(self).items() if key != "log"}

    @property
    def failures(self) -> list[str]:
        """What went wrong, one text per failed test."""
        return [f"{name}: {text}" for name, text in self.tests.items() if text]


@cache
def sources_sha256(*rooms: str) -> str:
    """Hash of the Python and C++ sources of some folders: what a result depends on besides its arguments."""
    digest = hashlib.sha256()
    for room in rooms:
        for path in sorted((_ROOT / room).rglob("*")):
            if path.suffix in (".py", ".cpp", ".vlt"):
                digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def emitted(config: UnitConfig) -> tuple[str, dict[str, Any]]:
    """Verilog and manifest of a configuration, from the cache if neither the generator nor its tools have changed."""
    tools = [version("amaranth"), find_engine().name, sources_sha256("hdl", "golden")]

    def write(folder: Path) -> None:
        out = emit(config)
        (folder / "unit.v").write_text(out.verilog, encoding="utf-8")
        (folder / "unit.json").write_text(json.dumps(out.manifest), encoding="utf-8")

    entry, _ = build_once("emit", content_key(config.to_dict(), tools), write)
    return (entry / "unit.v").read_text(encoding="utf-8"), json.loads((entry / "unit.json").read_text(encoding="utf-8"))


def run_unit(
    verilog: str, manifest: Mapping[str, Any], settings: Settings, rerun: str, *, seed_flag: str = "--seed"
) -> Outcome:
    """Check Verilog against the golden model that its manifest names.

    `rerun` is the command that does this again, `seed_flag` how it calls the seed.
    """
    unit = Manifest.from_dict(manifest)
    module = "tb.cocotb_gecko" if unit.unit in GECKO_MODELS else "tb.cocotb_tests"
    model = build.build_cocotb(verilog, unit, waves=settings.waves is not None)
    vectors = cycles = 0
    seconds, logs = 0.0, []
    hits, tests = Counter[str](), dict[str, str]()
    for initial_seed in settings.initial_seeds:
        result = runner.run(
            model,
            module,
            seed=settings.seed,
            initial_seed=initial_seed,
            parameters={
                "manifest": manifest,
                "seed": settings.seed,
                "initial_seed": initial_seed,
                "vectors": settings.vectors,
                "rerun": f"{rerun} {seed_flag} {settings.seed} --initial-seed {initial_seed} "
                f"--vectors {settings.vectors}",
            },
            waves=_waves(settings, f"{unit.top}_{initial_seed}.vcd"),
        )
        seconds += result.seconds
        names = {test.name.removeprefix(f"{module}."): test.message for test in result.tests}
        tests |= {f"{name} [initial values {initial_seed}]": text for name, text in names.items()}
        if result.error:
            tests[f"simulation [initial values {initial_seed}]"] = result.error
        if not result.passed:
            logs.append(result.log)
        if result.report:
            vectors, cycles = vectors + result.report["vectors"], cycles + result.report["cycles"]
            hits.update(result.report["hits"])
    testpoints, complaints = verdict(unit.config, hits)
    # A run that ended early has not driven everything: its own failure is the news then.
    tests["test points"] = "" if any(tests.values()) else "\n".join(complaints)
    return Outcome(
        name=unit.top,
        config=dict(unit.config),
        unit_sha256=unit.sha256,
        vectors=vectors,
        testpoints=testpoints,
        cycles=cycles,
        build_seconds=model.seconds,
        run_seconds=seconds,
        built=model.seconds > 0,
        seed=settings.seed,
        passed=not any(tests.values()),
        tests=tests,
        log="\n".join(logs),
    )


def run_configuration(config: UnitConfig, settings: Settings) -> Outcome:
    """`run_unit` on what the generator emits for a configuration; a function that other processes can be sent."""
    verilog, manifest = emitted(config)
    return run_unit(verilog, manifest, settings, f"python -m tb --only {config.name}")


def _waves(settings: Settings, name: str) -> Path | None:
    if settings.waves is None:
        return None
    settings.waves.mkdir(parents=True, exist_ok=True)
    return settings.waves / name
