# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs in Windows at the end of Setup: guest agent, drivers, and the access for Ansible.

Setup copies the scripts from the medium in its pass "specialize", and runs SetupComplete.cmd as SYSTEM before the first
logon. It does not do so with a product key of an OEM (Microsoft, Add a Custom Script to Windows Setup). Therefore, the
first logon runs the script again, which does nothing where it has run.

The scripts are the same for every guest: what differs is in a file beside them, which they read as JSON.
"""

from __future__ import annotations

import json

from ..._machine.guest_install import WindowsInstall

#: On the medium.
DIRECTORY = "vfio-workstation"
_SETTINGS_NAME, _SCRIPT_NAME, _COMPLETE_NAME = "settings.json", "setup.ps1", "SetupComplete.cmd"

#: In the installed system: where the script reports what it did, when it is done.
MARKER = r"C:\ProgramData\vfio-workstation\installed.json"

_SCRIPTS = r"%SystemRoot%\Setup\Scripts"
_POWERSHELL = "powershell.exe -NoProfile -ExecutionPolicy Bypass -File"
_LETTERS = "C D E F G H I J K L M N O P Q R S T U V W Y Z"

#: Setup limits a command of this pass to 259 characters.
COPY_SCRIPTS = (
    f"cmd.exe /c for %d in ({_LETTERS}) do "
    rf"if exist %d:\{DIRECTORY}\{_COMPLETE_NAME} xcopy /y /i %d:\{DIRECTORY} {_SCRIPTS}"
)
RUN_AT_FIRST_LOGON = rf"{_POWERSHELL} {_SCRIPTS}\{_SCRIPT_NAME} -FirstLogon"


def script_files(request: WindowsInstall) -> tuple[tuple[str, str], ...]:
    """Return the scripts and their settings: paths on the medium, and texts."""
    settings = {"remote_access": request.remote_access, "ssh_keys": request.ssh_keys}
    texts = {
        _COMPLETE_NAME: _COMPLETE,
        _SCRIPT_NAME: _SCRIPT.lstrip(),
        _SETTINGS_NAME: json.dumps(settings, indent=2, sort_keys=True),
    }
    # Windows PowerShell reads a file without a byte order mark in the code page of the system: all texts are ASCII.
    return tuple((f"{DIRECTORY}/{name}", f"{text.rstrip()}\n".replace("\n", "\r\n")) for name, text in texts.items())


_COMPLETE = rf"""@echo off
{_POWERSHELL} "{_SCRIPTS}\{_SCRIPT_NAME}"
"""

_SCRIPT = r"""
# Installs what the host and Ansible need to reach this system, from the medium virtio-win.
# Each part is tried, and reported in a file that the host reads through the guest agent.
param([switch]$FirstLogon)

$ErrorActionPreference = 'Stop'
$settings = Get-Content -Raw -LiteralPath (Join-Path $PSScriptRoot 'settings.json') | ConvertFrom-Json
$directory = Join-Path $env:ProgramData 'vfio-workstation'
$marker = Join-Path $directory 'installed.json'
$report = [ordered]@{}

function Find-OnMedia([string]$Path) {
    foreach ($letter in 'CDEFGHIJKLMNOPQRSTUVWYZ'.ToCharArray()) {
        $candidate = '{0}:\{1}' -f $letter, $Path
        if (Test-Path -LiteralPath $candidate) { return $candidate }
    }
    throw "no medium has $Path"
}

function Install-Msi([string]$Path) {
    $package = Find-OnMedia $Path
    $log = Join-Path $directory ((Split-Path -Leaf $Path) + '.log')
    $arguments = '/i "{0}" /qn /norestart /l*v "{1}"' -f $package, $log
    $process = Start-Process -FilePath 'msiexec.exe' -ArgumentList $arguments -PassThru
    $null = $process.Handle
    if (-not $process.WaitForExit(900000)) {
        $process.Kill()
        throw "the installation of $Path did not end within 15 minutes, see $log"
    }
    # 3010 and 1641: done, after a restart.
    if ($process.ExitCode -notin 0, 1641, 3010) {
        throw "the installation of $Path ended with status $($process.ExitCode), see $log"
    }
}

function Enable-Ssh {
    if (-not (Get-Service -Name 'sshd' -ErrorAction SilentlyContinue)) {
        $capability = Get-WindowsCapability -Online -Name 'OpenSSH.Server*' | Select-Object -First 1
        $null = Add-WindowsCapability -Online -Name $capability.Name
    }
    $shell = Join-Path $env:SystemRoot 'System32\WindowsPowerShell\v1.0\powershell.exe'
    $null = New-Item -Path 'HKLM:\SOFTWARE\OpenSSH' -Force
    $null = New-ItemProperty -Path 'HKLM:\SOFTWARE\OpenSSH' -Name 'DefaultShell' -Value $shell -Force
    Set-Service -Name 'sshd' -StartupType Automatic
    Start-Service -Name 'sshd'
    Open-Port 'vfio-workstation-ssh' 'OpenSSH server for Ansible' 22
    if ($settings.ssh_keys) {
        # sshd reads the keys of administrators from this file, which only SYSTEM and administrators may access.
        $keys = Join-Path $env:ProgramData 'ssh\administrators_authorized_keys'
        Set-Content -LiteralPath $keys -Value $settings.ssh_keys -Encoding Ascii
        $null = icacls.exe $keys /inheritance:r /grant '*S-1-5-18:F' '*S-1-5-32-544:F'
    }
}

function Enable-WinRm {
    # The network may be one that Windows considers public. NTLM encrypts the messages.
    Enable-PSRemoting -Force -SkipNetworkProfileCheck
    # Without this, a local account that is an administrator gets a token without the rights of one.
    $policy = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System'
    $null = New-ItemProperty -Path $policy -Name 'LocalAccountTokenFilterPolicy' -Value 1 -PropertyType DWord -Force
    Set-Service -Name 'WinRM' -StartupType Automatic
    Open-Port 'vfio-workstation-winrm' 'Windows Remote Management for Ansible' 5985
}

function Open-Port([string]$Name, [string]$Title, [int]$Port) {
    if (-not (Get-NetFirewallRule -Name $Name -ErrorAction SilentlyContinue)) {
        $rule = @{
            Name = $Name; DisplayName = $Title; Direction = 'Inbound'; Action = 'Allow'
            Protocol = 'TCP'; LocalPort = $Port; RemoteAddress = 'LocalSubnet'
        }
        $null = New-NetFirewallRule @rule
    }
}

function Invoke-Part([string]$Name, [scriptblock]$Action) {
    try {
        & $Action
        $report[$Name] = ''
    } catch {
        $report[$Name] = [string]$_
    }
}

if (-not (Test-Path -LiteralPath $marker)) {
    $null = New-Item -ItemType Directory -Path $directory -Force
    # The agent is first: a system without the rest can be repaired through it.
    Invoke-Part 'guest_agent' { Install-Msi 'guest-agent\qemu-ga-x86_64.msi' }
    Invoke-Part 'drivers' { Install-Msi 'virtio-win-gt-x64.msi' }
    switch ($settings.remote_access) {
        'ssh' { Invoke-Part 'ssh' { Enable-Ssh } }
        'winrm' { Invoke-Part 'winrm' { Enable-WinRm } }
    }
    $draft = "$marker.new"
    ConvertTo-Json $report | Set-Content -LiteralPath $draft -Encoding Ascii
    Move-Item -LiteralPath $draft -Destination $marker -Force
}
if ($FirstLogon) {
    # Setup is over: its copies of the answers are of no use any more.
    foreach ($name in 'unattend.xml', 'unattend-original.xml') {
        Remove-Item -LiteralPath (Join-Path $env:SystemRoot "Panther\$name") -Force -ErrorAction SilentlyContinue
    }
}
"""
