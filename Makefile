# SPDX-License-Identifier: GPL-3.0-or-later
# Each target sets up what it needs: Debian packages (as root or through sudo) and a virtual environment.
# Whatever is made lies in .cache; `make clean` removes it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# Relative in rules and absolute in the environment, so that the checkout's path may hold spaces.
CACHE := .cache
VENV := $(CACHE)/venv
COLLECTION := $(CACHE)/collections/ansible_collections/vfio/workstation

export MAKE
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/$(CACHE)/collections
export ANSIBLE_HOME := $(CURDIR)/$(CACHE)/ansible-home
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(CACHE)/pycache
# ansible refuses to start in a locale that is not UTF-8, and a bare machine has none set.
export LC_ALL := C.UTF-8

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort -u | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | \
	  while IFS=$$'\t' read -r target text; do printf '  %-18s %s\n' "$$target" "$$text"; done

# --- What the targets stand on ---------------------------------------------------------------------------------------

.PHONY: packages
packages:
	@scripts/setup-debian base test

.PHONY: venv
venv: packages $(COLLECTION) ## Make the virtual environment, .cache/venv
	@scripts/venv $(VENV) tests/requirements.lock

# The collection under the name Ansible looks for, whatever the checkout's folder is called.
$(COLLECTION):
	@mkdir -p $(@D)
	@ln -sfn ../../../.. $@

# --- Tests ----------------------------------------------------------------------------------------------------------

# Every part is run even when one before it failed; the summary at the end says which.
TEST_PARTS := test-lint test-unit test-compat test-build test-molecule test-boot-loaders test-provision test-lab-quick

.PHONY: test
test: venv ## Everything: linters, tests, build and installation, container and virtual workstation
	@scripts/run-parts test $(TEST_PARTS)

.PHONY: test-lint
test-lint: lint

# Whatever lies in tests/ and is not the subject of a part of its own.
.PHONY: test-unit
test-unit: venv ## Unit tests, captured machines, damaged trees, and the machine this runs on
	@pytest tests --ignore=tests/build --ignore=tests/compat --numprocesses=auto

.PHONY: test-compat
test-compat: venv ## The modules under every Python from 3.8 to 3.14 that is there
	@pytest tests/compat

.PHONY: test-build
test-build: venv ## Build the collection, look into it, install it, import it as Galaxy would
	@pytest tests/build

.PHONY: test-molecule
test-molecule: venv ## The collection installed as a user would, in containers that look like a desktop
	@scripts/setup-debian container
	@env -u ANSIBLE_COLLECTIONS_PATH -u ANSIBLE_HOME python -m tests.containers scenario default

.PHONY: test-boot-loaders
test-boot-loaders: venv ## Every boot loader's own tools, on disks in containers (as root)
	@scripts/setup-debian container
	@env -u ANSIBLE_COLLECTIONS_PATH -u ANSIBLE_HOME python -m tests.containers scenario boot_loaders

.PHONY: test-provision
test-provision: venv ## Bare machines provisioned and rolled back, others refused, in containers (as root)
	@scripts/setup-debian container
	@env -u ANSIBLE_COLLECTIONS_PATH -u ANSIBLE_HOME python -m tests.containers scenario provision

.PHONY: test-slow
test-slow: venv ## What takes long: 20,000 damaged trees, the real makers of initramfs images (as root)
	@scripts/setup-debian container
	@pytest tests -m "slow and not lab"

# --- Linters --------------------------------------------------------------------------------------------------------

LINT_PARTS := lint-sanity lint-ansible lint-yaml lint-python lint-types lint-shell lint-changelog lint-docs

.PHONY: lint
lint: venv ## Every linter
	@scripts/run-parts lint $(LINT_PARTS)

.PHONY: lint-sanity
lint-sanity: venv ## ansible-test sanity, every test on every Python that is there
	@scripts/ansible-test sanity --local

.PHONY: lint-ansible
lint-ansible: venv ## ansible-lint, with the collection of podman's connection that the scenarios use
	@podman=$$(python -c 'from tests.containers import collections; print(collections.podman_collection())'); \
	  ANSIBLE_COLLECTIONS_PATH="$$ANSIBLE_COLLECTIONS_PATH:$$podman" ansible-lint --nocolor

.PHONY: lint-yaml
lint-yaml: venv
	@yamllint --strict .

.PHONY: lint-python
lint-python: venv
	@status=0; ruff check . || status=1; ruff format --check . || status=1; exit $$status

.PHONY: lint-types
lint-types: venv ## mypy --strict on every plugin
	@mypy --package ansible_collections.vfio.workstation.plugins

# Shell scripts by their first line, whatever they are called.
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

# --- What is built --------------------------------------------------------------------------------------------------

.PHONY: build
build: venv ## Build the collection's tarball into .cache/build
	@ansible-galaxy collection build --force --output-path $(CACHE)/build

.PHONY: docs
docs: venv ## Build the documentation into .cache/docs/html
	@scripts/build-docs $(CACHE)/docs

# --- Housekeeping ---------------------------------------------------------------------------------------------------

.PHONY: lock
lock: venv ## Refresh tests/requirements.lock
	@cd tests && uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-emit-index-url \
	  --no-emit-find-links --output-file requirements.lock requirements.in
	@git diff --stat -- tests/requirements.lock

.PHONY: clean
clean: ## Remove everything that was made
	rm -rf $(CACHE)

-include mk/*.mk
