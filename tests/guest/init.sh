#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The guest's /init: records a load, looks at it, replays it, as a user would, and puts all that came of it, with the
# guest's own view of the machine, on the console between two lines: "guest-results BYTES MD5", the tar.gz in base64,
# "guest-end". What it means is judged outside, by tests/real/qemu.sh. POLICIES comes from the kernel's command line.

/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TMPDIR=/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tracefs tracefs /sys/kernel/tracing
mkdir -p /tmp /out
chmod 1777 /tmp

# step NAME CMD...: its output, errors, status and seconds go to /out/NAME.*; none may take more than 100 s.
step() {
	name=$1
	shift
	echo "guest-step $name"
	read -r start _ </proc/uptime
	timeout 100 "$@" >"/out/$name.out" 2>"/out/$name.err" </dev/null
	echo "$?" >"/out/$name.status"
	read -r end _ </proc/uptime
	echo "$name $start $end" >>/out/times
}

tracing() {
	cd /sys/kernel/tracing || return
	for f in tracing_on current_tracer set_event set_event_pid buffer_size_kb trace_clock events/enable \
		events/sched/enable events/task/enable; do
		echo "$f: $(cat $f)"
	done
	echo "instances: $(ls instances)"
	cd /
}

# The kernel's own words on the machine: "FILE: VALUE".
{
	uname -srm
	cd /sys/devices/system || exit
	for f in cpu/online cpu/cpu[0-9]/topology/core_cpus_list cpu/cpu[0-9]/topology/thread_siblings_list \
		cpu/cpu[0-9]/topology/physical_package_id cpu/cpu[0-9]/topology/cluster_cpus_list cpu/cpu[0-9]/cpu_capacity \
		node/node[0-9]/cpulist node/node[0-9]/distance; do
		[ -e "$f" ] && echo "$f: $(cat "$f")"
	done
	cd /
} >/out/machine

tracing >/out/tracing.before

# A task of each kind: two hogs that are processes, two that are threads, forks, wakes, a small periodic task.
ln -s truth /bin/small
cat >/tmp/load.sh <<'END'
work 120 0 hog-a & work 120 0 hog-b &
wait
truth busy 100
truth forks 4 15000 100000
truth ring 3 30 300
small timer 20 5000 300
END
step topology schedrec topology --json --policy domain:levels=full
step record schedrec record -q -a -o /out/load.srz -- sh /tmp/load.sh
step tree schedrec record -q -o /out/tree.srz -- sh /tmp/load.sh
step info schedrec info --json /out/load.srz
step analyze schedrec analyze --json /out/load.srz
step replay schedrec replay -q --json --policy "$POLICIES" -o /out/replay-%p.srz /out/load.srz
step processes schedrec replay -q --json --processes -o /out/replay-processes.srz /out/tree.srz

step calibrate schedrec simulate --calibrate live

# Privilege: sudo's user is who the command runs as; and what a user without any gets.
step dropped env SUDO_UID=1000 SUDO_GID=1000 schedrec record -q -o /tmp/dropped.srz -- \
	sh -c 'id -u; id -g; grep -E "^(CapEff|CapPrm):" /proc/self/status'
echo 'user:x:1000:1000::/tmp:/bin/sh' >>/etc/passwd
echo 'user:x:1000:' >>/etc/group
chmod 644 /out/tree.srz
step user-record su user -s /bin/sh -c 'schedrec record -q -o /tmp/user.srz -- true'
step user-replay su user -s /bin/sh -c 'schedrec replay -q --policy bld -o /tmp/self.srz /out/tree.srz'
mv /tmp/self.srz /out/self.srz

tracing >/out/tracing.after
dmesg >/out/dmesg
echo 0 >/proc/sys/kernel/printk
tar -C /out -czf /tmp/results .
echo "guest-results $(wc -c </tmp/results) $(md5sum </tmp/results)"
base64 /tmp/results
echo guest-end
poweroff -f
