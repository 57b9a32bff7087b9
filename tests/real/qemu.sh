#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernels on other machines, in QEMU's software emulation (tests/guest/): hyper-threads and NUMA nodes on x86-64,
# big.LITTLE on arm64, with a schedrec that is built for it. What tasks did and where they ran is judged, never how fast.
# SCHEDREC_LONG=1: one more kernel. (6.12 for x86-64 crashes in Debian 12's QEMU.)
. tests/lib.sh

parts=build/qemu
guests=(x86-smt-numa/amd64-6.1 x86-smt-numa/amd64-5.10 arm64-biglittle/arm64-6.12)
[ -n "${SCHEDREC_LONG:-}" ] && guests+=(arm64-biglittle/arm64-6.1)
# This release's kernel and the newest get all policies; the others are here for their tracing.
all=kernel,recorded,domain,bld,bld-fixed
"$SCHEDREC" policies | grep -q '^eas ' && all+=,eas
few=kernel,bld

needs() {
	case $SCHEDREC in */san/*)
		t_skip "sanitizers are too slow for an emulated machine"
		return 1
		;;
	esac
	t_need qemu-system-x86_64 qemu-system-aarch64 qemu-aarch64-static busybox dtc aarch64-linux-gnu-gcc cc apt-get readelf
}

# What is built belongs to the tree's owner.
as_owner() {
	local owner

	owner=$(stat -c %U .)
	if [ "$(id -u)" -eq 0 ] && [ "$owner" != root ]; then
		runuser -u "$owner" -- "$@"
	else
		"$@"
	fi
}

# $1: what Debian calls the architecture; the guest's programs are then in $parts/ARCH/.
programs() {
	local cc=("${CC:-cc}") t

	mkdir -p "$T/$1"
	if [ "$1" = arm64 ]; then
		cc=(aarch64-linux-gnu-gcc "--sysroot=$PWD/$parts/sysroot-arm64")
		as_owner env PKG_CONFIG_SYSROOT_DIR="$PWD/$parts/sysroot-arm64" \
			PKG_CONFIG_LIBDIR="$PWD/$parts/sysroot-arm64/usr/lib/aarch64-linux-gnu/pkgconfig" \
			make -s B=build/arm64 CC="${cc[*]}" -j"$(nproc)" all || return
		cp build/arm64/schedrec "$T/$1/"
	else
		cp "$SCHEDREC" "$T/$1/schedrec"
	fi
	for t in truth work; do
		"${cc[@]}" -O2 -D_GNU_SOURCE -pthread -o "$T/$1/$t" tests/real/$t.c || return
	done
}

# Boots a guest; its results are in $T/KERNEL/results, the reason of a failure in $T/KERNEL.said. A kernel that crashes
# or hangs in the emulator, which happens on a busy host (no step of the guest may: each has its limit), is booted again.
boot() {
	local kind=${1%/*} kernel=${1#*/} policies=$all arch attempt

	arch=${kernel%-*}
	[[ " amd64-6.1 arm64-6.12 " == *" $kernel "* ]] || policies=$few
	for attempt in 1 2; do
		tests/guest/boot.sh "$kind" "$parts/kernel-$kernel" "$parts" "$T/$kernel" "$policies" "$T/$arch"/* \
			>"$T/$kernel.said" 2>&1 && return
		echo "note qemu: $kernel: attempt $attempt: $(cat "$T/$kernel.said")"
	done
}

sql() {
	sqlite3 :memory: "select $1"
}

# FILE, arguments of placement.awk
placement() {
	local file=$1
	shift
	"$SCHEDREC" dump "$file" >"$T/dump" && awk -f tests/guest/placement.awk "$@" "$T/dump" "$T/dump"
}

machine_of() {
	case $1 in
	x86-smt-numa)
		cores="0 0 1 1" nodes="0 0 1 1" summary="2 cores, 4 CPUs, 2 packages, 2 nodes"
		# core, cluster (where it is not the last cache), package, node, capacity of each cpu; distances; a level
		cpus="0--0-0-1024 0--0-0-1024 1--1-1-1024 1--1-1-1024" distances="[[10,21],[21,10]]" level="SMT: 0-1 2-3"
		cat <<-END
			cpu/cpu0/topology/thread_siblings_list: 0-1
			cpu/cpu2/topology/thread_siblings_list: 2-3
			cpu/cpu1/topology/physical_package_id: 0
			cpu/cpu3/topology/physical_package_id: 1
			node/node0/cpulist: 0-1
			node/node1/cpulist: 2-3
			node/node0/distance: 10 21
		END
		;;
	arm64-biglittle)
		cores="0 1 2 3" nodes="0 0 0 0" summary="4 cores, 4 CPUs, 1 package, 1 node, capacities 446 to 1024"
		cpus="0-0-0-0-446 1-0-0-0-446 2-1-0-0-1024 3-1-0-0-1024" distances="[[10]]" level="CLUSTER: 0-1 2-3"
		cat <<-END
			cpu/cpu0/topology/thread_siblings_list: 0
			cpu/cpu3/topology/thread_siblings_list: 3
			cpu/cpu0/cpu_capacity: 446
			cpu/cpu1/cpu_capacity: 446
			cpu/cpu2/cpu_capacity: 1024
			cpu/cpu3/cpu_capacity: 1024
			node/node0/cpulist: 0-3
		END
		;;
	esac
}

# What the pace of an emulated machine may upset (three at a time, on a busy host) is judged once more, of a guest alone.
# $1: the guest, then the words of a test.
twice() {
	local guest=$1
	shift

	if ! "$@" >"$T/why"; then
		echo "note qemu: ${guest#*/}: booted again: $(cat "$T/why")"
		boot "$guest" && "$@" >"$T/why"
	fi
}

hogs_are_apart() {
	local f both apart

	for f in hog- truth-busy; do
		read -r both apart < <(placement "$1" -v what=apart -v name=$f -v node="$nodes")
		if [ "$both" -le 40 ] || [ $((apart * 2)) -le "$both" ]; then
			echo "$f: $apart of $both ms"
			return 1
		fi
	done
}

# $1: what calibrating printed
calibrating_scans() {
	grep -Eq '^switch_voluntary=[0-9]+,.*idle_exit_deep=[0-9]+,.*idle_scan=4096$' "$1" || { cat "$1"; return 1; }
}

# $1: the results
forks_go_around() {
	local f parent others firsts

	for f in "$1"/replay-bld*.srz; do
		placement "$f" -v what=forks -v name=truth-child >"$T/forks"
		read -r parent _ <"$T/forks"
		others=$(echo {0..3} | tr -d " $parent") firsts=$(head -n 3 "$T/forks" | cut -d' ' -f2 | sort | tr -d '\n')
		if [ "$firsts" != "$others" ]; then
			echo "$(basename "$f"): from CPU $parent to $firsts"
			return 1
		fi
	done
}

small_stays_small() {
	local on

	read -r -a on < <(placement "$1" -v what=on -v name=small)
	if [ $((on[0] + on[1])) -le $((9 * (on[2] + on[3]))) ]; then
		echo "small: ${on[*]} ms"
		return 1
	fi
}

# The cases of one guest.
judge() {
	local kind=${1%/*} kernel=${1#*/} cores nodes summary cpus distances level r f line both apart

	r=$T/$kernel/results

	t_case "$kernel: the guest comes to its end, and its kernel has nothing to complain of"
	t_equal "" "$(cat "$T/$kernel.said")"
	if [ ! -e "$r/times" ]; then
		t_ok
		return
	fi
	t_equal "${kernel#*-}" "$(sed -n 's/^Linux \([0-9]*\.[0-9]*\)\..*/\1/p' "$r/machine")"
	t_no_match 'BUG|WARNING|Oops|Call Trace|schedrec' "$r/dmesg"
	t_ok

	t_case "$kernel: the machine is the one that was asked for, to the kernel and to schedrec"
	machine_of "$kind" >"$T/want"
	while read -r line; do
		t_true "no line '$line' in what the kernel says" grep -qxF "$line" "$r/machine"
	done <"$T/want"
	t_equal "$summary" "$(sql "json_extract(readfile('$r/info.out'), '\$.machine')")"
	t_equal "$cpus" "$(sql "group_concat(printf('%d-%s-%d-%d-%d', json_extract(value, '\$.core'), json_extract(value, '\$.cluster'),
		json_extract(value, '\$.package'), json_extract(value, '\$.node'), json_extract(value, '\$.capacity')), ' ')
		from json_each(readfile('$r/topology.out'), '\$.cpus')")"
	t_equal "$distances" "$(sql "json_extract(readfile('$r/topology.out'), '\$.distances')")"
	t_equal "$level" "$(sql "json_extract(l.value, '\$.name') || ': ' || group_concat(json_extract(s.value, '\$.cpus'), ' ')
		from json_each(readfile('$r/topology.out'), '\$.levels') l, json_each(l.value, '\$.spans') s
		group by l.key having json_extract(l.value, '\$.name') in ('SMT', 'CLUSTER')")"
	t_ok

	t_case "$kernel: the load is recorded without loss, with its forks, execs and names"
	t_equal "0 0" "$(cat "$r/record.status" "$r/tree.status" | xargs)"
	for f in load tree; do
		t_equal "true 0" "$(t_info "$r/$f.srz" complete) $(t_info "$r/$f.srz" lost)"
		"$SCHEDREC" dump "$r/$f.srz" >"$T/dump"
		t_equal 4 "$(grep -c 'sched_process_exit task=truth-child:' "$T/dump")"
		t_equal 2 "$(grep -c 'sched_process_exit task=truth-busy:' "$T/dump")"
		t_equal "hog-a hog-b" "$(sed -n 's/.* task_rename .* comm=\(hog-.*\)/\1/p' "$T/dump" | sort | xargs)"
		t_equal 7 "$(grep -c 'sched_process_exec .*file=/bin/\(sh\|work\|truth\|small\)$' "$T/dump")"
	done
	t_ok

	t_case "$kernel: info and analyze say there what they say here of the same file"
	for f in info analyze; do
		t_equal 0 "$(cat "$r/$f.status")"
		(cd "$r" && "$SCHEDREC" $f --json load.srz) | sed 's#"load.srz"#"/out/load.srz"#' >"$T/here"
		t_true "$f differs: $(diff "$T/here" "$r/$f.out" | head -n 2 | xargs)" cmp -s "$T/here" "$r/$f.out"
	done
	t_ok

	t_case "$kernel: it is replayed under each policy, as threads and as processes, and nothing had to be forced"
	t_equal "0 0" "$(cat "$r/replay.status" "$r/processes.status" | xargs)"
	t_no_match 'recorded itself' "$r/replay.err"
	t_equal "" "$(sql "json_extract(value, '\$.policy') from json_each(readfile('$r/replay.out'), '\$.runs')
		where json_extract(value, '\$.counts.forced') != 0")"
	for f in "$r"/replay-*.srz; do
		t_equal "true 0" "$(t_info "$f" complete) $(t_info "$f" lost)"
		t_equal 4 "$("$SCHEDREC" dump "$f" | grep -c 'sched_process_exit task=truth-child:')"
	done
	"$SCHEDREC" info --json "$r/replay-processes.srz" >"$T/out" && t_match '"replay.count.processes": "13"' "$T/out"
	t_ok

	t_case "$kernel: migrations are counted at the level at which tasks moved"
	for f in "$r"/replay-*.srz; do
		read -r both apart line < <(placement "$f" -v what=levels -v core="$cores" -v node="$nodes")
		"$SCHEDREC" analyze --json "$f" >"$T/out"
		t_equal "$(basename "$f") $both $apart $line" "$(basename "$f") $(sql "json_extract(m, '\$.\"migrations.smt\"') || ' ' ||
			(json_extract(m, '\$.\"migrations.llc\"') + json_extract(m, '\$.\"migrations.package\"')) || ' ' ||
			json_extract(m, '\$.\"migrations.node\"') from (select json_extract(readfile('$T/out'), '\$[0].metrics') m)")"
	done
	t_ok

	t_case "$kernel: under bld forks go around: three in turn to the three CPUs that are idle"
	twice "$1" forks_go_around "$r"
	t_true "$(cat "$T/why")" test ! -s "$T/why"
	for f in "$r"/replay-bld*.srz; do
		placement "$f" -v what=forks -v name=truth-child >"$T/forks"
		t_equal "" "$(awk '$3 != "none" && $2 != $3' "$T/forks")"
	done
	t_ok

	if [ -e "$r/replay-recorded.srz" ]; then
		t_case "$kernel: under recorded the children run where they began to run"
		t_equal "$(placement "$r/load.srz" -v what=first -v name=truth-child | xargs)" \
			"$(placement "$r/replay-recorded.srz" -v what=most -v name=truth-child | xargs)"
		t_ok
	fi

	if [ -e "$r/replay-domain.srz" ] && [ "$kind" = x86-smt-numa ]; then
		t_case "$kernel: under domain two hogs, processes or threads, are brought to two packages"
		twice "$1" hogs_are_apart "$r/replay-domain.srz"
		t_true "$(cat "$T/why")" test ! -s "$T/why"
		t_ok
	fi

	if [ -e "$r/replay-eas.srz" ] && [ "$kind" = arm64-biglittle ]; then
		t_case "$kernel: under eas a small task stays on the small CPUs"
		# How large it is to the policy depends on how fast it is emulated.
		twice "$1" small_stays_small "$r/replay-eas.srz"
		[ ! -s "$T/why" ] || t_skip "the emulated machine makes it large: $(cat "$T/why")"
		t_ok
	fi

	t_case "$kernel: calibrating finds that a wake-up tries other CPUs, as Debian's kernels do"
	twice "$1" calibrating_scans "$r/calibrate.out"
	[ ! -s "$T/why" ] || t_fail "$(cat "$T/why")"
	t_equal 0 "$(cat "$r/calibrate.status")"
	t_ok

	t_case "$kernel: tracing is as it was"
	# A kernel before 6.12 makes the main buffer larger when the first event of any instance is enabled.
	t_equal "$(sed 's/ (expanded.*//' "$r/tracing.before")" "$(sed 's/ (expanded.*//' "$r/tracing.after")"
	t_ok

	t_case "$kernel: the command is sudo's user, without any privilege"
	t_equal "0 1000 1000 CapPrm: 0000000000000000 CapEff: 0000000000000000" "$(cat "$r/dropped.status" "$r/dropped.out" | xargs)"
	t_ok

	t_case "$kernel: a user cannot record, and is told so, and can replay"
	t_equal "3 0" "$(cat "$r/user-record.status" "$r/user-replay.status" | xargs)"
	t_one_line "$r/user-record.err" && t_match 'needs root' "$r/user-record.err"
	t_match 'recorded itself' "$r/user-replay.err" && t_match '^makespan_error' "$r/user-replay.out"
	"$SCHEDREC" analyze --json "$r/self.srz" >"$T/out" && t_match '"self_recorded": true' "$T/out"
	t_ok
}

t_case "kernels and libraries can be had from Debian's archive"
if needs && ! as_owner tests/guest/fetch.sh "$parts" "${guests[@]#*/}" >"$T/out" 2>&1; then
	t_skip "$(tail -n 1 "$T/out")"
fi
[ "$T_VERDICT" = open ] || guests=()
t_ok

if [ ${#guests[@]} -gt 0 ]; then
	t_case "schedrec is built for arm64"
	t_status 0 programs amd64
	for guest in "${guests[@]}"; do
		[[ $guest != x86-* ]] || boot "$guest" &
	done
	t_status 0 programs arm64
	t_match 'ARM aarch64|AArch64' <(readelf -h "$T/arm64/schedrec")
	t_ok
	for guest in "${guests[@]}"; do
		[[ $guest != arm64-* ]] || boot "$guest" &
	done
	wait
fi
for guest in "${guests[@]}"; do
	judge "$guest"
done

# The program for arm64 without an emulated machine.
on_arm64() {
	qemu-aarch64-static -L "$parts/sysroot-arm64" "$T/arm64/schedrec" "$@"
}

r=$T/amd64-6.1/results
if [ -e "$r/times" ]; then
	t_case "from the same replay arm64 computes the same, to the last digit"
	for view in summary tasks fidelity; do
		for f in "$r"/replay-domain.srz "$T"/arm64-*/results/replay-bld.srz; do
			t_status 0 "$SCHEDREC" analyze --json --view $view --against "$(dirname "$f")/load.srz" "$f" && cp "$T/out" "$T/here"
			t_status 0 on_arm64 analyze --json --view $view --against "$(dirname "$f")/load.srz" "$f"
			t_true "$view of $(basename "$f"): $(diff "$T/here" "$T/out" | head -n 2 | xargs)" cmp -s "$T/here" "$T/out"
		done
	done
	t_ok

	t_case "a simulation is the same on arm64, event by event"
	for machine in numa-2x8x2 biglittle-4+4; do
		set -- simulate -q --policy kernel,domain,bld,random --machine $machine "$r/load.srz"
		t_status 0 "$SCHEDREC" "$@" -o "$T/here-%p.srz"
		t_status 0 on_arm64 "$@" -o "$T/there-%p.srz"
		for f in kernel domain bld random; do
			t_true "$f on $machine" cmp -s <("$SCHEDREC" dump "$T/here-$f.srz") <("$SCHEDREC" dump "$T/there-$f.srz")
			t_true "$f on $machine has no events" test "$("$SCHEDREC" dump "$T/here-$f.srz" | wc -l)" -gt 100
		done
	done
	t_ok
fi

t_done
