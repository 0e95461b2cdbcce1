# Everything a newcomer needs: `make run`, `make test`, `make help`.
VENV := .venv
PYTHON := $(VENV)/bin/python
SCALE := 1
SOURCES := collector:analytics:alerts:reports:src

.PHONY: help run demo test soak check unit format lock screenshots golden clean

help: ## These targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(VENV)/.run ## Agent, server and pages on this machine: http://127.0.0.1:9797
	@exec $(VENV)/bin/tidecast up

demo: $(VENV)/.run ## The same on a generated fleet
	@exec $(VENV)/bin/tidecast demo

test: servers $(VENV)/.dev check unit ## All checks and tests, with the real servers they need

soak: $(VENV)/.soak ## Kills, power cuts, damage, a full disk, fuzzing: half an hour, or SCALE=0.1 of it
	PYTHONPATH=.:$(SOURCES) $(PYTHON) -m tests.soak --scale $(SCALE) \
		$(if $(FUZZ_SECONDS),--fuzz-seconds $(FUZZ_SECONDS)) --output benchmarks/results/soak.json

.PHONY: servers
servers:
	@deploy/test-servers.sh

check: $(VENV)/.dev ## Style, types and the floors of the house
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	PYTHONPATH=$(SOURCES) $(VENV)/bin/lint-imports --no-logo

unit: $(VENV)/.dev ## All tests, with coverage
	$(VENV)/bin/pytest -n 2 --dist loadgroup --cov --cov-report=term:skip-covered

format: $(VENV)/.dev ## Let ruff put the sources into form
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

golden: $(VENV)/.dev ## Generate the Grafana dashboard anew
	$(PYTHON) grafana/generate.py

lock: ## Resolve the dependencies anew (versions and hashes, no download address)
	deploy/lock.sh

screenshots: $(VENV)/.dev ## Take the pages' screenshots anew
	PYTHONPATH=. $(PYTHON) -m tests.web.documentation_images

clean: ## Forget the environments and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.run: requirements.lock pyproject.toml
	@deploy/environment.sh $(VENV) requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml
	@deploy/environment.sh $(VENV) requirements-dev.lock
	@touch $(VENV)/.run $@

$(VENV)/.soak: requirements-soak.lock $(VENV)/.dev
	@deploy/environment.sh $(VENV) requirements-soak.lock
	@touch $@
