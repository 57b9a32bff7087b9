#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every event and field of real sub-buffers, decoded by the recorder and by trace-cmd: no difference
# shellcheck source=tests/lib.sh
. tests/lib.sh

TRACEFS=/sys/kernel/tracing
INSTANCE=$TRACEFS/instances/schedtest-$$
EVENTS="sched/sched_switch sched/sched_waking sched/sched_wakeup sched/sched_wakeup_new sched/sched_migrate_task
	sched/sched_process_fork sched/sched_process_exec sched/sched_process_exit task/task_rename task/task_newtask"
ROUND_TRIP=$BUILD/tests/real/round_trip

instance_remove() {
	[ -d "$INSTANCE" ] || return 0
	echo 0 >"$INSTANCE/tracing_on"
	rmdir "$INSTANCE"
}
trap 'instance_remove; t_at_exit' EXIT

# capture KB MS CMD...: raw sub-buffers to $T/raw.CPU, from rings of KB each, read every MS ms.
capture() {
	local kb=$1 ms=$2 e
	shift 2
	rm -f "$T"/raw.*
	mkdir "$INSTANCE" && echo mono >"$INSTANCE/trace_clock" && echo "$kb" >"$INSTANCE/buffer_size_kb" || return
	for e in $EVENTS; do
		echo 1 >"$INSTANCE/events/$e/enable" || return
	done
	"$ROUND_TRIP" capture "$INSTANCE" "$T/raw" "$ms" "$@" >/dev/null || return
	instance_remove
}

# $T/raw.* as trace-cmd's file, and what it and schedrec say of them, as lines of the same form.
both() {
	local raw=() i

	for ((i = 0; i < $(getconf _NPROCESSORS_CONF); i++)); do
		raw+=("$T/raw.$i")
	done
	"$ROUND_TRIP" decode "$TRACEFS" "$T/x.srz" "${raw[@]}" && "$SCHEDREC" dump "$T/x.srz" >"$T/dump" || return
	i=$("$SCHEDREC" info --json "$T/x.srz" | sed -n 's/^  "first_ns": \([0-9]*\),$/\1/p')
	LC_ALL=C awk -v first_ns="$i" -f tests/real/round-trip.awk "$T/dump" >"$T/got" || return
	: >"$T/kallsyms"
	trace-cmd restore -c -k "$T/kallsyms" -o "$T/head.dat" >"$T/log" 2>&1 &&
		trace-cmd restore -i "$T/head.dat" -o "$T/out.dat" "${raw[@]}" >>"$T/log" 2>&1 || return
	trace-cmd report -i "$T/out.dat" -t -l -R >"$T/report-raw" 2>>"$T/log" &&
		trace-cmd report -i "$T/out.dat" -t -N >"$T/report" 2>>"$T/log" || return
	LC_ALL=C awk -f tests/real/round-trip.awk "$T/report-raw" "$T/report" | LC_ALL=C sort -s -k 1,1n -k 2,2n >"$T/want"
}

no_difference() {
	cmp -s "$T/want" "$T/got" ||
		t_fail "$(wc -l <"$T/want") lines of trace-cmd's, $(wc -l <"$T/got") of ours, $(diff "$T/want" "$T/got" |
			grep -c '^[<>]') differ: $(diff "$T/want" "$T/got" | head -n 4 | tr '\n' '~')"
}

# The lines of $T/got that match.
at_least() {
	local n

	n=$(grep -Ec -e "$2" "$T/got")
	[ "$n" -ge "$1" ] || t_fail "only $n lines like '$2'"
}

here() {
	t_need_tracefs && t_need trace-cmd cc && { [ -d "$TRACEFS/events/task" ] || t_skip "the kernel has no task events"; } &&
		{ [ -x "$T/switcher" ] || cc -O2 -D_GNU_SOURCE -pthread -o "$T/switcher" tests/real/switcher.c; }
}

cat >"$T/work.sh" <<END
cp "$(type -P true)" "$T/a b=c\\\\d"
"$T/switcher" 4 4000
"$T/a b=c\\\\d"
for i in \$(seq 40); do
	(sleep 0.00\$i) &
	seq 2000 | sort -n | tail -n 1
done
wait
"$T/switcher" 16 200
END

t_case "trace-cmd reads the same events out of the same sub-buffers"
here && t_status 0 capture 8192 20 sh "$T/work.sh" && t_status 0 both && no_difference && t_no_match ' lost ' "$T/got" &&
	at_least 10000 ' sched_switch ' && at_least 5000 ' sched_waking ' && at_least 5000 ' sched_wakeup ' &&
	at_least 100 ' sched_wakeup_new ' && at_least 10 ' sched_migrate_task ' && at_least 100 ' sched_process_fork ' &&
	at_least 100 ' sched_process_exec ' && at_least 100 ' sched_process_exit ' && at_least 100 ' task_rename ' &&
	at_least 100 ' task_newtask ' && at_least 20 '^[^ ]+ [0-9]+ [0-9]+ hs? ' && at_least 1 ' comm=a\\x20b=c\\x5cd$' &&
	at_least 1 ' prev_state=D ' && at_least 1 ' prev_state=R\+ ' && at_least 1 ' prev_state=[XZ] '
t_ok

t_case "the same where the rings overflowed, and as many events are lost in the same places"
here && t_status 0 capture 64 60 sh "$T/work.sh" && t_status 0 both && no_difference && at_least 2 ' lost '
t_ok

t_case "other bytes are other events, for both"
here && cp "$T/want" "$T/before" && LC_ALL=C sed -i 's/\(tail\|sort\)/SORT/g' "$T"/raw.* && t_status 0 both && no_difference &&
	t_true "they are the same" test "$(diff "$T/before" "$T/got" | grep -c SORT)" -gt 0
t_ok

t_done
