# Everything a person does with this repository. Needs Python 3.11 or newer and make, nothing else:
# each target makes what it needs inside $(VENV). Another Python: make test PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
PACKAGES := $(VENV)/.packages
LOWEST := $(VENV)-lowest/.dev
FRESH := $(VENV)-dist
CORE := -m pytest -q -n 2 --dist loadgroup tests/core tests/errors tests/wire tests/middleware tests/workflows tests/layers tests/brokers tests/e2e/test_imports.py
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input
DOCS := $(BIN)/sphinx-build -q -E -W -n --keep-going -b html docs docs/_build/html

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test check lowest dist pythons bench bench-quick chaos names docs clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(RUNTIME)  ## Run the main example: a census of Python's own standard library
	@$(BIN)/python -m examples.census

test: $(DEV) $(PACKAGES)  ## Run the tests and the examples in the docs
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: $(DEV)  ## Check format, lint, spelling, types, imports, docs and examples
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell README.md CONTRIBUTING.md CHANGELOG.md docs fq examples
	$(BIN)/mypy
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-logo
	$(DOCS)
	$(BIN)/python -m pytest -q tests/test_house.py tests/test_docs.py tests/e2e/test_examples.py

lowest: $(LOWEST)  ## Run the tests of the core, the brokers and the frameworks with the oldest versions that pyproject.toml allows
	$(VENV)-lowest/bin/python $(CORE) -W ignore::DeprecationWarning tests/cli tests/asgi tests/django tests/flask tests/outbox --ignore tests/django/test_pages.py

pythons:  ## Run the tests of the core and the brokers with each newer Python of this machine
	@$(PYTHON) tests/pythons.py | while read -r python; do \
		echo "== $$python"; venv=$(VENV)-$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		$$python -m venv $$venv && $$venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --editable '.[test]' \
			&& $$venv/bin/python $(CORE) </dev/null || exit 1; \
	done

dist: $(DEV)  ## Build dist/*.whl and dist/*.tar.gz, and check both: contents, metadata, a fresh install, tests in the sdist
	rm -rf dist $(FRESH)
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	@$(PYTHON) -m venv $(FRESH)
	$(BIN)/python tests/distributions.py dist $(FRESH)

bench: $(DEV)  ## Measure fq beside other queues, in 20 minutes, and replace the figures and the chart in the docs; the machine must be idle
	$(BIN)/python -m benchmarks peers --publish

bench-quick: $(DEV)  ## Measure fq beside the fastest other queues, in 4 minutes, and print the figures
	$(BIN)/python -m benchmarks peers --quick

chaos: $(DEV)  ## Kill and starve real processes, for long
	$(BIN)/python -m pytest -m chaos --timeout 3600 -o faulthandler_timeout=4000

names:  ## List the public names in fq/__init__.py, after a new import there
	@$(PYTHON) tests/public_names.py

docs: $(DEV)  ## Build the docs into docs/_build/html
	$(DOCS)
	@echo "docs/_build/html/index.html"

clean:  ## Remove everything that make made
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-3.* $(FRESH) build dist docs/_build .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache *.egg-info
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

$(PACKAGES): pyproject.toml | $(DEV)
	@echo "installing published middleware for Dramatiq into $(VENV)"
	@$(INSTALL) --editable '.[dev,packages]' || echo "it cannot be installed here: its tests are skipped"
	@touch $@

$(LOWEST): pyproject.toml
	@echo "installing fq with the oldest versions that it allows into $(VENV)-lowest"
	@$(PYTHON) -m venv $(VENV)-lowest
	@$(PYTHON) tests/lowest_versions.py > $(VENV)-lowest/constraints.txt
	@$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check --no-input -c $(VENV)-lowest/constraints.txt --editable '.[test,postgres,watch]'
	@touch $@
