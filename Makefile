# `make tour` and `make test` need Python 3.11+, a Rust toolchain, a C compiler and make; each makes its own environment.
PYTHON ?= python3

.PHONY: help tour test develop clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

test: python ## everything that has to hold: format, lints, Rust and Python tests, types (tests/gate)
	$(PYTHON) tests/gate

develop: python .venv/bin/python ## an environment for development in .venv, the native module built into it
	.venv/bin/maturin develop --quiet --locked

.venv/bin/python:
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	.venv/bin/python -m pip install --quiet --group build --group test --group lint

clean: ## remove what was built
	rm -rf build dist target .venv

.PHONY: python
python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "eyesocket needs Python 3.11 or later: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@command -v cargo >/dev/null || { echo "eyesocket needs a Rust toolchain (cargo) on PATH" >&2; exit 1; }
