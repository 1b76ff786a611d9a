# `make` alone lists the targets. Each installs what it needs into .venv and the user's cache; nothing global.

PYTHON ?= python3
BIN := .venv/bin
UV := 0.13.9
VENDOR := portal/static/portal/vendor/.built-from
COLLECTED := staticfiles/staticfiles.json

# The virtual environment's Python is the machine's; uv must not bring another, nor install elsewhere.
export UV_PYTHON_DOWNLOADS := never
unexport UV_PROJECT_ENVIRONMENT VIRTUAL_ENV PYTHONPATH

# Checks import the settings, which refuse to load without these. Nothing connects to them.
CHECKS := AFTERDECK_SECRET_KEY=for-checks-only-for-checks-only-for-checks \
          AFTERDECK_DATABASE_URL=postgresql://nobody@localhost:1/nothing \
          AFTERDECK_VALKEY_URL=redis://localhost:1/0 AFTERDECK_LOG_LEVEL=WARNING

# Two processes, each with servers of its own: most tests wait for a cluster most of the time. A file's tests stay together.
IN_TWO := -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-reset test screenshots bench lint style types layers migrations

help: ## List what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.installed $(VENDOR) ## Install everything into .venv, build the front end

demo: setup $(COLLECTED) ## Start the portal and a whole world for it, then print the URL and the logins
	@$(BIN)/python -m sandbox demo

demo-reset: setup ## Forget the demo's data
	@$(BIN)/python -m sandbox reset

test: setup $(COLLECTED) ## Run every suite, the browser's included (ARGS="tests/actions -x" runs less)
	@$(BIN)/python -m tests.browser.chromium >/dev/null
	@$(BIN)/pytest $(IN_TWO) $(ARGS)

screenshots: setup $(COLLECTED) ## Take the pictures of docs/screens/ again, from a fresh demo
	@$(BIN)/python -m tests.browser.screenshots

bench: setup $(COLLECTED) ## Measure, as ratios within one run
	@$(BIN)/python -m benchmarks

lint: style types layers migrations ## Check style, types, layers and migrations

style: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(CHECKS) $(BIN)/mypy .

layers: setup
	$(BIN)/lint-imports

migrations: setup
	$(CHECKS) $(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'Afterdeck needs Python 3.11 or later as "$(PYTHON)". To use another one: make PYTHON=python3.12 …' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo '"$(PYTHON)" cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV)

.venv/.installed: $(BIN)/uv pyproject.toml uv.lock
	$(BIN)/uv sync --frozen
	@touch $@

$(VENDOR): .venv/.installed $(addprefix portal/frontend/,build.py npm.py icons.txt package-lock.json)
	@$(BIN)/python -m portal.frontend.build
	@touch $@

# Under the names of their hashes and compressed, as in production.
$(COLLECTED): $(VENDOR) $(shell find portal/static -type f -not -path '*/vendor/*')
	@$(CHECKS) $(BIN)/python manage.py collectstatic --noinput --clear --verbosity 0
	@touch $@
