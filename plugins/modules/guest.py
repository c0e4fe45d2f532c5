#!/usr/bin/python

# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Define a guest of libvirt with the host's devices, memory and CPUs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guest
short_description: Define a guest of libvirt with the host's devices, memory and CPUs
version_added: 0.1.0
author:
  - The vfio.workstation contributors (@vfio-workstation)
description:
  - Plans a domain from what the host has for guests, which M(vfio.workstation.host) configured, and defines it with
    C(virsh define --validate), or refuses with every reason at once and changes nothing.
  - Devices are named as in O(vfio.workstation.host#module:devices). Their addresses come from the host's record. A
    device that has moved is followed, and one that was replaced by another is refused.
  - Each vCPU is pinned to one CPU that is kept for guests, so that threads of a core in the guest are threads of a core
    on the host. The guest sees the packages, L3 caches and NUMA nodes that its CPUs have. The memory is in huge pages
    on the nodes of the CPUs. All functions of a card are in one slot behind a root port of its own.
  - Windows gets UEFI, the enlightenments of Hyper-V that QEMU and KVM on this host offer, and clocks that suit it.
    Windows 11 also gets Secure Boot and a TPM.
  - Manages the elements and attributes that it sets, and no others. Foreign elements stay. An edit of a managed element
    is undone by the next run, and is shown in diff mode. What was there before is recorded in the C(<metadata>) of the
    domain.
  - Never starts or stops a guest. What changes in the definition of a running guest takes effect when it is shut down
    and started again.
extends_documentation_fragment:
  - vfio.workstation.attributes
  - vfio.workstation.attributes.changes
options:
  name:
    description:
      - The name of the domain. Letters, digits, and C(_), C(.) and C(-).
    type: str
    required: true
  os:
    description:
      - The operating system of the guest. Required if C(state) is V(present).
    type: str
    choices: [linux, windows10, windows11]
  devices:
    description:
      - The names of the host's devices that the guest gets. Several guests may have the same device, as long as they
        don't run at the same time.
    type: list
    elements: str
    default: []
  memory:
    description:
      - The memory of the guest, such as V(16G). By default all huge pages on the NUMA nodes of its CPUs.
      - On a host without huge pages, the guest is on ordinary memory, and this option is required.
    type: str
  cpus:
    description:
      - The CPUs of the host that the guest runs on, such as V(2-7,10-15), as whole cores. They must be kept for guests.
        By default all that are kept for guests; of a hybrid processor, those with the most threads for each core.
    type: raw
  firmware:
    description:
      - The firmware of the guest, V(uefi) by default. V(bios) is for systems that can't start by UEFI. Can't be changed
        afterwards.
      - With V(bios), a passed-through GPU shows nothing before its driver is loaded if its ROM is for UEFI only.
    type: str
    choices: [uefi, bios]
  secure_boot:
    description:
      - Whether Secure Boot is on, with the keys of Microsoft enrolled. By default only for V(windows11). Can't be
        changed afterwards.
    type: bool
  tpm:
    description:
      - Whether the guest has a TPM 2.0, emulated by swtpm. By default only for V(windows11).
    type: bool
  disk:
    description:
      - The disk of the guest, on virtio with an I/O thread of its own. The first in the boot order.
      - An NVMe drive that the guest is to have as a whole is one of C(devices) instead.
    type: dict
    suboptions:
      path:
        description:
          - The absolute path of an image, or of a block device, best one below C(/dev/disk/by-id). Required unless
            C(size) is set. By default C(/var/lib/libvirt/images/NAME.qcow2).
          - A device that the host uses is refused (mounted, swap, member of LVM, RAID or ZFS).
        type: path
      format:
        description:
          - The format of the image. By default V(raw) for a block device, and V(qcow2) for a file.
        type: str
        choices: [qcow2, raw]
      size:
        description:
          - The size of the image, such as V(200G). C(qemu-img) creates the image if it does not exist. An existing
            image is used as it is, and is never enlarged or erased.
          - The file system must have that much space free, although the image grows only as the guest writes.
        type: str
  isos:
    description:
      - The absolute paths of images for CD drives, such as the installation medium and the virtio drivers for Windows.
        The guest boots from the first one while its disk has no boot loader.
    type: list
    elements: path
    default: []
  install:
    description:
      - Install the system unattended, at the first start of a new guest. Makes a medium with the answers, and attaches
        it together with the media that are needed. An existing domain is never installed again.
      - Once the guest agent reports that the system is installed, the next run takes the media out of the guest and
        removes the medium with the answers. Omit this option to remove it without that report.
      - An existing system on a disk needs no installation. Request its C(disk), and omit this option.
    type: dict
    suboptions:
      user:
        description:
          - The name of the account that is created, an administrator. Required.
        type: str
      ssh_keys:
        description:
          - Public keys of OpenSSH that may log in to the account, each on one line.
        type: list
        elements: str
        default: []
      computer_name:
        description:
          - The name of the computer. By default C(name).
        type: str
      locale:
        description:
          - The language of formats, such as V(de-DE) for Windows and V(de_DE.UTF-8) for Linux. By default V(en-US) for
            Windows, and what the image has for Linux.
        type: str
      keyboard:
        description:
          - The layout of the keyboard. For Windows a locale or a layout such as V(0407:00000407), by default that of
            C(locale). For Linux a layout of X, such as V(de).
        type: str
      time_zone:
        description:
          - The time zone, such as V(Europe/Berlin). For Windows, also a name as V(W. Europe Standard Time). By default
            V(UTC) for Windows, and what the image has for Linux.
        type: str
      iso:
        description:
          - The absolute path of a medium with Windows. Required for Windows.
        type: path
      drivers:
        description:
          - The absolute path of the medium C(virtio-win.iso), with the drivers for disk, network and guest agent.
            Required for Windows.
        type: path
      disk:
        description:
          - The disk whose content Setup of Windows erases, as the path of C(disk) or the name of one of C(devices).
            Required unless the guest has a single disk that is an empty image.
          - Other disks are added to the guest when Windows is installed.
        type: str
      password:
        description:
          - The password of the account. Required for Windows.
        type: str
      edition:
        description:
          - The edition of Windows, such as V(Home), V(Pro), V(Education) or V(Enterprise). By default V(Pro).
        type: str
      image:
        description:
          - The name of the image on the medium, instead of C(edition), such as V(Windows 11 Enterprise LTSC).
            C(dism /Get-ImageInfo) lists them.
        type: str
      product_key:
        description:
          - The product key. By default the generic key of the edition, which chooses it and activates nothing.
        type: str
      language:
        description:
          - The display language of Windows. The medium must have it. By default that of C(locale).
        type: str
      remote_access:
        description:
          - How Ansible reaches Windows. V(ssh) installs the OpenSSH server, for which the guest needs the Internet.
            V(winrm) is on port 5985 with NTLM, for the local subnet. By default V(ssh).
        type: str
        choices: [ssh, winrm, none]
      password_hash:
        description:
          - The hash of the password of the account, as C(mkpasswd) and the filter
            P(ansible.builtin.password_hash#filter) make it. Linux requires it or C(ssh_keys). Without it,
            C(sudo) asks for no password.
        type: str
      packages:
        description:
          - Packages that cloud-init installs besides the guest agent.
        type: list
        elements: str
        default: []
      network:
        description:
          - The network configuration of cloud-init, as a mapping. By default, cloud-init uses DHCP on the first
            interface that is connected.
        type: raw
  network:
    description:
      - The network of libvirt that the guest is in, or V(none). By default V(default). Mutually exclusive with
        C(bridge).
      - V(passt) connects the guest without a bridge, through sockets of the host. Requires libvirt 9.1 or later.
    type: str
  bridge:
    description:
      - The bridge of the host that the guest is connected to, such as V(br0), instead of a network of libvirt.
    type: str
  display:
    description:
      - The virtual display, which can be reached from the host itself alone. V(none) leaves the guest with the display
        of its own GPU. By default V(vnc).
    type: str
    choices: [vnc, spice, none]
  evdev:
    description:
      - The paths of keyboards and mice of the host below C(/dev/input/by-id) that the guest shares. Both Ctrl keys at
        once switch between host and guest.
    type: list
    elements: path
    default: []
  usb:
    description:
      - USB devices of the host that the guest gets, by vendor and product such as V(046d:c52b), or by bus and port such
        as V(1-4.2). C(lsusb) and C(lsusb -t) show them. The guest also starts while one is not connected.
      - A port stands for the device that is connected there when the module runs. The guest gets that device at any
        port.
      - To give the guest all ports of a USB controller, request the controller from the host, and name it in
        C(devices).
    type: list
    elements: str
    default: []
  looking_glass:
    description:
      - Share memory with the client of Looking Glass, which shows the picture of the guest's GPU in a window of the
        host. The size is computed from the resolution. The virtual display becomes C(spice) by default, because the
        client sends keyboard and mouse through it.
      - The memory is C(/dev/shm/looking-glass-NAME), which C(/etc/tmpfiles.d/vfio-workstation-NAME.conf) creates at
        each boot. The group C(kvm) must exist. The kernel module C(kvmfr) is not used.
    type: dict
    suboptions:
      width:
        description:
          - The width of the largest picture, in pixels.
        type: int
        required: true
      height:
        description:
          - Its height, in pixels.
        type: int
        required: true
      hdr:
        description:
          - Whether the picture may be HDR, which needs twice the memory.
        type: bool
        default: false
      user:
        description:
          - The user of the host who runs the client. By default members of the group C(kvm) can.
        type: str
  virtualization_based_security:
    description:
      - Whether Windows can use virtualization-based security (memory integrity, Credential Guard), Hyper-V and WSL 2.
        Requires nested virtualization on the host.
      - Costs speed. Nesting switches the hardware acceleration of interrupts (APICv, AVIC) off in the guest. For that
        reason, V(false) hides nested virtualization from Windows, which would use it by itself otherwise.
    type: bool
    default: false
  xml:
    description:
      - Further elements of libvirt to merge into the domain, such as V(<devices><sound model='ich9'/></devices>).
        An element that is also planned is changed as written here.
    type: str
  adopt:
    description:
      - Whether to manage a domain of this name that was created by other means. Of such a domain, CPUs, memory, clocks,
        enlightenments and C(devices) are managed. Firmware, TPM, disks, network and display are managed only as far as
        the options for them are set.
      - If C(state) is V(absent), the domain is returned as it was.
    type: bool
    default: false
  type:
    description:
      - V(kvm) runs the guest on the processor. V(qemu) emulates a processor, which is slow, and is for tests.
    type: str
    choices: [kvm, qemu]
    default: kvm
  accept:
    description:
      - Refusal codes to override, such as V(network_absent).
    type: list
    elements: str
    default: []
  state:
    description:
      - V(present) defines the domain. V(absent) removes a domain that this module created, and returns one that it
        adopted as it was. Other domains stay. Disks, the variables of the firmware and the state of the TPM are never
        deleted.
    type: str
    choices: [present, absent]
    default: present
  uri:
    description:
      - The connection of libvirt.
    type: str
    default: qemu:///system
  look_inside:
    description:
      - Whether to ask the guest agent of a running guest for its devices, its CPUs, Secure Boot and the TPM, and to
        compare where the vCPUs run and which pages the memory has with the plan. Changes nothing.
      - The agent must be allowed to run programs. The playbook C(vfio.workstation.verify) sets it.
    type: bool
    default: false
  install_packages:
    description:
      - Whether to install the packages that the guest needs and the host lacks (libvirt, QEMU, OVMF, swtpm, xorriso,
        passt). Debian, Ubuntu, Fedora, RHEL, Arch Linux and openSUSE are known.
      - In check mode, a note says which would be installed, and what the guest would become is unknown until then.
      - M(ansible.builtin.package) installs them. They stay when the guest is removed.
    type: bool
    default: false
requirements:
  - libvirt 7.2 or later with virsh, on the managed host
  - QEMU for x86, OVMF; for a TPM, swtpm with swtpm_setup
  - xorriso, genisoimage or mkisofs for O(install)
  - qemu-img for O(disk.size)
notes:
  - Windows itself was not run with the domains that this module defines, and Setup of Windows was not run with its
    answers. The domains were validated and defined by libvirt. The answers have only settings of Microsoft's
    reference, and public answer files that work use each of them.
  - Keeps no files but C(/var/lib/libvirt/images/vfio-workstation-NAME.iso), until the system is installed. It contains
    the password, so that only root can read it, and QEMU, which libvirt makes its owner when the guest starts. The
    record is in C(<metadata>) of the domain.
  - libvirt gives a new domain its UUID and the MAC address of its network interface. They stay, as does the version of
    the machine type. Windows notices other values, and may have to be activated again.
seealso:
  - module: vfio.workstation.host
  - name: libvirt, the format of domains
    description: The meaning of every element.
    link: https://libvirt.org/formatdomain.html
"""

EXAMPLES = r"""
- name: Define a guest for Windows 11 that gets the GPU, and is installed from an image
  vfio.workstation.guest:
    name: windows
    os: windows11
    devices: [gpu]
    disk:
      size: 200G
    isos:
      - /srv/iso/windows-11.iso
      - /srv/iso/virtio-win.iso
  become: true

- name: Give a Linux guest a part of the memory and of the CPUs
  vfio.workstation.guest:
    name: build
    os: linux
    memory: 8G
    cpus: 2-5,10-13
    disk:
      path: /dev/disk/by-id/nvme-WD_BLACK_SN850X_1234-part3
    bridge: br0
    display: none
  become: true

- name: Install Windows 11 unattended
  vfio.workstation.guest:
    name: windows
    os: windows11
    devices: [gpu]
    disk:
      size: 200G
    install:
      iso: /srv/iso/windows-11.iso
      drivers: /srv/iso/virtio-win.iso
      user: dev
      password: "{{ vault_windows_password }}"
      locale: de-DE
      language: en-US
      time_zone: Europe/Berlin
  become: true

- name: Configure a cloud image of Linux at its first boot
  vfio.workstation.guest:
    name: build
    os: linux
    memory: 8G
    disk:
      path: /var/lib/libvirt/images/build.qcow2  # a copy of the image
    install:
      user: dev
      ssh_keys:
        - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
      packages: [build-essential]
  become: true

- name: Show what tuning a guest of virt-manager would change
  vfio.workstation.guest:
    name: win10
    os: windows10
    devices: [gpu]
    adopt: true
  become: true
  check_mode: true
  diff: true

- name: Show the guest in a window by Looking Glass, and give it a USB device
  vfio.workstation.guest:
    name: windows
    os: windows11
    devices: [gpu]
    looking_glass:
      width: 3840
      height: 2160
      user: dev
    usb: ["046d:c52b"]
  become: true

- name: Return an adopted guest as it was, or remove one that the module created
  vfio.workstation.guest:
    name: win10
    state: absent
  become: true
"""

RETURN = r"""
uuid:
  description: The UUID of the domain. V(null) in check mode for a new one, and if there is no domain.
  returned: success
  type: str
  sample: 8b1a9953-c461-4f1e-9d7a-1c2b3a4d5e6f
definition:
  description:
    - The definition of the domain at the end of the run, in check mode as planned, without the record in its
      C(<metadata>) and with passwords hidden. Empty if there is no domain.
  returned: success
  type: str
  sample: "<domain type='kvm'>..."
devices:
  description: The functions on the host that the guest gets, by the names of devices.
  returned: success, and when refused
  type: dict
  sample:
    gpu: ["0000:41:00.0", "0000:41:00.1"]
vcpus:
  description: The CPU of the host that each vCPU is pinned to, by the number of the vCPU.
  returned: success, and when refused
  type: list
  elements: int
  sample: [2, 10, 3, 11]
memory_bytes:
  description: The memory of the guest. V(null) if nothing is planned.
  returned: success, and when refused
  type: int
  sample: 17179869184
running:
  description: Whether the guest was running.
  returned: success, and when refused
  type: bool
  sample: false
restart_required:
  description: Whether the guest runs with an earlier definition, until it is shut down and started again.
  returned: success, and when refused
  type: bool
  sample: false
works:
  description:
    - Whether the guest has each of its devices with a driver that works, by their names. Empty unless O(look_inside) is
      set, the guest runs as it is defined, and its agent answers.
  returned: success, and when refused
  type: dict
  sample: {gpu: true}
findings:
  description: What a running guest lacks. Empty unless O(look_inside) is set.
  returned: success, and when refused
  type: list
  elements: dict
  contains:
    code:
      description: V(guest_device_missing), V(guest_device_fails) or V(guest_not_as_planned).
      type: str
      sample: guest_device_fails
    seen:
      description: What was found.
      type: str
      sample: "windows: gpu (10de:2684): Windows reports the problem code 43: the driver has stopped the device"
    danger:
      description: What comes of it.
      type: str
      sample: The guest has the device, and can't use it.
    remedy:
      description: What to do about it.
      type: str
      sample: Install the driver of the device in the guest.
notes:
  description: Further information, such as what keeps the guest from starting at the moment.
  returned: success, and when refused
  type: list
  elements: str
  sample: ["the network default is not active: start it with `virsh net-start default`"]
packages:
  description:
    - The packages that the host lacks, if O(install_packages) is set. They are installed, so that this is empty unless
      that failed.
  returned: success, and when refused
  type: list
  elements: str
  sample: [ovmf]
refusals:
  description: Why the run was refused. Empty if it was not.
  returned: success, and when refused or failed
  type: list
  elements: dict
  contains:
    code:
      description: The refusal code, a stable name of the reason.
      type: str
      sample: device_not_provisioned
    seen:
      description: What was found.
      type: str
      sample: "windows: the host has no device gpu2 for guests; it has gpu"
    danger:
      description: Why it is dangerous.
      type: str
      sample: The device is on a driver of the host; the guest could not start, or would take it from the host.
    remedy:
      description: What to do about it.
      type: str
      sample: Request the device in devices of the host, reboot it if necessary, and run this again.
"""

from ansible_collections.vfio.workstation.plugins.module_utils._run.guest import run_guest


def main() -> None:
    run_guest()


if __name__ == "__main__":
    main()
