#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# replay: timers, several recordings, loops, windows, and recordings that are damaged
. tests/lib.sh
t_timing

# A loop of 40 periods of 10 ms, to deadlines or by sleeps of one length.
periodic() {
	cat >"$T/periodic.c" <<-'C'
		#include <stdlib.h>
		#include <time.h>
		int main(int argc, char **argv)
		{
			struct timespec next, rest = { 0, 7000000 };
			clock_gettime(CLOCK_MONOTONIC, &next);
			for (int i = 0; i < 40; i++) {
				struct timespec a, b;
				long work = 2000000 + rand() % 1500000;
				clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
				do
					clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
				while ((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec < work);
				next.tv_nsec += 10000000;
				next.tv_sec += next.tv_nsec / 1000000000;
				next.tv_nsec %= 1000000000;
				if (argc > 1)
					clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
				else
					nanosleep(&rest, NULL);
			}
			return 0;
		}
	C
	"${CC:-cc}" -O2 -o "$T/periodic" "$T/periodic.c"
}

# shellcheck disable=SC2016 # the inner shell expands it
load() {
	"$SCHEDREC" record -q -o "$T/load.srz" -- \
		sh -c 'for i in 1 2 3; do (seq 40000 | sort -n | tail -n 1) & done; wait' </dev/null >/dev/null 2>&1
}

ready=no
if [ "$(id -u)" -eq 0 ] && [ -d /sys/kernel/tracing/events/sched ] && periodic && load; then
	"$SCHEDREC" record -q -o "$T/deadline.srz" -- "$T/periodic" deadline </dev/null &&
		"$SCHEDREC" record -q -o "$T/length.srz" -- "$T/periodic" </dev/null && ready=yes
fi
recordings() {
	t_need_tracefs && t_need sqlite3 && { [ $ready = yes ] || t_fail "nothing was recorded"; }
}

# value PATH: of the JSON in $T/out
value() {
	sqlite3 :memory: "select json_extract(readfile('$T/out'), '\$.$1')"
}

# about WANT GOT PERCENT
about() {
	awk -v a="$1" -v b="$2" -v p="$3" 'BEGIN { d = b - a; exit !((d < 0 ? -d : d) <= a * p / 100) }'
}

# timers FILE KIND ARG...: at least 36 of the 40 sleeps are of that kind. A busy machine moves so many of them now and then
# that nobody could tell: then it is recorded anew, at most twice.
timers() {
	local file=$1 kind=$2 try
	shift 2

	for try in 1 2 3; do
		"$SCHEDREC" replay -q --json --no-stall "$file" >"$T/out" 2>"$T/err" </dev/null || return
		[ "$(value "model.sleeps_$kind")" -ge 36 ] && return
		[ "$try" -lt 3 ] && "$SCHEDREC" record -q -o "$file" -- "$T/periodic" "$@" </dev/null
	done
	return 1
}

t_case "sleeps to deadlines are a periodic timer, sleeps of one length are not"
recordings && t_true "periodic: fewer than 36 of 40" timers "$T/deadline.srz" periodic deadline &&
	t_true "relative: fewer than 36 of 40" timers "$T/length.srz" relative &&
	t_equal 0 "$(value model.sleeps_periodic)"
t_ok

t_case "beside a hog a periodic timer keeps its period, sleeps of one length do not"
if recordings; then
	taskset -c 0 sh -c 'while :; do :; done' &
	hog=$!
	for try in 1 2 3; do # whoever else is there disturbs one of the two
		t_status 0 "$SCHEDREC" replay -q --json --work time --cpus 0 "$T/deadline.srz"
		deadline=$(value runs[0].metrics.makespan_ns)
		t_status 0 "$SCHEDREC" replay -q --json --work time --cpus 0 --timing closed "$T/deadline.srz"
		closed=$(value runs[0].metrics.makespan_ns)
		awk -v a="$deadline" -v b="$closed" 'BEGIN { exit !(a < b * 0.93) }' && break
	done
	kill "$hog"
	t_true "$deadline ns, and closed $closed ns, at try $try" \
		awk -v a="$deadline" -v b="$closed" 'BEGIN { exit !(a < b * 0.93) }'
fi
t_ok

t_case "two recordings are one load, and the second begins at its offset"
recordings && t_status 0 "$SCHEDREC" replay -q --json "$T/deadline.srz" "$T/length.srz" --offset 150ms -o "$T/two.srz" &&
	t_equal 2 "$(value model.tasks)" && t_match 'no recorded column' "$T/err" &&
	t_true "too short" test "$(value runs[0].metrics.makespan_ns | cut -d. -f1)" -ge 500000000 &&
	t_status 0 "$SCHEDREC" info --json "$T/two.srz" && t_match 'replay.source.2.first_task' "$T/out"
t_ok

t_case "offsets that are wrong are refused"
recordings && t_status 2 "$SCHEDREC" replay -q "$T/load.srz" --offset 1s && t_one_line "$T/err" &&
	t_status 2 "$SCHEDREC" replay -q "$T/load.srz" "$T/load.srz" --offset 1s,2s && t_one_line "$T/err" &&
	t_status 2 "$SCHEDREC" replay -q "$T/load.srz" "$T/load.srz" --offset soon && t_one_line "$T/err"
t_ok

t_case "a loop does the work so many times, one after the other"
recordings && t_status 0 "$SCHEDREC" replay -q --json --work time "$T/load.srz" && once=$(value model.run_ns) &&
	t_status 0 "$SCHEDREC" replay -q --json --work time --loop 3 "$T/load.srz" &&
	t_equal $((3 * once)) "$(value model.run_ns)" && t_equal 0 "$(value runs[0].counts.forced)" &&
	t_true "CPU time $(value runs[0].metrics.cpu_time_ns) for $once three times" \
		about $((3 * once)) "$(value runs[0].metrics.cpu_time_ns)" 15
t_ok

# Not its length: beside others it waits for a CPU.
t_case "without stalls a load does its work without a sleep"
recordings && t_status 0 "$SCHEDREC" replay -q --json --no-stall "$T/length.srz" &&
	t_true "$(value runs[0].metrics.switches_voluntary) sleeps" \
		awk -v n="$(value runs[0].metrics.switches_voluntary)" 'BEGIN { exit !(n != "" && n <= 5) }' &&
	t_true "$(value runs[0].metrics.cpu_time_ns) ns" \
		awk -v a="$(value runs[0].metrics.cpu_time_ns)" -v b="$(value model.run_ns)" 'BEGIN { exit !(a > b * 0.8) }'
t_ok

t_case "a window is compared with the same window of the recording"
recordings && t_status 0 "$SCHEDREC" replay -q --json --work time --from 100ms --to 300ms "$T/deadline.srz" &&
	t_true "recorded: $(value recorded.metrics.makespan_ns)" test "$(value recorded.metrics.makespan_ns | cut -d. -f1)" -lt 200000001
t_ok

t_case "tasks are chosen by lists of names"
recordings && t_status 0 "$SCHEDREC" replay -q --json --task 'sort,seq' "$T/load.srz" && t_equal 6 "$(value model.tasks)" &&
	t_status 0 "$SCHEDREC" replay -q --json --task '!s*' "$T/load.srz" && t_equal 3 "$(value model.tasks)"
t_ok

# CPU time within 25%, the median of five: the CPU's last task before a lost switch is not known, nor how long it ran.
t_case "a recording without 5% of its events replays to its end and says what was repaired"
if recordings && t_status 0 "$SCHEDREC" replay -q --json --no-stall "$T/load.srz"; then
	whole=$(value model.run_ns)
	for seed in 1 2 3 4 5; do
		t_status 0 "$BUILD/tests/real/thin" "$T/load.srz" "$T/thin.srz" 50 $seed
		t_status 0 "$SCHEDREC" replay -q --json --work time "$T/thin.srz" || break
		t_equal 0 "$(value runs[0].counts.forced)"
		value model.run_ns >>"$T/thinned"
		t_true "nothing was repaired" test "$(value model.repaired)" -gt 0
	done
	median=$(sort -n "$T/thinned" | sed -n 3p)
	t_true "$(xargs <"$T/thinned") ns of work, not $whole" about "$whole" "$median" 25
	t_status 0 "$SCHEDREC" replay -q "$T/thin.srz" && t_match '^repaired: ' "$T/out"
fi
t_ok

t_case "a recording cut at both ends replays to its end"
recordings && length=$(t_info "$T/load.srz" duration_ns) &&
	t_status 0 "$SCHEDREC" cut "$T/load.srz" --from $((length / 4))ns --to $((length * 3 / 4))ns -o "$T/cut.srz" &&
	t_status 0 "$SCHEDREC" replay -q --json --work time "$T/cut.srz" && t_equal 0 "$(value runs[0].counts.forced)"
t_ok

t_case "a tid that is used again is another task"
if recordings; then
	# shellcheck disable=SC2016 # the inner shell expands it
	"$SCHEDREC" record -q -o "$T/reuse.srz" -- sh -c '
		work() { i=0; while [ $i -lt 3000 ]; do i=$((i + 1)); done; read -r pid _ </proc/self/stat; echo "$pid" >"$1"; }
		(work "$0"; :)
		read -r pid <"$0"
		echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
		(work "$0.2"; :)
		:' "$T/pid" </dev/null 2>"$T/why"
	if cmp -s "$T/pid" "$T/pid.2"; then
		t_status 0 "$SCHEDREC" replay -q --json "$T/reuse.srz" && t_equal 3 "$(value model.tasks)" &&
			t_equal 0 "$(value runs[0].counts.forced)"
	else
		t_skip "this kernel does not let a tid be chosen: $(head -n 1 "$T/why")"
	fi
fi
t_ok

t_done
