# Everything a person does with this repository. Needs Python 3.11 or newer and make, nothing else:
# each target makes what it needs inside $(VENV). Another Python: make test PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
LOWEST := $(VENV)-lowest/.dev
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input
DOCS := $(BIN)/sphinx-build -q -E -W -n --keep-going -b html docs docs/_build/html

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test check lowest bench chaos docs clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(RUNTIME)  ## Run the main example: a census of Python's own standard library
	@$(BIN)/python -m examples.census

test: $(DEV)  ## Run the tests and the examples in the docs
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: $(DEV)  ## Check format, lint, types, imports, docs and examples
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-logo
	$(DOCS)
	$(BIN)/python -m pytest -q tests/test_house.py tests/test_docs.py tests/e2e/test_examples.py

lowest: $(LOWEST)  ## Run the tests of the core and the brokers with the oldest versions that pyproject.toml allows
	$(VENV)-lowest/bin/python -m pytest -q -n 2 --dist loadgroup tests/core tests/errors tests/wire tests/middleware tests/workflows tests/layers tests/brokers tests/cli

bench: $(DEV)  ## Measure the speed
	$(BIN)/python -m benchmarks

chaos: $(DEV)  ## Kill and starve real processes, for long
	$(BIN)/python -m pytest -m chaos --timeout 3600 -o faulthandler_timeout=4000

docs: $(DEV)  ## Build the docs into docs/_build/html
	$(DOCS)
	@echo "docs/_build/html/index.html"

clean:  ## Remove everything that make made
	rm -rf $(VENV) $(VENV)-lowest build dist docs/_build .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find fq tests examples benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# The stamps say what is installed; a change of pyproject.toml installs again.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "fq needs Python 3.11 or newer, and '$(PYTHON)' is none. Say which one: make $(or $(firstword $(MAKECMDGOALS)),test) PYTHON=python3.13" >&2; exit 2; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "'$(PYTHON)' has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }

$(RUNTIME): pyproject.toml | $(BIN)/python
	@echo "installing fq into $(VENV)"
	@$(INSTALL) --editable .
	@touch $@

$(DEV): pyproject.toml | $(BIN)/python
	@echo "installing fq and its development tools into $(VENV)"
	@$(INSTALL) --editable '.[dev]'
	@touch $(RUNTIME) $@

$(LOWEST): pyproject.toml
	@echo "installing fq with the oldest versions that it allows into $(VENV)-lowest"
	@$(PYTHON) -m venv $(VENV)-lowest
	@$(PYTHON) tests/lowest_versions.py > $(VENV)-lowest/constraints.txt
	@$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check --no-input -c $(VENV)-lowest/constraints.txt --editable '.[test]'
	@touch $@
