# SPDX-License-Identifier: GPL-3.0-or-later
# `make test-molecule` keeps its images on purpose; see docs/testing-containers.md.

.PHONY: clean-images
clean-images: ## Remove the images of test-molecule, which podman stores outside of .cache
	@podman image prune --all --force --filter label=vfio.workstation.image
