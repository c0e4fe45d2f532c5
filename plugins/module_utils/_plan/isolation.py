# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dynamic CPU isolation: a systemd unit that keeps the host off the guests' CPUs as long as it runs.

Its script first writes down all that it will change, and moves that record into place as a whole; only then does it
change anything. So whenever it ends, by a stop, a failure or a kill, the record is either missing, and nothing was
changed, or complete, and everything can be given back.

What it changes, and the source of each rule:

- AllowedCPUs= of what holds the host's processes, where the cpuset controller of cgroup v2 is there:
  systemd.resource-control(5). machine.slice holds guests and is left alone.
- The CPUs of all unbound work queues: Documentation/core-api/workqueue.rst, wq_unbound_cpumask, and
  workqueue_set_unbound_cpumask() of kernel/workqueue.c.
- The default of interrupts, and each interrupt that may come to a guest's CPU:
  Documentation/core-api/irq/irq-affinity.rst. The kernel refuses (EIO) where it chose the CPU itself, for per-CPU and
  managed ones: write_irq_affinity() of kernel/irq/proc.c.
- The CPUs that irqbalance must not use, in its environment: irqbalance(1). Its unit reads environment files, which
  override Environment=, the last one first: systemd.exec(5).

Not changed: kernel threads, which follow the housekeeping CPUs of boot mode, and vm.stat_interval, of no use since
Linux 3.18 (Documentation/admin-guide/kernel-per-CPU-kthreads.rst).
"""

from __future__ import annotations

from typing import Iterable

from .._machine.desired import DYNAMIC
from .._machine.host_plan import CpuPlan
from .._machine.initramfs import File
from .notation import numbers_text

UNIT = "vfio-workstation-cpu-isolation.service"
UNIT_FILE = "/etc/systemd/system/" + UNIT
SCRIPT_FILE = "/etc/vfio-workstation/cpu-isolation"
#: What the script changed and how it was before, while that differs; gone with a reboot, as are the changes.
STATE = "/run/vfio-workstation/cpu-isolation"

_WORD = 8  # hex digits of 32 bits


def isolation_files(plan: CpuPlan) -> tuple[File, ...]:
    """Return the unit and its script; nothing where no CPU is kept for guests, or the kernel does so from boot on."""
    if plan.mode != DYNAMIC or not plan.guests or not plan.host:
        return ()
    return File(UNIT_FILE, _unit(plan), 0o644), File(SCRIPT_FILE, _script(plan), 0o755)


def mask_text(cpus: Iterable[int]) -> str:
    """Return CPUs as the mask that the kernel reads: hex, with a comma between words of 32 bits.

    Source: bitmap_parse() of lib/bitmap-str.c.
    """
    digits = f"{sum(1 << cpu for cpu in set(cpus)):x}"
    digits = digits.zfill(-len(digits) // _WORD * -_WORD) if len(digits) > _WORD else digits
    return ",".join(digits[start : start + _WORD] for start in range(0, len(digits), _WORD))


def _unit(plan: CpuPlan) -> str:
    return f"""\
# Made by the Ansible collection vfio.workstation.
# Without [Install]: it is started and stopped by hand or with a guest, never by booting.
[Unit]
Description=CPUs {numbers_text(plan.guests)} for guests alone
Documentation=man:systemd.resource-control(5)
# Guests may come and go in quick succession.
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutSec=120
ExecStart=/bin/sh {SCRIPT_FILE} start
# Unlike ExecStop=, it also runs after a start that failed or was killed.
ExecStopPost=/bin/sh {SCRIPT_FILE} stop
"""


def _script(plan: CpuPlan) -> str:
    return f"""\
#!/bin/sh
# Made by the Ansible collection vfio.workstation: keeps the host off the guests' CPUs, and gives everything back.
# {SCRIPT_FILE} start|stop, or better: systemctl start|stop {UNIT}
set -eu

GUESTS={numbers_text(plan.guests)}
GUESTS_EACH='{" ".join(str(cpu) for cpu in sorted(set(plan.guests)))}'
GUESTS_MASK={mask_text(plan.guests)}
HOST={numbers_text(plan.host)}
HOST_MASK={mask_text(plan.host)}
STATE={STATE}
{_BODY}"""


_BODY = r"""
CGROUPS=/sys/fs/cgroup
UNITS='system.slice user.slice init.scope'
# Where set-property --runtime leaves its file: for units with files, and for those without, such as init.scope.
CONTROL='/run/systemd/system.control /run/systemd/transient'
PROPERTY=50-AllowedCPUs.conf
DROPINS=/run/systemd/system
DROPIN=zz-vfio-workstation.conf
POSSIBLE=/sys/devices/system/cpu/possible
WORKQUEUES=/sys/devices/virtual/workqueue/cpumask
IRQS=/proc/irq
BALANCER=irqbalance.service

say() {
    printf 'cpu-isolation: %s\n' "$*"
}

# The first line of the file $1 in $line.
get() {
    line=
    { read -r line <"$1" || [ -n "$line" ]; } 2>/dev/null
}

put() {
    { printf '%s\n' "$2" >"$1"; } 2>/dev/null
}

cpusets() {
    get "$CGROUPS/cgroup.controllers" && case " $line " in *' cpuset '*) ;; *) false ;; esac
}

# Of the mask $1, in words of 32 bits from the right: $without the guests' CPUs (the host's, if none is left), the mask
# $with them, and in $shared whether it has any of them.
split() {
    [ "$1" != "${split_before-}" ] || return 0
    split_before=$1 words=$1 guests=$GUESTS_MASK without='' with='' shared='' some=''
    while [ -n "$words$guests" ]; do
        word=${words##*,} guest=${guests##*,}
        word=0x${word:-0} guest=0x${guest:-0}
        with=$(printf '%08x' $((word | guest)))${with:+,$with}
        [ $((word & guest)) -eq 0 ] || shared=yes
        if [ -n "$words" ]; then
            [ $((word & ~guest)) -eq 0 ] || some=yes
            without=$(printf '%08x' $((word & ~guest)))${without:+,$without}
        fi
        case $words in *,*) words=${words%,*} ;; *) words='' ;; esac
        case $guests in *,*) guests=${guests%,*} ;; *) guests='' ;; esac
    done
    [ -n "$some" ] || without=$HOST_MASK
}

# Of the list $1, in $left what is not the guests'; the host's CPUs if it is empty or none is left.
leave() {
    left=''
    for range in $(printf '%s' "$1" | tr ',' ' '); do
        cpu=${range%-*} last=${range#*-}
        while [ "$cpu" -le "$last" ]; do
            case " $GUESTS_EACH " in *" $cpu "*) ;; *) left="$left $cpu" ;; esac
            cpu=$((cpu + 1))
        done
    done
    left=${left# }
    left=${left:-$HOST}
}

# Write down how everything is, as a whole or not at all.
remember() {
    rm -rf "$STATE.new"
    mkdir -p "$STATE.new/irqs"
    if cpusets; then
        for unit in $UNITS; do
            systemctl show --property=AllowedCPUs --value "$unit" >"$STATE.new/$unit"
            ! get "$CGROUPS/$unit/cpuset.cpus" || put "$STATE.new/$unit.cpus" "$line"
            for folder in $CONTROL; do
                [ ! -e "$folder/$unit.d/$PROPERTY" ] || : >"$STATE.new/$unit.property"
            done
        done
    fi
    ! get "$WORKQUEUES" || put "$STATE.new/workqueues" "$line"
    ! get "$IRQS/default_smp_affinity" || put "$STATE.new/default" "$line"
    for file in "$IRQS"/*/smp_affinity; do
        irq=${file%/*}
        ! get "$file" || put "$STATE.new/irqs/${irq##*/}" "$line"
    done
    mv "$STATE.new" "$STATE"
}

# A drop-in of the unit $1, with the lines that follow.
dropin() {
    mkdir -p "$DROPINS/$1.d"
    file=$DROPINS/$1.d/$DROPIN
    shift
    printf '%s\n' "$@" >"$file"
}

no_dropin() {
    rm -f "$DROPINS/$1.d/$DROPIN"
    [ ! -d "$DROPINS/$1.d" ] || rmdir --ignore-fail-on-non-empty "$DROPINS/$1.d"
}

hold_processes() {
    if ! cpusets; then
        say "No cpuset controller of cgroup v2: the host's processes may still run on CPUs $GUESTS."
        return 0
    fi
    for unit in $UNITS; do
        get "$STATE/$unit" || line=''
        leave "$line"
        # What is set at once is not all that a later daemon-reload reads: a file of the same name in /etc goes before
        # it, and one with a name behind it adds its own CPUs (systemd.unit(5)). So there is one with the last name.
        case $unit in *.scope) section=Scope ;; *) section=Slice ;; esac
        dropin "$unit" "[$section]" AllowedCPUs= AllowedCPUs="$left"
        systemctl set-property --runtime "$unit" AllowedCPUs="$left"
    done
}

hold_workqueues() {
    if ! get "$STATE/workqueues"; then
        say "This kernel has no $WORKQUEUES: its unbound work may still run on CPUs $GUESTS."
        return 0
    fi
    split "$line"
    put "$WORKQUEUES" "$without" || { say "$WORKQUEUES does not take $without." && exit 1; }
}

hold_irqs() {
    moved=0 refused=0
    if get "$STATE/default"; then
        split "$line"
        put "$IRQS/default_smp_affinity" "$without" || say "$IRQS/default_smp_affinity does not take $without."
    fi
    for file in "$STATE"/irqs/*; do
        get "$file" || continue
        split "$line"
        [ -n "$shared" ] || continue
        if put "$IRQS/${file##*/}/smp_affinity" "$without"; then
            moved=$((moved + 1))
        else
            refused=$((refused + 1))
        fi
    done
    say "$moved interrupts keep off CPUs $GUESTS; $refused stay where the kernel put them."
}

restart_balancer() {
    # While the machine goes down, nothing may be started any more.
    [ "$(systemctl is-system-running || :)" != stopping ] || return 0
    # Also forgets how often it was started lately, which has a limit.
    systemctl reset-failed "$BALANCER" && systemctl try-restart "$BALANCER"
}

hold_balancer() {
    systemctl is-active --quiet "$BALANCER" || return 0
    mask='' list=''
    pid=$(systemctl show --property=MainPID --value "$BALANCER")
    [ "$pid" -gt 0 ] || return 0
    tr '\0' '\n' <"/proc/$pid/environ" >"$STATE/environment"
    while IFS='=' read -r name value; do
        case $name in
            IRQBALANCE_BANNED_CPUS) mask=$value ;;
            IRQBALANCE_BANNED_CPULIST) list=$value ;;
        esac
    done <"$STATE/environment"
    # A ban of ours replaces the one that it takes from the kernel.
    for file in /sys/devices/system/cpu/isolated /sys/devices/system/cpu/nohz_full; do
        [ -z "$mask$list" ] || break
        ! get "$file" || case $line in [0-9]*) kernel="${kernel:+$kernel,}$line" ;; esac
    done
    list=${list:-${kernel-}}
    # Of both, a mask is heard; old versions don't know the list, and the mask is on its way out.
    if [ -n "$mask" ]; then
        split "$mask"
        mask=$with
    elif [ -z "$list" ]; then
        mask=$GUESTS_MASK
    fi
    printf 'IRQBALANCE_BANNED_CPUS=%s\nIRQBALANCE_BANNED_CPULIST=%s\n' "$mask" "$GUESTS${list:+,$list}" \
        >"$STATE/balancer"
    dropin "$BALANCER" '[Service]' EnvironmentFile=-"$STATE/balancer"
}

# With its last user the controller goes, and the processes of all cpusets move up at once. The kernel looks at the
# first of them alone, and where its CPUs stay the same, all keep what they had (cpuset_attach() of
# kernel/cgroup/cpuset.c): after a start that was killed between two units, those of the first would stay off the
# guests' CPUs for ever. So all of them are made narrow before.
narrow() {
    for unit in $UNITS; do
        if [ -e "$STATE/$unit" ] && [ -e "$CGROUPS/$unit/cpuset.cpus" ] && [ -z "$(cat "$STATE/$unit")" ]; then
            put "$CGROUPS/$unit/cpuset.cpus" "$HOST"
        fi
    done
}

give_processes() {
    narrow
    for unit in $UNITS; do
        [ -e "$STATE/$unit" ] || continue
        no_dropin "$unit"
        get "$STATE/$unit" || line=''
        systemctl set-property --runtime "$unit" AllowedCPUs="$line" || failed="$failed $unit"
        [ ! -e "$STATE/$unit.property" ] || continue
        for folder in $CONTROL; do
            rm -f "$folder/$unit.d/$PROPERTY"
            [ ! -d "$folder/$unit.d" ] || rmdir --ignore-fail-on-non-empty "$folder/$unit.d"
        done
    done
}

# While a guest uses the controller too, the kernel refuses what systemd tries: no cpuset with processes in it becomes
# an empty one (validate_change() of kernel/cgroup/cpuset.c; issue 43846 of systemd). One of all CPUs does the same.
give_cpusets() {
    for unit in $UNITS; do
        [ -e "$STATE/$unit" ] || continue
        get "$CGROUPS/$unit/cpuset.cpus" || continue
        now=$line
        get "$STATE/$unit.cpus" || line=''
        [ "$now" != "$line" ] || continue
        ! put "$CGROUPS/$unit/cpuset.cpus" "$line" || continue
        if [ -n "$line" ] || ! get "$POSSIBLE" || ! put "$CGROUPS/$unit/cpuset.cpus" "$line"; then
            failed="$failed $unit"
        fi
    done
}

give_workqueues() {
    ! get "$STATE/workqueues" || put "$WORKQUEUES" "$line" || failed="$failed workqueues"
}

give_irqs() {
    get "$STATE/default" || return 0
    before=$line refused=0
    get "$IRQS/default_smp_affinity" || return 0
    default=$line
    for file in "$IRQS"/*/smp_affinity; do
        irq=${file%/*} irq=${irq##*/}
        get "$file" || continue
        now=$line
        if ! get "$STATE/irqs/$irq"; then
            # It came meanwhile, and with it the default of meanwhile.
            [ "$now" = "$default" ] || continue
            line=$before
        fi
        [ "$now" = "$line" ] || put "$file" "$line" || refused=$((refused + 1))
    done
    [ "$refused" -eq 0 ] || say "$refused interrupts can't go back to where they were."
    # The last: a stop that is killed before, and comes again, must know it.
    put "$IRQS/default_smp_affinity" "$before" || failed="$failed default_smp_affinity"
}

give_balancer() {
    [ ! -e "$STATE/balancer" ] || no_dropin "$BALANCER"
}

give_back() {
    failed=''
    give_processes
    give_workqueues
    give_irqs
    give_balancer
    systemctl daemon-reload || failed="$failed daemon-reload"
    give_cpusets
    [ ! -e "$STATE/balancer" ] || restart_balancer || failed="$failed $BALANCER"
    if [ -n "$failed" ]; then
        say "Not given back:$failed. How it was is in $STATE; '$0 stop' tries again."
        return 1
    fi
    mv "$STATE" "$STATE.new" && rm -r "$STATE.new" && say "CPUs $GUESTS are everybody's again."
}

stop() {
    # What can't be given back must not keep the rest from being.
    set +e
    rm -rf "$STATE.new"
    [ ! -d "$STATE" ] || give_back || return 1
    [ ! -d "${STATE%/*}" ] || rmdir --ignore-fail-on-non-empty "${STATE%/*}"
}

start() {
    # What a start left that was killed.
    stop || exit 1
    set -e
    trap stop EXIT
    trap 'exit 1' HUP INT TERM
    remember
    hold_processes
    hold_workqueues
    hold_balancer
    systemctl daemon-reload
    [ ! -e "$STATE/balancer" ] || restart_balancer
    hold_irqs
    trap - EXIT
    say "CPUs $GUESTS are for guests, CPUs $HOST for the host."
}

case ${1-} in
    start) start ;;
    stop) stop ;;
    *)
        say "expected start or stop, found '${1-}'"
        exit 2
        ;;
esac
"""
