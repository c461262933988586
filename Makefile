# Two commands: `make book` and `make test`. Both set up .venv first, and both are quick the second
# time: every step is keyed on the content of what it reads, not on dates.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# The install is redone when pyproject.toml's content changes, whatever its date, and when .venv's
# Python is gone. The first install leaves a mark until it is whole: .venv is then made anew.
INSTALLED := $(VENV)/.installed-$(shell sha256sum pyproject.toml 2>/dev/null | cut -c1-16)
UNFINISHED := $(VENV)/.unfinished
$(shell $(BIN)/python -c '' 2>/dev/null || rm -f $(VENV)/.installed-*)

# One thread each: two workers on two cores, and results that do not depend on the machine.
export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
# Nothing here uses joblib's processes; without /dev/shm it would say so in every chapter.
export JOBLIB_MULTIPROCESSING ?= 0

.PHONY: help book test lint fast kernels lowest other pdf slides handout notebooks install vendor clean

help:  ## say what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

install: $(INSTALLED)  ## create .venv and install the package with everything the book and tests need

$(INSTALLED):
	@$(PYTHON) -c 'import re, sys; low, high = map(int, re.search(r"requires-python = .>=3\.(\d+),<3\.(\d+)", open("pyproject.toml").read()).groups()); sys.exit(0 if (3, low) <= sys.version_info[:2] < (3, high) else f"{sys.executable} is {sys.version.split()[0]}: make PYTHON=python3.{low} (below 3.{high})")'
	@mkdir -p $(VENV)
	@if [[ -e $(UNFINISHED) ]] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  echo "making $(VENV) from nothing"; \
	  touch $(UNFINISHED); \
	  find $(VENV) -mindepth 1 ! -path $(UNFINISHED) -delete; \
	  $(PYTHON) -m venv $(VENV); \
	fi
	@echo "installing into $(VENV) (PyTorch and its CUDA libraries are large: a few minutes)"
	$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[book,batch,test]'
	@rm -f $(VENV)/.installed-*
	@touch $@
	@rm -f $(UNFINISHED)

book: $(INSTALLED)  ## run the main job, execute the chapters, build the pages, say where they are
	@$(BIN)/python -m book.tools.build

test: $(INSTALLED)  ## lint and every test: pytest, doctests, notebooks against their outputs (FORCE=1 repeats green ones)
	@$(BIN)/python -m book.tools.check $(if $(FORCE),--force)

lint: $(INSTALLED)  ## ruff, mypy, and who imports whom
	@$(BIN)/python -m book.tools.lint

fast: $(INSTALLED)  ## lint and the tests that need no notebook, browser or second process
	@$(BIN)/python -m book.tools.check --fast

kernels: $(INSTALLED)  ## the notebooks against their outputs with the kernels of another processor
	@$(BIN)/python -m book.tools.kernels

lowest: RESOLUTION := lowest-direct
lowest:  ## the fast tests with the oldest versions that pyproject.toml allows (in _build/lowest)
other:  ## lint and the fast tests with another Python (make other PYTHON=python3.13; in _build/other)
lowest other:
	$(PYTHON) -m venv --clear _build/$@
	_build/$@/bin/python -m pip install -qq --disable-pip-version-check uv
	_build/$@/bin/uv pip install -q --python _build/$@/bin/python --resolution $(or $(RESOLUTION),highest) --editable '.[book,batch,test]'
	@$(if $(INSTALL_ONLY),,_build/$@/bin/python -m book.tools.check --fast $(if $(RESOLUTION),--no-lint))

pdf: $(INSTALLED)  ## the book as a PDF (needs latexmk and TeX Live, see the message)
	@$(BIN)/python -m book.tools.build --pdf

slides: $(INSTALLED)  ## a deck for a lecture, with the chapters' figures and living widgets
	@$(BIN)/python -m book.tools.slides

handout: book  ## the exercises of all chapters, with solutions and without, as pages and PDF
	@$(BIN)/python -m book.tools.handout

vendor: $(INSTALLED)  ## fetch the front end that the pages carry (needs npm; only to change versions)
	@$(BIN)/python -m book.tools.vendor

clean:  ## forget what was built (.venv and runs/ stay)
	rm -rf _build
