# SPDX-License-Identifier: GPL-3.0-or-later

SERIES ?=

.PHONY: test-matrix
test-matrix: venv ## Run the playbooks with each ansible-core from 2.18 to the newest; SERIES="2.18 devel": with those
	@scripts/test-matrix $(SERIES)
