# Every command works from a fresh clone: what is missing is set up first.
PYTHON ?= python3
BIN := .venv/bin

# Without kept bytecode every process that tests and runs start compiles all its libraries again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test test-fast check format docs lock clean

setup: .venv/ready

.venv/ready: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip sync --quiet --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch .venv/ready

demo: setup
	$(BIN)/mmvp demo

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A worker that crashes ends the run: pytest-xdist would wait for ever for the last test of its file.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

test: check
	$(PYTEST)

test-fast: check
	$(PYTEST) -m "not slow"

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup
	$(BIN)/python docs/generate.py

lock:
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --group dev \
		--no-header --no-annotate --upgrade pyproject.toml --output-file requirements.lock

clean:
	rm -rf .venv .mmvp .mypy_cache .ruff_cache .pytest_cache .hypothesis
