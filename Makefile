# `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCK := uv pip compile --quiet --no-strip-extras --universal --generate-hashes --no-emit-index-url \
	--python-version 3.11 pyproject.toml
.DEFAULT_GOAL := help
.PHONY: help venv demo demo-gcp up down test e2e reliability torture bench bench-backfills audit licences check format lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-16s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(STAMP) ## make .venv from the lock file

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed, $(PYTHON) is $$($(PYTHON) --version 2>&1): make PYTHON=python3.12 …"; exit 1; }
	@echo "making $(VENV): one to three minutes the first time"
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/taxi-assets init
	@touch $@

demo: venv ## load two months of each taxi into an embedded PostgreSQL and show them
	@$(BIN)/taxi-assets demo

demo-gcp: venv ## the same into BigQuery and Cloud Storage, played by stand-ins on this machine
	@$(BIN)/taxi-assets demo-gcp

up: venv ## start Dagster in the background, with its UI (PORT=3001 for another port)
	@$(BIN)/taxi-assets up $(if $(PORT),--port $(PORT))

down: venv ## end what `make up` started
	@$(BIN)/taxi-assets down

test: venv ## run the whole test suite
	@$(BIN)/python -m pytest -n 2 --dist loadgroup

e2e: venv ## only the tests that click through the UI, and take the pictures in docs/images
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
		{ echo "a Chromium is needed (Debian, Ubuntu: apt install chromium; macOS: brew install chromium)"; exit 1; }
	@TAXI_PICTURES=docs/images $(BIN)/python -m pytest taxi_assets_tests/e2e

bench: venv ## measure the speed goals beside their peers (about twenty minutes); see docs/performance.md
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt || \
		echo "dlt cannot be installed and is left out"
	@$(BIN)/python -m benchmarks $(BENCH)

bench-backfills: venv ## measure backfills by the UI and from the shell (about five minutes); see docs/scheduling.md
	@$(BIN)/python -m benchmarks.backfills
	@$(BIN)/python -m benchmarks.document

reliability: venv ## write docs/reliability.md from what the tests find
	@$(BIN)/python -m pytest -n 2 taxi_assets_tests/integration/faults taxi_assets_tests/integration/trips \
		-k "bad_files or outages or paused or rights or source" --write-reliability
	@$(BIN)/python -m taxi_assets_tests.reliability

torture: venv ## kill, crash, race and break loads for ten minutes, and count what was lost
	@$(BIN)/python -m pytest -n 2 --torture taxi_assets_tests/integration/faults taxi_assets_tests/integration/trips

audit: venv ## look the dependencies up among known vulnerabilities (needs a network)
	@if ! $(BIN)/python -c 'import urllib.request as r; r.urlopen("https://pypi.org/pypi/pip-audit/json", timeout=20)' 2>/dev/null; \
	then echo "not audited: pypi.org, which knows the vulnerabilities, does not answer"; exit 0; fi; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $(VENV)/audit pip-audit==2.10.1 \
		&& PYTHONPATH=$(VENV)/audit $(BIN)/python -m pip_audit --require-hashes -r requirements/dev.txt

licences: venv ## list the licences of all dependencies in docs/licences.md
	@$(BIN)/python -m taxi_assets_tests.licences

check: venv ## lint, types, import rules, Kestra flows
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/taxi-assets kestra render --check

format: venv ## format and fix what ruff can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: ## resolve the versions in requirements/ anew (needs uv)
	$(LOCK) -o requirements/postgres.txt
	$(LOCK) --extra ui --extra gcp -o requirements/server.txt
	echo hatchling | $(LOCK:pyproject.toml=-) -o requirements/build.txt
	$(LOCK) --extra gcp -o requirements/gcp.txt
	$(LOCK) --extra ui --extra gcp --extra gcp-dev --extra dev --extra e2e -o requirements/dev.txt
	$(LOCK) --extra bench --constraint requirements/dev.txt -o requirements/bench.txt
