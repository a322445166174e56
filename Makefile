# Two commands do the work: `make repro` and `make test`. Each builds .venv from the pinned lock when it is missing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ENGINES := .venv-engines
PEERS := .venv-peers
LIGHT := .venv-light
PREFECT := .venv-prefect
PORT := 4200
WORKERS := --numprocesses 2 --dist loadfile

export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false

# Torch for CPUs, which PyPI does not have for Linux: from the index that pip is set to, or from torch's own.
TORCH = $(shell grep '^torch==' requirements.lock)
install_torch = $(1) -m pip install --quiet --no-deps '$(TORCH)+cpu' 2>/dev/null || \
                $(1) -m pip install --quiet --no-deps --index-url https://download.pytorch.org/whl/cpu '$(TORCH)'

# What `make repro` leaves out because it takes ten times as long.
MECHANISM := -S interventions.methods=[opd,effopd] -S interventions.samples=8 \
             -S interventions.alpha=[0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9] \
             -S interventions.progress=[0.1,0.05,0.2,0.3,0.5,0.7] \
             -S interventions.beta=[0.25,0.5,0.75,0.8,0.9,1.1,1.2,1.25,1.5] \
             -S interventions.half_width=1 -S interventions.top_percent=[1,5,10,25,50] \
             -S interventions.bottom_percent=[99,90,75,50]

.DEFAULT_GOAL := help
.PHONY: help setup repro tidy test test-engines peers test-peers test-light test-prefect test-fast lint format deps house leaderboard bench bench-gpu lock flow mechanism ui curves clean trial pictures study studies

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(READY)  ## build .venv from requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; try make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(call install_torch,$(BIN)/python)
	$(BIN)/python -m pip install --quiet --no-deps --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	@touch $@

repro: $(READY)  ## reproduce everything that is not up to date: models, analyses, reports/index.html
	effopd check params.yaml
	python -m pipeline tidy
	dvc --wait-for-lock repro
	@echo "The report: reports/index.html"

tidy: $(READY)  ## put away results of replicates, rates and methods that params.yaml no longer asks for; DVC keeps them
	python -m pipeline tidy

test: $(READY)  ## all tests, the fast ones first; the slow ones also where a fast one failed
	@failed=0; \
	pytest $(WORKERS) -m "not slow" || failed=1; \
	pytest $(WORKERS) -m slow || failed=1; \
	python tests/installed.py; exit $$failed

test-engines: $(ENGINES)/.ready  ## real vLLM and DeepSpeed on CPUs, in an environment of its own, .venv-engines
	$(ENGINES)/bin/python -m pytest tests/engines

$(ENGINES)/.ready: requirements.lock requirements-engines.lock pyproject.toml
	$(PYTHON) -m venv $(ENGINES)
	$(call install_torch,$(ENGINES)/bin/python)
	$(ENGINES)/bin/python -m pip install --quiet --no-deps --requirement requirements.lock --requirement requirements-engines.lock
	$(ENGINES)/bin/python -m pip install --quiet --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	@touch $@

peers: $(PEERS)/.ready  ## TRL, its trainers and trackers for CPUs, in an environment of its own, .venv-peers

test-peers: peers $(READY)  ## the callback under transformers' and TRL's real trainers, and the benchmarks beside theirs
	$(PEERS)/bin/python -m pytest tests/peers

$(PEERS)/.ready: requirements.lock requirements-peers.lock pyproject.toml
	$(PYTHON) -m venv $(PEERS)
	$(call install_torch,$(PEERS)/bin/python)
	$(PEERS)/bin/python -m pip install --quiet --no-deps --requirement requirements.lock --requirement requirements-peers.lock
	$(PEERS)/bin/python -m pip install --quiet --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	@touch $@

test-light: $(READY)  ## the wheel alone, without DVC, Prefect or engines, in an environment of its own, .venv-light
	rm -rf $(LIGHT)
	$(PYTHON) -m venv $(LIGHT)
	$(call install_torch,$(LIGHT)/bin/python)
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(LIGHT)/wheel .
	$(LIGHT)/bin/python -m pip install --quiet $(LIGHT)/wheel/effopd-*.whl
	LIGHT=$(LIGHT) pytest tests/light

test-prefect: $(READY) $(PREFECT)/.ready  ## newest Prefect in an environment of its own, .venv-prefect, over DVC and stages in .venv
	PREFECT_PYTHON=$(PREFECT)/bin/python pytest $(patsubst %,pipeline/tests/test_%.py,in_browser mistakes restarts served_runs)

$(PREFECT)/.ready: requirements-prefect.lock
	$(PYTHON) -m venv $(PREFECT)
	$(PREFECT)/bin/python -m pip install --quiet --no-deps --requirement requirements-prefect.lock
	@touch $@

trial: $(READY)  ## kills, edits, random faults and hostile programs in numbers, in one table: an hour; PARTS="edits grader" for some
	PYTHONPATH=.:tests:tests/unit:pipeline/tests python tests/trial $(PARTS)

test-fast: $(READY)  ## the fast tests alone
	pytest $(WORKERS) -m "not slow"

lint: $(READY)  ## ruff and mypy
	ruff check .
	ruff format --check .
	mypy

format: $(READY)  ## let ruff put the code in shape
	ruff check --fix .
	ruff format .

deps: $(READY)  ## write each stage's imports into dvc.yaml
	python -m pipeline.code_deps --write

leaderboard: $(READY)  ## what the target takes in the built-in world, by policy: docs/leaderboard.md; half an hour, after make repro
	python benchmarks/leaderboard.py

bench: $(READY) peers  ## ours against TRL, transformers, WeightWatcher, math-verify and DVC, in turns: docs/benchmarks.md; after make repro
	python -m benchmarks.bench

bench-gpu:  ## steps of Qwen3-0.6B's shape on one GPU, by the python that has a torch for it: docs/benchmarks.md
	$(or $(GPU_PYTHON),python3) benchmarks/gpu.py

study: $(READY)  ## a study of profiles/studies, NAME=alignment: its runs, its record, reports/studies/index.html
	python benchmarks/studies.py $(or $(NAME),$(error which one? NAME=alignment, for example))

studies: $(READY)  ## all studies, after make repro; goes on where it stopped
	python benchmarks/studies.py

pictures: $(READY)  ## the pictures of docs/prefect.md, from FOLDER, a copy of this project in which everything is up to date
	PYTHONPATH=.:pipeline/tests python docs/pictures.py $(FOLDER)

house: $(READY)  ## draw rooms and arrows from the code into docs/architecture.md
	python docs/house.py

lock: $(READY)  ## pin the present environment in requirements.lock
	@echo '# Every package of the environment that `make setup` builds, pinned. Made by `make lock`.' > requirements.lock
	$(BIN)/python -m pip freeze --all --exclude pip --exclude effopd --exclude-editable | sed 's/+cpu$$//' >> requirements.lock

flow: $(READY)  ## run the pipeline once as a Prefect flow, independent stages side by side
	python -m pipeline run

mechanism: $(READY)  ## interventions in full (EffOPD too, finer grids, more samples), in a copy of the workspace
	python -m pipeline run --experiment mechanism $(MECHANISM)
	@echo "The report: .dvc/tmp/prefect/runs/mechanism/reports/index.html"

ui: $(READY)  ## Prefect's server, a worker and the deployment on 127.0.0.1, ready to click "run"
	python -m pipeline ui --port $(PORT)

curves: $(READY)  ## live training curves in TensorBoard
	tensorboard --logdir logs --host 127.0.0.1

clean:  ## drop live logs and resumable state; results, their seconds and the DVC cache stay
	rm -rf logs .scratch
