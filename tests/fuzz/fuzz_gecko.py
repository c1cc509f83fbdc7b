"""Coverage-guided fuzzing of the Gecko codec and file reader with atheris (the `fuzz` extra; Linux only).

    pip install ".[fuzz]"
    python tests/fuzz/fuzz_gecko.py -runs=1000000 -max_len=1024 WORK tests/data/gecko_corpus

WORK is a directory of your own where new inputs are kept; to fold what they reach back into the small corpus, run with
`-merge=1 tests/data/gecko_corpus WORK`. An input that breaks a promise is left as `crash-...`; give it back as the only
argument to see the failure again. All flags are libFuzzer's.
"""

import sys

try:
    import atheris
except ModuleNotFoundError:
    print('atheris is not installed: pip install ".[fuzz]"', file=sys.stderr)
    sys.exit(3)

with atheris.instrument_imports(include=["golden.gecko"]):
    from gecko_targets import any_bytes

if __name__ == "__main__":
    atheris.Setup(sys.argv, any_bytes)
    atheris.Fuzz()
