#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# export and import: what is written is what independent readers and our own read; wrong use, damaged input
# shellcheck source=tests/lib.sh
. tests/lib.sh

G=tests/golden
CHECK=tests/cli/interop.py

# The python3 that has Google's protobuf library.
protobuf_python() {
	local p
	for p in python3 /usr/bin/python3; do
		"$p" -c 'import google.protobuf' 2>/dev/null && echo "$p" && return
	done
	return 1
}

# exported FORMAT FILE: to $T/x.FORMAT
exported() {
	t_status 0 "$SCHEDREC" export -q "$2" --to "$1" -o "$T/x.$1" && t_true "it says something" test ! -s "$T/err"
}

t_case "csv: every golden file's rows say what dump says"
if t_need python3; then
	for f in "$G"/*.srz "$G"/released/*.srz; do
		case $f in */reject-*) continue ;; esac
		exported csv "$f" && t_status 0 "$SCHEDREC" dump "$f" && sed 's/ span_us=.*//' "$T/out" >"$T/want" &&
			t_status 0 python3 $CHECK csv "$T/x.csv" && t_true "they differ on $f" cmp -s "$T/want" "$T/out"
	done
fi
t_ok

t_case "perfetto: Google's decoder finds each event of every golden file, with all fields"
if py=$(protobuf_python); then
	n=0
	for f in "$G"/*.srz "$G"/released/*.srz; do
		case $f in */reject-*) continue ;; esac
		exported csv "$f" && exported perfetto "$f" && t_status 0 "$py" $CHECK perfetto "$T/x.perfetto" "$T/x.csv" &&
			n=$((n + $(cut -d ' ' -f 1 "$T/out")))
	done
	t_true "only $n events" [ "$n" -gt 3000 ]
else
	t_skip "python3-protobuf is not installed"
fi
t_ok

t_case "perfetto: decisions are a track, losses are marked, packets are small"
if py=$(protobuf_python); then
	exported csv $G/many-tasks.srz && exported perfetto $G/many-tasks.srz &&
		t_status 0 "$py" $CHECK perfetto "$T/x.perfetto" "$T/x.csv" &&
		t_match '^[0-9]+ events, [1-9][0-9]* decisions, 1 tracks, [0-9]+ threads, [1-9][0-9]* losses, largest packet [0-9]{1,5}$' "$T/out"
else
	t_skip "python3-protobuf is not installed"
fi
t_ok

# What a way there and back must not change, with absolute times. COMM events stand where names are seen first; whether
# the last thread of a process exits has no place in a Perfetto trace.
plain() {
	"$SCHEDREC" export -q "$1" --to csv -o "$T/plain.csv" && awk -F, -v OFS=, '
		$4 == "sched_process_exit" { $17 = "" }
		$4 != "comm" && $4 != "bind" && $4 != "decision"' "$T/plain.csv"
}

t_case "ftrace, perfetto: there and back is the same, event by event"
plain $G/load.srz >"$T/want"
for f in ftrace perfetto; do
	exported $f $G/load.srz && t_status 0 "$SCHEDREC" import -q "$T/x.$f" -o "$T/back.srz" && plain "$T/back.srz" >"$T/got" &&
		t_true "$f: $(diff "$T/want" "$T/got" | grep -c '^[<>]') lines differ: $(diff "$T/want" "$T/got" | head -n 3)" \
			cmp -s "$T/want" "$T/got" && t_true "few events" [ "$(wc -l <"$T/got")" -gt 1500 ] &&
		exported $f "$T/back.srz" && t_status 0 "$SCHEDREC" import -q "$T/x.$f" -o "$T/again.srz" && plain "$T/again.srz" |
		t_true "$f: again is another" cmp -s - "$T/got"
done
t_ok

# scope_of FILE
scope_of() {
	"$SCHEDREC" info --json "$1" | sed -nE 's/^ *"scope": "(.*)",?$/\1/p' | head -n 1
}

t_case "ftrace, perfetto: whose events they are comes back; --scope says otherwise"
for scope in tree pid system self; do
	{ printf 'meta scope %s\n' $scope && printf 'switch 1000 0 0 120 R 7 120\nswitch 2000 0 7 120 S 0 120\n'; } |
		"$BUILD/tests/real/from_text" "$T/scope.srz"
	for f in ftrace perfetto; do
		want=${scope/self/tree}
		exported $f "$T/scope.srz" && t_status 0 "$SCHEDREC" import "$T/x.$f" -o "$T/back.srz" &&
			t_match "^its scope is $want, as it says itself\$" "$T/err" && t_equal "$want" "$(scope_of "$T/back.srz")" &&
			t_status 0 "$SCHEDREC" analyze "$T/back.srz" --all --csv &&
			t_equal "$([ "$want" = system ] && echo 1 || echo 0)" "$(grep -c ',busiest_cpu_share,' "$T/out")" &&
			t_status 0 "$SCHEDREC" import "$T/x.$f" -o "$T/back.srz" --scope pid --json &&
			t_match '"scope": "pid"' "$T/out" && t_match '"scope_from": "option"' "$T/out" &&
			t_equal pid "$(scope_of "$T/back.srz")"
	done
done
sed -i 's/^# schedrec scope .*/# schedrec scope \x1b[31m/' "$T/x.ftrace" &&
	t_status 0 "$SCHEDREC" import "$T/x.ftrace" -o "$T/back.srz" && t_match '^whose events it has is said in a form' "$T/err" &&
	t_no_match "$(printf '\033')" "$T/err" && t_equal system "$(scope_of "$T/back.srz")" &&
	t_status 0 "$SCHEDREC" import "$T/x.ftrace" -o "$T/back.srz" --json && t_match '"scope_from": "unknown"' "$T/out"
t_ok

t_case "ftrace: a policy's decisions come back, and what they cost"
decisions() {
	"$SCHEDREC" export -q "$1" --to csv -o "$T/plain.csv" && awk -F, -v OFS=, '$4 == "decision" { $7 = $9 = ""; print }' "$T/plain.csv"
	"$SCHEDREC" analyze "$1" --all --csv | cut -d, -f2- | grep -E '^(policy_decision_ns|balancer_cpu_ns|migrations(_by_cause|\.total))'
}
t_status 0 "$SCHEDREC" simulate -q $G/load.srz --machine smt-2x2 --policy bld -o "$T/sim.srz" && exported ftrace "$T/sim.srz" &&
	t_status 0 "$SCHEDREC" import "$T/x.ftrace" -o "$T/back.srz" --json && t_match '"other_events": 0' "$T/out" &&
	decisions "$T/sim.srz" >"$T/want" && decisions "$T/back.srz" >"$T/got" &&
	t_true "$(diff "$T/want" "$T/got" | head -n 3)" cmp -s "$T/want" "$T/got" &&
	t_true "few decisions" [ "$(grep -c ',1,decision,' "$T/got")" -gt 100 ] && t_match '^migrations_by_cause.wake,' "$T/got"
t_ok

t_case "an imported file is good for info, analyze and simulate"
exported ftrace $G/load.srz && t_status 0 "$SCHEDREC" import -q "$T/x.ftrace" -o "$T/back.srz" &&
	t_status 0 "$SCHEDREC" info "$T/back.srz" && t_match '^imported +ftrace$' "$T/out" && t_match '^from +x.ftrace$' "$T/out" &&
	t_status 0 "$SCHEDREC" analyze "$T/back.srz" && t_match '^wakeup_latency_ns' "$T/out" &&
	t_status 0 "$SCHEDREC" simulate -q "$T/back.srz" --machine smt-2x2 --policy kernel -o "$T/sim.srz"
t_ok

t_case "perf.data: its events, context, losses, tasks and header"
t_need python3 && t_status 0 python3 $CHECK make-perf "$T/perf.data" &&
	t_status 0 "$SCHEDREC" import "$T/perf.data" -o "$T/perf.srz" --json && t_match '"interrupt_context": true' "$T/out" &&
	t_match '"lost": 9' "$T/out" && t_status 0 "$SCHEDREC" dump "$T/perf.srz" && cat >"$T/want" <<'END' &&
0.000000000 1 swapper:0 - sched_switch prev=swapper:0 prev_prio=120 prev_state=R next=other:30 next_prio=98
0.000000500 0 main:10 h sched_waking task=worker:20 prio=120 target_cpu=0
0.000000600 0 main:10 - sched_switch prev=main:10 prev_prio=120 prev_state=R+ next=worker:20 next_prio=120
0.000001000 0 worker:20 - sched_switch prev=worker:20 prev_prio=120 prev_state=D next=main:10 next_prio=120
0.000001500 1 other:30 - sched_switch prev=other:30 prev_prio=98 prev_state=X next=swapper:0 next_prio=120
0.000001600 1 swapper:0 - lost count=9 span_us=0
END
	t_true "$(diff "$T/want" "$T/out")" cmp -s "$T/want" "$T/out" && t_status 0 "$SCHEDREC" info "$T/perf.srz" &&
	t_match '^kernel +6.1.0$' "$T/out" && t_match '^command +perf record$' "$T/out" &&
	t_match '^missing +sched_wakeup sched_wakeup_new' "$T/out" && t_status 0 "$SCHEDREC" info --json "$T/perf.srz" &&
	t_match '^ +"clock": "mono"' "$T/out"
t_ok

t_case "perf.data: what cannot be read is said, with what to do"
if t_need python3; then
	while read -r kind what; do
		t_status 0 python3 $CHECK make-perf "$T/perf.data" "$kind" &&
			t_status 4 "$SCHEDREC" import "$T/perf.data" -o "$T/no.srz" && t_one_line "$T/err" && t_match "$what" "$T/err" &&
			t_true "something is left" test ! -e "$T/no.srz" -a ! -e "$T/no.srz.part"
	done <<'END'
compressed its records are compressed: make it plain with perf inject
pipe it was written to a pipe: record with perf record -o FILE
cut is cut|incomplete
wide its format of sched_switch has no common fields
wide-pid its format of sched_switch has no common fields
END
fi
t_ok

t_case "ftrace text: a page of systrace, with other things around"
cat >"$T/page.html" <<'END'
<!DOCTYPE html>
<html><head><script>var a = "x-1 [000] nothing";</script></head><body>
<script class="trace-data" type="application/text">
USER  PID  PPID  NAME
root  1    0     init
</script>
<script class="trace-data" type="application/text">
# tracer: nop
#
          <idle>-0     (-----) [001] d..2  1000.000001: sched_switch: prev_comm=swapper/1 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=surfaceflinger next_pid=201 next_prio=97
  surfaceflinger-201   (  201) [001] d..3  1000.000101: sched_waking: comm=Binder:201_1 pid=222 prio=110 target_cpu=002
  surfaceflinger-201   (  201) [001] ...1  1000.000102: tracing_mark_write: B|201|onMessageReceived
</script></body></html>
END
t_status 0 "$SCHEDREC" import "$T/page.html" -o "$T/page.srz" && t_match '^imported 2 events of 100 us' "$T/err" &&
	t_match '^no sched_wakeup events: ' "$T/err" && t_status 0 "$SCHEDREC" dump "$T/page.srz" &&
	t_match '^0.000100000 1 surfaceflinger:201 - sched_waking task=Binder:201_1:222 prio=110 target_cpu=2$' "$T/out"
t_ok

t_case "rt-app: in whatever order threads run, all come to their ends and no wake is lost"
t_need python3 && t_status 0 "$SCHEDREC" export -q $G/load.srz --to rt-app --calibration 2.5 -o "$T/x.json" &&
	t_status 0 python3 $CHECK rt-app "$T/x.json" && t_match '^[0-9]+ threads, .*lock=[0-9]+ .*run=[0-9]+ .*unlock=[0-9]+' "$T/out" &&
	t_match '"calibration": 1000' "$T/x.json" && t_status 0 "$SCHEDREC" export $G/load.srz --to rt-app -o "$T/y.json" --json &&
	t_match '"threads": [0-9]+' "$T/out" && t_match '"calibration": "CPU0"' "$T/y.json"
t_ok

t_case "what could not be written is said, and counted"
t_status 0 "$SCHEDREC" export $G/many-tasks.srz --to ftrace -o "$T/x.txt" && t_match '^left out: [0-9]+ bind events' "$T/err" &&
	t_status 0 "$SCHEDREC" export $G/many-tasks.srz --to perfetto -o "$T/x.pf" --json && t_match '"bind": [1-9]' "$T/out" &&
	t_match '"format": "perfetto"' "$T/out"
t_ok

t_case "a file that is there is replaced by a whole one only"
echo precious >"$T/old" && t_status 4 "$SCHEDREC" export $G/reject-chunk-sum.srz --to csv -o "$T/old" && t_one_line "$T/err" &&
	t_equal precious "$(cat "$T/old")" && t_true "a part file is left" test ! -e "$T/old.part" &&
	t_status 4 "$SCHEDREC" import "$T/old" -o "$T/old.srz" && t_one_line "$T/err" &&
	t_true "a part file is left" test ! -e "$T/old.srz.part" -a ! -e "$T/old.srz" &&
	t_status 0 "$SCHEDREC" export -q $G/one-event.srz --to csv -o "$T/old" && t_match '^time_ns,cpu,' "$T/old"
t_ok

t_case "files that cannot be read or written"
t_status 3 "$SCHEDREC" export "$T/none.srz" --to csv -o "$T/x" && t_one_line "$T/err" &&
	t_status 3 "$SCHEDREC" export $G/load.srz --to csv -o "$T/none/x" && t_one_line "$T/err" &&
	t_status 3 "$SCHEDREC" import "$T/none.txt" -o "$T/x.srz" && t_one_line "$T/err" &&
	t_status 3 "$SCHEDREC" import "$T" -o "$T/x.srz" && t_one_line "$T/err" &&
	t_status 4 "$SCHEDREC" import $G/load.srz -o "$T/x.srz" && t_match 'is a .srz file already' "$T/err" &&
	head -c 3000 /dev/zero >"$T/zero" && t_status 4 "$SCHEDREC" import "$T/zero" -o "$T/x.srz" && t_match 'is neither ftrace text nor' "$T/err" &&
	: >"$T/empty" && t_status 4 "$SCHEDREC" import "$T/empty" -o "$T/x.srz" && t_one_line "$T/err" &&
	gzip -c "$T/zero" >"$T/zero.gz" && t_status 4 "$SCHEDREC" import "$T/zero.gz" -o "$T/x.srz" && t_match 'gunzip' "$T/err"
t_ok

t_case "wrong use"
while read -r what args; do
	# shellcheck disable=SC2086 # words
	t_status 2 "$SCHEDREC" $args && t_one_line "$T/err" && t_match "${what//_/ }" "$T/err"
done <<END
give_one_file export --to csv -o $T/x
name_the_format export $G/load.srz -o $T/x
name_the_file export $G/load.srz --to csv
--to export $G/load.srz --to pdf -o $T/x
would_replace export $G/load.srz --to csv -o $G/load.srz
--calibration export $G/load.srz --to rt-app -o $T/x --calibration fast
--calibration export $G/load.srz --to rt-app -o $T/x --calibration CPU0x
--task export $G/load.srz --to csv -o $T/x --task a
give_one_file import -o $T/x.srz
name_the_file import $T/page.html
would_replace import $T/page.html -o $T/page.html
--scope import $T/page.html -o $T/x.srz --scope mine
END
t_ok

t_case "trace.dat without trace-cmd is a lack of the environment"
printf '\x17\x08\x44tracing6\0' >"$T/x.dat" && t_status 3 env PATH="$T" "$SCHEDREC" import "$T/x.dat" -o "$T/x.srz" &&
	t_one_line "$T/err" && t_match 'trace-cmd, which is not installed' "$T/err" && t_true "a part file is left" test ! -e "$T/x.srz.part"
t_ok

t_case "a damaged trace.dat is told"
t_need trace-cmd && t_status 4 "$SCHEDREC" import "$T/x.dat" -o "$T/x.srz" && t_one_line "$T/err"
t_ok

t_done
