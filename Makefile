# Every target installs what it needs into .venv; `git clone` and one of these are the only commands.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m
READY := $(VENV)/.ready
PYTEST_ARGS ?=
# Test files run side by side, each group with a control plane of its own.
WORKERS ?= 2
INSTALLATION ?= manifests/overlays/ha
UP_ARGS ?=
BENCH ?=
BENCH_ARGS ?=

.PHONY: help install demo test unit faults lifecycles chaos fuzz bench dashboards check format up down panels uninstall lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(READY) ## install the locked dependencies into .venv

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	@echo 'Installing the locked dependencies into $(VENV), which takes a minute or two …'
	$(PYTHON) -m venv $(VENV)
	$(RUN) pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(RUN) pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

demo: $(READY) ## a phi-3 Workspace from kubectl apply to Ready, on this machine
	@$(RUN) hack.demo

test: $(READY) ## every test, the real control plane included
	$(RUN) hack.devcluster build
	$(RUN) pytest --numprocesses $(WORKERS) --dist loadfile $(PYTEST_ARGS)

unit: $(READY) ## the tests that need no control plane
	$(RUN) pytest tests/unit $(PYTEST_ARGS)

faults: $(READY) ## the long fault runs: kills of each program, the provisioner's at every call and in 1,000 histories, silence, rolling restarts
	$(RUN) hack.devcluster build
	KAITO_LONG_TESTS=1 $(RUN) pytest -s tests/system/test_kills.py tests/system/test_quiet.py \
		tests/cluster/test_provisioner_kills.py tests/cluster/test_provisioner_scenarios.py tests/manifests/test_install.py $(PYTEST_ARGS)

lifecycles: $(READY) ## every kind of Workspace from apply to nothing left, each with its timeline
	$(RUN) hack.devcluster build
	$(RUN) pytest -rP tests/lifecycles $(PYTEST_ARGS)

chaos: $(READY) ## 200 Workspaces in bad weather for ten simulated minutes, over three seeds from KAITO_SEED on
	$(RUN) hack.devcluster build
	KAITO_LONG_TESTS=1 $(RUN) pytest -s tests/chaos $(PYTEST_ARGS)

fuzz: $(READY) ## a hundred thousand mutated reviews, with the webhook's own code
	$(RUN) tests.fuzz

dashboards: $(READY) ## draw the pictures of both dashboards anew, from a run on the local control plane
	$(RUN) hack.devcluster build
	KAITO_PICTURES=1 $(RUN) pytest -s tests/monitoring/test_live.py $(PYTEST_ARGS)

bench: $(READY) ## what admission, the operator and the provisioner cost; BENCH=controller for one part
	$(RUN) hack.bench $(BENCH) $(BENCH_ARGS)

check: $(READY) ## format, lint, types, layers, dead code, catalogue, generated documents
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(VENV)/bin/lint-imports --no-cache
	$(RUN) vulture
	$(RUN) controller.catalog
	$(RUN) hack.docs --check
	$(RUN) hack.crds --check

format: $(READY) ## format the code
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

up: $(READY) ## start control plane, simulator and programs; kubeconfig is .dev/kubeconfig
	@$(RUN) hack.devcluster up $(UP_ARGS)

down: $(READY) ## stop them
	@$(RUN) hack.devcluster down

panels: $(READY) ## what every panel of the shipped dashboards shows for them now
	@$(RUN) hack.prometheus

uninstall: $(READY) ## remove an installation from the cluster of KUBECONFIG: Workspaces, their nodes, then INSTALLATION
	$(VENV)/bin/kubectl delete workspaces.kaito.sh --all --all-namespaces
	$(VENV)/bin/kubectl delete deployments --namespace=kaito-system --all --cascade=foreground
	$(VENV)/bin/kubectl delete --ignore-not-found -k $(INSTALLATION)

lock: $(READY) ## resolve the dependencies anew
	$(RUN) pip install --quiet --disable-pip-version-check pip-tools
	$(VENV)/bin/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --strip-extras --allow-unsafe --no-header --output-file requirements.lock pyproject.toml
	$(VENV)/bin/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --strip-extras --allow-unsafe --no-header --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	$(VENV)/bin/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --strip-extras --allow-unsafe --no-header --no-annotate --only-build-deps --build-deps-for wheel --constraint requirements-dev.lock --output-file requirements-build.lock pyproject.toml

clean: ## remove the environment and every cache of the tools
	rm -rf $(VENV) .dev .mypy_cache .pytest_cache .ruff_cache .hypothesis
