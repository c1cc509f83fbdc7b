# make        install what generation needs into .venv and emit a BFP4 x 64 dot-product unit into build/
# make test   install the rest and run the tests (what .ci/run does)
# The commands it calls are the ones the README shows; `. .venv/bin/activate` to run them by hand.

PYTHON ?= python3
VENV   ?= .venv
PIP    := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: all test regression area clean

all: $(VENV)/.installed
	$(VENV)/bin/python -m hdl.generate --mantissa 4 --block 64 -o build

test: $(VENV)/.installed-test
	$(VENV)/bin/python -m pytest -n 2

# Before an issue is called resolved: every configuration, full volume. About half an hour on two cores.
regression: $(VENV)/.installed-test
	$(VENV)/bin/python -m tb -j 2
	$(VENV)/bin/python -m tb.volume -j 2
	$(VENV)/bin/python -m tb.digits

# Prices what docs/area.md shows, from the cache where nothing changed; some minutes to an hour otherwise.
area: $(VENV)/.installed-test
	$(VENV)/bin/python -m synth.report

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
