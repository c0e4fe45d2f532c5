# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The network interface of a guest."""

from __future__ import annotations

from typing import Iterator

from ..._machine.guest import NO_NETWORK, PASST, GuestRequest, HostFiles, Networks, Setting
from ..._machine.plan import Refusal
from ..._machine.xml_element import element
from ..refusals import refuse
from .existing import Existing

DEFAULT = "default"
PASST_PROGRAM = "/usr/bin/passt"
#: 9.0 has passt in its schemas, and refuses it in a definition (libvirt issue 462; seen with 9.0.0 of Debian 12).
_LEAST_LIBVIRT = (9, 1)


def network_of(request: GuestRequest, existing: Existing) -> str | None:
    """Return the network of libvirt to use; None for another kind of interface, for none, and where it is unmanaged."""
    if request.bridge is not None or request.network in (NO_NETWORK, PASST):
        return None
    return request.network or (None if existing.is_adopted else DEFAULT)


def network_refusals(
    request: GuestRequest, files: HostFiles, networks: Networks, existing: Existing
) -> Iterator[Refusal]:
    """Yield why the guest could not start with the interface."""
    if request.network == PASST:
        yield from _passt_refusals(request.name, files, networks)
    network = network_of(request, existing)
    if network is not None and network not in networks.defined:
        known = f"it has {', '.join(sorted(networks.defined))}" if networks.defined else "it has none"
        yield refuse("network_absent", f"{request.name}: libvirt has no network {network}; {known}")
    if request.bridge is not None and request.bridge not in files.bridges:
        known = f"it has {', '.join(sorted(files.bridges))}" if files.bridges else "it has none"
        yield refuse("network_absent", f"{request.name}: the host has no bridge {request.bridge}; {known}")


def _passt_refusals(guest: str, files: HostFiles, networks: Networks) -> Iterator[Refusal]:
    if PASST_PROGRAM not in files.paths:
        yield refuse("passt_unsupported", f"{guest}: {PASST_PROGRAM} does not exist on this host")
    if networks.libvirt is not None and networks.libvirt < _LEAST_LIBVIRT:
        version = ".".join(map(str, networks.libvirt))
        yield refuse("passt_unsupported", f"{guest}: libvirt {version} does not start passt")


def network_settings(request: GuestRequest, existing: Existing) -> Iterator[Setting]:
    """Yield the interface. libvirt gives it a MAC address once, and keeps it."""
    network = network_of(request, existing)
    if request.network == PASST:
        kind, source = "user", element("backend", type=PASST)
    elif network is not None:
        kind, source = "network", element("source", network=network)
    elif request.bridge is not None:
        kind, source = "bridge", element("source", bridge=request.bridge)
    else:
        return
    yield Setting(
        ("devices",),
        element("interface"),  # the first one
        element("interface", source, element("model", type="virtio"), type=kind),
    )


def network_notes(request: GuestRequest, networks: Networks, existing: Existing) -> Iterator[str]:
    """Yield what is missing for the guest to start."""
    network = network_of(request, existing)
    if network is not None and network in networks.defined - networks.active:
        yield f"the network {network} is not active: start it with `virsh net-start {network}`"
