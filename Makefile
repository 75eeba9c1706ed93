# email-engine: everything a person runs. `make help` lists it.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed
unexport PYTHONDONTWRITEBYTECODE

DEBIAN := chromium rbldnsd named-checkzone mariadbd
PACKAGE = $@
named-checkzone: PACKAGE = bind9-utils
mariadbd: PACKAGE = mariadb-server-core mariadb-client-core
.DEFAULT_GOAL := help
.PHONY: help secrets setup up down status logs reset lab demo test test-parts test-whole bench check docs lock sql url decisions doctor $(DEBIAN)

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

$(STAMP): requirements-dev.txt requirements.txt pyproject.toml
	@echo "installing into $(VENV) (one to three minutes, once) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; found $$($(PYTHON) --version). Next: make PYTHON=python3.11 setup"; exit 2; }
	@$(PYTHON) -m venv --help >/dev/null 2>&1 || { echo "python3 -m venv is missing. Next: apt-get install python3-venv"; exit 2; }
	@$(RUN) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
	@$(VENV)/bin/uv pip install --quiet --python $(RUN) --compile-bytecode -r requirements-dev.txt
	@$(VENV)/bin/uv pip install --quiet --python $(RUN) --no-deps --editable .
	@rm -rf email_engine.egg-info # beside the installed one it would make Airflow find our plugin twice
	@touch $(STAMP)

setup: $(STAMP) ## the virtual environment alone
	@:

up: ## everything on this machine, with the lab
	@$$(command -v flock >/dev/null && echo flock Makefile) $(MAKE) --no-print-directory setup
	@exec $(RUN) -m stack up

down: $(STAMP) ## stop everything that `make up` started
	@$(RUN) -m stack down

status: $(STAMP) ## what runs, where, and the login
	@$(RUN) -m stack status

logs: $(STAMP) ## the end of every log (WHAT=scheduler for one)
	@$(RUN) -m stack logs $(WHAT)

sql: $(STAMP) ## the engine's tables in psql (Q="SELECT ..." for one query)
	@$(RUN) -m stack sql $(if $(Q),"$(Q)")

decisions: $(STAMP) ## the newest decisions of the warm-up (DAG=... for another pipeline)
	@$(RUN) -m stack decisions $(DAG)

url: $(STAMP) ## the address of the engine's database, with its password, for email-engine
	@$(RUN) -m stack url

doctor: $(STAMP) ## everything that must be right, looked at one by one, with the next step
	@$(RUN) -m stack doctor

reset: $(STAMP) ## stop, then delete all state (asks first)
	@$(RUN) -m stack reset

lab: $(STAMP) ## the knobs of the lab: list an IP, break a record, fail a reload ...
	@$(RUN) -m lab knobs

demo: $(STAMP) ## six simulated weeks through the DAGs, with a report
	@$(RUN) -m stack.demo

test: $(STAMP) ## the whole suite: parts and whole products beside each other, each printed at its end
	@$(MAKE) --no-print-directory $(DEBIAN)
	@$(MAKE) --no-print-directory -j2 -k --output-sync=target test-parts test-whole

test-parts: $(STAMP) ## everything but e2e, browser and compose
	@$(RUN) -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not e2e"

test-whole: $(STAMP) ## e2e, browser and compose: real stacks, one after the other
	@$(RUN) -m pytest -m e2e -rs tests/e2e tests/browser; first=$$?; $(RUN) -m pytest -m e2e -rs tests/compose && exit $$first

# What tests want from Debian, where it is missing and may be installed; without it those tests say why they skip.
$(DEBIAN):
	@command -v $@ >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || { \
	  export DEBIAN_FRONTEND=noninteractive; install="timeout 300 apt-get install -y -qq --no-install-recommends $(PACKAGE)"; \
	  echo "installing $@ for the tests ..."; \
	  $$install >/dev/null 2>&1 || { timeout 120 apt-get update -qq >/dev/null 2>&1; $$install >/dev/null 2>&1; } || true; }

bench: $(STAMP) ## speed of the configuration language and of the sweep, sureness of the judgement, beside peers
	@$(RUN) -m tests.bench

check: $(STAMP) ## lint, types, import contracts, generated docs current
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(RUN) -m stack.documents --check

docs: $(STAMP) ## refresh the generated pages
	@$(RUN) -m stack.documents

secrets: ## the secrets of docker-compose.yaml, where they are missing (docs/compose.md)
	@$(PYTHON) -m stack.compose secrets

lock: $(STAMP) ## compile requirements again
	@$(VENV)/bin/uv pip compile -q --upgrade --no-emit-index-url --no-header --universal --python-version 3.11 requirements.in -o requirements.txt
	@$(VENV)/bin/uv pip compile -q --upgrade --no-emit-index-url --no-header --universal --python-version 3.11 -c requirements.txt requirements-dev.in -o requirements-dev.txt
	@$(VENV)/bin/uv pip compile -q --upgrade --no-emit-index-url --no-header --python-platform linux --python-version 3.11 -c requirements.txt requirements-compose.in -o requirements-compose.txt
