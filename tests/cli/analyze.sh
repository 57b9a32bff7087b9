#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# analyze: every view in every form, damaged files, the database
. tests/lib.sh

views='summary latency timehist map cpu tasks stats fidelity'
# Their events are no possible schedule: whatever is in them, a view comes out.
good=$(for f in tests/golden/*.srz; do case $f in */reject-*) ;; *) echo "$f" ;; esac; done)

# run VIEW FILE [OPTION...]
run() {
	local against=()

	[ "$1" = fidelity ] && against=(--against "$2")
	t_status 0 "$SCHEDREC" analyze --view "$1" "${against[@]}" "${@:2}"
}

t_case "what a file says of itself is no control sequence on a terminal"
printf 'meta replay.policy a\033[31mb\nswitch 1000 0 0 120 R 7 120\nswitch 2000 0 7 120 S 0 120\n' |
	"$BUILD/tests/real/from_text" "$T/escape.srz"
t_status 0 "$SCHEDREC" analyze "$T/escape.srz" && t_match 'run under a\?\[31mb of' "$T/out" && t_no_match "$(printf '\033')" "$T/out"
t_ok

for view in $views; do
	t_case "$view: lines of at most 100 columns from every file"
	for f in $good; do
		run "$view" "$f" && run "$view" "$f" --all && t_no_match '^.{101}' "$T/out"
		t_equal "" "$(grep -vE '^schedrec: warning: .*(events were lost|nothing is known of a CPU)' "$T/err")"
	done
	t_ok

	t_case "$view: valid JSON from every file"
	t_need sqlite3 && for f in $good; do
		run "$view" "$f" --json --all
		t_equal 1 "$(sqlite3 :memory: "select json_valid(readfile('$T/out'))")"
	done
	t_ok

	t_case "$view: CSV of one width from every file"
	t_need python3 && for f in $good; do
		run "$view" "$f" --csv --all
		t_equal 1 "$(python3 -c 'import csv, sys; print(len({len(r) for r in csv.reader(open(sys.argv[1]))}))' "$T/out")"
	done
	t_ok
done

t_case "JSON and CSV say the same"
f=tests/golden/all-kinds.srz
if t_need sqlite3; then
	run summary "$f" --csv
	csv=$(awk -F, '$2 == "cpu_time_ns" { print $4 }' "$T/out")
	run summary "$f" --json
	t_equal "$csv" "$(sqlite3 :memory: "select json_extract(readfile('$T/out'), '\$[0].metrics.cpu_time_ns')")"
	t_true "not empty" test -n "$csv"
fi
t_ok

t_case "JSON, CSV and text say what was lost, repaired and cut, in every view"
f=tests/golden/many-tasks.srz
if t_need sqlite3; then
	run summary "$f" --json && for n in lost repaired censored; do
		sqlite3 :memory: "select json_extract(readfile('$T/out'), '\$[0].$n')"
	done >"$T/want"
	t_no_match '^0$' "$T/want"
	run summary "$f" --csv && sed -nE 's/^[^,]*,(lost|repaired|censored),count,//p' "$T/out" >"$T/got"
	t_equal "$(sed 1d "$T/want" | tr '\n' ' ')" "$(sed 1d "$T/got" | tr '\n' ' ')"
	t_equal 3 "$(wc -l <"$T/got")"
	for view in latency timehist map cpu tasks stats fidelity; do
		run $view "$f" --json && n=$(sqlite3 :memory: "select coalesce(json_extract(readfile('$T/out'), '\$[0].censored'),
			json_extract(readfile('$T/out'), '\$[0].files[0].censored'))")
		run $view "$f" --csv && t_equal 1 "$(tr -d , <"$T/err" | grep -c "events lost 47 switches repaired $n intervals cut")"
		t_no_match 'events lost' "$T/out"
	done
	run cpu tests/golden/one-event.srz --csv && t_no_match 'events lost' "$T/err"
fi
t_ok

t_case "the summary's text has every metric that its CSV has"
for f in tests/golden/load.srz tests/golden/all-kinds.srz; do
	run summary "$f" --csv && cut -d, -f2 "$T/out" | sed -E '1d; /^(lost|repaired|censored)$/d' >"$T/want"
	run summary "$f" && while read -r metric; do
		grep -qE "^($metric|${metric%.*}) " "$T/out" || t_fail "$metric is not in the text of $f"
	done <"$T/want"
done
t_match '^slice_ns +[1-9]' "$T/out"
run summary tests/golden/load.srz && t_match '^sleep_ns +509 +909 us' "$T/out"
t_ok

t_case "map: times count from the first event, as in the other views, also with --from"
if t_need python3; then
	run map tests/golden/load.srz --all --csv --from 10ms --to 20ms
	t_true "$(head -n 2 "$T/out" | tail -n 1)" python3 -c 'import csv, sys
at = [(int(r["time_ns"]), int(r["step_ns"])) for r in csv.DictReader(open(sys.argv[1]))]
sys.exit(not at or min(at)[0] < 10e6 or max(at)[0] + max(at)[1] < 19e6 or max(at)[0] >= 20e6)' "$T/out"
fi
t_ok

t_case "several files: one JSON document, one CSV head"
f=tests/golden/all-kinds.srz
if t_need sqlite3; then
	t_status 0 "$SCHEDREC" analyze "$f" tests/golden/ties.srz --json
	t_equal 2 "$(sqlite3 :memory: "select json_array_length(readfile('$T/out'))")"
	t_status 0 "$SCHEDREC" analyze "$f" tests/golden/ties.srz --csv
	t_equal 1 "$(grep -c '^file,' "$T/out")"
fi
t_ok

t_case "damaged files: status 4 and one line"
for f in tests/golden/reject-*.srz; do
	case $f in */reject-attributes-*) continue ;; esac # analyze has no use for attributes
	t_status 4 "$SCHEDREC" analyze "$f" && t_one_line "$T/err"
done
t_ok

t_case "a damaged file among several: what came before is still valid JSON"
if t_need sqlite3; then
	t_status 4 "$SCHEDREC" analyze tests/golden/one-event.srz tests/golden/reject-magic.srz --json
	t_one_line "$T/err"
	t_equal 1 "$(sqlite3 :memory: "select json_valid(readfile('$T/out'))")"
fi
t_ok

t_case "a missing file: status 3 and one line"
t_status 3 "$SCHEDREC" analyze "$T/none.srz" && t_one_line "$T/err" && t_match 'none.srz' "$T/err"
t_ok

t_case "a wrong command line: status 2, and what is wrong"
t_status 2 "$SCHEDREC" analyze && t_match 'name the files' "$T/err"
t_status 2 "$SCHEDREC" analyze --json --csv "$f" && t_match 'json.*csv' "$T/err"
t_status 2 "$SCHEDREC" analyze --view fidelity "$f" && t_match 'against' "$T/err"
t_status 2 "$SCHEDREC" analyze --view nonsense "$f" && t_match 'view' "$T/err"
t_ok

t_case "a filter takes away and changes nothing else"
f=tests/golden/many-tasks.srz
if t_need python3; then
	t_status 0 "$SCHEDREC" analyze --all --view latency --csv "$f" && cp "$T/out" "$T/whole"
	tid=$(sed -n 2p "$T/whole" | cut -d, -f3)
	t_status 0 "$SCHEDREC" analyze --all --view latency --csv "$f" --task "$tid"
	t_equal 2 "$(wc -l <"$T/out")"
	t_equal "$(sed -n 2p "$T/whole")" "$(sed -n 2p "$T/out")"
	t_status 0 "$SCHEDREC" analyze --all --view timehist --csv "$f" && cp "$T/out" "$T/whole"
	for cpu in 0 1; do
		t_status 0 "$SCHEDREC" analyze --all --view timehist --csv "$f" --cpu $cpu
		t_true "cpu $cpu's rows are not those of the whole file" python3 -c 'import csv, sys
whole, part = [[r for r in csv.DictReader(open(p))] for p in sys.argv[1:3]]
sys.exit([r for r in whole if r["cpu"] == sys.argv[3]] != part or not part)' "$T/whole" "$T/out" $cpu
	done
fi
t_ok

t_case "filters in every view and form; what is shown is said"
for view in summary latency timehist map cpu tasks; do
	t_status 0 "$SCHEDREC" analyze --all --view $view "$f" --task '*' --cpu 0-3 --from 1ns --to 1s
	t_match "^shown: tasks '\*', CPUs 0-3, from 1 ns to 1.00 s" "$T/out"
	t_status 0 "$SCHEDREC" analyze --all --view $view "$f" --pid 1 --json && t_match '"shown": "process 1"' "$T/out"
done
t_status 0 "$SCHEDREC" analyze --all --view stats "$f" --cpu 0 --from 1ns
t_ok

t_case "a filter that makes no sense: status 2, and why"
for wrong in '--view stats --task x' '--view stats --pid 1' '--from 5s --to 4s' '--from 99h' '--task x --db runs.db' \
	'--wakeups' '--view map --idle' '--cpu x' '--pid 0' '--cpu 0 --against tests/golden/many-tasks.srz'; do
	# shellcheck disable=SC2086 # words
	t_status 2 "$SCHEDREC" analyze "$f" $wrong && t_one_line "$T/err"
done
t_ok

t_case "a full standard output is told"
if [ -c /dev/full ]; then
	"$SCHEDREC" analyze --view timehist --all tests/golden/many-tasks.srz >/dev/full 2>"$T/err"
	t_equal 3 $?
	t_one_line "$T/err"
else
	t_skip "no /dev/full"
fi
t_ok

t_case "--db stores a recording once for each label"
if t_need sqlite3; then
	f=tests/golden/all-kinds.srz
	t_status 0 "$SCHEDREC" analyze "$f" --db "$T/runs.db"
	t_status 0 "$SCHEDREC" analyze "$f" --db "$T/runs.db"
	t_status 0 "$SCHEDREC" analyze "$f" --db "$T/runs.db" --label other
	t_equal "recorded|kernel|all-kinds.srz|$(sha256sum "$f" | cut -c -64)" \
		"$(sqlite3 "$T/runs.db" 'select distinct engine, policy, trace_name, trace_sha256 from run')"
	t_equal 2 "$(sqlite3 "$T/runs.db" 'select count(*) from run')"
	t_true "metrics of both" test "$(sqlite3 "$T/runs.db" "select count(*) from metric where name = 'makespan_ns'")" = 2
fi
t_ok

t_case "--db stores which BPF scheduler was loaded"
if t_need sqlite3; then
	for state in enabled disabled; do
		printf 'meta kernel.release 6.12\nmeta sched_ext.state %s\nmeta sched_ext.ops lavd\nswitch 1000 0 0 120 R 7 120\n%s\n' \
			"$state" 'switch 2000 0 7 120 S 0 120' | "$BUILD/tests/real/from_text" "$T/$state.srz"
		t_status 0 "$SCHEDREC" analyze "$T/$state.srz" --db "$T/scx.db"
	done
	t_equal 'disabled.srz - enabled.srz lavd' "$(sqlite3 "$T/scx.db" \
		"select trace_name || ' ' || coalesce(sched_ext, '-') from run order by 1" | paste -sd' ')"
fi
t_ok

t_case "a database that is none: status 4, one line, untouched"
echo 'a text' >"$T/text.db"
t_status 4 "$SCHEDREC" analyze tests/golden/one-event.srz --db "$T/text.db" && t_one_line "$T/err" && t_match 'text.db' "$T/err"
t_equal 'a text' "$(cat "$T/text.db")"
t_ok

t_case "a database that cannot be made: status 3"
t_status 3 "$SCHEDREC" analyze tests/golden/one-event.srz --db "$T/no/such/dir.db" && t_one_line "$T/err"
t_ok

t_done
