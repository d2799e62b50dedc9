# Every target installs what it needs into .venv; `git clone` and one of these are the only commands.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m
READY := $(VENV)/.ready
PYTEST_ARGS ?=

.PHONY: help install demo test unit cluster faults fuzz bench check format up down lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(READY) ## install the locked dependencies into .venv

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(RUN) pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(RUN) pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

demo: $(READY) ## a phi-3 Workspace from kubectl apply to Ready, on this machine
	@$(RUN) hack.demo

test: $(READY) ## every test, the real control plane included
	$(RUN) hack.devcluster build
	$(RUN) pytest $(PYTEST_ARGS)

unit: $(READY) ## the tests that need no control plane
	$(RUN) pytest tests/unit $(PYTEST_ARGS)

faults: $(READY) ## the long fault runs: kills of each program, the provisioner's at every call and in 1,000 histories, silence
	$(RUN) hack.devcluster build
	KAITO_LONG_TESTS=1 $(RUN) pytest -s tests/system/test_kills.py tests/system/test_quiet.py \
		tests/cluster/test_provisioner_kills.py $(PYTEST_ARGS)

fuzz: $(READY) ## a hundred thousand mutated reviews, with the webhook's own code
	$(RUN) tests.fuzz

bench: $(READY) ## what admission costs: in process, over TLS, through the API server
	$(RUN) hack.bench

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
	@$(RUN) hack.devcluster up

down: $(READY) ## stop them
	@$(RUN) hack.devcluster down

lock: $(READY) ## resolve the dependencies anew
	$(RUN) pip install --quiet --disable-pip-version-check pip-tools
	$(VENV)/bin/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --strip-extras --allow-unsafe --no-header --output-file requirements.lock pyproject.toml
	$(VENV)/bin/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --strip-extras --allow-unsafe --no-header --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

clean: ## remove the environment and every cache of the tools
	rm -rf $(VENV) .dev .mypy_cache .pytest_cache .ruff_cache .hypothesis
