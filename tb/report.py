"""Regression results as files (JUnit XML, JSON) and as text for people."""

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from golden.files import write
from tb.regression import Outcome, sources_sha256
from tb.toolchain import find_verilator

__all__ = ["failure_text", "junit", "progress_line", "provenance", "summary", "write_json", "write_text"]


def provenance(command: str) -> dict[str, Any]:
    """What a record's figures came from: no date, host or path, so that equal runs write equal records."""
    packages = {name: version(name) for name in ("amaranth", "cocotb", "numpy")}
    return {
        "command": command,
        "versions": packages | {"verilator": find_verilator().version},
        "sources_sha256": sources_sha256("golden", "hdl", "tb"),
    }


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all, and not at all if it has this text; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, text.encode())


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """An indented JSON file."""
    write_text(path, json.dumps(record, indent=1) + "\n")


def junit(outcomes: Sequence[Outcome]) -> str:
    """JUnit XML: one suite per configuration, one case per cocotb test and run, and one for the test points."""
    root = ElementTree.Element("testsuites", name="narrowgauge tb")
    for outcome in outcomes:
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=outcome.name,
            tests=str(len(outcome.tests)),
            failures=str(len(outcome.failures)),
            time=f"{outcome.build_seconds + outcome.run_seconds:.3f}",
        )
        for name, text in outcome.tests.items():
            case = ElementTree.SubElement(suite, "testcase", classname=f"tb.{outcome.name}", name=name)
            if text:
                ElementTree.SubElement(case, "failure", message=text.splitlines()[0]).text = text
        if outcome.log:
            ElementTree.SubElement(suite, "system-out").text = outcome.log
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def progress_line(number: int, total: int, outcome: Outcome) -> str:
    """One configuration in one line."""
    hit = sum(isinstance(times, int) and times > 0 for times in outcome.testpoints.values())
    spared = sum(isinstance(times, str) for times in outcome.testpoints.values())
    points = f", {hit} of {len(outcome.testpoints) - spared} points" if outcome.testpoints else ""
    points += f" ({spared} out of reach)" if spared else ""
    build = f"built in {outcome.build_seconds:.1f} s" if outcome.built else "cached"
    return (
        f"[{number:{len(str(total))}}/{total}] {'pass' if outcome.passed else 'FAIL'}  {outcome.name}: "
        f"{outcome.vectors:,} vectors{points}, {build}, ran {outcome.run_seconds:.1f} s"
    )


def failure_text(outcome: Outcome) -> str:
    """Everything about a failed configuration: failures first, then the simulations' logs."""
    rule = "-" * 20
    log = [f"{rule} log of {outcome.name} {rule}", outcome.log] if outcome.log else []
    return "\n".join([f"{rule} {outcome.name} {rule}", *outcome.failures, *log])


def summary(outcomes: Sequence[Outcome], seconds: float, seed: int) -> str:
    """The last lines of a run."""
    failed = [outcome.name for outcome in outcomes if not outcome.passed]
    lines = [f"failed: {name}" for name in failed]
    vectors, built = sum(o.vectors for o in outcomes), sum(o.built for o in outcomes)
    lines.append(
        f"{len(outcomes) - len(failed)} passed, {len(failed)} failed; {vectors:,} vectors, {built} models built, "
        f"{seconds:.1f} s, seed {seed}"
    )
    return "\n".join(lines)
