# SPDX-License-Identifier: GPL-3.0-or-later
# The virtual workstation: a machine made of software to try the collection on, and to test it on. See docs/lab.md.

LAB := $(CACHE)/lab
LAB_PYTHON := PYTHONPATH="$(CURDIR)" $(VENV)/bin/python

# First of all, and with nothing but a shell: whether this computer can run it, and what it lacks where it has no apt.
.PHONY: lab-host
lab-host:
	@tests/lab/check-host

.PHONY: lab-setup
lab-setup: lab-host
	@$(MAKE) --no-print-directory venv
	@scripts/setup-debian lab

.PHONY: demo
demo: lab-setup ## A virtual workstation made one for guests with devices: minutes from a bare Debian machine
	@$(LAB_PYTHON) -m tests.lab start desktop --name demo --inventory $(LAB)/demo.json
	@# Emulated, an initramfs with every driver there is takes a minute to make: those of the devices that are given away.
	@$(LAB_PYTHON) -m tests.lab small-initramfs demo bochs snd_hda_intel e1000e xhci_pci
	@printf 'lab: running vfio.workstation.provision on it, with what tests/lab/demo.yml asks for\n'
	@ansible-playbook -i $(LAB)/demo.json -e @tests/lab/demo.yml -e workstation_reboot=when_required \
	  vfio.workstation.provision
	@$(LAB_PYTHON) -m tests.lab guest demo
	@printf '%s\n' '' \
	  'The workstation is up, and stays up until you throw it away.' \
	  '  make demo-ssh      log in as root and look around: lspci, /sys/kernel/iommu_groups, dmesg' \
	  '  make demo-clean    throw it away' \
	  'Ansible reaches it with -i $(LAB)/demo.json.'

.PHONY: demo-ssh
demo-ssh: ## Log in to the virtual workstation of make demo
	@$(LAB_PYTHON) -m tests.lab ssh demo

.PHONY: demo-clean
demo-clean: ## Throw the virtual workstation of make demo away
	@$(LAB_PYTHON) -m tests.lab clean demo
	@rm -f $(LAB)/demo.json

# One machine, one boot: host_info against the machine's own tools, and a device passed through to an inner guest.
.PHONY: test-lab-quick
test-lab-quick: lab-setup ## The tests on the default virtual workstation
	@$(LAB_PYTHON) -m tests.lab build
	@pytest -m "lab and not slow" tests/integration/lab

.PHONY: test-lab
test-lab: lab-setup ## The tests on every virtual workstation, image and way to boot: takes long
	@$(LAB_PYTHON) -m tests.lab build
	@pytest -m lab tests/integration/lab

CUTS ?= 30
SEED ?= 1

.PHONY: test-power
test-power: lab-setup ## Cut the power CUTS times at random moments (SEED) of a change: takes minutes a cut
	@$(LAB_PYTHON) tests/integration/lab/power_cuts.py --cuts $(CUTS) --seed $(SEED)

.PHONY: bench-lab
bench-lab: lab-setup ## Twenty boots of the default virtual workstation, and how long its parts take
	@$(LAB_PYTHON) benchmarks/lab_boots.py

.PHONY: lab-clean
lab-clean: ## Throw away every virtual workstation and every image of one
	@$(LAB_PYTHON) -m tests.lab clean --images

# A name of its own for each run, so that two can go side by side; whatever ends the run, its machine goes with it.
.PHONY: test-molecule-lab
test-molecule-lab: lab-setup ## The molecule scenario on a virtual workstation
	@export LAB_NAME=molecule-$$$$; export MOLECULE_EPHEMERAL_DIRECTORY="$(CURDIR)/$(LAB)/$$LAB_NAME"; \
	  clean() { $(LAB_PYTHON) -m tests.lab clean "$$LAB_NAME"; rm -rf "$$MOLECULE_EPHEMERAL_DIRECTORY"; }; \
	  trap clean EXIT; molecule test --scenario-name virtual_workstation
