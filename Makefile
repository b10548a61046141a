# Everything runs inside .venv, which every target sets up first. `make` alone lists the targets.

.DEFAULT_GOAL := help
.PHONY: help setup demo test cover soak lint types bench docs reference lock clean
.DELETE_ON_ERROR:

BIN := .venv/bin

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | expand -t 12

setup: .venv/setup-done ## make .venv with everything that is locked in requirements/dev.lock

.venv/setup-done: requirements/dev.lock requirements/uv.txt scripts/install
	@set -e; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	    python=$${PYTHON:-$$(sh scripts/find-python)}; \
	    echo "making .venv with $$python"; \
	    "$$python" -m venv --clear .venv; \
	fi
	@sh scripts/install
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## fetch drawn pictures from a local server and print their colors
	$(BIN)/pixmill demo

test: setup ## run the tests
	$(BIN)/pytest

cover: setup ## hold what is pure, and the route of matches, to full coverage
	$(BIN)/python -m scripts.cover

soak: setup ## run the long tests
	$(BIN)/pytest -m soak

lint: setup ## check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup ## check types
	$(BIN)/mypy

bench: setup ## run every benchmark
	@set -e; for program in $$(grep -l __main__ benchmarks/*.py); do echo "== $$program"; $(BIN)/python "$$program"; done

docs: setup ## build the documentation into site/
	$(BIN)/python scripts/reference.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

reference: setup ## write the tables of docs/reference/ anew from the code
	$(BIN)/python scripts/reference.py --write

lock: setup ## resolve requirements/dev.lock and uv.txt anew
	$(BIN)/uv pip compile pyproject.toml --quiet --group dev --extra all \
	    --universal --python-version 3.11 --generate-hashes --upgrade \
	    --no-strip-extras --no-header --no-emit-index-url --no-emit-find-links \
	    --output-file requirements/dev.lock
	echo uv | $(BIN)/uv pip compile - --quiet --generate-hashes --upgrade \
	    --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
	    --output-file requirements/uv.txt

clean: ## remove what was built; .venv stays
	rm -rf site dist build htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis pixmill-demo
	find . -path ./.venv -prune -o -name __pycache__ -exec rm -rf {} +
