"""Deliberate bugs: every pattern fits what is generated today, some are hunted down; the page that tells of them."""

import json
from dataclasses import replace
from itertools import takewhile

import pytest
from tb_support import require_verilator

from hdl.registry import UNITS, make_config
from tb import verification_report
from tb.mutants import __main__ as command
from tb.mutants.catalogue import MUTANTS
from tb.mutants.hunt import hunt
from tb.mutants.plant import PlantError, plant
from tb.mutants.scatter import scatter
from tb.regression import emitted

BLOCK_UNITS = {"dot", "quantize", "dequantize", "tile"}
# In one model: wrong bits at a corner, a lost carry, a broken handshake under stalls, too many transfers.
TOGETHER = ["ties up", "dropped carry", "payload changes while stalled", "transfer twice"]


def named(*names):
    return [mutant for mutant in MUTANTS if mutant.name in names]


def alike(before, after):
    """Lines that two texts have in common at their beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_pattern_matches_exactly_once(mutant):
    config = make_config(**mutant.unit)
    verilog, _ = emitted(config)
    changed = plant(mutant, verilog, config.name)
    before, after = verilog.splitlines(), changed.splitlines()
    same = alike(before, after) + alike(before[::-1], after[::-1])
    assert len(before) - same in (1, 2)  # two where the pattern spans two lines


def test_catalogue_is_named_once_and_covers_every_block_unit():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 16
    assert {mutant.unit["unit"] for mutant in MUTANTS} == BLOCK_UNITS <= UNITS.keys()


def test_pattern_that_no_longer_fits_is_an_error():
    (mutant,) = named("ties up")
    config = make_config(**mutant.unit)
    verilog, _ = emitted(config)
    for wrong, text in (
        (replace(mutant, old="assign round_up = nowhere;"), "0 places"),
        (replace(mutant, old="assign @1 ="), "places"),
        (replace(mutant, module="_nowhere"), "0 modules"),
        (replace(mutant, old="assign @1 = @1"), "0 places"),  # the same identifier twice
    ):
        with pytest.raises(PlantError, match=text):
            plant(wrong, verilog, config.name)


def test_bugs_in_one_model_are_caught_where_they_show(tmp_path, capsys):
    require_verilator()
    record = tmp_path / "mutants.json"
    words = [word for name in TOGETHER for word in ("--only", name)]
    assert command.main([*words, "--vectors", "2000", "--json", str(record)]) == 0
    assert "4 of 4 mutants caught" in capsys.readouterr().out
    caught = {entry["name"]: entry["caught"] for entry in json.loads(record.read_text())["mutants"]}
    assert list(caught) == [mutant.name for mutant in named(*TOGETHER)]
    assert caught["ties up"]["point"] == "tie, down to even"
    assert caught["dropped carry"]["symptom"] == "wrong bits"
    assert caught["payload changes while stalled"]["symptom"] == "changes a waiting payload"
    assert caught["payload changes while stalled"]["check"] == "corners, stalls on both sides"
    assert caught["transfer twice"]["symptom"] == "transfers too many"
    assert all(0 < catch["vectors"] < 2000 for catch in caught.values())


def test_survivor_is_the_exit_status(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(command, "campaign", lambda *_: [{"name": "x", "caught": None}, {"name": "y", "caught": {}}])
    assert command.main(["-q"]) == 1
    assert "1 of 2 mutants caught" in capsys.readouterr().out


def test_unit_that_is_wrong_without_a_mutant_is_not_hunted(monkeypatch):
    require_verilator()
    monkeypatch.setattr("tb.mutants.__main__.hunt", lambda model, select, stages: hunt(model, 1, stages))
    with pytest.raises(AssertionError, match="wrong without any mutant"):
        command.campaign(named("ties up"), 2000, 1)


@pytest.mark.parametrize(("words", "text"), [(["--random", "0"], "--random 0: 1.."), (["--only", "ties"], "one of ")])
def test_usage_errors(words, text, capsys):
    assert command.main(words) == 2
    assert text in capsys.readouterr().err


def test_random_mutants_are_caught_proved_harmless_or_listed():
    require_verilator()
    result = scatter({"unit": "dot", "format": "bfp2x2", "pipeline": 0}, 12, 1500, 3)
    assert result["mutants"] == 12 == result["caught"] + result["unchanged"] + len(result["survivors"])
    assert result["caught"] == sum(result["checks"].values()) >= 8


def records(tmp_path):
    entry = {"configuration": "u", "name": "n", "story": "s", "module": "", "old": "", "new": ""}
    catch = {"check": "corners", "symptom": "wrong bits", "point": "a|b", "vectors": 1234, "detail": ""}
    head = {"command": "c", "sources_sha256": "0123456789abcdef", "seed": 1, "vectors": 20000}
    data = {
        "regression": head
        | {
            "schema": "narrowgauge-tb-1",
            "initial_seeds": [1, 2],
            "configurations": [
                {
                    "config": {"unit": "dot"},
                    "passed": True,
                    "vectors": 5,
                    "cycles": 7,
                    "testpoints": {"p": 3, "q": "needs"},
                }
            ],
        },
        "mutants": head
        | {"schema": "narrowgauge-mutants-1", "mutants": [entry | {"caught": catch}, entry | {"caught": None}]},
    }
    for name, record in data.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
    return data


def test_report_shows_what_the_records_hold(tmp_path, capsys):
    records(tmp_path)
    page = tmp_path / "page.md"
    words = ["--regression", str(tmp_path / "regression.json"), "--mutants", str(tmp_path / "mutants.json")]
    assert verification_report.main([*words, "-o", str(page)]) == 0
    text = page.read_text()
    assert "| dot | 1 | 1 | 5 | 7 | 1 of 1 | 1 |" in text
    assert "| n: s | `u` | corners: wrong bits | a\\|b | 1,234 |" in text
    assert "| n: s | `u` | **nothing** |  | 20,000 |" in text
    assert "Caught: 1 of 2" in text
    assert text.count("No record yet") == 2
    assert verification_report.main(["--volume", str(tmp_path / "regression.json")]) == 2
    assert "not a record of python -m tb.volume" in capsys.readouterr().err
