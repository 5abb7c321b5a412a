# make demo   the main job on a laptop without a GPU: read a chat, train, compare
# make test   linters and all tests
# make venv   the environment alone
# All of them set up what they need, and can be run again at any time.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed-$(shell cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)

# More threads than cores make torch several times slower; and nothing here phones home.
export OMP_NUM_THREADS ?= $(shell $(PYTHON) -c 'import os; print(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())')
export AXOLOTL_DO_NOT_TRACK := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export GRADIO_ANALYTICS_ENABLED := False

.PHONY: venv demo test unit lint system clean

venv: $(STAMP)
	@echo "the environment is ready: 'make demo' next, or '$(BIN)/asimbot --help'"

$(STAMP): pyproject.toml constraints.txt tools/install.sh
	@$(PYTHON) -c 'import sys; sys.exit("asimbot needs Python 3.11 or newer: make PYTHON=python3.11 …" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (about 4 GB, some minutes the first time) …"
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=24"
	@tools/install.sh dependencies $(BIN)/python pocket,test
	@tools/install.sh package $(BIN)/python pocket,test -e
	@rm -f .venv/.installed-*
	@touch $@

demo: venv
	@$(BIN)/asimbot demo

test:
	@$(MAKE) --no-print-directory --jobs=2 lint system # the one waits for the processor, the other for packages
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile
	@echo "all tests passed; next: make demo"

unit: venv
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow"

lint: venv
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

system:
	@tools/system_packages.sh

clean:
	rm -rf .venv runs
