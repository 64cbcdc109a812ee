# Each target does its own set-up: tools/setup.sh is quick once it has run.
.PHONY: help setup demo test test-all lint format types imports docs docs-serve validate trust bench bench-models bench-locality
.PHONY: bench-webgpu coverage clean
.DEFAULT_GOAL := help

BIN := .venv/bin
# Tests run on every core; `make test PYTEST="-k matmul -x"` adds options.
PYTEST ?=

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 20

setup:           ## virtual environment, dependencies, software Vulkan driver
	@tools/setup.sh

demo: setup      ## a 4096^3 matmul and a Llama-3-8B layer on two chips; figures in out/demo
	$(BIN)/python examples/demo.py

test: setup      ## the tests, without the slow ones
	$(BIN)/python -m pytest -n auto -m "not slow" $(PYTEST)

test-all: setup  ## all tests
	$(BIN)/python -m pytest -n auto $(PYTEST)

lint: setup types imports ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup    ## put the sources in the standard form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup
	$(BIN)/mypy --strict memsim

imports: setup
	$(BIN)/lint-imports --no-cache

docs: setup      ## the documentation in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

docs-serve: setup ## the documentation at http://127.0.0.1:8000, rebuilt on each change
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

validate: setup  ## compare with measured data; `make validate REFERENCE=DIR` with the full tables too
	$(BIN)/python tools/validate.py $(if $(REFERENCE),--reference $(REFERENCE))

trust: setup     ## docs/trust.md from the tables of measurements: `make trust REFERENCE=DIR`
	@test -n "$(REFERENCE)" || { echo "say where the tables are: make trust REFERENCE=DIR" >&2; exit 2; }
	$(BIN)/python tools/draw_trust.py --reference $(REFERENCE)

bench: setup     ## how fast memsim is, both engines; `make bench BENCH="--quick --json FILE"`
	@$(BIN)/python benchmarks/run.py $(BENCH)

bench-models: setup ## how fast the models of DRAM, networks and caches are
	@for script in dram noc caches; do $(BIN)/python benchmarks/$$script.py || exit 1; done

bench-locality: setup ## how fast scalar programs are read, priced, proved, run and traced
	@for script in scalar loops bytedmd spatial; do $(BIN)/python benchmarks/$$script.py || exit 1; done

bench-webgpu: setup ## generated WGSL beside WGSL written by hand
	@$(BIN)/python benchmarks/webgpu.py

coverage: setup  ## which lines the tests reach
	$(BIN)/python -m pytest -n auto --cov --cov-report=term $(PYTEST)

clean:           ## everything that was built, except the virtual environment
	rm -rf out site dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
