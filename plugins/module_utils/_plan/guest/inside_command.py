# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the guest agent runs, so that the system in the guest reports on itself.

Both scripts print the same lines. A line is left out where the system does not say:

    pci VENDOR DEVICE DRIVER PROBLEM     four hexadecimal digits each; "-" without a driver; 0 without a problem
    cpus THREADS CORES PACKAGES
    secure_boot on|off
    tpm on|off
    vbs on|off                           Windows: virtualization-based security is running, or not
    end
"""

from __future__ import annotations

import base64

from ..._machine.guest import LINUX

# Nothing but a POSIX shell with the usual tools is assumed.
_SH = r"""
PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd /sys/bus/pci/devices && for function in *; do
    read -r vendor <"$function/vendor"
    read -r device <"$function/device"
    driver=$(readlink "$function/driver")
    echo "pci ${vendor#0x} ${device#0x} ${driver:+${driver##*/}} 0" | sed 's/  / - /'
done
cd /sys/devices/system/cpu && {
    threads=$(cat cpu[0-9]*/topology/thread_siblings_list | wc -l)
    cores=$(cat cpu[0-9]*/topology/thread_siblings_list | sort -u | wc -l)
    packages=$(cat cpu[0-9]*/topology/physical_package_id | sort -u | wc -l)
    echo cpus $threads $cores $packages
}
variable=/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
if [ ! -e /sys/firmware/efi ]; then
    echo secure_boot off
elif [ -r "$variable" ]; then
    # four bytes of attributes are before the value
    case $(tail -c 1 "$variable" | od -An -tu1 | tr -d ' ') in 1) echo secure_boot on ;; *) echo secure_boot off ;; esac
fi
if [ -e /sys/class/tpm/tpm0 ]; then echo tpm on; else echo tpm off; fi
echo end
"""

# Win32_PnPEntity.ConfigManagerErrorCode is the problem code of Device Manager; Win32_DeviceGuard reports 2 where
# virtualization-based security is running (Microsoft, Win32_PnPEntity and Win32_DeviceGuard).
_POWERSHELL = r"""
$ErrorActionPreference = 'SilentlyContinue'
$ProgressPreference = 'SilentlyContinue'
foreach ($entity in Get-CimInstance Win32_PnPEntity) {
  if ($entity.PNPDeviceID -match '^PCI\\VEN_([0-9A-F]{4})&DEV_([0-9A-F]{4})') {
    $driver = $entity.Service
    if (-not $driver) { $driver = '-' }
    "pci {0} {1} {2} {3}" -f $Matches[1].ToLower(), $Matches[2].ToLower(), $driver, $entity.ConfigManagerErrorCode
  }
}
$processors = @(Get-CimInstance Win32_Processor)
$threads = ($processors | Measure-Object NumberOfLogicalProcessors -Sum).Sum
$cores = ($processors | Measure-Object NumberOfCores -Sum).Sum
"cpus {0} {1} {2}" -f $threads, $cores, $processors.Count
try {
  if (Confirm-SecureBootUEFI -ErrorAction Stop) { 'secure_boot on' } else { 'secure_boot off' }
} catch [System.PlatformNotSupportedException] { 'secure_boot off' } catch { }
if (Get-CimInstance -Namespace root\cimv2\Security\MicrosoftTpm Win32_Tpm) { 'tpm on' } else { 'tpm off' }
$guard = Get-CimInstance -Namespace root\Microsoft\Windows\DeviceGuard Win32_DeviceGuard
if ($guard) { if ($guard.VirtualizationBasedSecurityStatus -eq 2) { 'vbs on' } else { 'vbs off' } }
'end'
"""


def inside_command(system: str) -> tuple[str, tuple[str, ...]]:
    """Return the program and the arguments that report on a guest with an operating system."""
    if system == LINUX:
        return "/bin/sh", ("-c", _SH)
    # The script is encoded, since quotes would not survive the command line of Windows.
    encoded = base64.b64encode(_POWERSHELL.encode("utf-16-le")).decode("ascii")
    return "powershell.exe", ("-NoProfile", "-NonInteractive", "-EncodedCommand", encoded)
