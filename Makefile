.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
RUN ?= runs/paper

SEEDS ?= 5000

.PHONY: help env run replay local soak test test-all lint format bench docs clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

env: .venv/.stamp  ## make .venv with pmm in it

.venv/.stamp: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=python3.12 make ...)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

run: env  ## the main job: quote twelve assets for a simulated hour, then report
	@rm -f $(RUN)/journal.sqlite $(RUN)/journal.sqlite-*
	$(BIN)/pmm quote configs/paper.toml --run $(RUN)
	$(BIN)/pmm report $(RUN)

replay: env  ## the same engine over a recorded half hour
	@rm -rf runs/replay
	$(BIN)/pmm replay configs/replay.toml

local: env  ## the server and the engine over real sockets, until Ctrl-C (HOURS=0.5 ends it)
	@$(BIN)/pmm venue configs/hip3_local.toml --port 8791 --faucet 100000 & server=$$!; \
	sleep 5; kill -0 $$server 2>/dev/null || exit 1; trap "kill $$server" EXIT; \
	$(BIN)/pmm quote configs/hip3_local.toml $(if $(HOURS),--hours $(HOURS))

soak: env  ## thousands of seeded faults in process, then some over real sockets (SEEDS=5000)
	$(BIN)/python -m sim.faults.campaign --seeds $(SEEDS) --jobs $$(nproc)
	$(BIN)/python -m sim.faults.campaign --crash all --jobs $$(nproc)
	$(BIN)/python -m sim.faults.campaign --sockets --seeds 40 --jobs $$((3 * $$(nproc)))

test: env  ## the default test suite
	$(BIN)/python -m pytest -n auto -m 'not slow'

test-all: env  ## every test, the slow ones too
	$(BIN)/python -m pytest -n auto

lint: env  ## style, types, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: env  ## rewrite to the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: env  ## measure the cycle by stage; writes benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks.cycle

docs: env  ## make the picture of the README and docs/replay.md anew
	rm -rf runs/docs runs/docs-replay
	$(BIN)/pmm quote configs/paper.toml --run runs/docs
	$(BIN)/pmm report runs/docs
	cp runs/docs/report.png docs/run.png
	-$(BIN)/pmm replay configs/replay.toml --run runs/docs-replay --json > runs/docs-replay.json
	$(BIN)/python docs/tables.py runs/docs-replay.json docs/replay.md
	$(BIN)/python -m sim.conformance --write docs/conformance.md

clean:  ## remove what the commands made
	rm -rf .venv runs .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
