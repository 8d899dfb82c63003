# `make tour` and `make test` need Python 3.11+, a Rust toolchain, a C compiler and make; each makes its own environment
# below build/ and builds nothing twice.
PYTHON ?= python3

.PHONY: help tour test lint docs bench develop fuzz comparisons clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

tour: needs ## the main job: build the wheel, install it into its own environment, run `eyesocket tour`
	@$(PYTHON) tests/gate/run.py tour $(ARGUMENTS)

test: needs ## everything that has to hold: format, lints, Rust and Python tests, types, docs, notebooks
	@$(PYTHON) tests/gate

lint: needs ## the quick part of the gate: format, clippy, ruff
	@$(PYTHON) tests/gate format lint

docs: needs ## the documentation, into build/html
	@$(PYTHON) tests/gate wheel docs

bench: needs ## side by side with the peers; TOPIC=engine for one topic, WRITE=1 writes docs/benchmarks.md
	@$(PYTHON) tests/gate/run.py bench $(TOPIC) $(if $(WRITE),--write) $(ARGUMENTS)

develop: needs .venv/bin/python ## an environment for development in .venv, the native module built into it
	.venv/bin/maturin develop --quiet --locked

.venv/bin/python: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	.venv/bin/python -m pip install --quiet --group build --group test --group lint
	@touch $@

# libFuzzer on stable Rust: the compiler's coverage pass, and -Cdebug-assertions for overflows. Needs a C++ compiler.
FUZZED = -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cdebug-assertions --cfg fuzzing \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-trace-compares
HOST = $(shell rustc -vV | sed -n 's/^host: //p')

fuzz: needs ## explore a fuzz target with libFuzzer: TARGET=framing_slip SECONDS=60; what it finds is in fuzz/artifacts
	@mkdir -p fuzz/corpus/$(TARGET) fuzz/artifacts/$(TARGET)
	@RUSTFLAGS="$(FUZZED)" cargo run --release --locked --target $(HOST) --target-dir fuzz/target --package eyesocket-fuzz \
	--bin $(TARGET) -- -max_total_time=$(or $(SECONDS),60) -max_len=1000 -artifact_prefix=fuzz/artifacts/$(TARGET)/ \
	fuzz/corpus/$(TARGET)

comparisons: ## install the programs that only comparisons need (Debian, Ubuntu; says what it installs; needs root)
	@./tests/gate/comparisons

clean: ## remove what was built
	rm -rf build dist target fuzz/target .venv

.PHONY: needs
needs:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "eyesocket needs Python 3.11 or later: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@command -v cargo >/dev/null || { echo "eyesocket needs a Rust toolchain (cargo) on PATH" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "eyesocket needs a C compiler (cc) on PATH" >&2; exit 1; }
