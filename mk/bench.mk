# SPDX-License-Identifier: GPL-3.0-or-later

.PHONY: bench
bench: venv ## Run the benchmarks; benchmarks/README.md has results
	@scripts/setup-debian container
	@PYTHONPATH="$(CURDIR)/.cache/collections:$(CURDIR)" python benchmarks/host_info.py
	@PYTHONPATH="$(CURDIR)" python benchmarks/boot_configuration.py
	@PYTHONPATH="$(CURDIR)" python benchmarks/provision.py
	@PYTHONPATH="$(CURDIR)" python benchmarks/local_command.py
	@PYTHONPATH="$(CURDIR)/.cache/collections:$(CURDIR)" python benchmarks/fleet_page.py
	@PYTHONPATH="$(CURDIR)" python benchmarks/fleet.py 1 10

HOSTS ?= 50 200 1000
.PHONY: bench-fleet
bench-fleet: venv ## Measure provision on HOSTS="50 200 1000" hosts, overlays of this computer (as root)
	@PYTHONPATH="$(CURDIR)" python benchmarks/fleet.py $(HOSTS)
