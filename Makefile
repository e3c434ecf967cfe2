# Everything a developer or an operator runs. `make help` lists it.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0
LM_EVAL := lm_eval colorama datasets dill lxml multiprocess pandas portalocker sacrebleu tabulate
EXAMPLE := examples/sn1_style_dataset
SIMNET_STATE ?= simnet-state
SIMNET_JSON ?= $(SIMNET_STATE)/report.json
SIMNET_PAGES ?= 127.0.0.1:0
MINING_DEMO ?= mining-demo
REHEARSAL ?= rehearsal
SOAK_STATE ?= $(SIMNET_STATE)-soak
SOAK_WORKERS ?= 1000
SOAK_ROUNDS ?= 2000
SOAK_WORKER_ROUNDS ?= 100
SOAK_KILLS ?= 200
SOAK_STORMS ?= 20

.DEFAULT_GOAL := help
.PHONY: help venv simnet mining-demo rehearsal soak bench test lint unit integration browser \
  alerts faults format clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

venv: $(VENV)/.ready ## make ./.venv with everything in it, when missing or out of date

# torch first and by its exact version: a resolver free to choose takes gigabytes of a build
# for another device. if-verifiable without what it requires: its checks need three small packages,
# which are in the extra "dev"; its readers of benchmarks, which nobody needs here, a lot more.
# lm_eval in a folder of its own too, with the nine packages that it imports for the tests: they must
# not change what the program itself finds installed.
$(VENV)/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[validator,train,leaderboard,dev]"
	$(BIN)/python -m pip install --quiet --no-deps --upgrade \
	  --target $(VENV)/if-verifiable if-verifiable==0.1.2
	$(BIN)/python -m pip install --quiet --no-deps --upgrade -c constraints.txt \
	  --target $(VENV)/lm-eval $(LM_EVAL)
	touch $@

simnet: venv ## run the whole network on this machine, two rounds of each competition
	$(BIN)/python -m sn37.app.validator --network simnet --rounds 2 \
	  --state-dir $(SIMNET_STATE) --json $(SIMNET_JSON) --leaderboard $(SIMNET_PAGES)

mining-demo: venv ## a new miner on simnet: takes the champion, trains, publishes, is crowned
	$(BIN)/python examples/mining_demo.py --folder $(MINING_DEMO)

rehearsal: venv ## the preset for finney with a chain, a hub and a wandb of our own, every stage
	rm -rf $(REHEARSAL)
	$(BIN)/python -m tests.rehearsal.run --folder $(REHEARSAL)

soak: venv ## hours: SOAK_WORKERS=1000, SOAK_ROUNDS=2000, SOAK_WORKER_ROUNDS=100, SOAK_KILLS=200, SOAK_STORMS=20
	rm -rf $(SOAK_STATE)
	$(BIN)/python -m tests.integration.scorer.soak_workers $(SOAK_WORKERS)
	$(BIN)/python -m tests.soak.many_rounds $(SOAK_ROUNDS) --state-dir $(SOAK_STATE)/fake
	$(BIN)/python -m tests.soak.many_rounds $(SOAK_WORKER_ROUNDS) --worker --state-dir $(SOAK_STATE)/worker
	$(BIN)/python -m tests.soak.simnet_kills $(SOAK_KILLS)
	$(BIN)/python -m tests.soak.chain_polls
	$(BIN)/python -m tests.soak.hub_kills
	$(BIN)/python -m tests.integration.training.killed_command $(SOAK_STATE)/train --storms $(SOAK_STORMS)

bench: venv ## every benchmark in a small size; docs/performance.md has the large ones
	$(BIN)/python bench/scorer.py --shape tiny --count 20 --runs 3
	$(BIN)/python bench/block.py --shape tiny
	$(BIN)/python bench/precision.py --shape tiny --count 20
	$(BIN)/python bench/choice.py --shape tiny --count 16 --prompts 16 --runs 1
	$(BIN)/python bench/train.py --shape tiny --steps 3 --runs 1
	$(BIN)/python -m bench.chain
	$(BIN)/python bench/store.py --mib 512
	$(BIN)/python bench/state.py --rounds 50 --runs 2
	$(BIN)/python -m bench.data --rows 20000
	$(BIN)/python -m bench.static --shards 10 --groups 100
	$(BIN)/python -m bench.contention
	$(BIN)/python bench/leaderboard.py --rounds 400 --miners 64 --seconds 2
	$(BIN)/python -m tests.soak.hub_zoo

test: lint unit integration faults ## lint, types, layers and all tests

lint: venv
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	MYPYPATH=bench $(BIN)/mypy --strict $(wildcard bench/*.py)
	$(BIN)/mypy --strict $(wildcard examples/*.py)
	MYPYPATH=$(EXAMPLE) $(BIN)/mypy --strict $(wildcard $(EXAMPLE)/*.py)
	$(BIN)/lint-imports
	$(BIN)/python -m tests.support.prose

unit: venv ## unit tests with branch coverage of the domain, in seconds
	$(BIN)/python -m pytest -q -n 2 --cov --cov-report=term:skip-covered \
	  --fault-record build/faults/unit.json tests/unit

integration: venv
	$(BIN)/python -m pytest -q -n 2 --dist worksteal \
	  --fault-record build/faults/integration.json tests/integration

browser: venv ## the leaderboard in a real Chromium, as Debian's package "chromium" installs it
	$(BIN)/python -m pytest -q tests/browser

alerts: venv ## the files for Prometheus and Grafana, with promtool and prometheus of Debian's package
	$(BIN)/python -m pytest -q tests/alerts

faults: ## the tests of the fault matrix passed in the runs before
	$(BIN)/python -m tests.support.fault_matrix --ran build/faults/unit.json build/faults/integration.json

format: venv ## format the code and sort its imports
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean: ## remove what was built and what runs have written; ./.venv stays
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache \
	  .hypothesis .coverage .coverage.* $(SIMNET_STATE) $(SOAK_STATE) \
	  $(MINING_DEMO) $(REHEARSAL)
	find sn37 tests -name __pycache__ -type d -prune -exec rm -rf {} +
