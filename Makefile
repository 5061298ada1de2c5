# Everything a person does here, one command each; `make` alone lists them. Options of the program go into ARGS:
#   make run ARGS="--http-port 8700"      make test ARGS="-k freshness"

PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11
ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
LOCK := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header $(ARGS)

# With a selection in ARGS, one of the runs may have nothing to do.
NONE_SELECTED := { [ $$? = 5 ] && [ -n '$(ARGS)' ]; }

# command:Debian package
WORLD_TOOLS := promtool:prometheus prometheus-alertmanager:prometheus-alertmanager kubectl:kubernetes-client \
	pg_ctlcluster:postgresql faketime:faketime systemd-analyze:systemd go:golang-go jq:jq curl:curl chromium:chromium
BENCH_TOOLS := wrk:wrk
PROOF_TOOLS := $(WORLD_TOOLS) buildah:buildah podman:podman runc:runc mmdebstrap:mmdebstrap \
	/usr/lib/cni/dnsname:golang-github-containernetworking-plugin-dnsname dnsmasq:dnsmasq-base

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup run test test-world check lint proof bench world world-bench world-proof docs lock fmt clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.app $(VENV)/.dev ## .venv from the locks, with everything that develops and tests

run: $(VENV)/.app ## the service on http://127.0.0.1:8600, with an embedded L1 where TAIKO_L1_RPC_URLS is not set
	@exec $(PY) -m app serve --devnet $(ARGS)

test: setup ## the tests that need Python alone and nothing beyond loopback
	$(PY) -m pytest -n 2 -m "not process and not world and not proof" --durations=10 $(ARGS) || $(NONE_SELECTED)
	$(PY) -m pytest -n 2 --dist loadfile -m "process and not world and not proof" --durations=10 $(ARGS) || $(NONE_SELECTED)

test-world: setup world ## the tests against anvil and the other real components
	$(PY) -m pytest -m "world and not proof" --durations=10 $(ARGS)

check: lint test test-world ## what CI runs: format, lint, types, layers, both test commands

lint: setup ## format, lint, types and layers
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

proof: setup world-proof ## the long ones: laws over many examples, whole series, the container image
	HYPOTHESIS_PROFILE=proof $(PY) -m pytest --quiet -m "not process and not world and not proof" $(ARGS)
	$(PY) -m pytest -m proof --durations=10 $(ARGS)

bench: setup world-proof world-bench ## each figure of docs/performance.md
	$(PY) -m bench $(ARGS)

world: node_modules/.package-lock.json ## install the real components of the world tests
	@$(call install_missing,$(WORLD_TOOLS))

world-bench: world
	@$(call install_missing,$(BENCH_TOOLS))

world-proof: world
	@$(call install_missing,$(PROOF_TOOLS))

docs: setup ## .env.example and the tables of settings, from app/settings
	$(PY) -m app.settings

lock: setup ## solve the locks anew; ARGS=--upgrade for the newest versions
	$(LOCK) pyproject.toml --output-file requirements.lock
	$(LOCK) --group build --constraint requirements.lock --output-file requirements-build.lock
	$(LOCK) pyproject.toml --extra dev --constraint requirements.lock --constraint requirements-build.lock \
		--output-file requirements-dev.lock
	@! grep -n '://' requirements.lock requirements-build.lock requirements-dev.lock

fmt: setup ## put the code into its format
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

clean: ## remove what these commands made, but no state of the service
	rm -rf $(VENV) node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find app tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

# A new lock, or a run that was cut off, starts from an empty environment: half a package looks installed to pip.
$(VENV)/.runtime: requirements.lock requirements-build.lock
	@python=''; for candidate in $(PYTHON); do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo 'Python 3.11 or newer is needed, and none of these is: $(PYTHON). Name one: make PYTHON=/path/to/python3' >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$python cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$python" --version) and the locked packages: half a minute or so." >&2; \
	"$$python" -m venv --clear $(VENV)
	@$(PIP) --require-hashes -r requirements.lock -r requirements-build.lock
	@touch $@

$(VENV)/.app: $(VENV)/.runtime pyproject.toml
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# While the tools go in, the environment counts as unfinished.
$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "Adding the locked development tools to $(VENV)." >&2
	@mv $(VENV)/.runtime $(VENV)/.unfinished
	@$(PIP) --require-hashes -r requirements-dev.lock
	@mv $(VENV)/.unfinished $(VENV)/.runtime && touch $@

node_modules/.package-lock.json: package.json package-lock.json .npmrc
	@command -v npm >/dev/null || { echo 'npm is needed to install anvil. On Debian and Ubuntu: apt install npm' >&2; exit 1; }
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# $(1): command:package pairs; asks the system's package manager only for what is not there.
define install_missing
missing=''; for pair in $(1); do \
	command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair##*:}"; \
done; \
if [ -z "$$missing" ]; then exit 0; fi; \
if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	echo "The world tests need these; as root: apt-get install --no-install-recommends$$missing" >&2; exit 1; \
fi; \
echo "Installing$$missing." >&2; \
apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing >/dev/null
endef
