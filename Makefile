# Every target sets up what it needs. `make help` lists them.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
NIXTLA := .venv-nixtla/.installed
NIXTLA_LOCK := tests/service/dialects/nixtla-constraints.txt
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
export MLFLOW_DISABLE_TELEMETRY := true
# Where it is set, each process that a target starts would compile all sources again: two seconds for the service.
unexport PYTHONDONTWRITEBYTECODE
BY_FILE := -n 2 --dist loadfile --no-loadscope-reorder
SOURCES := forecaster service pipelines tests benchmarks deploy

.DEFAULT_GOAL := help

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

setup: $(INSTALLED) ## Create .venv with everything locked in constraints.txt

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e ".[dev]"
	@touch $@

$(NIXTLA): $(NIXTLA_LOCK) | $(INSTALLED)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-nixtla
	$(BIN)/uv pip install --quiet --python .venv-nixtla/bin/python -r $(NIXTLA_LOCK)
	@touch $@

demo: $(INSTALLED) ## The main job end to end on real data: train, track, promote, serve, forecast
	$(BIN)/forecaster demo

test: lint tests ## `check` with slow tests, those that start real servers, and some attacks on the service

tests: $(INSTALLED) $(NIXTLA)
	$(BIN)/python -m pytest $(BY_FILE) -m "not long"

long: $(INSTALLED) ## Tests that take half a minute or more each: kills in the middle of work, Ray, torchrun, compilers
	$(BIN)/python -m pytest $(BY_FILE) -m long --ignore tests/reliability

attack: $(INSTALLED) ## Short forms of all attacks on a running service: kills, floods, slow sockets, outages, bad versions
	$(BIN)/python -m pytest tests/reliability

check: lint ## `lint` and the fast tests
	$(BIN)/python -m pytest $(BY_FILE) -m "not slow and not stack and not long"

lint: $(INSTALLED) ## Format, lint, types and import contracts
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## Rewrite the sources in the house's format
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

ui: $(INSTALLED) ## Open the MLflow UI on the local store at http://127.0.0.1:5000
	$(BIN)/mlflow server --backend-store-uri sqlite:///runs/mlflow.db --host 127.0.0.1 --port 5000

bench: $(INSTALLED) ## Install the peers that benchmarks measure beside ours
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e ".[dev,bench]"

lock: $(INSTALLED) ## Rewrite constraints.txt, and that of the SDK of TimeGPT, which tests run
	env -u UV_FIND_LINKS $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras \
	  --no-header --no-annotate pyproject.toml -o constraints.txt
	echo nixtla | env -u UV_FIND_LINKS $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	  --no-header --no-annotate - -o $(NIXTLA_LOCK)

clean: ## Remove what the targets made, runs included
	rm -rf $(VENV) .venv-nixtla runs .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info

.PHONY: help setup demo test tests long attack check lint format ui bench lock clean
