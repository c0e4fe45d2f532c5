# SPDX-License-Identifier: GPL-3.0-or-later

.PHONY: bench
bench: venv ## Measure, and print the figures; benchmarks/README.md has those of one machine
	@scripts/setup-debian container
	@PYTHONPATH="$(CURDIR)/.cache/collections:$(CURDIR)" python benchmarks/host_info.py
	@PYTHONPATH="$(CURDIR)" python benchmarks/boot_configuration.py
	@PYTHONPATH="$(CURDIR)" python benchmarks/provision.py
