# bufferbudget: everything starts here. Needs Python 3.11 or later, make and PyPI; `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA_DIR ?= var/data
# One works on the real parts, which make it wait more than work; the others share the rest.
TEST_PROCESSES ?= 3
export DATA_DIR
export APPLY

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show what can be done
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

# --- set up ---------------------------------------------------------------------------------------------------

$(VENV)/.run-ready: requirements.lock shared/pyproject.toml $(wildcard services/*/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "bufferbudget needs Python 3.11 or later; set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || { echo "Setting up the virtual environment in $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		-e shared -e services/income-intake -e services/buffer-ledger -e services/notifier
	@touch $@

$(VENV)/.dev-ready: requirements-dev.lock $(VENV)/.run-ready
	@echo "Installing the tools for tests ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

.PHONY: install
install: $(VENV)/.run-ready ## Set up the virtual environment

# --- use ------------------------------------------------------------------------------------------------------

.PHONY: demo run token run-intake run-ledger run-notifier
demo: $(VENV)/.run-ready ## A year in the life of 350 people, in about a minute
	@$(BIN)/python -m deploy.demo

run: $(VENV)/.run-ready ## Start the embedded shape (PORT, DATA_DIR)
	@exec $(BIN)/python -m deploy.all_in_one

token: $(VENV)/.run-ready ## Print a token: ROLE=backoffice|official|fund|operator [MUNICIPALITY=0344] [FUND=...]
	@$(BIN)/python -m shared.tokens

run-intake: $(VENV)/.run-ready ## Start income-intake alone (BUS_URL, INCOME_INTAKE_DATABASE_URL)
	@exec $(BIN)/python -m income_intake

run-ledger: $(VENV)/.run-ready ## Start buffer-ledger alone (BUS_URL, BUFFER_LEDGER_DATABASE_URL)
	@exec $(BIN)/python -m buffer_ledger

run-notifier: $(VENV)/.run-ready ## Start notifier alone (BUS_URL, NOTIFIER_DATABASE_URL, SMTP_URL)
	@exec $(BIN)/python -m notifier

# --- real parts on loopback, without containers ----------------------------------------------------------------

.PHONY: kafka-up kafka-down postgres-up postgres-down
kafka-up: $(VENV)/.dev-ready ## Start Apache Kafka (needs Java 17 and Maven)
	@$(BIN)/python -m deploy.parts up kafka

kafka-down: $(VENV)/.dev-ready ## Stop it
	@$(BIN)/python -m deploy.parts down kafka

postgres-up: $(VENV)/.dev-ready ## Start PostgreSQL with a database for each service
	@$(BIN)/python -m deploy.parts up postgres

postgres-down: $(VENV)/.dev-ready ## Stop it
	@$(BIN)/python -m deploy.parts down postgres

.PHONY: verify-ledger beancount
verify-ledger: $(VENV)/.run-ready ## Verify an export of a fund's books: FILE=... [HEAD=a hash kept elsewhere]
	@$(BIN)/python -m buffer_ledger.books_file verify "$(FILE)" "$(HEAD)"

beancount: $(VENV)/.run-ready ## Print an export of a fund's books as a beancount file: FILE=...
	@$(BIN)/python -m buffer_ledger.books_file beancount "$(FILE)"

.PHONY: secrets migrate
secrets: $(VENV)/.run-ready ## Make the secrets that deploy/compose.yaml reads
	@$(BIN)/python -m deploy.secret_files

migrate: $(VENV)/.run-ready ## Bring the databases up to date as their owners
	@$(BIN)/python -m deploy.migrate

# --- check ----------------------------------------------------------------------------------------------------

.PHONY: lint test bench soak mutants contracts sample settings pictures lock
lint: $(VENV)/.dev-ready ## Style, types and the walls between packages
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy shared/src services/income-intake/src services/buffer-ledger/src services/notifier/src deploy tests
	@$(BIN)/lint-imports

test: $(VENV)/.dev-ready ## All tests; the last lines say what ran on which real part
	@$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadgroup $(PYTEST_ARGS)

bench: $(VENV)/.dev-ready ## Measure slips per second in both shapes (docs/performance.md)
	@$(BIN)/python -m tests.load

soak: $(VENV)/.dev-ready ## A million random operations on the ledger: OPERATIONS=... SEED=...
	@$(BIN)/python -m tests.states

mutants: $(VENV)/.dev-ready ## Faults in the pure rules that no test notices: MODULES="policy offset" (docs/mutants.md)
	@$(BIN)/python -m tests.mutants

contracts: $(VENV)/.run-ready ## Export event schemas, AsyncAPI and OpenAPI after a change of contract
	@$(BIN)/python -m shared.contracts

settings: $(VENV)/.run-ready ## Write deploy/env.example anew after a change of settings
	@$(BIN)/python -m shared.settings > deploy/env.example

sample: $(VENV)/.run-ready ## Make deploy/sample anew
	@$(BIN)/python -m deploy.sample

pictures: $(VENV)/.run-ready ## Make docs/pictures anew: a letter and an e-mail in three languages
	@$(BIN)/python -m deploy.pictures

.PHONY: law-update
law-update: $(VENV)/.run-ready ## Show what new figures of the law change for the sample: FILE=figures.yaml [APPLY=yes writes them]
	@$(BIN)/python -m deploy.law_figures "$(FILE)"

lock: $(VENV)/.dev-ready ## Pin and hash the dependencies anew (no index address is written)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--no-header shared/pyproject.toml pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--no-header shared/pyproject.toml pyproject.toml --extra dev -o requirements-dev.lock
