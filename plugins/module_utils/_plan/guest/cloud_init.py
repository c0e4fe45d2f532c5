# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answers for an image of Linux: the data source NoCloud of cloud-init.

Source: cloud-init, NoCloud: a file system with the label CIDATA or cidata, and the files user-data and meta-data; and
network-config, without which cloud-init configures the first connected interface with DHCP. They are written as JSON,
which is YAML.

cloud-init finds the medium before the network is up, and keeps what it read: after the first boot it needs none.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ..._machine.guest_install import GuestReport, LinuxInstall

LABEL = "CIDATA"

#: In the installed system: where cloud-init writes the source of its answers and its errors, when it is done.
MARKER = "/var/lib/cloud/data/result.json"
_SOURCE = "DataSourceNoCloud"

_AGENT = "qemu-guest-agent"


def cloud_init_files(request: LinuxInstall) -> tuple[tuple[str, str], ...]:
    """Return the files of the medium: paths and texts."""
    user_data = f"#cloud-config\n{_json(_user_data(request))}"
    # cloud-init applies changed answers as those of another instance.
    digest = hashlib.sha256(user_data.encode("utf-8")).hexdigest()[:16]
    meta_data = {"instance-id": f"vfio-workstation-{digest}", "local-hostname": request.computer_name}
    network = (("network-config", _json(request.network)),) if request.network is not None else ()
    return (("meta-data", _json(meta_data)), *network, ("user-data", user_data))


def read_result(text: str) -> GuestReport:
    """Return what cloud-init reported. Without the answers of the medium, it is not finished."""
    try:
        result = json.loads(text)["v1"]
        source, errors = str(result["datasource"]), [str(error) for error in result["errors"]]
    except (ValueError, KeyError, TypeError):
        return GuestReport(False, (f"{MARKER} in the guest can't be read",))
    if not source.startswith(_SOURCE):
        return GuestReport(False, (f"cloud-init did not find the medium with the answers: it used {source}", *errors))
    return GuestReport(True, tuple(errors))


def _user_data(request: LinuxInstall) -> dict[str, Any]:
    data = {
        "users": [_user(request)],
        "ssh_pwauth": not request.ssh_keys,
        "packages": [_AGENT, *(name for name in request.packages if name != _AGENT)],
        "package_update": True,
        # Debian's package starts it when its device appears, which has happened already; others do not enable it.
        "runcmd": [["systemctl", "enable", "--now", f"{_AGENT}.service"]],
        "locale": request.locale,
        "timezone": request.time_zone,
        "keyboard": {"layout": request.keyboard} if request.keyboard is not None else None,
    }
    return {key: value for key, value in data.items() if value is not None}


def _user(request: LinuxInstall) -> dict[str, Any]:
    has_password = request.password_hash is not None
    user: dict[str, Any] = {
        "name": request.user,
        "gecos": request.user,
        "shell": "/bin/bash",
        "lock_passwd": not has_password,
        # Without a password, there is none that sudo could ask for.
        "sudo": "ALL=(ALL) ALL" if has_password else "ALL=(ALL) NOPASSWD:ALL",
    }
    if request.password_hash is not None:
        user["hashed_passwd"] = request.password_hash.reveal()
    if request.ssh_keys:
        user["ssh_authorized_keys"] = list(request.ssh_keys)
    return user


def _json(value: object) -> str:
    return f"{json.dumps(value, indent=2, sort_keys=True)}\n"
