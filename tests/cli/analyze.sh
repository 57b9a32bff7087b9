#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# analyze: every view in every form, damaged files, the database
. tests/lib.sh

views='summary latency timehist map cpu tasks fidelity'
# Their events are no possible schedule: whatever is in them, a view comes out.
good=$(for f in tests/golden/*.srz; do case $f in */reject-*) ;; *) echo "$f" ;; esac; done)

# run VIEW FILE [OPTION...]
run() {
	local against=()

	[ "$1" = fidelity ] && against=(--against "$2")
	t_status 0 "$SCHEDREC" analyze --view "$1" "${against[@]}" "${@:2}"
}

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

t_case "several files: one JSON document, one CSV head"
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

t_case "a database that is none: status 4, one line, untouched"
echo 'a text' >"$T/text.db"
t_status 4 "$SCHEDREC" analyze tests/golden/one-event.srz --db "$T/text.db" && t_one_line "$T/err" && t_match 'text.db' "$T/err"
t_equal 'a text' "$(cat "$T/text.db")"
t_ok

t_case "a database that cannot be made: status 3"
t_status 3 "$SCHEDREC" analyze tests/golden/one-event.srz --db "$T/no/such/dir.db" && t_one_line "$T/err"
t_ok

t_done
