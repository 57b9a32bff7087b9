#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# record: nothing missing, nothing twice: counts against the kernel's own, losses against what is known to be lost
. tests/lib.sh

switcher() {
	t_need cc || return 1
	[ -x "$T/switcher" ] || cc -O2 -D_GNU_SOURCE -pthread -o "$T/switcher" tests/real/switcher.c || t_fail "no switcher"
}

# Of a dump: "TID SWITCHES" of each task, its switches between its last mark-a and its first mark-b.
counted() {
	awk '
	$5 == "task_rename" && $7 == "comm=mark-a" { sub("tid=", "", $6); on[$6] = 1; n[$6] = 0 }
	$5 == "task_rename" && $7 == "comm=mark-b" { sub("tid=", "", $6); end[$6] = n[$6]; }
	$5 == "sched_switch" && match($6, /:[0-9]+$/) { tid = substr($6, RSTART + 1); if (tid in on) n[tid]++ }
	END { for (tid in on) print tid, end[tid] }' "$1" | sort -n
}

t_case "each task's switches are those that the kernel counted (tree)"
t_need_tracefs && switcher && t_status 0 "$SCHEDREC" record -q -o "$T/x.srz" -- "$T/switcher" 8 2000 && sort -n "$T/out" >"$T/want" &&
	t_equal 0 "$(t_info "$T/x.srz" lost)" && t_status 0 "$SCHEDREC" dump "$T/x.srz" && counted "$T/out" >"$T/got" &&
	t_equal "$(cat "$T/want")" "$(cat "$T/got")"
t_ok

t_case "each task's switches are those that the kernel counted (system, small buffers)"
# They hold what comes in some 50 ms: a host that takes a CPU away for longer loses events (2 of 100 recordings).
small_buffers() {
	for _ in 1 2 3; do
		t_status 0 "$SCHEDREC" record -q -a --buffer-size 1M -o "$T/x.srz" -- "$T/switcher" 4 4000 || return
		[ "$(t_info "$T/x.srz" lost)" != 0 ] || break
	done
}
t_need_tracefs && switcher && small_buffers && sort -n "$T/out" >"$T/want" && t_equal 0 "$(t_info "$T/x.srz" lost)" &&
	t_status 0 "$SCHEDREC" dump "$T/x.srz" && counted "$T/out" >"$T/got" && t_equal "$(cat "$T/want")" "$(cat "$T/got")"
t_ok

t_case "events are in the order of time, and on a cpu never go back"
t_need_tracefs && switcher && t_status 0 "$SCHEDREC" record -q -a -o "$T/x.srz" -- "$T/switcher" 8 2000 &&
	t_status 0 "$SCHEDREC" dump "$T/x.srz" && t_equal 0 "$(awk '$1 < last { n++ } { last = $1 } END { print n + 0 }' "$T/out")"
t_ok

# A stopped recorder: the ring overwrites what it does not fetch, and what is then missing is known exactly.
t_case "losses are counted, with their place, and the recording goes on behind them"
t_need_tracefs && switcher && {
	cat >"$T/lose.sh" <<-END
		"$T/switcher" 2 500 >"$T/want-1"
		sleep 0.3
		kill -STOP \$PPID
		"$T/switcher" 2 20000 >"$T/want-2"
		kill -CONT \$PPID
		sleep 0.5
		"$T/switcher" 2 500 >"$T/want-3"
	END
	t_status 0 "$SCHEDREC" record --buffer-size 256k -o "$T/x.srz" -- sh "$T/lose.sh" && t_match 'events were lost in' "$T/err" &&
		t_true "no loss" test "$(t_info "$T/x.srz" lost)" -gt 1000 && t_status 0 "$SCHEDREC" dump "$T/x.srz" &&
		counted "$T/out" >"$T/got" && t_true "before the loss" grep -qxf "$T/want-1" "$T/got" &&
		t_equal "$(sort -n "$T/want-3")" "$(grep -xf "$T/want-3" "$T/got")" && {
		# What is there and what is lost make up what the kernel counted.
		got=$(grep -cE ' sched_(switch|waking|wakeup|wakeup_new|migrate_task|process_[a-z]+) | task_(rename|newtask) ' "$T/out")
		lost=$(t_info "$T/x.srz" lost)
		all=$(awk '{ n += $2 } END { print n }' "$T/want-1" "$T/want-2" "$T/want-3")
		t_true "$got events and $lost lost are fewer than the $all switches" test $((got + lost)) -gt "$all"
	}
}
t_ok

t_case "a full machine at small intervals loses nothing with the default buffers"
t_need_tracefs && switcher && t_status 0 "$SCHEDREC" record -q -a -o "$T/x.srz" -- "$T/switcher" 64 3000 &&
	t_equal 0 "$(t_info "$T/x.srz" lost)" && t_true "few events" test "$(t_info "$T/x.srz" events)" -gt 200000
t_ok

t_case "10,000 tasks are recorded"
t_need_tracefs && cat >"$T/many.sh" <<'END' && t_status 0 "$SCHEDREC" record -q -o "$T/x.srz" -- sh "$T/many.sh" &&
i=0
while [ $i -lt 10000 ]; do (:); i=$((i + 1)); done
END
	t_status 0 "$SCHEDREC" dump "$T/x.srz" && t_equal 10000 "$(grep -c sched_process_fork "$T/out")" &&
	t_equal 10001 "$(grep -c sched_process_exit "$T/out")"
t_ok

t_done
