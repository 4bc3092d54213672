# Every check and every demonstration, for people and for CI alike. `make help` lists them.
# Needs only Python >= 3.11 with venv, make and git; everything else goes into .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO_OUT ?= podready-report

# Most tests wait for processes most of the time, so more run at once than there are cores.
WORKERS ?= $(shell echo $$((3 * $$(nproc))))
PYTEST  := $(BIN)/python -m pytest -n
SEED    ?= $(shell date +%s)

.DEFAULT_GOAL := help
.PHONY: help demo test test-quick test-newcomer test-other test-shuffled check lint format types contracts docs clean lock docker-tools

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

$(VENV)/.python: scripts/require_python.py
	@$(PYTHON) scripts/require_python.py
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.demo: $(VENV)/.python pyproject.toml constraints.txt examples/hello/requirements.txt
	@echo "installing podready and the example into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[rehearse]' -r examples/hello/requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	@echo "installing the development tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all]' --group dev
	@touch $@

demo: $(VENV)/.demo ## rehearse a rolling update, a rollback and a deletion of examples/hello
	@$(BIN)/podready rehearse examples/hello --out $(DEMO_OUT)

test: $(VENV)/.dev ## the whole test suite, with coverage and its floor
	@$(PYTEST) $(WORKERS) --cov --cov-report= $(PYTEST_ARGS)
	@total=$$($(BIN)/coverage report --format=total $(if $(PYTEST_ARGS),--fail-under=0)) && ok=0 || ok=$$?; \
	  echo "coverage, branches included: $$total %"; exit $$ok

test-quick: $(VENV)/.dev ## the tests that take no second each, for the edit loop
	@$(PYTEST) $$(nproc) -m 'not slow' $(PYTEST_ARGS)

test-newcomer: $(VENV)/.dev ## the whole suite as a machine without Docker, Redis and the like has it
	@PODREADY_TEST_PARTS=none $(PYTEST) $(WORKERS) $(PYTEST_ARGS)

test-other: $(VENV)/.dev ## the whole suite on another Python: PYTHON=python3.13 VENV=.venv-3.13
	@$(PYTEST) $(WORKERS) $(PYTEST_ARGS)

test-shuffled: $(VENV)/.dev ## the whole suite in an order of chance; SEED=n repeats one
	@$(PYTEST) $(WORKERS) --random-order-bucket=global --random-order-seed=$(SEED) $(PYTEST_ARGS)

check: lint types contracts ## lint, types and import contracts

lint: $(VENV)/.dev ## ruff: rules and format
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: $(VENV)/.dev ## let ruff mend what it can
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

types: $(VENV)/.dev ## mypy, strict
	@$(BIN)/mypy

contracts: $(VENV)/.dev ## the import walls of docs/explanation/architecture.md
	@$(BIN)/lint-imports

docs: $(VENV)/.dev ## write what the documentation takes from the code
	@$(BIN)/python scripts/generate_docs.py
	@$(BIN)/python scripts/generate_metrics.py

lock: $(VENV)/.dev ## pin today's versions of everything in constraints.txt
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --no-header --all-extras --group dev pyproject.toml \
	  examples/hello/requirements.txt examples/hello_flask/requirements.txt --no-annotate -o constraints.txt

clean: ## remove what the other targets made
	@rm -rf $(VENV) .venv-3.* .mypy_cache .ruff_cache .pytest_cache .coverage .coverage.* dist build $(DEMO_OUT)
