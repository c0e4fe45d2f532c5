# SPDX-License-Identifier: GPL-3.0-or-later
# What `make test-molecule` leaves behind on purpose; docs/testing-containers.md tells more.

.PHONY: clean-images
clean-images: ## Remove the images that test-molecule made: they are podman's, not in .cache
	@podman image prune --all --force --filter label=vfio.workstation.image
