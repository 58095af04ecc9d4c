# Everything is installed into .venv; `make` alone lists what there is.

.PHONY: help demo lab app notebooks grading check pictures bench docs test lint format lock clean FORCE

PYTHON ?=
export PYTHON
# Jupyter's debugger would warn about Python's frozen modules at every kernel's start.
export PYDEVD_DISABLE_FILE_VALIDATION = 1

bin = .venv/bin
# Root, as in many containers, is asked by Jupyter to say so.
allow_root = $(if $(filter 0,$(shell id -u)),--allow-root)

help:  ## List these commands
	@echo "Usage: make COMMAND [PYTHON=/path/to/python3]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: .venv/.course  ## Colorize the bundled photos into out/ (sets up .venv first)
	$(bin)/vividpast colorize data/photos -o out --force --contact-sheet out/contact_sheet.jpg
	@echo "The photos are in out/, all on one sheet in out/contact_sheet.jpg."
	@echo "Open the course with: make lab"

lab: .venv/.course  ## Open the course in JupyterLab
	$(bin)/python -m jupyterlab $(allow_root) \
	    --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb

app: .venv/.course  ## Open the demos as a page without code (voila.json has the settings)
	$(bin)/python -m voila notebooks/09_demos.ipynb

notebooks: .venv/.course  ## Run all notebooks in order; save each that ran to its end
	$(bin)/python -m nbconvert --to notebook --execute --inplace \
	    --ExecutePreprocessor.kernel_name=python3 --ExecutePreprocessor.record_timing=False \
	    --ExecutePreprocessor.store_widget_state=False \
	    $(sort $(wildcard notebooks/*.ipynb))

grading: .venv/.grading  ## Add what is needed to release the course and to grade

# Two processes of one core each are faster than one of two; a file stays in one of them.
test: .venv/.test  ## Run every test, and compare every notebook with what it shows
	OMP_NUM_THREADS=1 $(bin)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder \
	    tests notebooks --nbval --nbval-current-env \
	    --nbval-sanitize-with tests/nbval_sanitize.cfg --nbval-cell-timeout=300

check: .venv/.test  ## See that grades can be trusted, by planted solutions and attacks
	$(bin)/vividpast course check

pictures: .venv/.test  ## Make the pictures of the demos in docs/images, in Chromium
	$(bin)/python -m tests.browser.pictures

bench: .venv/.test  ## Measure speed, side by side, into out/bench.json (DEVICE=cuda: on the GPU)
	$(bin)/python benchmarks $(if $(DEVICE),--device $(DEVICE))

docs: .venv/.test  ## Build the site into docs/_build/html
	$(bin)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html in a browser."

lint: .venv/.test  ## Check format, style, types, and what may import what
	$(bin)/ruff format --check
	$(bin)/ruff check
	$(bin)/mypy
	$(bin)/lint-imports --no-cache

format: .venv/.test  ## Format the code and sort its imports
	$(bin)/ruff check --select I --fix
	$(bin)/ruff format

lock:  ## Pin the newest versions that pyproject.toml allows in requirements.lock
	@$(make_venv)
	$(bin)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --upgrade \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	    pyproject.toml -o requirements.lock

clean:  ## Remove caches and build files (.venv and out/ stay)
	rm -rf .mypy_cache .pytest_cache .ruff_cache build dist notebooks/.ipynb_checkpoints \
	    docs/_build docs/lessons docs/library
	find vividpast_lib tests -name __pycache__ -prune -exec rm -rf {} +

# Set-up. .venv/.course and .venv/.test are written last, when a set-up is complete; a file
# .unfinished beside each is there while it runs. .venv/.place says where .venv was made: a
# moved checkout makes a new one.

.venv/.course: pyproject.toml requirements.lock
	@$(make_venv)
	@extras=course,film; $(install)
	@# Jupyter's news and update checks would want a network.
	@$(bin)/jupyter labextension disable --level=sys_prefix \
	    @jupyterlab/apputils-extension:announcements >/dev/null 2>&1

.venv/.grading: .venv/.course
	@extras=course,film,grading; $(install)

.venv/.test: .venv/.course
	@extras=course,film,archive,export,grading,docs,test; $(install)

ready := $(shell $(bin)/python -c pass 2>/dev/null \
    && test "$$(cat .venv/.place 2>/dev/null)" = "$$(pwd -P)" && echo yes)
ifneq ($(ready),yes)
.venv/.course: FORCE
endif

# Keep a .venv that works; else make one with PYTHON or the first Python that will do.
define make_venv
set -e; \
if ! $(bin)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
    || ! $(bin)/python -m pip --version >/dev/null 2>&1 \
    || test "$$(cat .venv/.place 2>/dev/null || pwd -P)" != "$$(pwd -P)"; then \
  found=; without_venv=; \
  if test -n "$$PYTHON"; then set -- "$$PYTHON"; \
  else set -- python3.13 python3.12 python3.11 python3 python; fi; \
  for python do \
    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
    "$$python" -c 'import ensurepip, venv' 2>/dev/null || { without_venv=$$python; continue; }; \
    found=$$python; break; \
  done; \
  if test -z "$$found" && test -n "$$without_venv"; then \
    echo "$$without_venv has no venv module: install it (on Debian and Ubuntu: apt install" \
        "python3-venv) or name another Python with PYTHON=/path/to/python3." >&2; exit 2; \
  elif test -z "$$found"; then \
    echo "VividPast needs Python 3.11 or newer, and none runs here (tried: $$*): install one" \
        "or name it with PYTHON=/path/to/python3." >&2; exit 2; \
  fi; \
  echo "Making .venv with $$found ..."; \
  "$$found" -m venv --clear .venv || { echo "$$found could not make .venv: see above." >&2; exit 2; }; \
fi; \
pwd -P > .venv/.place; \
$(bin)/uv --version >/dev/null 2>&1 || $(bin)/python -m pip install --quiet --force-reinstall uv
endef

# Install the extras in $extras, at the versions of requirements.lock, and write the stamp.
# After an interruption, uv's cache either has every package, and all are put in again, or the
# downloads were not complete: then nothing was put in yet, and they go on.
define install
set -e; \
install() { $(bin)/uv pip install --python $(bin)/python -c requirements.lock \
  -e ".[$$extras]" "$$@"; }; \
if ! test -e $@.unfinished || ! install --quiet --offline --reinstall 2>/dev/null; then \
  touch $@.unfinished; \
  echo "Installing the packages of requirements.lock: some minutes the first time ..."; \
  install; \
fi; \
rm -f $@.unfinished; \
touch $@
endef
