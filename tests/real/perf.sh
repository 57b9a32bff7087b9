#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# analyze beside perf sched: the same events through both give the same rows, counts and delays, or the events say why
# not; and two recorders at the same time tell the same of the same tasks.
. tests/lib.sh
t_timing

E=sched:sched_
LOAD='perf bench sched pipe -l 3000 & perf bench sched pipe -T -l 3000 & perf bench sched messaging -g 1 -l 20 -t &
	for i in 1 2 3 4 5; do sleep 0.01; /bin/true | cat; done; wait'

can_perf() {
	t_need_tracefs && t_need perf python3 || return 1
	[ -x "$BUILD/tests/real/from_text" ] || { t_fail "$BUILD/tests/real/from_text is not built: make unit" && return 1; }
	perf record -q -k CLOCK_MONOTONIC -e ${E}switch -o "$T/try.data" -- true >/dev/null 2>&1 ||
		{ t_skip "perf cannot record scheduler events here" && return 1; }
}

# record_events NAME EVENT...: with perf, and as a recording
record_events() {
	local name=$1
	shift
	perf record -q -a -R -c 1 -m 2048 -k CLOCK_MONOTONIC -e "$(IFS=,; echo "${*/#/$E}")" -o "$T/$name.data" -- \
		bash -c "$LOAD" >/dev/null 2>"$T/err" || t_fail "perf record: $(tail -n 1 "$T/err")" || return
	perf script -i "$T/$name.data" --ns -F tid,cpu,time,event,trace 2>/dev/null |
		awk -f tests/real/perf-script.awk >"$T/$name.txt"
	t_true "few events: $(wc -l <"$T/$name.txt")" test "$(wc -l <"$T/$name.txt")" -gt 10000 &&
		t_true "from_text failed" "$BUILD/tests/real/from_text" "$T/$name.srz" <"$T/$name.txt"
}

t_case "perf sched timehist: every row, state by state, and each delay"
if can_perf; then
	record_events w switch waking wakeup_new migrate_task process_fork stat_runtime &&
		t_status 0 "$SCHEDREC" analyze "$T/w.srz" --all --view timehist --csv && cp "$T/out" "$T/w.csv" &&
		perf sched -i "$T/w.data" timehist >"$T/w.perf" 2>/dev/null
	t_status 0 python3 tests/real/perf_compare.py timehist "$T/w.txt" "$T/w.csv" "$T/w.perf" ||
		sed 's/^/     /' "$T/out"
fi
t_ok

t_case "perf sched latency: every task's number of waits, the longest, and their sum"
if can_perf; then
	record_events u switch wakeup wakeup_new migrate_task process_fork stat_runtime &&
		t_status 0 "$SCHEDREC" analyze "$T/u.srz" --all --view latency --csv && cp "$T/out" "$T/u.csv" &&
		perf sched -i "$T/u.data" latency -p >"$T/u.perf" 2>/dev/null
	t_status 0 python3 tests/real/perf_compare.py latency "$T/u.txt" "$T/u.csv" "$T/u.perf" ||
		sed 's/^/     /' "$T/out"
fi
t_ok

t_case "perf sched map and stats: as many switches on each CPU"
if can_perf && [ -s "$T/w.srz" ]; then
	t_status 0 "$SCHEDREC" analyze "$T/w.srz" --all --view stats --csv
	repaired=$("$SCHEDREC" analyze "$T/w.srz" --all --json | sed -n 's/.*"repaired": \([0-9]*\).*/\1/p')
	awk '$1 == "switch" { n[$3]++ } END { for (c in n) print c, n[c] }' "$T/w.txt" >"$T/cpus"
	t_true "no CPU has a switch" test -s "$T/cpus"
	while read -r cpu events; do
		ours=$(awk -F, -v c="$cpu" '$2 == c && $4 == "switches" { print $5 }' "$T/out")
		t_true "cpu $cpu: $ours switches, $events in the events, $repaired repaired" \
			test "$ours" -ge "$events" -a "$ours" -le $((events + repaired))
	done <"$T/cpus"
fi
t_ok

t_case "two recorders at the same time: each task's stretches and wake-ups"
if can_perf; then
	t_status 0 "$SCHEDREC" record -q -a -o "$T/both.srz" -- perf record -q -a -R -c 1 -m 2048 -k CLOCK_MONOTONIC \
		-e ${E}switch,${E}waking,${E}wakeup_new,${E}process_fork -o "$T/both.data" -- \
		bash -c 'sleep 0.05; perf bench sched pipe -l 2000; perf bench sched messaging -g 1 -l 10 -t; sleep 0.05'
	perf script -i "$T/both.data" --ns -F tid,cpu,time,event,trace 2>/dev/null |
		awk -f tests/real/perf-script.awk >"$T/both.txt"
	t_equal 0 "$(t_info "$T/both.srz" lost)"
	t_status 0 "$SCHEDREC" dump "$T/both.srz"
	# Of tasks that were born and died within perf's recording: what each recorder has of them, and at most how far apart.
	cp "$T/out" "$T/both.dump"
	t_status 0 python3 tests/real/perf_both.py "$T/both.txt" "$T/both.dump" || sed 's/^/     /' "$T/out"
fi
t_ok

t_done
