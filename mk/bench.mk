# SPDX-License-Identifier: GPL-3.0-or-later

.PHONY: bench
bench: venv ## Run the benchmarks; benchmarks/README.md has results
	@scripts/setup-debian container
	@PYTHONPATH="$(CURDIR)/.cache/collections:$(CURDIR)" python benchmarks/host_info.py
	@PYTHONPATH="$(CURDIR)" python benchmarks/boot_configuration.py
	@PYTHONPATH="$(CURDIR)" python benchmarks/provision.py
	@PYTHONPATH="$(CURDIR)" python benchmarks/local_command.py
