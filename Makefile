# The commands of this repository; `make help` lists them.
SHELL := /bin/bash
PYTHON := .venv/bin/python
PIPELINE ?= pre-merge
SERVE ?= yes
BENCHMARKS ?= plugin aestus
WORKERS ?= 2
ARGS ?=

.PHONY: help setup run test test-scale bench cluster cluster-down lint docs

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install everything a checkout needs (idempotent)
	@infra/setup/setup.sh run

run: setup ## Run the pipeline on this machine, then serve the dashboard (SERVE=no: end with the verdict)
ifeq ($(SERVE),no)
	@.venv/bin/hotfire run $(PIPELINE) --no-reuse --wait
else
	@# A run that has a verdict is worth looking at, red or not; wrong usage or Ctrl-C is not.
	@.venv/bin/hotfire run $(PIPELINE) --no-reuse --wait; code=$$?; \
	  case $$code in 0|1|3) exec .venv/bin/hotfire serve ;; *) exit $$code ;; esac
endif

# Two workers: the tests start processes of their own, and the reference machine has two cores. A file
# stays together for its fixtures; files in their own order, so that the builds of Aestus come early.
test: ## Run all tests; the conventions (format, types, imports, sizes) are tests too
	@infra/setup/setup.sh test
	@$(PYTHON) -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-scale: ## Run the tests of scale, which take minutes and gigabytes
	@infra/setup/setup.sh test
	@$(PYTHON) -m pytest -q -m scale

bench: setup ## Run the side-by-side measurements (BENCHMARKS="plugin aestus", ARGS=--quick)
	@for name in $(BENCHMARKS); do $(PYTHON) -m benchmarks.$$name $(ARGS) || exit 1; done

cluster: ## Bring up a Kubernetes on this machine (ARGS="--nodes 100 --no-kueue"): docs/cluster.md
	@infra/setup/setup.sh cluster
	@$(PYTHON) -m hotfire_k8s up $(ARGS)

cluster-down: ## Take that Kubernetes away again, with everything it left
	@$(PYTHON) -m hotfire_k8s down $(ARGS)

lint: setup ## Check format, types, import directions, sizes and names
	@$(PYTHON) -m pytest -q tests/conventions

docs: setup ## Check that links, commands and targets in the documentation exist
	@$(PYTHON) -m pytest -q tests/conventions/test_documentation.py
