# SPDX-License-Identifier: GPL-3.0-or-later
# The virtual workstation: an emulated machine to try and test the collection on. See docs/lab.md.

LAB := $(CACHE)/lab
LAB_PYTHON := PYTHONPATH="$(CURDIR)" $(VENV)/bin/python

# Runs first, and needs only a shell: checks whether this computer can run the lab, and lists what to install without apt.
.PHONY: lab-host
lab-host:
	@tests/lab/check-host

.PHONY: lab-setup
lab-setup: lab-host
	@$(MAKE) --no-print-directory venv
	@scripts/setup-debian lab

.PHONY: demo
demo: lab-setup ## Start a virtual workstation, provision it, define a guest, and show that its devices can be passed through
	@$(LAB_PYTHON) -m tests.lab start desktop --software libvirt --name demo --inventory $(LAB)/demo.json
	@# Under emulation, an initramfs with all drivers takes a minute to build: include those of the passed-through devices.
	@$(LAB_PYTHON) -m tests.lab small-initramfs demo bochs snd_hda_intel e1000e xhci_pci
	@$(LAB_PYTHON) -m tests.lab guest-files demo gpu disk nic --request $(LAB)/demo-guest.json
	@printf 'lab: running vfio.workstation.provision on it, with the request in tests/lab/demo.yml and a guest\n'
	@ansible-playbook -i $(LAB)/demo.json -e @tests/lab/demo.yml -e @$(LAB)/demo-guest.json \
	  -e workstation_reboot=when_required vfio.workstation.provision
	@$(LAB_PYTHON) -m tests.lab guest demo
	@printf '%s\n' '' \
	  'libvirt on the workstation has a guest for these devices: virsh start inner' \
	  'The workstation is running. It keeps running until you remove it.' \
	  '  make demo-ssh      log in as root and inspect it: lspci, /sys/kernel/iommu_groups, dmesg' \
	  '  make demo-clean    remove it' \
	  'To use it with Ansible: -i $(LAB)/demo.json'

.PHONY: demo-ssh
demo-ssh: ## Log in to the virtual workstation of make demo
	@$(LAB_PYTHON) -m tests.lab ssh demo

.PHONY: demo-clean
demo-clean: ## Remove the virtual workstation of make demo
	@$(LAB_PYTHON) -m tests.lab clean demo
	@rm -f $(LAB)/demo.json $(LAB)/demo-guest.json

# One machine, one boot: compares host_info with the machine's own tools, and passes a device through to a nested guest.
.PHONY: test-lab-quick
test-lab-quick: lab-setup ## Run the tests on the default virtual workstation
	@$(LAB_PYTHON) -m tests.lab build
	@pytest -m "lab and not slow" tests/integration/lab tests/power

.PHONY: test-lab
test-lab: lab-setup ## Run the tests on every virtual workstation, image and boot chain: takes long
	@$(LAB_PYTHON) -m tests.lab build
	@pytest -m lab tests/integration/lab tests/power

CUTS ?= 30
SEED ?= 1
EVERY ?=
DISKS ?=

# EVERY=1 covers every write of a change on the disks named in DISKS, and boots BOOTS states of each.
.PHONY: test-power
test-power: lab-setup ## Cut the power CUTS times at random moments (SEED) of a change; EVERY=1: at each write
	@$(if $(EVERY),$(LAB_PYTHON) -m tests.power --seed $(SEED) $(if $(BOOTS),--boots $(BOOTS)) $(DISKS),\
	  $(LAB_PYTHON) tests/integration/lab/power_cuts.py --cuts $(CUTS) --seed $(SEED))

.PHONY: bench-lab
bench-lab: lab-setup ## Boot the default virtual workstation twenty times, and measure
	@$(LAB_PYTHON) benchmarks/lab_boots.py

.PHONY: lab-clean
lab-clean: ## Remove all virtual workstations and their images
	@$(LAB_PYTHON) -m tests.lab clean --images

# Each run has its own name, so that several can run at the same time. The machine is removed however the run ends.
.PHONY: test-molecule-lab
test-molecule-lab: lab-setup ## Run a molecule scenario on a virtual workstation
	@export LAB_NAME=molecule-$$$$; export MOLECULE_EPHEMERAL_DIRECTORY="$(CURDIR)/$(LAB)/$$LAB_NAME"; \
	  clean() { $(LAB_PYTHON) -m tests.lab clean "$$LAB_NAME"; rm -rf "$$MOLECULE_EPHEMERAL_DIRECTORY"; }; \
	  trap clean EXIT; molecule test --scenario-name virtual_workstation
