# Every target sets up what it needs, and a second run skips what is there. Start with: make help

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory --no-builtin-rules
# Some images forbid it for their own build's sake. Every server that a test starts would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STEP := scripts/step $(VENV).log

# The first interpreter that is new enough, of those that can make environments if there is one. Debian's goes before
# others, for it is built with profile-guided optimisation: without it calls cost a third more. Override with PYTHON=...
PYTHONS := /usr/bin/python3 python3 python3.13 python3.12 python3.11
able = $(foreach p,$(PYTHONS),$(shell $p -c 'import sys$1; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $p))
comma := ,
PYTHON ?= $(firstword $(call able,$(comma) ensurepip) $(call able,))

# --- Debian packages ---------------------------------------------------------

DEMO_PACKAGES := espeak-ng sox
BUILD_PACKAGES := build-essential ca-certificates debian-archive-keyring dpkg-dev libssl-dev patch
TEST_PACKAGES := baresip-core conntrack coturn dnsmasq-base fail2ban faketime iproute2 iptables kamailio \
	kamailio-tls-modules logrotate nftables openssl postgresql procps prometheus python3-seccomp sip-tester \
	sipsak sipvicious systemd

.PHONY: demo-packages test-packages
demo-packages:
	@scripts/install-packages $(DEMO_PACKAGES)
test-packages:
	@scripts/install-packages $(DEMO_PACKAGES) $(TEST_PACKAGES)

# --- the virtual environment -------------------------------------------------

$(BIN)/python:
	@python='$(PYTHON)'; \
	test -n "$$python" || { echo 'Python 3.11 or newer is needed: apt-get install python3, or set PYTHON=' >&2; exit 1; }; \
	"$$python" -c 'import ensurepip' 2>/dev/null || scripts/install-packages python3-venv; \
	$(STEP) "creating $(VENV) with $$("$$python" --version)" "$$python" -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	@$(STEP) 'installing the Python packages' $(BIN)/pip install -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/.runtime
	@$(BIN)/python -c 'import pesq' 2> /dev/null \
	|| scripts/install-packages build-essential $$(test -e $(PYTHON_H) || echo python3-dev)
	@$(STEP) 'installing the development tools' $(BIN)/pip install -c constraints.txt -e '.[dev]'
	@touch $@

$(VENV)/.fuzz: pyproject.toml constraints.txt | $(VENV)/.dev
	@$(STEP) 'installing the fuzzer' $(BIN)/pip install -c constraints.txt -e '.[fuzz]'
	@touch $@

PYTHON_H = $(shell $(BIN)/python -c 'import os, sysconfig; print(os.path.join(sysconfig.get_path("include"), "Python.h"))')

$(VENV)/.pjsua2: pjsua2/config_site.h $(wildcard pjsua2/*.py pjsua2/*.i pjsua2/*.patch) | $(VENV)/.runtime
	@$(BIN)/python pjsua2/build.py --cached \
	|| scripts/install-packages $(BUILD_PACKAGES) $$(test -e $(PYTHON_H) || echo python3-dev)
	@$(BIN)/python pjsua2/build.py
	@touch $@

# What each frame passes, as C: of these very sources, or workers run the sources.
$(VENV)/.compiled: $(shell find rtp sipagent -name '*.py') scripts/compile.py pyproject.toml constraints.txt | $(VENV)/.runtime
	@$(BIN)/python -c 'import mypyc' 2> /dev/null \
	|| $(STEP) 'installing mypyc' $(BIN)/pip install -c constraints.txt -e '.[compile]'
	@$(BIN)/python scripts/compile.py --cached \
	|| scripts/install-packages build-essential $$(test -e $(PYTHON_H) || echo python3-dev)
	@$(STEP) 'compiling what each frame of audio passes (half a minute, unless it is cached)' \
		$(BIN)/python scripts/compile.py
	@touch $@

# --- what people call --------------------------------------------------------

.PHONY: help demo run check test kill-test rehome-test fuzz compiled pjsua2 upgrade clean

help: ## show this list
	@sed -En 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 18

demo: demo-packages $(VENV)/.runtime $(VENV)/.pjsua2 ## hold a conversation over SIP and RTP on this machine, no account needed
	@exec $(BIN)/sipagent demo $(ARGS)

run: $(VENV)/.runtime $(VENV)/.pjsua2 $(VENV)/.compiled ## start the server with config/sipagent.yaml
	@exec $(BIN)/sipagent run -c config/sipagent.yaml $(ARGS)

check: demo-packages $(VENV)/.dev $(VENV)/.pjsua2 ## format, lint, types, layers, unit tests: in seconds
	@$(MAKE) --jobs 2 --output-sync=target check-units check-style check-types check-layers

.PHONY: check-style check-types check-layers check-units
check-style:
	@echo 'ruff format'; $(BIN)/ruff format --check --quiet .
	@echo 'ruff check'; $(BIN)/ruff check --quiet .
check-types:
	@echo 'mypy --strict'; $(BIN)/mypy --no-error-summary
check-layers:
	@echo 'import-linter'; $(BIN)/lint-imports --no-logo > $(VENV)/lint-imports.log || { cat $(VENV)/lint-imports.log; exit 1; }
check-units:
	@echo 'unit tests'; $(BIN)/pytest -q --numprocesses $(TEST_PROCESSES) --ignore tests/e2e -m 'not e2e and not slow' $(ARGS)

# Calls mostly wait, but servers that start do not: more at once, and some start too late.
TEST_PROCESSES ?= $(shell nproc)
test: test-packages $(VENV)/.dev $(VENV)/.pjsua2 $(VENV)/.compiled ## the whole suite, calls over real SIP and RTP included
	@scripts/run-tests $(BIN)/pytest $(TEST_PROCESSES) $(ARGS)

KILLS ?= 100
kill-test: test-packages $(VENV)/.dev $(VENV)/.pjsua2 $(VENV)/.compiled ## KILLS SIGKILLs (100) at random instants, among calls: one record each in spool, database and webhooks
	@KILLS=$(KILLS) $(BIN)/pytest tests/e2e/test_kills.py $(ARGS)

rehome-test: test-packages $(VENV)/.dev $(VENV)/.pjsua2 $(VENV)/.compiled ## 100 calls, one of two media workers killed: how long each caller hears nothing; ARGS="--loss stop" hangs it
	@exec $(BIN)/python -m benchmarks.rehome $(ARGS)

FUZZ_SECONDS ?= 60
fuzz: $(VENV)/.fuzz ## fuzz every parser of network bytes for FUZZ_SECONDS each (60); TARGETS="name ..." picks some
	@exec $(BIN)/python -m tests.fuzz.campaign --seconds $(FUZZ_SECONDS) $(TARGETS)

.PHONY: impair delay amd
impair: test-packages $(VENV)/.dev $(VENV)/.pjsua2 $(VENV)/.compiled ## calls over bad networks, in one table (as root); ARGS=--quick for the short form
	@exec $(BIN)/python -m benchmarks.impair $(ARGS)

delay: demo-packages $(VENV)/.dev $(VENV)/.pjsua2 $(VENV)/.compiled ## what the server adds to the delay of audio, on the wire
	@exec $(BIN)/python -m benchmarks.delay $(ARGS)

.PHONY: bench
bench: test-packages $(VENV)/.dev $(VENV)/.pjsua2 $(VENV)/.compiled ## what a packet, a message and a call cost; ARGS="--quick", "--resume", "--only 'g711-*'", "--list"
	@command -v cc > /dev/null || scripts/install-packages gcc libc6-dev
	@exec $(BIN)/python -m benchmarks.bench $(ARGS)

.PHONY: load soak capacity
load: test-packages $(VENV)/.dev $(VENV)/.pjsua2 $(VENV)/.compiled ## calls with speech both ways and their cost; ARGS="--calls 300 --hold 600 --rate 20"
	@command -v cc > /dev/null || scripts/install-packages gcc libc6-dev
	@exec $(BIN)/python -m benchmarks.load $(ARGS)

soak: test-packages $(VENV)/.dev $(VENV)/.pjsua2 $(VENV)/.compiled ## an hour of held calls and 20,000 short ones: does anything grow? ARGS="--minutes 3"
	@command -v cc > /dev/null || scripts/install-packages gcc libc6-dev
	@exec $(BIN)/python -m benchmarks.load.soak $(ARGS)

capacity: test-packages $(VENV)/.dev $(VENV)/.pjsua2 $(VENV)/.compiled ## how many calls this machine carries, for `sipagent doctor`; ARGS="-c config/sipagent.yaml"
	@command -v cc > /dev/null || scripts/install-packages gcc libc6-dev
	@exec $(BIN)/sipagent capacity $(ARGS)

amd: demo-packages $(VENV)/.dev ## who answers, human or machine: how often it is told rightly, on calls that are made up
	@exec $(BIN)/python -m benchmarks.answering $(ARGS)

compiled: $(VENV)/.compiled ## compile what each frame of audio passes, if the sources have changed

pjsua2: $(VENV)/.runtime ## build the pjsua2 wheel anew, from the newest source
	@scripts/install-packages $(BUILD_PACKAGES) $$(test -e $(PYTHON_H) || echo python3-dev)
	@$(BIN)/python pjsua2/build.py --rebuild
	@touch $(VENV)/.pjsua2

upgrade: $(VENV)/.dev ## move constraints.txt to the newest versions that pyproject.toml allows
	@$(STEP) 'upgrading the Python packages' $(BIN)/pip install --upgrade --upgrade-strategy eager -e '.[dev,fuzz]'
	@{ sed -n '/^#/p' constraints.txt; $(BIN)/pip freeze --all --exclude-editable | grep -v '^\(pjsua2\|pip=\)'; } > constraints.new
	@mv constraints.new constraints.txt

clean: ## remove the virtual environment and caches (the wheel cache, records and recordings stay)
	@rm -rf $(VENV) $(VENV).log build dist *.egg-info
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -prune -exec rm -rf {} +
