# Everything runs inside .venv, which every target sets up first. `make` alone lists the targets.

.DEFAULT_GOAL := help
.PHONY: help setup demo test cover soak lint types bench docs reference lock clean image image-test image-shell
.DELETE_ON_ERROR:

BIN := .venv/bin

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | expand -t 14

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

LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header \
    --no-emit-index-url --no-emit-find-links
# What images hold is what was tested.
PART := $(LOCK) --no-annotate --constraint requirements/dev.lock

lock: setup ## resolve what is in requirements/ anew
	$(BIN)/uv pip compile pyproject.toml $(LOCK) --group dev --extra all --upgrade --output-file requirements/dev.lock
	$(BIN)/uv pip compile pyproject.toml $(PART) --extra all --output-file requirements/image.lock
	$(BIN)/uv pip compile $(PART) --group build --output-file requirements/build.lock
	echo uv | $(BIN)/uv pip compile - --quiet --generate-hashes --upgrade \
	    --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
	    --output-file requirements/uv.txt

image: ## build the container images pixmill, pixmill-api and pixmill-worker
	@set -e; engine=$$(sh scripts/find-engine); \
	"$$engine" build --target cli --tag pixmill .; \
	"$$engine" build --target api --tag pixmill-api .; \
	"$$engine" build --target worker --tag pixmill-worker .

image-test: image ## run the images as strangers, read-only
	@sh deploy/image/test.sh "$$(sh scripts/find-engine)"

image-shell: image ## open a shell in the image of the commands
	@engine=$$(sh scripts/find-engine) && "$$engine" run --rm --interactive --tty --entrypoint bash pixmill

clean: ## remove what was built; .venv stays
	rm -rf site dist build htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis pixmill-demo
	find . -path ./.venv -prune -o -name __pycache__ -exec rm -rf {} +
