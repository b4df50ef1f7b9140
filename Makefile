# Each target first installs what it needs; later runs skip this.
# A machine needs only Python 3.11 or newer, and make.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# The Node.js of the machine is used if it is new enough, else the one from a Python wheel.
NODE_BIN := .venv/node/bin
export PATH := $(abspath $(NODE_BIN)):$(PATH)
export SUPABASE_TELEMETRY_DISABLED := 1
export DO_NOT_TRACK := 1

.PHONY: help setup demo up test check format schema catalogue bench soak lock clean

help:
	@echo "make demo    show the whole life of an error on a local Supabase"
	@echo "make up      run a local Supabase with the engine until Ctrl-C; ARGS=... are options of up"
	@echo "make test    run all tests; ARGS=... are arguments of pytest"
	@echo "make check   check style and types"
	@echo "make format  format the code"
	@echo "make schema  write what is generated from the migrations, after a change of them"
	@echo "make catalogue  write the file of known messages, after a change of its tables"
	@echo "make bench   run the benchmarks"
	@echo "make soak    put a local stack under load for minutes and kill its parts; ARGS=... are its arguments"
	@echo "make lock    write the lock files in requirements/ (needs uv)"
	@echo "make clean   delete .venv and node_modules"

setup: .venv/.python node_modules/.npm

.venv/.python: requirements/dev.lock pyproject.toml
	@echo "Setting up Python packages in .venv …"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
		{ echo "python3 -m venv failed; on Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

node_modules/.npm: package.json package-lock.json scripts/console-assets .venv/.node
	@echo "Setting up Node packages in node_modules …"
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@scripts/console-assets
	@touch $@

.venv/.node: .venv/.python requirements/node.lock
	@node -e 'process.exit(+(process.versions.node.split(".")[0] < 20))' 2>/dev/null && npm --version >/dev/null 2>&1 || \
		scripts/node-from-wheel $(BIN)/python $(NODE_BIN)
	@touch $@

demo: setup
	@$(BIN)/pattern-engine demo $(ARGS)

up: setup
	@$(BIN)/pattern-engine up $(ARGS)

test: setup
	@scripts/debian-packages
	@$(BIN)/python -m pytest --numprocesses=2 --dist=loadgroup $(ARGS)

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

schema: setup
	@$(BIN)/python -m docs.generate database schema

catalogue: setup
	@$(BIN)/python -m pattern_engine.catalogue.build

.venv/.bench: requirements/bench.lock .venv/.python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.lock
	@touch $@

bench: setup .venv/.bench
	@$(BIN)/python -m benchmarks

# Takes ten minutes; not part of CI. ARGS="--seconds 60 healing" is a short run of one load.
soak: setup
	@$(BIN)/python -m benchmarks.soak $(ARGS)

# Needs uv. The lock files contain versions and hashes, but no address of a registry.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-header --no-emit-index-url --no-emit-find-links
lock:
	$(LOCK) pyproject.toml --extra local --extra fixes --extra dev --output-file requirements/dev.lock
	$(LOCK) pyproject.toml --extra local --extra fixes --extra dev --extra bench --output-file requirements/bench.lock
	$(LOCK) requirements/node.in --output-file requirements/node.lock

clean:
	rm -rf .venv node_modules
