# Development: `make develop` builds the native module into .venv.
.PHONY: develop
develop: .venv/bin/python
	.venv/bin/maturin develop --quiet --locked

.venv/bin/python:
	python3 -m venv .venv
	.venv/bin/pip install --quiet maturin pytest hypothesis uvloop trio anyio ruff mypy
