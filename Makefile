# Every target works on a fresh clone: it creates .venv, installs what it needs, and installs again only
# when pyproject.toml or constraints.txt changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
FILES := pyproject.toml constraints.txt
# Benchmarks of one trained network, which benchmarks/zoo.py leaves in runs/zoo.
OF_A_RUN := $(addprefix benchmarks/,early_exit_ann.py dtsnn_table.py exit_speed.py)
# Tests run on every core, those of one file on the same.
EACH_CORE := -n logical --dist loadfile

.PHONY: help setup demo test test-all lint types docs bench clean
help:
	@echo "make setup | demo | test | test-all | lint | types | docs | bench | clean"

$(VENV)/.pip:
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"spikewise needs Python 3.11 or newer; {sys.executable} is {v.major}.{v.minor}. Run: make PYTHON=python3.11 ...")'
	@echo "Creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -c constraints.txt pip
	@touch $@

$(VENV)/.setup: $(VENV)/.pip $(FILES)
	@echo "Installing spikewise with the extras deep and report (a few minutes the first time)"
	@$(PIP) install -c constraints.txt -e ".[deep,report]"
	@touch $@

$(VENV)/.test: $(VENV)/.setup
	@echo "Installing the test tools, and the extra search"
	@$(PIP) install -c constraints.txt --group test -e ".[deep,report,search]"
	@touch $@

$(VENV)/.dev: $(VENV)/.test
	@echo "Installing the development tools"
	@$(PIP) install -c constraints.txt --group dev
	@touch $@

setup: $(VENV)/.setup

demo: $(VENV)/.setup
	@$(BIN)/spikewise demo --out runs/demo

test: $(VENV)/.test
	$(BIN)/python -m pytest $(EACH_CORE) -m "not slow" --cov --cov-report=term:skip-covered --cov-fail-under=90

test-all: $(VENV)/.dev
	$(BIN)/python -m pytest $(EACH_CORE) --cov --cov-report=term:skip-covered --cov-fail-under=90

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

docs: $(VENV)/.dev
	@rm -rf docs/reference/generated
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

bench: $(VENV)/.setup
	@for file in $(filter-out $(OF_A_RUN),$(wildcard benchmarks/*.py)); do echo "== $$file"; $(BIN)/python $$file || exit 1; done
	@for file in $(OF_A_RUN); do echo "== $$file"; $(BIN)/python $$file runs/zoo/cifar10-vgg7 || exit 1; done

clean:
	rm -rf $(VENV) docs/_build docs/reference/generated dist .mypy_cache .ruff_cache .hypothesis .coverage
