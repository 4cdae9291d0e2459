# Two commands do everything on a machine with Python 3.11 or later:
#   make run     draw lottery tickets on embedded digits, and grow trees from sentences of an embedded grammar
#   make test    the whole test suite
# `make results` makes again what docs/results.md shows of the grammar, in less than ten minutes, and `make lowest` runs
# the tests with the lowest versions that pyproject.toml allows, in an environment of their own.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
LOWEST := .venv-lowest
GRAMMAR := configs/grammar/on_lstm.yaml

.PHONY: run test lint results lowest setup clean

run: $(READY)
	$(BIN)/python -m app lottery --config configs/quickstart.yaml
	$(BIN)/python -m app report runs/quickstart
	$(BIN)/python -m app fit --config $(GRAMMAR)
	$(BIN)/python -m app test --config $(GRAMMAR)
	$(BIN)/python -m app parse --config $(GRAMMAR)

test: $(READY)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

results: $(READY)
	$(BIN)/python docs/results.py

lowest: $(LOWEST)/ready
	$(LOWEST)/bin/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

setup: $(READY)

# The last thing that is made: an installation that was cut short begins again.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed; try make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,demo]'
	@touch $@

$(LOWEST)/ready: pyproject.toml .ci/lowest.py
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python .ci/lowest.py > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(LOWEST)/constraints.txt \
	    --editable '.[dev,demo]'
	@touch $@

clean:
	rm -rf .venv $(LOWEST)
