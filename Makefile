# `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
COMPILE := uv pip compile --quiet --no-strip-extras --universal --generate-hashes --no-emit-index-url --python-version 3.11
.DEFAULT_GOAL := help
.PHONY: help venv demo demo-gcp test check format lock clean-venv

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

venv: $(STAMP) ## make .venv from the lock file

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed, $(PYTHON) is $$($(PYTHON) --version 2>&1): make PYTHON=python3.12 …"; exit 1; }
	@echo "making $(VENV) (about a minute the first time)"
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/taxi-assets init
	@touch $@

demo: venv ## load two months of each taxi into an embedded PostgreSQL and show them
	@$(BIN)/taxi-assets demo

demo-gcp: venv ## the same into BigQuery and Cloud Storage, played by stand-ins on this machine
	@$(BIN)/taxi-assets demo-gcp

test: venv ## run the whole test suite
	@$(BIN)/python -m pytest -n 2 --dist loadgroup

check: venv ## lint, types, import rules, definitions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: venv ## format and fix what ruff can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: ## resolve the versions in requirements/ anew (needs uv)
	$(COMPILE) pyproject.toml -o requirements/postgres.txt
	$(COMPILE) --extra gcp pyproject.toml -o requirements/gcp.txt
	$(COMPILE) --extra ui --extra gcp --extra gcp-dev --extra dev pyproject.toml -o requirements/dev.txt
