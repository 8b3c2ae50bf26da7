# `make demo` and `make test` do all the set-up they need. Running them again starts at once.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# --no-compile: byte code for packages that are only partly used would add 110 MB.
PIP_FLAGS := install --no-input --disable-pip-version-check --no-compile
PIP_INSTALL := PYTHONUNBUFFERED=1 $(BIN)/python -m pip $(PIP_FLAGS)
# Progress is one line a download; of what pip says else, only errors pass.
PROGRESS := 2>&1 | sed -u -nE -e '/^ *(Downloading|ERROR|error|.*Errno)/p' -e 's/^Installing collected packages.*/  Unpacking …/p'
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock"

.PHONY: demo test test-long test-gate fuzz bench lint format types install install-dev install-zig install-learn install-drivers compiler lock proto clean help

demo: install compiler  ## fly the figure eight for 20 s: simulator, controller and recorder in three processes
	@$(BIN)/mpc launch launch/quadrotor.toml

test: install-dev compiler  ## the whole test suite: two tests at a time, each on a core, then those that nothing may run beside
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not alone"
	@$(BIN)/python -m pytest -m "alone and not slow"

test-long: install-dev compiler  ## the tests that `make test` leaves out: intervals over many seeds, whole flights
	@$(BIN)/python -m pytest -m slow

GATE_TESTS := tests/control/test_safety_gate.py tests/control/test_safety_gate_properties.py

test-gate: install-dev $(VENV)/.gate  ## the safety gate: every branch covered, 10^5 drawn cases, mutants killed; 3 minutes
	@$(BIN)/python -m coverage run --branch --include=mpc_controller/control/safety_gate.py --data-file=$(VENV)/.coverage -m pytest $(GATE_TESTS)
	@$(BIN)/python -m coverage report --data-file=$(VENV)/.coverage --show-missing --fail-under=100
	@GATE_CASES=15000 $(BIN)/python -m pytest tests/control/test_safety_gate_properties.py
	@$(BIN)/python -m tests.control.gate_mutants

SECONDS ?= 60
fuzz: install-dev $(VENV)/.fuzz  ## decoders and loaders against bytes that atheris invents, each for SECONDS=60
	@for target in $$($(BIN)/python -m tests.fuzz --list); do $(BIN)/python -m tests.fuzz $$target $(SECONDS) 2>&1 | grep -v '^INFO: '; done

bench: install compiler $(VENV)/.crocoddyl $(VENV)/.sysid  ## solvers, then identification, beside those of others; 45 minutes; DATA=FOLDER has recordings
	@$(BIN)/mpc bench solvers --crocoddyl $(VENV)/crocoddyl/bin/python
	@$(BIN)/mpc bench identification $(if $(DATA),--data $(DATA))

lint: install-dev  ## style of the code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: install-dev  ## write the style that `make lint` checks
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: install-dev  ## strict types
	@$(BIN)/mypy

install: $(VENV)/.runtime  ## .venv with the locked packages and the command `mpc` in .venv/bin

install-dev: $(VENV)/.dev

install-learn: $(VENV)/.learn  ## what `mpc learn` needs, for training: JAX, Equinox, Optax, ONNX

install-drivers: $(VENV)/.drivers  ## what `mpc drive` and its tests need for real robots: servos, MAVLink, an RTDE client

install-zig: $(VENV)/.zig  ## a C compiler into .venv, from PyPI, for machines without one

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1); try: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "error: $(PYTHON) has no venv module; on Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Creating $(VENV) with $$($(PYTHON) -V) …"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.venv requirements.lock pyproject.toml
	@echo "Installing the locked packages (once; about 370 MB to download and 1 GB on disk, most of it CasADi and Pinocchio) …"
	@$(PIP_INSTALL) --require-hashes -r requirements.lock $(PROGRESS)
	@echo "Installing mpc_controller from this folder …"
	@$(PIP_INSTALL) --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "Installing the tools for tests (once) …"
	@$(PIP_INSTALL) --require-hashes -r requirements-dev.lock $(PROGRESS)
	@touch $@

$(VENV)/.zig: $(VENV)/.runtime requirements-zig.lock
	@echo "Installing the C compiler in the ziglang wheel (once; about 100 MB to download) …"
	@$(PIP_INSTALL) --require-hashes -r requirements-zig.lock $(PROGRESS)
	@touch $@

# In an environment of its own: it does not get on with the locked Pinocchio. Where it cannot be had, its rows are left out.
$(VENV)/.crocoddyl: $(VENV)/.runtime pyproject.toml
	@echo "Installing Crocoddyl, for comparison (once) …"
	@$(PYTHON) -m venv $(VENV)/crocoddyl
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["bench"], sep="\n")' \
		> $(VENV)/crocoddyl/requirements.txt
	@PYTHONUNBUFFERED=1 $(VENV)/crocoddyl/bin/python -m pip $(PIP_FLAGS) -r $(VENV)/crocoddyl/requirements.txt $(PROGRESS) && touch $@ || echo "Crocoddyl cannot be installed here."

# Four small packages in pure Python (and YAML). Where they cannot be had, the rows of mujoco.sysid are left out.
$(VENV)/.sysid: $(VENV)/.runtime pyproject.toml
	@echo "Installing what mujoco.sysid needs, for comparison (once; about 1 MB) …"
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["sysid"], sep="\n")' \
		> $(VENV)/sysid-requirements.txt
	@$(PIP_INSTALL) -r $(VENV)/sysid-requirements.txt $(PROGRESS) && touch $@ || echo "They cannot be installed here."

$(VENV)/.learn: $(VENV)/.runtime requirements-learn.lock
	@echo "Installing what learning needs (once; about 120 MB to download) …"
	@$(PIP_INSTALL) --require-hashes -r requirements-learn.lock $(PROGRESS)
	@touch $@

# Of pyproject's extras `gate` and `fuzz`, each on its own.
$(VENV)/.gate $(VENV)/.fuzz: $(VENV)/.%: $(VENV)/.dev pyproject.toml
	@echo "Installing what the extra $* needs (once) …"
	@$(BIN)/python -c 'import sys, tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"][sys.argv[1]], sep="\n")' $* \
		> $(VENV)/$*-requirements.txt
	@$(PIP_INSTALL) -r $(VENV)/$*-requirements.txt $(PROGRESS)
	@touch $@

# Without them the tests of those drivers are left out.
$(VENV)/.drivers: $(VENV)/.runtime requirements-drivers.lock
	@echo "Installing what drivers of real robots need (once; about 20 MB to download) …"
	@$(PIP_INSTALL) --require-hashes -r requirements-drivers.lock $(PROGRESS)
	@touch $@

# Solvers are compiled on this machine; a compiler may have come or gone since the last run.
compiler: install
	@$(BIN)/python -m mpc_controller.native.compiler >/dev/null 2>&1 || test -n "$${CC:-}" \
		|| { echo "There is no C compiler on this machine."; $(MAKE) --no-print-directory install-zig; }
	@$(BIN)/python -m mpc_controller.native.compiler

lock: install-dev  ## write the lock files anew, with the newest versions that pyproject.toml allows
	@$(PIP_INSTALL) --quiet uv
	@$(LOCK) --upgrade --group build pyproject.toml -o requirements.lock
	@$(LOCK) --upgrade --group build --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	@$(LOCK) --upgrade --group build --extra learn -c requirements-dev.lock pyproject.toml -o requirements-learn.lock
	@$(LOCK) --upgrade --group build --extra dynamixel --extra mavlink --extra ur -c requirements-dev.lock pyproject.toml -o requirements-drivers.lock
	@echo "ziglang>=0.14" | $(LOCK) --upgrade - -o requirements-zig.lock

proto: install-dev  ## write the Python side of the wire format anew
	@$(BIN)/python -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. mpc_controller/bus/wire.proto

clean:  ## remove .venv and what tools left; recordings and the compile cache stay
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## this list
	@grep -E '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*  ## /\1\t/' | expand -t 12
