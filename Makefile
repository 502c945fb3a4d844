# Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := .venv/bin
PORT ?= 8000

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help install book pdf serve test test-first-cells test-colab test-latest test-gpu check nbval pytest bench format clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

install: .venv/installed  ## make .venv with everything that the book and its tests need

.venv/installed: requirements.txt requirements-mxnet.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python 3.11, 3.12 or 3.13 is needed, $(PYTHON) is {v[0]}.{v[1]}; call make PYTHON=/path/to/python3.11")'
	@echo "Installing PyTorch, TensorFlow, JAX, MXNet and the book's tools into .venv:"
	@echo "1 GB to download (on Linux 3 GB more, PyTorch's CUDA), 4 GB of disk, 3 to 10 minutes."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --requirement requirements.txt
	@$(BIN)/python -m pip install --quiet --no-deps --requirement requirements-mxnet.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c 'import importlib.util as i; i.find_spec("mxnet") or print("MXNet has no wheel for this machine: three frameworks, without MXNet")'
	@touch $@

# nbgrader grades; what runs the notebooks is .venv.
.venv-nbgrader/installed: requirements-nbgrader.txt
	@echo "Installing nbgrader into .venv-nbgrader: half a minute."
	@$(PYTHON) -m venv .venv-nbgrader
	@.venv-nbgrader/bin/python -m pip install --quiet --requirement requirements-nbgrader.txt
	@touch $@

book: install  ## run what changed and build the site, _build/html/index.html
	@$(BIN)/python -m book run
	@$(BIN)/python -m book site

pdf: install  ## the whole book as a PDF, _build/pdf (needs Chromium, which prints it)
	$(BIN)/python -m book pdf

serve:  ## show the built site on http://localhost:8000 (PORT=… for another)
	@$(PYTHON) -m book.serve $(PORT)

test: check book pytest nbval test-first-cells  ## all tests: linters, stale files, pytest, every notebook

# Colab's Python. pyenv's is found as well where another one is pyenv's choice.
PYTHON313 ?= $(shell for python in python3.13 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13*/bin/python3.13; do \
	"$$python" -c '' 2>/dev/null && echo "$$python" && break; done)
NO_PYTHON313 := No python3.13, which is Colab's Python
COLAB := .venv-colab/bin/python -m pip install --quiet --constraint constraints-colab.txt

# Of Colab's packages those on which JAX's notebooks and MXNet's rest, in Colab's versions. The library brings
# what it needs and goes again, with what Colab lacks: that is the first cells' to install.
.venv-colab/installed: constraints-colab.txt pyproject.toml
	$(if $(PYTHON313),,$(error $(NO_PYTHON313): install it, or call make PYTHON313=/path/to/python3.13))
	$(PYTHON313) -m venv .venv-colab
	$(COLAB) pip setuptools wheel
	$(COLAB) --no-build-isolation flax ipykernel requests .
	.venv-colab/bin/python -m pip uninstall --quiet --yes d2l-lite tyro
	@touch $@

# The first cells for real, but for TensorFlow's, which is PyTorch's with another check at its end; then pip's
# resolver, with all of Colab's packages to keep.
test-first-cells: install $(if $(PYTHON313),.venv-colab/installed)  ## the notebooks' first cells beside Colab's packages
ifeq ($(PYTHON313),)
	@echo "$(NO_PYTHON313): the notebooks' first cells were not tested."; test "$$CI" != true
else
	$(BIN)/python -m book colab --python .venv-colab/bin/python --chapter memory --only-first-cells \
		--framework pytorch --framework jax --framework mxnet
	$(COLAB) --no-build-isolation --ignore-installed --dry-run .
endif

test-colab: install .venv-colab/installed  ## all notebooks beside Colab's packages (8 GB: torch brings CUDA)
	$(COLAB) keras tensorflow torch
	$(BIN)/python -m book colab --python .venv-colab/bin/python

# Whatever is installed, each call brings the newest.
test-latest:  ## all notebooks as in Colab, with the newest packages (.venv-latest)
	$(if $(PYTHON313),,$(error $(NO_PYTHON313): install it, or call make PYTHON313=/path/to/python3.13))
	test -x .venv-latest/bin/python3.13 || $(PYTHON313) -m venv --clear .venv-latest
	.venv-latest/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager \
		--requirement requirements-latest.txt
	.venv-latest/bin/python -m book colab

test-gpu: install  ## each framework on this machine's GPU, and every notebook there
	$(BIN)/python -m pytest tests/gpu

check: install  ## linters, and files that are generated but no longer up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m book check

# `book env` gives the settings under which numbers repeat digit by digit.
pytest: install .venv-nbgrader/installed  ## the tests without the notebooks
	@settings=$$($(BIN)/python -m book env) && \
	env $$settings $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

nbval: install  ## every cell of every notebook against its committed output
	@settings=$$($(BIN)/python -m book env) && notebooks=$$($(BIN)/python -m book notebooks) && \
	env $$settings $(BIN)/python -m pytest --nbval --nbval-sanitize-with tests/nbval.cfg \
		--nbval-cell-timeout 600 --numprocesses 2 --dist loadscope $$notebooks

bench: install  ## ours against what readers would use instead, all races (30 minutes)
	$(BIN)/python -m pip install --quiet --no-deps --requirement benchmarks/requirements.txt
	$(BIN)/python -m benchmarks

format: install  ## put Python files into the one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the built site; .venv stays
	rm -rf _build
