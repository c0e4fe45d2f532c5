# SPDX-License-Identifier: GPL-3.0-or-later
# Each target installs what it needs: Debian packages (as root or with sudo) and a virtual environment.
# All generated files are in .cache; `make clean` removes it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# Relative in rules and absolute in the environment, so that the path of the checkout may contain spaces.
CACHE := .cache
VENV := $(CACHE)/venv
COLLECTION := $(CACHE)/collections/ansible_collections/vfio/workstation

export MAKE
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/$(CACHE)/collections
export ANSIBLE_HOME := $(CURDIR)/$(CACHE)/ansible-home
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(CACHE)/pycache
# ansible does not start in a locale other than UTF-8, and a minimal system has none set.
export LC_ALL := C.UTF-8

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort -u | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | \
	  while IFS=$$'\t' read -r target text; do printf '  %-18s %s\n' "$$target" "$$text"; done

# --- Prerequisites --------------------------------------------------------------------------------------------------

.PHONY: packages
packages:
	@scripts/setup-debian base test

.PHONY: venv
venv: packages $(COLLECTION) ## Create the virtual environment, .cache/venv
	@scripts/venv $(VENV) tests/requirements.lock

# The collection under the path where Ansible searches for it, whatever the checkout's directory is called.
$(COLLECTION):
	@mkdir -p $(@D)
	@ln -sfn ../../../.. $@

# --- Tests ----------------------------------------------------------------------------------------------------------

# All parts run, even after a failure; the summary at the end lists the failed parts.
TEST_PARTS := test-lint test-unit test-compat test-build test-targets test-molecule test-boot-loaders test-provision test-lab-quick

.PHONY: test
test: venv ## Run all linters and tests: unit tests, build, containers, virtual workstation
	@scripts/run-parts test $(TEST_PARTS)

# What finds most mistakes in a few minutes: the fast linters, the unit tests, and one scenario in containers.
QUICK_PARTS := lint-yaml lint-python lint-types lint-changelog lint-licences test-unit-only test-molecule

.PHONY: test-quick
test-quick: venv ## Run the fast linters, the unit tests, and one scenario in containers
	@scripts/run-parts test-quick $(QUICK_PARTS)

.PHONY: test-unit-only
test-unit-only: venv
	@pytest tests/unit --numprocesses=auto

.PHONY: test-lint
test-lint: lint

# Everything in tests/ that has no target of its own.
.PHONY: test-unit
test-unit: venv ## Run unit tests, captured machines, damaged trees, and the probe on this computer
	@pytest tests --ignore=tests/build --ignore=tests/compat --numprocesses=auto

.PHONY: test-compat
test-compat: venv ## Run the modules on every Python from 3.8 to 3.14 that is installed
	@pytest tests/compat

.PHONY: test-build
test-build: venv ## Build the collection, check its content, install it, and import it as Galaxy does
	@pytest tests/build

.PHONY: test-targets
test-targets: venv ## Run each module on this computer, as ansible-test integration does
	@scripts/ansible-test integration --local --allow-root --color no

.PHONY: test-molecule
test-molecule: venv ## Install the collection as a user does, in containers that show a desktop
	@scripts/setup-debian container
	@env -u ANSIBLE_COLLECTIONS_PATH -u ANSIBLE_HOME python -m tests.containers scenario default

.PHONY: test-boot-loaders
test-boot-loaders: venv ## Run the tools of every boot loader, on disks in containers (as root)
	@scripts/setup-debian container
	@env -u ANSIBLE_COLLECTIONS_PATH -u ANSIBLE_HOME python -m tests.containers scenario boot_loaders

.PHONY: test-provision
test-provision: venv ## Provision and roll back hosts, and refuse others, in containers (as root)
	@scripts/setup-debian container
	@env -u ANSIBLE_COLLECTIONS_PATH -u ANSIBLE_HOME python -m tests.containers scenario provision

.PHONY: test-slow
test-slow: venv ## Run long tests: 20,000 damaged trees, the real initramfs generators (as root)
	@scripts/setup-debian container
	@pytest tests -m "slow and not lab"

# --- Linters --------------------------------------------------------------------------------------------------------

LINT_PARTS := lint-sanity lint-ansible lint-yaml lint-python lint-types lint-shell lint-changelog lint-docs lint-licences

.PHONY: lint
lint: venv ## Run all linters
	@scripts/run-parts lint $(LINT_PARTS)

.PHONY: lint-sanity
lint-sanity: venv ## Run ansible-test sanity, on every Python that is installed
	@scripts/ansible-test sanity --local

.PHONY: lint-ansible
lint-ansible: venv ## Run ansible-lint, with the collection that contains the podman connection of the scenarios
	@podman=$$(python -c 'from tests.containers import collections; print(collections.podman_collection())'); \
	  ANSIBLE_COLLECTIONS_PATH="$$ANSIBLE_COLLECTIONS_PATH:$$podman" ansible-lint --nocolor

.PHONY: lint-yaml
lint-yaml: venv
	@yamllint --strict .

.PHONY: lint-python
lint-python: venv
	@status=0; ruff check . || status=1; ruff format --check . || status=1; exit $$status

.PHONY: lint-types
lint-types: venv ## Run mypy --strict on all plugins
	@mypy --package ansible_collections.vfio.workstation.plugins

# Shell scripts, detected by their first line.
.PHONY: lint-shell
lint-shell: packages
	@git ls-files -z --cached --others --exclude-standard | xargs -0 awk 'FNR == 1 && /^(#!\/(usr\/bin\/env bash|bin\/(ba)?sh)|# shellcheck shell=)/ { printf "%s%c", FILENAME, 0 } { nextfile }' | xargs -0 shellcheck --external-sources

.PHONY: lint-changelog
lint-changelog: venv
	@antsibull-changelog lint

.PHONY: lint-docs
lint-docs: venv
	@cd $(COLLECTION) && antsibull-docs lint-collection-docs --plugin-docs --check-extra-docs-refs --validate-collection-refs dependent \
	  --disallow-unknown-collection-refs .

.PHONY: lint-licences
lint-licences: venv
	@reuse lint --lines

# --- Builds ---------------------------------------------------------------------------------------------------------

.PHONY: build
build: venv ## Build the tarball of the collection in .cache/build
	@ansible-galaxy collection build --force --output-path $(CACHE)/build

.PHONY: docs
docs: venv ## Build the documentation in .cache/docs/html
	@scripts/build-docs $(CACHE)/docs

# --- Housekeeping ---------------------------------------------------------------------------------------------------

.PHONY: lock
lock: venv ## Update tests/requirements.lock
	@cd tests && uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-emit-index-url \
	  --no-emit-find-links --output-file requirements.lock requirements.in
	@git diff --stat -- tests/requirements.lock

.PHONY: clean
clean: ## Remove all generated files
	rm -rf $(CACHE)

-include mk/*.mk
