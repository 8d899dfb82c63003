# `make tour` and `make test` need Python 3.11+, a Rust toolchain, a C compiler and make; each makes its own environment
# below build/ and builds nothing twice.
PYTHON ?= python3

.PHONY: help tour test lint docs bench develop comparisons clean

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
