# What a developer does, one word each. `make install` is quick when nothing changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
DISTRIBUTIONS := $(patsubst %/pyproject.toml,%,$(wildcard whatsnext_core/pyproject.toml whatsnext_server/pyproject.toml \
	whatsnext_client/pyproject.toml plugins/*/pyproject.toml))
INPUTS := pyproject.toml .constraints.txt $(addsuffix /pyproject.toml,$(DISTRIBUTIONS))
STAMP := $(VENV)/.installed
LONG := tests/acceptance tests/chaos tests/packaging

.DEFAULT_GOAL := help
.PHONY: help install demo test acceptance chaos coverage lint format docs bench clean

help:  ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## Make .venv with every distribution (editable) and the developers' tools
	@$(BIN)/python -m compileall -q -j 0 $(addsuffix /src,$(DISTRIBUTIONS)) # as pip does for all that is not editable

$(STAMP): $(INPUTS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade --constraint .constraints.txt pip
	$(PIP) install --quiet --constraint .constraints.txt --group dev
	$(PIP) install --quiet --constraint .constraints.txt --no-build-isolation $(addprefix --editable ./,$(DISTRIBUTIONS))
	@touch $@

demo: install  ## Run a real piece of machine learning through a server and a worker
	$(BIN)/python docs/examples/demo/run.py

test: install  ## Run the tests, but for those that take minutes
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(addprefix --ignore=,$(LONG))

acceptance: install  ## Run those, too: the demo, every page of the docs, new installations, whole workflows, many workers, and what is killed meanwhile
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(LONG)

chaos: install  ## Kill servers, workers and databases 30 times during 5,000 jobs, on SQLite and on PostgreSQL
	$(BIN)/python -m tests.chaos --database sqlite
	$(BIN)/python -m tests.chaos --database postgresql
	$(BIN)/python -m tests.acceptance.outage --seconds 60

coverage: install  ## Prove that the tests of the core take every branch of it
	$(BIN)/python -m pytest -n 2 tests/core --cov=whatsnext_core --cov-branch --cov-report=
	$(BIN)/coverage report --include='*/whatsnext_core/*' --fail-under=100

lint: install  ## Check style, types and import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install  ## Put the code into the one format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: install  ## Build the documentation; a warning is an error
	$(BIN)/sphinx-build -W -n --keep-going docs docs/_build

bench: install  ## Measure; prints ratios to what the machine and other queues can do (BENCH="--quick" for two minutes)
	$(PIP) install --quiet --constraint .constraints.txt --group bench
	$(BIN)/python -m tests.benchmarks $(BENCH)

clean:  ## Remove the environment and everything built
	rm -rf $(VENV) docs/_build build dist .coverage .coverage.* htmlcov .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
