# Every target sets itself up: all it needs is Python 3.11 or newer with venv and pip.

PYTHON ?= python3
VENV := .venv
# Of `make dev`: make dev PORT=3001 WEBHOOK_PORT=8801
PORT := 3000
WEBHOOK_PORT := 8800
BIN := $(VENV)/bin
# Six workers on two cores: half of the time of an end-to-end test is waiting. Unit tests only compute.
PYTEST := $(BIN)/python -m pytest
WORKERS := 6
PARALLEL = --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
# The files with tests of a marker: collecting only these saves ten seconds.
FILES_OF = $(shell grep -rl --include='test_*.py' 'mark\.$(1)\b' copilot_pipeline_tests)

CONTAINERS := POSTGRES_PASSWORD=a0 AWS_SECRET_ACCESS_KEY=a0 PIPELINE_FILE=./pipeline.example.yaml \
  COPILOT_PIPELINE_WEBHOOK_SECRET=only-for-this-test docker compose --project-name copilot-pipeline-test

# Every process would compile the libraries again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: bytecode compiled-lint help demo dev check lint types format test test-fast test-faults test-all tests test-containers bench lock audit sbom licenses release-check clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/ready ## Run half a year of sandbox calls through the whole pipeline
	$(BIN)/copilot-pipeline demo

dev: $(VENV)/ready ## Start the database, the Dagster UI and the daemon on sandbox calls (PORT=3000 WEBHOOK_PORT=8800)
	$(BIN)/copilot-pipeline dev --sandbox --port $(PORT) --webhook-port $(WEBHOOK_PORT)

check: lint types ## Run lint and types

lint: $(VENV)/ready ## Check style, formatting and the import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/ready ## Check types of the package and of its tests (mypy, strict)
	$(BIN)/mypy

format: $(VENV)/ready ## Format the code and apply the safe fixes of the linter
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-fast: WORKERS := 2
test-fast: $(VENV)/ready ## Run the unit tests without simulations (a minute on two cores)
	$(PYTEST) -m "unit and not alone and not simulation" $(PARALLEL) --ignore copilot_pipeline_tests/end_to_end

# The types are checked beside the tests, of which many wait. What lint leaves idle compiles the modules once; without
# it each worker would compile them.
test: SELECTED := not alone and not faults
test: compiled-lint ## Run lint, types and every test but those of faults
	$(MAKE) --jobs=2 types tests "SELECTED=$(SELECTED)"
	$(PYTEST) -m alone $(call FILES_OF,alone)

test-all: SELECTED := not alone
test-all: compiled-lint ## Run lint, types and every test, as CI does
	$(MAKE) --jobs=2 types tests "SELECTED=$(SELECTED)"
	$(PYTEST) -m alone $(call FILES_OF,alone)

tests: $(VENV)/ready
	$(PYTEST) -m "$(SELECTED)" $(PARALLEL)

compiled-lint: $(VENV)/ready
	$(MAKE) --jobs=2 lint bytecode

bytecode: $(VENV)/ready
	@$(PYTEST) --collect-only >/dev/null || true  # the tests report what cannot be imported

test-faults: $(VENV)/ready ## Run the long tests: storms of faults, a lost lake, cut connections
	$(PYTEST) -m faults $(PARALLEL) $(call FILES_OF,faults)

test-containers: ## Build the image and start every service in containers (needs Docker Compose)
	$(CONTAINERS) up --build --wait
	$(CONTAINERS) exec -T code copilot-pipeline --version
	$(CONTAINERS) exec -T code copilot-pipeline sql "SELECT count(*) FROM copilot.calls"
	$(CONTAINERS) down --volumes

bench: $(VENV)/ready $(VENV)/dlt/ready ## Measure the speed against a bare HTTP loop, dlt and the ratios that were kept
	$(BIN)/python -m copilot_pipeline_tests.bench --dlt $(VENV)/dlt/bin/python

COMPILE := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
  --no-strip-extras --no-emit-index-url --no-header --no-annotate

lock: ## Compile requirements.lock and that of the image from pyproject.toml (needs uv)
	$(COMPILE) --extra test -o requirements.lock
	$(COMPILE) --extra image --constraint requirements.lock -o deploy/image/requirements.lock

audit: $(VENV)/audit/ready ## Look the packages of requirements.lock up in the database of known vulnerabilities
	$(VENV)/audit/bin/pip-audit --strict --require-hashes --disable-pip -r requirements.lock

sbom: $(VENV)/ready $(VENV)/audit/ready ## Write the bill of materials, dist/sbom.cdx.json (CycloneDX, with licences)
	mkdir -p dist
	$(VENV)/audit/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
	  --output-format JSON --output-file dist/sbom.cdx.json $(BIN)/python

licenses: $(VENV)/ready ## List the licences of the dependencies in docs/licenses.md
	$(BIN)/python -m copilot_pipeline_tests.licenses > docs/licenses.md

release-check: $(VENV)/ready ## Compare the tag of the commit, the version, the changelog and the schema
	$(BIN)/python -m copilot_pipeline_tests.release

clean: ## Remove the virtual environment, caches and the data of the demo
	rm -rf $(VENV) .copilot_pipeline .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The exact packages, with hashes; pip and setuptools too, in place of those of the Python release.
# Modules are compiled when they are imported first, which is most of them never.
$(VENV)/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# The tools look at the environment from outside: their own packages are no part of it.
$(VENV)/audit/ready: $(VENV)/ready
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip "pip-audit>=2.9,<3" "cyclonedx-bom>=7,<8"
	touch $@

# dlt is only measured, so it has an environment of its own.
$(VENV)/dlt/ready: $(VENV)/ready
	$(PYTHON) -m venv $(VENV)/dlt
	$(VENV)/dlt/bin/python -m pip install --quiet --disable-pip-version-check "dlt[postgres]>=1.5,<2" "httpx>=0.28,<0.29"
	touch $@
