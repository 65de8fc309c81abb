# Every target does its own set-up: a virtual environment with the tested versions.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test cluster check docs lint types format fuzz bench-check pins wheel clean

demo: $(VENV)/core ## Fuse the shipped scenes and say where to look
	$(BIN)/piafusion demo --output demo --overwrite

test: $(VENV)/dev ## Unit, property and command-line tests, a process of one thread for each core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --dist loadfile

bench-check: $(VENV)/dev ## Run every benchmark once on tiny inputs; takes minutes
	$(BIN)/python -m benchmarks.check

FUZZ ?= 5000
fuzz: $(VENV)/dev ## Damaged inputs through every reader, some minutes; FUZZ=100000 for a night
	$(BIN)/python -m tools.fuzz --cases $(FUZZ)

cluster: $(VENV)/dev ## Tests of the Ray engine, which start Ray
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[ray]'
	PIAFUSION_RAY=1 $(BIN)/python -m pytest tests/test_cluster.py

check: lint docs types test ## All that CI does

lint: $(VENV)/dev ## Style, format, and that imports go down the floors only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(VENV)/dev ## Static types of the package
	$(BIN)/mypy

docs: $(VENV)/docs ## Build the documentation site into build/site; a broken link or a file from elsewhere is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	! grep -rE --include='*.html' '<(script|link|img|iframe|source)[^>]+(src|href)="?(https?:)?//' build/site
	@echo "open build/site/index.html"

format: $(VENV)/dev ## Put the code into the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What people deploy; torch is left out, whose builds differ from index to index.
PINNED = serve video thermal geo methods eval
PIN = $(BIN)/uv pip compile --quiet pyproject.toml -c constraints.txt --universal \
	--python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make pins"
pins: $(VENV)/core ## requirements/*.txt: the tested versions with the hashes of their files
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	mkdir -p requirements
	$(PIN) --output-file requirements/core.txt
	set -e; for extra in $(PINNED); do $(PIN) --extra $$extra --output-file requirements/$$extra.txt; done

wheel: $(VENV)/dev ## Build the wheel into dist/
	$(BIN)/python -m build --wheel

clean: ## Remove what the other targets made
	rm -rf $(VENV) build dist demo

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/core: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/core

$(VENV)/docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@ $(VENV)/core
