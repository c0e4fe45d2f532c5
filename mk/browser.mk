# SPDX-License-Identifier: GPL-3.0-or-later
# The pages of report_dir in a real browser. Not part of `make test`: the browser and what it needs are 400 MB of packages.

.PHONY: test-browser
test-browser: venv ## Show the pages of report_dir in chromium; PICTURES=DIR keeps the screenshots
	@scripts/setup-debian browser
	@$(if $(PICTURES),mkdir -p "$(PICTURES)" && PICTURES="$(abspath $(PICTURES))") pytest -m browser tests/browser
