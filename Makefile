# Everything sets itself up: all that is needed is Python 3.11 or newer with venv and pip.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check lint types bench dev lock clean

demo: $(VENV)/ready ## two weeks of calls from the sandbox through the whole path
	$(BIN)/copilot-pipeline demo

dev: $(VENV)/ready ## database, Dagster UI and daemon on the sandbox
	$(BIN)/copilot-pipeline dev --sandbox

test: $(VENV)/ready ## lint, types and tests
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m "not alone" --numprocesses 2 --dist loadfile
	$(BIN)/python -m pytest -m alone

bench: $(VENV)/ready $(VENV)/dlt/ready ## how fast it is, beside a bare loop and beside dlt
	$(BIN)/python -m copilot_pipeline_tests.bench --dlt $(VENV)/dlt/bin/python

# dlt is measured, not used: it gets an environment of its own.
$(VENV)/dlt/ready: $(VENV)/ready
	$(PYTHON) -m venv $(VENV)/dlt
	$(VENV)/dlt/bin/python -m pip install --quiet --disable-pip-version-check "dlt[postgres]>=1.5,<2" "httpx>=0.28,<0.29"
	touch $@

# The exact set of packages, with hashes; compiled from pyproject.toml with `make lock`.
$(VENV)/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

lock: ## compiles requirements.lock anew (needs uv)
	uv pip compile pyproject.toml --extra test --universal --python-version 3.11 --generate-hashes \
	  --no-strip-extras --no-emit-index-url --no-header --no-annotate -o requirements.lock

clean: ## removes what was installed and what the demo made
	rm -rf $(VENV) .copilot_pipeline
