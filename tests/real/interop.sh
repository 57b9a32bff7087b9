#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# export and import with the real tools: trace-cmd, perf and rt-app of this machine, a recording of its kernel
# shellcheck source=tests/lib.sh
. tests/lib.sh

TRACEFS=/sys/kernel/tracing
INSTANCE=$TRACEFS/instances/schedinterop-$$
EVENTS="sched/sched_switch sched/sched_waking sched/sched_wakeup sched/sched_wakeup_new sched/sched_migrate_task
	sched/sched_process_fork sched/sched_process_exec sched/sched_process_exit task/task_rename task/task_newtask"
ROUND_TRIP=$BUILD/tests/real/round_trip
CHECK=tests/cli/interop.py

instance_remove() {
	[ -d "$INSTANCE" ] || return 0
	echo 0 >"$INSTANCE/tracing_on"
	rmdir "$INSTANCE"
}
trap 'instance_remove; t_at_exit' EXIT

instance_make() {
	local e

	mkdir "$INSTANCE" && echo mono >"$INSTANCE/trace_clock" && echo "$1" >"$INSTANCE/buffer_size_kb" || return
	for e in $EVENTS; do
		echo 1 >"$INSTANCE/events/$e/enable" || return
	done
}

# capture KB MS CMD...: raw sub-buffers to $T/raw.CPU, from rings of KB each, read every MS ms.
capture() {
	local kb=$1 ms=$2
	shift 2
	rm -f "$T"/raw.*
	instance_make "$kb" && "$ROUND_TRIP" capture "$INSTANCE" "$T/raw" "$ms" "$@" >/dev/null && instance_remove
}

# $T/raw.* as $T/x.srz, by the recorder's decoder, and as trace-cmd's file, $T/x.dat.
both() {
	local raw=() i

	for ((i = 0; i < $(getconf _NPROCESSORS_CONF); i++)); do
		raw+=("$T/raw.$i")
	done
	"$ROUND_TRIP" decode "$TRACEFS" "$T/x.srz" "${raw[@]}" && : >"$T/kallsyms" &&
		trace-cmd restore -c -k "$T/kallsyms" -o "$T/head.dat" >"$T/log" 2>&1 &&
		trace-cmd restore -i "$T/head.dat" -o "$T/x.dat" "${raw[@]}" >>"$T/log" 2>&1
}

# Each event with all fields, without what a way through another format may change: COMM events stand where names are seen
# first, a loss has the time of the event behind it, a task's own comm may be known before the first event that names it.
# A worker of the kernel that is born while the start state is read is in both, there with the name that it gets later.
plain() {
	"$SCHEDREC" export -q "$1" --to csv -o "$T/plain.csv" && awk -F, -v OFS=, '
		$4 == "lost" { print "lost", $2, $17; next }
		$4 == "task_newtask" && $6 == 2 { $9 = "" }
		$4 != "comm" { $7 = ""; print }' "$T/plain.csv"
}

# The names of what ran, where both know them.
names_agree() {
	local n

	n=$(awk -F, 'NR == FNR { if ($4 != "comm" && $4 != "lost") want[++n] = $7; next }
		$4 != "comm" && $4 != "lost" { i++; if (want[i] != "" && want[i] != $7) bad++ } END { print bad + 0 }' "$1" "$2")
	t_equal 0 "$n"
}

same() {
	plain "$1" >"$T/want" && cp "$T/plain.csv" "$T/want.csv" && plain "$2" >"$T/got" &&
		t_true "$(diff "$T/want" "$T/got" | grep -c '^[<>]') of $(wc -l <"$T/want") lines differ: $(diff "$T/want" "$T/got" |
			head -n 4 | tr '\n' '~')" cmp -s "$T/want" "$T/got" && names_agree "$T/want.csv" "$T/plain.csv"
}

at_least() {
	local n

	n=$(grep -Ec -e "$2" "$T/got")
	[ "$n" -ge "$1" ] || t_fail "only $n lines like '$2'"
}

protobuf_python() {
	local p
	for p in python3 /usr/bin/python3; do
		"$p" -c 'import google.protobuf' 2>/dev/null && echo "$p" && return
	done
	return 1
}

built() {
	t_need_tracefs && t_need cc && { [ -d "$TRACEFS/events/task" ] || t_skip "the kernel has no task events"; } &&
		{ [ -x "$T/switcher" ] || cc -O2 -D_GNU_SOURCE -pthread -o "$T/switcher" tests/real/switcher.c; } &&
		{ [ -x "$T/work" ] || cc -O2 -D_GNU_SOURCE -o "$T/work" tests/real/work.c; }
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
END

t_case "trace.dat: the same sub-buffers through trace-cmd and import, and through the recorder: the same events"
built && t_need trace-cmd && t_status 0 capture 8192 20 sh "$T/work.sh" && t_status 0 both &&
	t_status 0 "$SCHEDREC" import "$T/x.dat" -o "$T/y.srz" --json && t_match '^ +"missing": \[\],?$' "$T/out" &&
	t_match '"unreadable": 0' "$T/out" && same "$T/x.srz" "$T/y.srz" && at_least 10000 ',sched_switch,' &&
	at_least 5000 ',sched_waking,' && at_least 100 ',sched_process_fork,' && at_least 100 ',task_newtask,' &&
	at_least 20 ',sched_waking,(h|hs|s),' && at_least 1 'a b=c.d'
t_ok

t_case "the same where the rings overflowed, with as many events lost in the same places"
built && t_need trace-cmd && t_status 0 capture 64 60 sh "$T/work.sh" && t_status 0 both &&
	t_status 0 "$SCHEDREC" import -q "$T/x.dat" -o "$T/y.srz" && same "$T/x.srz" "$T/y.srz" && at_least 2 '^lost,' &&
	t_equal "$(t_info "$T/x.srz" lost)" "$(t_info "$T/y.srz" lost)"
t_ok

t_case "the kernel's own text: as many events of each kind as it has lines"
text() {
	instance_make 8192 && "$T/switcher" 2 300 >/dev/null && (true) && echo 0 >"$INSTANCE/tracing_on" && cat "$INSTANCE/trace" >"$T/k.txt" &&
		instance_remove
}
built && t_status 0 text && t_status 0 "$SCHEDREC" import "$T/k.txt" -o "$T/k.srz" --json && t_match '"unreadable": 0' "$T/out" &&
	for e in $EVENTS; do
		e=${e#*/}
		n=$(grep -c " $e: " "$T/k.txt")
		[ "$n" -eq 0 ] || t_match "^ *\"$e\": $n,?\$" "$T/out"
	done
t_ok

t_case "a recording as Perfetto's trace, read by Google's decoder: every event and field"
if py=$(protobuf_python); then
	built && t_status 0 "$SCHEDREC" record -q -a -o "$T/r.srz" -- sh "$T/work.sh" &&
		t_status 0 "$SCHEDREC" export -q "$T/r.srz" --to csv -o "$T/r.csv" &&
		t_status 0 "$SCHEDREC" export -q "$T/r.srz" --to perfetto -o "$T/r.pftrace" &&
		t_status 0 "$py" $CHECK perfetto "$T/r.pftrace" "$T/r.csv" && t_match '^[1-9][0-9]{4,} events' "$T/out" && cat "$T/out"
else
	t_skip "python3-protobuf is not installed"
fi
t_ok

t_case "there and back, as text and as Perfetto's trace"
if built; then
	[ -f "$T/r.srz" ] || t_status 0 "$SCHEDREC" record -q -a -o "$T/r.srz" -- sh "$T/work.sh"
	t_status 0 "$SCHEDREC" export -q "$T/r.srz" --to ftrace -o "$T/r.txt" && t_status 0 "$SCHEDREC" import -q "$T/r.txt" -o "$T/b.srz" &&
		same "$T/r.srz" "$T/b.srz" && t_equal "$(t_info "$T/r.srz" first_ns)" "$(t_info "$T/b.srz" first_ns)"
	t_status 0 "$SCHEDREC" export -q "$T/r.srz" --to perfetto -o "$T/r.pf" && t_status 0 "$SCHEDREC" import -q "$T/r.pf" -o "$T/b.srz" &&
		plain "$T/r.srz" | awk -F, -v OFS=, '$4 == "sched_process_exit" { $17 = "" } $1 == "lost" { $3 = "" } { print }' >"$T/want" &&
		plain "$T/b.srz" >"$T/got" && t_true "$(diff "$T/want" "$T/got" | head -n 4 | tr '\n' '~')" cmp -s "$T/want" "$T/got"
fi
t_ok

t_case "a recording of one command stays one, there and back: nothing is said of whole CPUs"
if built && t_status 0 "$SCHEDREC" record -q -o "$T/tree.srz" -- "$T/switcher" 2 300; then
	for f in ftrace perfetto; do
		t_status 0 "$SCHEDREC" export -q "$T/tree.srz" --to $f -o "$T/tree.$f" &&
			t_status 0 "$SCHEDREC" import "$T/tree.$f" -o "$T/b-tree.srz" --json && t_match '"scope": "tree"' "$T/out" &&
			t_match '"scope_from": "file"' "$T/out" && t_status 0 "$SCHEDREC" analyze "$T/b-tree.srz" --csv &&
			t_match ',cpu_time_ns,' "$T/out" && t_no_match 'busiest_cpu_share|imbalance_score|idle_while' "$T/out" &&
			t_equal "$("$SCHEDREC" analyze "$T/tree.srz" --csv | grep -E ',(cpu_time_ns|switches_voluntary|threads),')" \
				"$("$SCHEDREC" analyze "$T/b-tree.srz" --csv | sed 's/b-tree/tree/' | grep -E ',(cpu_time_ns|switches_voluntary|threads),')" &&
			t_status 0 "$SCHEDREC" simulate -q "$T/b-tree.srz"
	done
fi
t_ok

t_case "an imported recording is replayed"
if built && [ -f "$T/b.srz" ]; then
	t_status 0 "$SCHEDREC" cut -q "$T/b.srz" --to 100ms -o "$T/c.srz" &&
		t_status 0 "$SCHEDREC" replay -q "$T/c.srz" --policy kernel -o "$T/rep.srz"
fi
t_ok

t_case "perf.data: each event where and when perf script has it, with the tasks of its switches"
perf_events() {
	local e args=()

	for e in $EVENTS; do
		args+=(-e "${e/\//:}")
	done
	perf record -q -a -k mono "${args[@]}" -o "$T/perf.data" -- sh "$T/work.sh" >/dev/null 2>&1
}
if built && t_need perf; then
	if ! perf_events; then
		t_skip "perf record of tracepoints does not work here"
	else
		perf script --ns -i "$T/perf.data" -F cpu,time,event,trace 2>/dev/null | sed -E 's/^ *\[0*([0-9]+)\] +([0-9]+)\.([0-9]{9}): +[a-z]+:([a-z_]+): */\2\3 \1 \4 /' |
			awk '$3 == "sched_switch" { prev = next_pid = $0; sub(/.* prev_pid=/, "", prev); sub(/.* next_pid=/, "", next_pid)
				print $1, $2, $3, prev + 0, next_pid + 0; next }
				$3 != "task_newtask" && $3 ~ /^(sched|task)_/ { print $1, $2, $3 }' | LC_ALL=C sort >"$T/want"
		t_status 0 "$SCHEDREC" import "$T/perf.data" -o "$T/p.srz" --json && t_match '"unreadable": 0' "$T/out" &&
			t_match '"interrupt_context": true' "$T/out" && t_status 0 "$SCHEDREC" export -q "$T/p.srz" --to csv -o "$T/p.csv" &&
			awk -F, '$4 == "sched_switch" { print $1, $2, $4, $8, $12; next }
				$4 ~ /^(sched|task)_/ && $4 != "task_newtask" { print $1, $2, $4 }' "$T/p.csv" | LC_ALL=C sort >"$T/got" &&
			t_true "$(diff "$T/want" "$T/got" | grep -c '^[<>]') of $(wc -l <"$T/want") lines differ: $(diff "$T/want" "$T/got" |
				head -n 4 | tr '\n' '~')" cmp -s "$T/want" "$T/got" && at_least 1000 ' sched_switch ' &&
			t_status 0 "$SCHEDREC" info "$T/p.srz" --json && t_match '"clock": "mono"' "$T/out" &&
			t_status 0 "$SCHEDREC" dump "$T/p.srz" && t_match ' (h|hs|s) sched_waking ' "$T/out"
	fi
fi
t_ok

# Milliseconds of CPU time and voluntary switches of the recorded tasks but for those named $2.
totals() {
	"$SCHEDREC" analyze "$1" --view tasks --json | python3 -c '
import json, sys
tasks = [t for t in json.load(sys.stdin)[0]["tasks"] if t["comm"] not in sys.argv[1:]]
print(round(sum(t["cpu_ns"] for t in tasks) / 1e6), sum(t["switches_voluntary"] for t in tasks))' "$2"
}

# The CPU time of one loop of rt-app, in ns: of 50 million, as the machine is now.
loop_ns() {
	cat >"$T/cal.json" <<-END
		{ "tasks": { "cal": { "loop": 1, "phases": { "p": { "loop": 1, "run": 50000000 } } } },
		  "global": { "duration": -1, "calibration": 1000, "log_size": "disable", "logdir": "$T" } }
	END
	{ TIMEFORMAT=%U; time rt-app "$T/cal.json" >/dev/null 2>&1; } 2>&1 | awk '{ printf "%.3f\n", $1 * 1e9 / 50e6 }'
}

cat >"$T/load.sh" <<END
taskset -c 0 "$T/switcher" 2 3000 &
"$T/work" 300 0 hog &
for i in 1 2 3 4 5 6 7 8 9 10; do "$T/work" 10 15 nap; done
wait
END

t_case "rt-app runs a recording: its CPU time and its waits"
if built && t_need rt-app python3 taskset; then
	loop=$(loop_ns)
	t_status 0 "$SCHEDREC" record -q -o "$T/load.srz" -- sh "$T/load.sh" &&
		t_status 0 "$SCHEDREC" export "$T/load.srz" --to rt-app --calibration "$loop" -o "$T/load.json" &&
		t_status 0 python3 $CHECK rt-app "$T/load.json" &&
		t_status 0 "$SCHEDREC" record -q -o "$T/app.srz" -- timeout -s KILL 60 rt-app "$T/load.json" &&
		read -r cpu switches < <(totals "$T/load.srz" none) && read -r app_cpu app_switches < <(totals "$T/app.srz" rt-app) &&
		echo "     rt-app ($loop ns a loop): CPU time $cpu ms -> $app_cpu ms, voluntary switches $switches -> $app_switches" &&
		t_true "CPU time $cpu ms became $app_cpu ms" [ "$((10 * app_cpu))" -ge "$((7 * cpu))" ] &&
		t_true "CPU time $cpu ms became $app_cpu ms" [ "$((10 * app_cpu))" -le "$((14 * cpu))" ] &&
		t_true "$switches switches became $app_switches" [ "$((10 * app_switches))" -ge "$((5 * switches))" ] &&
		t_true "$switches switches became $app_switches" [ "$((10 * app_switches))" -le "$((20 * switches))" ]
fi
t_ok

t_done
