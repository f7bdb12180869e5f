# Everything a developer or CI runs. The first target that needs it makes .venv, from
# requirements.lock alone.
#
# Set PYTHON to choose the interpreter that .venv is made with: make test PYTHON=python3.13

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test lint format bench chaos generate lock clean

help: ## Show this help.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Make the virtual environment (.venv); the other targets do it as needed.

demo: $(READY) ## See it all at work: a campaign of 10,000 through a simulated ESP.
	@$(BIN)/espalier demo

test: lint ## Run every check and every test.
	@echo "==> pytest, on all cores"
	@$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(READY) ## Check style (ruff) and types (mypy).
	$(call check,ruff check,$(BIN)/ruff check --quiet)
	$(call check,ruff format,$(BIN)/ruff format --check --quiet --diff,; \`make format\` repairs it)
	$(call check,mypy,$(BIN)/mypy --no-error-summary)

format: $(READY) ## Lay out the code as `make lint` wants it.
	@$(BIN)/ruff check --quiet --fix-only
	@$(BIN)/ruff format --quiet

bench: $(READY) ## Measure speed and memory on this machine; fail where a limit is missed.
	@command -v wrk >/dev/null || apt-get install -qq -y wrk >/dev/null 2>&1 \
		|| echo "wrk cannot be installed here: what it measures is left out"
	@$(BIN)/python -m tests.benchmarks

# It takes minutes. To choose: make chaos CHAOS_FLAGS="--seconds 120 --mode at-most-once"
chaos: $(READY) ## Kill the service again and again while it sends, and count every message.
	@$(BIN)/python -m tests.chaos $(CHAOS_FLAGS)

generate: $(READY) ## Generate the code of the API from proto/espalier.
	@$(BIN)/python proto/generate.py

# A throw-away environment, since nothing else here needs the resolver. Versions stay as they are
# as long as pyproject.toml allows them; to raise them: make lock LOCK_FLAGS=--upgrade
lock: ## Write requirements.lock anew from pyproject.toml.
	$(require_python)
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	echo "==> resolving pyproject.toml into requirements.lock" && \
	$(PYTHON) -m venv "$$folder" && \
	"$$folder/bin/python" -m pip install -qq --disable-pip-version-check --no-input uv && \
	UV_CUSTOM_COMPILE_COMMAND="make lock" "$$folder/bin/uv" pip compile --quiet --no-config \
		--universal --python-version 3.11 --extra dev --generate-hashes $(LOCK_FLAGS) \
		--output-file requirements.lock pyproject.toml

clean: ## Remove .venv, caches and what was built.
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml
	$(require_python)
	@echo "==> making $(VENV) from requirements.lock (about a minute, the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) --require-hashes -r requirements.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

# $(call check,name,command,hint): says what runs; where it fails, says that and stops.
define check
	@echo "==> $(1)"
	@$(2) || { echo "make: $(1) found fault$(3)" >&2; exit 1; }
endef

define require_python
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "$(PYTHON) is no Python 3.11 or newer: name one, as in 'make test PYTHON=python3.13'" >&2; \
		exit 1; }
endef
