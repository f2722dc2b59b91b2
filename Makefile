# The commands of this repository; `make help` lists them.
SHELL := /bin/bash
PYTHON := .venv/bin/python
PIPELINE ?= pre-merge
SERVE ?= yes
BENCHMARKS ?= plugin aestus
# Two workers: the tests start processes of their own, and the reference machine has two cores.
WORKERS ?= 2

.PHONY: help setup run test test-scale bench lint docs

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install everything a checkout needs (idempotent)
	@infra/setup/setup.sh run

run: setup ## Run the pipeline on this machine, then serve the dashboard (SERVE=no: end with the verdict)
ifeq ($(SERVE),no)
	@.venv/bin/hotfire run $(PIPELINE) --wait
else
	@.venv/bin/hotfire run $(PIPELINE) --wait || echo "make run: the run did not pass; the dashboard shows why"
	@.venv/bin/hotfire serve
endif

test: ## Lint, then run all tests
	@infra/setup/setup.sh test
	@infra/setup/check.sh lint
	@infra/setup/check.sh test -n $(WORKERS)

test-scale: setup ## Run the tests of scale
	@infra/setup/check.sh scale

bench: setup ## Run the side-by-side measurements (BENCHMARKS="plugin aestus", ARGS=--quick)
	@for name in $(BENCHMARKS); do $(PYTHON) -m benchmarks.$$name $(ARGS) || exit 1; done

lint: setup ## Check format, types, import directions and sizes
	@infra/setup/check.sh lint

docs: setup ## Check that the documentation's links and commands exist
	@$(PYTHON) -m pytest -q -n 0 tests/conventions/test_documentation.py
