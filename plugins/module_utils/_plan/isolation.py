# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dynamic CPU isolation: a systemd unit that keeps the host off the CPUs of guests while it is active.

Its script saves the state of everything that it is going to change, and renames that record to its final name when it
is complete; only then does it change anything. Whenever the script ends, by a stop, a failure or a kill, there is
either no record, and nothing was changed, or a complete record, from which everything can be restored.

What it changes, and the source of each rule:

- AllowedCPUs= of the units that contain the host's processes, if cgroup v2 has the cpuset controller:
  systemd.resource-control(5). machine.slice contains guests and is not changed.
- The CPUs of all unbound work queues: Documentation/core-api/workqueue.rst, wq_unbound_cpumask, and
  workqueue_set_unbound_cpumask() in kernel/workqueue.c.
- The default affinity of interrupts, and that of each interrupt that includes a CPU of guests:
  Documentation/core-api/irq/irq-affinity.rst. The kernel refuses this (EIO) for interrupts whose CPU it chose itself,
  per-CPU and managed ones: write_irq_affinity() in kernel/irq/proc.c.
- The CPUs that are banned for irqbalance, in its environment: irqbalance(1). Its unit reads environment files, which
  override Environment=; the last file takes precedence: systemd.exec(5).

What it does not change: kernel threads, which use the housekeeping CPUs of boot mode; and vm.stat_interval, which is
not needed since Linux 3.18 (Documentation/admin-guide/kernel-per-CPU-kthreads.rst).
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
#: The state before the script's changes, while these are in effect. A reboot removes both.
STATE = "/run/vfio-workstation/cpu-isolation"

_WORD = 8  # hex digits of 32 bits


def isolation_files(plan: CpuPlan) -> tuple[File, ...]:
    """Return the unit and its script; none if no CPU is reserved for guests, or in boot mode."""
    if plan.mode != DYNAMIC or not plan.guests or not plan.host:
        return ()
    return File(UNIT_FILE, _unit(plan), 0o644), File(SCRIPT_FILE, _script(plan), 0o755)


def mask_text(cpus: Iterable[int]) -> str:
    """Return CPUs as a mask in the kernel's format: hexadecimal, with a comma between words of 32 bits.

    Source: bitmap_parse() in lib/bitmap-str.c.
    """
    digits = f"{sum(1 << cpu for cpu in set(cpus)):x}"
    digits = digits.zfill(-len(digits) // _WORD * -_WORD) if len(digits) > _WORD else digits
    return ",".join(digits[start : start + _WORD] for start in range(0, len(digits), _WORD))


def _unit(plan: CpuPlan) -> str:
    return f"""\
# Made by the Ansible collection vfio.workstation.
# No [Install] section: the unit is started and stopped by hand or with a guest, not at boot.
[Unit]
Description=Reserve CPUs {numbers_text(plan.guests)} for guests
Documentation=man:systemd.resource-control(5)
# Guests may start and stop in quick succession.
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutSec=120
ExecStart=/bin/sh {SCRIPT_FILE} start
# Unlike ExecStop=, this also runs after a start that failed or was killed.
ExecStopPost=/bin/sh {SCRIPT_FILE} stop
"""


def _script(plan: CpuPlan) -> str:
    return f"""\
#!/bin/sh
# Made by the Ansible collection vfio.workstation: keeps the host off the CPUs of guests while isolation is active.
# Usage: {SCRIPT_FILE} start|stop, or preferably: systemctl start|stop {UNIT}
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
# Where set-property --runtime writes its drop-in: for units with a unit file, and for those without, like init.scope.
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

has_cpusets() {
    get "$CGROUPS/cgroup.controllers" && case " $line " in *' cpuset '*) ;; *) false ;; esac
}

# Set for the mask $1: $without, the mask without the guests' CPUs (if none is left, the host's); $with, the mask with
# them; $shared, not empty if the mask has any of them. Words of 32 bits are processed from the right.
split_mask() {
    [ "$1" != "${last_split-}" ] || return 0
    last_split=$1 words=$1 guests=$GUESTS_MASK without='' with='' shared='' others=''
    while [ -n "$words$guests" ]; do
        word=${words##*,} guest=${guests##*,}
        word=0x${word:-0} guest=0x${guest:-0}
        with=$(printf '%08x' $((word | guest)))${with:+,$with}
        [ $((word & guest)) -eq 0 ] || shared=yes
        if [ -n "$words" ]; then
            [ $((word & ~guest)) -eq 0 ] || others=yes
            without=$(printf '%08x' $((word & ~guest)))${without:+,$without}
        fi
        case $words in *,*) words=${words%,*} ;; *) words='' ;; esac
        case $guests in *,*) guests=${guests%,*} ;; *) guests='' ;; esac
    done
    [ -n "$others" ] || without=$HOST_MASK
}

# Set $left to the list $1 without the guests' CPUs; to the host's CPUs if none is left.
exclude_guests() {
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

# Save the state of everything that will be changed, completely or not at all.
save_state() {
    rm -rf "$STATE.new"
    mkdir -p "$STATE.new/irqs"
    if has_cpusets; then
        for unit in $UNITS; do
            systemctl show --property=AllowedCPUs --value "$unit" >"$STATE.new/$unit"
            ! get "$CGROUPS/$unit/cpuset.cpus" || put "$STATE.new/$unit.cpus" "$line"
            for dir in $CONTROL; do
                [ ! -e "$dir/$unit.d/$PROPERTY" ] || : >"$STATE.new/$unit.property"
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

# Write a drop-in for the unit $1, with the other arguments as its lines.
add_dropin() {
    mkdir -p "$DROPINS/$1.d"
    file=$DROPINS/$1.d/$DROPIN
    shift
    printf '%s\n' "$@" >"$file"
}

remove_dropin() {
    rm -f "$DROPINS/$1.d/$DROPIN"
    [ ! -d "$DROPINS/$1.d" ] || rmdir --ignore-fail-on-non-empty "$DROPINS/$1.d"
}

restrict_processes() {
    if ! has_cpusets; then
        say "No cpuset controller of cgroup v2: the host's processes may still run on CPUs $GUESTS."
        return 0
    fi
    for unit in $UNITS; do
        get "$STATE/$unit" || line=''
        exclude_guests "$line"
        # set-property applies at once, but its drop-in may not survive a daemon-reload: one of the same name in /etc
        # replaces it, and one that sorts after it adds CPUs (systemd.unit(5)). So write one that sorts last.
        case $unit in *.scope) section=Scope ;; *) section=Slice ;; esac
        add_dropin "$unit" "[$section]" AllowedCPUs= AllowedCPUs="$left"
        systemctl set-property --runtime "$unit" AllowedCPUs="$left"
    done
}

restrict_workqueues() {
    if ! get "$STATE/workqueues"; then
        say "This kernel has no $WORKQUEUES: its unbound work may still run on CPUs $GUESTS."
        return 0
    fi
    split_mask "$line"
    put "$WORKQUEUES" "$without" || { say "Could not write $without to $WORKQUEUES." && exit 1; }
}

move_irqs() {
    moved=0 refused=0
    if get "$STATE/default"; then
        split_mask "$line"
        put "$IRQS/default_smp_affinity" "$without" || say "Could not write $without to $IRQS/default_smp_affinity."
    fi
    for file in "$STATE"/irqs/*; do
        get "$file" || continue
        split_mask "$line"
        [ -n "$shared" ] || continue
        if put "$IRQS/${file##*/}/smp_affinity" "$without"; then
            moved=$((moved + 1))
        else
            refused=$((refused + 1))
        fi
    done
    say "Moved $moved interrupts off CPUs $GUESTS; $refused can't be moved, as the kernel chose their CPUs."
}

restart_balancer() {
    # During a shutdown no unit may be started.
    [ "$(systemctl is-system-running || :)" != stopping ] || return 0
    # reset-failed also resets the counter of starts, which has a limit.
    systemctl reset-failed "$BALANCER" && systemctl try-restart "$BALANCER"
}

restrict_balancer() {
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
    # An explicit ban replaces irqbalance's default, the kernel's isolated CPUs: include them.
    for file in /sys/devices/system/cpu/isolated /sys/devices/system/cpu/nohz_full; do
        [ -z "$mask$list" ] || break
        ! get "$file" || case $line in [0-9]*) kernel="${kernel:+$kernel,}$line" ;; esac
    done
    list=${list:-${kernel-}}
    # If both are set, irqbalance uses the mask. Old versions lack the list, and the mask is deprecated.
    if [ -n "$mask" ]; then
        split_mask "$mask"
        mask=$with
    elif [ -z "$list" ]; then
        mask=$GUESTS_MASK
    fi
    printf 'IRQBALANCE_BANNED_CPUS=%s\nIRQBALANCE_BANNED_CPULIST=%s\n' "$mask" "$GUESTS${list:+,$list}" \
        >"$STATE/balancer"
    add_dropin "$BALANCER" '[Service]' EnvironmentFile=-"$STATE/balancer"
}

# When no unit uses the cpuset controller any more, it is disabled, and the processes of all cpusets move to the parent
# at once. The kernel only checks the first cpuset: if its CPUs do not change, all processes keep their affinity
# (cpuset_attach() in kernel/cgroup/cpuset.c). After a start that was killed between two units, the processes of the
# units that it had restricted would never get the guests' CPUs back. So restrict all cpusets first.
restrict_cpusets() {
    for unit in $UNITS; do
        if [ -e "$STATE/$unit" ] && [ -e "$CGROUPS/$unit/cpuset.cpus" ] && [ -z "$(cat "$STATE/$unit")" ]; then
            put "$CGROUPS/$unit/cpuset.cpus" "$HOST"
        fi
    done
}

restore_processes() {
    restrict_cpusets
    for unit in $UNITS; do
        [ -e "$STATE/$unit" ] || continue
        remove_dropin "$unit"
        get "$STATE/$unit" || line=''
        systemctl set-property --runtime "$unit" AllowedCPUs="$line" || failed="$failed $unit"
        [ ! -e "$STATE/$unit.property" ] || continue
        for dir in $CONTROL; do
            rm -f "$dir/$unit.d/$PROPERTY"
            [ ! -d "$dir/$unit.d" ] || rmdir --ignore-fail-on-non-empty "$dir/$unit.d"
        done
    done
}

# While a guest uses the controller too, the kernel refuses to clear a cpuset that has processes, as systemd tries to
# (validate_change() in kernel/cgroup/cpuset.c; systemd issue 43846). A cpuset of all possible CPUs has the same effect.
restore_cpusets() {
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

restore_workqueues() {
    ! get "$STATE/workqueues" || put "$WORKQUEUES" "$line" || failed="$failed workqueues"
}

restore_irqs() {
    get "$STATE/default" || return 0
    before=$line refused=0
    get "$IRQS/default_smp_affinity" || return 0
    default=$line
    for file in "$IRQS"/*/smp_affinity; do
        irq=${file%/*} irq=${irq##*/}
        get "$file" || continue
        now=$line
        if ! get "$STATE/irqs/$irq"; then
            # A new interrupt: restore the default only if it still has the default of the isolation.
            [ "$now" = "$default" ] || continue
            line=$before
        fi
        [ "$now" = "$line" ] || put "$file" "$line" || refused=$((refused + 1))
    done
    [ "$refused" -eq 0 ] || say "The CPUs of $refused interrupts could not be restored."
    # This comes last: a stop that is killed and runs again needs the default of the isolation above.
    put "$IRQS/default_smp_affinity" "$before" || failed="$failed default_smp_affinity"
}

restore_balancer() {
    [ ! -e "$STATE/balancer" ] || remove_dropin "$BALANCER"
}

restore_all() {
    failed=''
    restore_processes
    restore_workqueues
    restore_irqs
    restore_balancer
    systemctl daemon-reload || failed="$failed daemon-reload"
    restore_cpusets
    [ ! -e "$STATE/balancer" ] || restart_balancer || failed="$failed $BALANCER"
    if [ -n "$failed" ]; then
        say "Not restored:$failed. The earlier state is in $STATE; '$0 stop' tries again."
        return 1
    fi
    mv "$STATE" "$STATE.new" && rm -r "$STATE.new" && say "CPUs $GUESTS are available to the host again."
}

stop() {
    # If one part can't be restored, restore the others all the same.
    set +e
    rm -rf "$STATE.new"
    [ ! -d "$STATE" ] || restore_all || return 1
    [ ! -d "${STATE%/*}" ] || rmdir --ignore-fail-on-non-empty "${STATE%/*}"
}

start() {
    # Restore what an earlier start left that was killed.
    stop || exit 1
    set -e
    trap stop EXIT
    trap 'exit 1' HUP INT TERM
    save_state
    restrict_processes
    restrict_workqueues
    restrict_balancer
    systemctl daemon-reload
    [ ! -e "$STATE/balancer" ] || restart_balancer
    move_irqs
    trap - EXIT
    say "CPUs $GUESTS are reserved for guests; the host uses CPUs $HOST."
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
