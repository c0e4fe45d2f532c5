# SPDX-License-Identifier: GPL-3.0-or-later
# Each target sets up what it needs: Debian packages (as root or through sudo) and a virtual environment.
# Whatever is made lies in .cache; `make clean` removes it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

ROOT := $(CURDIR)
CACHE := $(ROOT)/.cache
VENV := $(CACHE)/venv
COLLECTIONS := $(CACHE)/collections
COLLECTION := $(COLLECTIONS)/ansible_collections/vfio/workstation

export MAKE
export PATH := $(VENV)/bin:$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(COLLECTIONS)
export ANSIBLE_HOME := $(CACHE)/ansible-home
export PYTHONPYCACHEPREFIX := $(CACHE)/pycache
export XDG_CACHE_HOME := $(CACHE)/xdg
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

.PHONY: lock
lock: venv ## Refresh tests/requirements.lock
	@cd tests && uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-emit-index-url \
	  --no-emit-find-links --output-file requirements.lock requirements.in
	@git diff --stat -- tests/requirements.lock

.PHONY: clean
clean: ## Remove everything that was made
	rm -rf $(CACHE)

-include mk/*.mk
