# SPDX-License-Identifier: GPL-3.0-or-later

.PHONY: bench
bench: venv ## Measure, and print the figures; benchmarks/README.md has those of one machine
	@PYTHONPATH="$(CURDIR)/.cache/collections:$(CURDIR)" python benchmarks/host_info.py
