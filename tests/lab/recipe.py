# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image is made of: packages, files and the commands of its first boot. Its content is the image's identity."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib

from .command import SSH_MAC
from .errors import LabError

GUEST_FILES = pathlib.Path(__file__).parent / "guest"

SUITES = ("trixie", "bookworm")
BOOTS = ("uefi-grub", "bios-grub", "uefi-systemd-boot")
DISKS = ("ext4", "ext4-boot", "btrfs")
FLAVOURS = ("amd64", "cloud-amd64", "rt-amd64")

# Everything with a date or an identity has this one, so that the same recipe and packages give the same files.
EPOCH = 1_750_000_000
DISK_ID = "6c616276-6669-4f00-8000-000000000000"
ESP_ID = "6c616276-6669-4f00-8000-000000000001"
ROOT_ID = "6c616276-6669-4f00-8000-000000000002"
BOOT_ID = "6c616276-6669-4f00-8000-000000000004"
ESP_SERIAL = "6C616276"
MACHINE_ID = "6c61627666694f008000000000000003"

# A kernel that misses the timer's ticks during a check of some 40 ms panics when interrupts are remapped. On a busy
# host, emulation misses them; the check is skipped under KVM by the kernel itself, for the same reason.
CMDLINE = "console=ttyS0,115200 no_timer_check"

# Packages that lie in an image and are not installed, for a test to install: the machine reaches no mirror. A folder
# for each purpose: kernel (Recipe.spare), irqbalance, upgrade (Recipe.upgrade).
SPARE_FOLDER = "/var/cache/vfio-lab"

_PACKAGES = (
    "systemd-sysv",
    "udev",
    "dbus",
    "kmod",
    "util-linux",
    "iproute2",
    "procps",
    "initramfs-tools",
    "zstd",
    "e2fsprogs",
    "dosfstools",
    # how it is managed
    "openssh-server",
    "python3",
    "sudo",
    # what the probe is held against
    "pciutils",
    "hwloc-nox",
    # the inner guest
    "qemu-system-x86",
    "busybox-static",
    "xz-utils",
)
_BOOT_PACKAGES = {
    "uefi-grub": ("grub-efi-amd64", "efibootmgr"),
    "bios-grub": ("grub-pc",),
    "uefi-systemd-boot": ("systemd-boot", "efibootmgr"),
}
# Debian 13 moved virt-host-validate.
_SUITE_PACKAGES = {"trixie": ("libvirt-daemon-common",), "bookworm": ("libvirt-clients",)}

# What an image may have beside that: libvirt with all that a guest of it needs, and the agent that the guest runs.
_SOFTWARE = {
    "libvirt": (
        "apparmor",
        "libvirt-clients",
        "libvirt-daemon-system",
        "libvirt-daemon-driver-qemu",
        "ovmf",
        "qemu-guest-agent",
        "qemu-utils",
        "swtpm",
        "swtpm-tools",
        "xorriso",
    ),
}
SOFTWARE = tuple(_SOFTWARE)

# Documentation, translations, and the halves of QEMU that no inner guest of ours runs.
EXCLUDED_PATHS = (
    "/usr/share/man/*",
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/info/*",
    "/usr/bin/qemu-system-i386",
    "/usr/bin/qemu-system-x86_64-microvm",
    "/usr/share/qemu/skiboot.lid",
    "/usr/share/qemu/edk2-*",
)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A Debian suite, a way to boot it, and the kernels in it; which of them starts is the boot loader's choice.

    With upgrade, a later suite's packages of all that is installed lie in the image: `apt-get full-upgrade` finds them.
    The disk has a root file system of ext4, with another of /boot beside it (ext4-boot), or of btrfs.
    """

    suite: str = "trixie"
    boot: str = "uefi-grub"
    kernels: tuple[str, ...] = ("amd64",)
    upgrade: str | None = None
    # Not in the representation, which is part of the identity: the images of old keep theirs.
    disk: str = dataclasses.field(default="ext4", repr=False)
    software: tuple[str, ...] = dataclasses.field(default=(), repr=False)

    def __post_init__(self) -> None:
        for value, known in (
            (self.suite, SUITES),
            (self.boot, BOOTS),
            (self.disk, DISKS),
            *(((self.upgrade, SUITES),) if self.upgrade else ()),
            *((kernel, FLAVOURS) for kernel in self.kernels),
            *((software, SOFTWARE) for software in self.software),
        ):
            if value not in known:
                raise LabError(f"the lab has no image with {value}; it knows {', '.join(known)}")

    @property
    def name(self) -> str:
        """Short and readable: trixie-uefi-grub-amd64, bookworm-to-trixie-uefi-grub-amd64."""
        to = ("to", self.upgrade) if self.upgrade else ()
        disk = (self.disk,) if self.disk != "ext4" else ()
        return "-".join((self.suite, *to, self.boot, *disk, *self.software, *self.kernels))

    @property
    def uefi(self) -> bool:
        """Whether the firmware is UEFI."""
        return self.boot.startswith("uefi")

    @property
    def spare(self) -> str | None:
        """The flavour whose packages lie in the image for a test to install; None where two kernels are installed."""
        if len(self.kernels) > 1:
            return None
        return next(flavour for flavour in FLAVOURS if flavour not in self.kernels)

    def packages(self) -> tuple[str, ...]:
        """Every package that is asked for; what they depend on comes along."""
        kernels = tuple(f"linux-image-{kernel}" for kernel in self.kernels)
        tools = ("btrfs-progs",) if self.disk == "btrfs" else ()
        software = itertools.chain.from_iterable(_SOFTWARE[name] for name in self.software)
        boot = (*_BOOT_PACKAGES[self.boot], *_SUITE_PACKAGES[self.suite], *kernels, *tools)
        return tuple(sorted({*_PACKAGES, *boot, *software}))

    def files(self, authorized_key: str, host_key: str, host_key_public: str) -> dict[str, tuple[int, str]]:
        """Path in the image -> mode and content."""
        root = "btrfs defaults 0 0" if self.disk == "btrfs" else "ext4 errors=remount-ro 0 1"
        fstab = f"UUID={ROOT_ID} / {root}\n"
        if self.disk == "ext4-boot":
            fstab += f"UUID={BOOT_ID} /boot ext4 defaults 0 2\n"
        if self.uefi:
            fstab += f"UUID={ESP_SERIAL[:4]}-{ESP_SERIAL[4:]} /boot/efi vfat umask=0077 0 1\n"
        result = {
            "etc/fstab": (0o644, fstab),
            "etc/hostname": (0o644, "lab\n"),
            "etc/hosts": (0o644, "127.0.0.1 localhost\n127.0.1.1 lab\n"),
            "etc/machine-id": (0o444, MACHINE_ID + "\n"),
            "etc/systemd/journald.conf.d/lab.conf": (0o644, "[Journal]\nStorage=volatile\n"),
            "etc/systemd/network/lab.network": (0o644, f"[Match]\nMACAddress={SSH_MAC}\n\n[Network]\nDHCP=ipv4\n"),
            "etc/ssh/sshd_config.d/lab.conf": (0o644, _SSHD),
            "etc/ssh/ssh_host_ed25519_key": (0o600, host_key),
            "etc/ssh/ssh_host_ed25519_key.pub": (0o644, host_key_public),
            "root/.ssh/authorized_keys": (0o600, authorized_key),
        }
        if self.boot.endswith("grub"):
            result["etc/default/grub.d/lab.cfg"] = (0o644, _GRUB)
        else:
            result["etc/kernel/cmdline"] = (0o644, f"root=UUID={ROOT_ID} ro {CMDLINE}\n")
            result["etc/kernel/entry-token"] = (0o644, "debian\n")
        for source in sorted(GUEST_FILES.iterdir()):
            result[f"usr/local/lib/vfio-lab/{source.name}"] = (0o755, source.read_text(encoding="utf-8"))
        return result

    def first_boot(self) -> str:
        """The commands that make the disk boot by itself: the ones that an installer runs, on the machine itself."""
        return _FIRST_BOOT[self.boot]


# In emulation, a look-up without a name server and a session of PAM's and logind's cost seconds a login.
_SSHD = """\
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
UsePAM no
HostKey /etc/ssh/ssh_host_ed25519_key
"""

_GRUB = f"""\
GRUB_TIMEOUT=1
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="{CMDLINE}"
"""

_FIRST_BOOT = {
    # Both paths, as Debian's installer does when asked: the firmware's own entry, and the one for a lost NVRAM.
    "uefi-grub": """\
grub-install --target=x86_64-efi --efi-directory=/boot/efi --bootloader-id=debian --force-extra-removable
update-grub
""",
    "bios-grub": """\
disk=/dev/$(lsblk --noheadings --output PKNAME "$(findmnt --noheadings --output SOURCE /)")
echo "grub-pc grub-pc/install_devices multiselect $disk" | debconf-set-selections
grub-install --target=i386-pc "$disk"
update-grub
""",
    "uefi-systemd-boot": """\
bootctl install
for image in /boot/vmlinuz-*; do
    version=${image#/boot/vmlinuz-}
    kernel-install add "$version" "$image" "/boot/initrd.img-$version"
done
""",
}
