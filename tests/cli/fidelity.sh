#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# analyze --view fidelity: replays of which everything is known
. tests/lib.sh

"$BUILD/tests/unit/test_fidelity" --write "$T" || exit
view() {
	t_status 0 env -C "$T" "$SCHEDREC" analyze --view fidelity "$@"
}

# value PART NAME COLUMN: out of the CSV in $T/out
value() {
	awk -F, -v part="$1" -v name="$2" -v column="$3" '
		NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
		$2 == part && $3 == name { print $at[column]; exit }' "$T/out"
}

t_case "two replays and two further recordings: the whole view"
view replay-1.srz replay-2.srz --against recorded.srz --against again-1.srz --against again-2.srz
t_true "it is not tests/golden/fidelity.txt: $(diff tests/golden/fidelity.txt "$T/out" | head -n 3 | tr '\n' '~')" \
	cmp -s tests/golden/fidelity.txt "$T/out"
t_no_match '^.{101}' "$T/out"
t_no_match ' $' "$T/out"
t_equal '' "$(cat "$T/err")"
t_ok

t_case "the source is the recording that the replay names, wherever it stands"
view replay-1.srz --against recorded.srz --against again-2.srz
mv "$T/out" "$T/first"
view replay-1.srz --against again-2.srz --against recorded.srz
t_true "the views differ" cmp -s "$T/first" "$T/out"
t_ok

t_case "CSV and JSON have the same numbers"
view replay-1.srz replay-2.srz --against recorded.srz --against again-1.srz --against again-2.srz --csv
t_equal 19000000 "$(value measure makespan_error recorded)"
t_equal 19500000 "$(value measure makespan_error replayed)"
t_equal 0.0263157894736842 "$(value measure makespan_error value)"
t_equal 0.0526315789473684 "$(value measure makespan_error hi)"
t_equal -0.0526315789473684 "$(value measure makespan_error spread_lo)"
t_equal 'own spread' "$(value measure makespan_error verdict)"
t_equal 2 "$(value 'wakes missing' a value)"
t_equal 4 "$(value count nice_refused replayed)"
t_equal 0.5 "$(value share 'wakeup latency' recorded)"
if t_need sqlite3; then
	view replay-1.srz replay-2.srz --against recorded.srz --against again-1.srz --against again-2.srz --json
	t_equal "19500000|own spread|2|b|outside" "$(sqlite3 :memory: "with d(j) as (select readfile('$T/out'))
		select json_extract(j, '\$[0].measures[1].replayed') + 0, json_extract(j, '\$[0].measures[1].verdict'),
			json_array_length(j, '\$[0].files'), json_extract(j, '\$[0].wakes_missing[0].wakee'),
			json_extract(j, '\$[0].measures[5].verdict') from d" | sed 's/\.0|/|/')"
fi
t_ok

t_case "a replay of a window is compared with that window"
view window.srz --against recorded.srz
t_match '^recording: recorded.srz; its part from 12.5 ms to 16.5 ms$' "$T/out"
t_match '^makespan +4.00 ms +4.00 ms +\+0.0 +- +2 +target$' "$T/out"
t_match '^CPU time +4.40 ms +4.40 ms +\+0.0 +- +2 +target$' "$T/out"
t_match '^wake edges, recall +- +- +100.0 +- +95 +target$' "$T/out"
t_ok

t_case "replays of different kinds have no median"
t_status 2 env -C "$T" "$SCHEDREC" analyze --view fidelity replay-1.srz window.srz --against recorded.srz
t_one_line "$T/err" && t_match 'differ in replay.from_ns' "$T/err"
t_ok

t_case "a replay tells nothing of the application's own spread"
t_status 2 env -C "$T" "$SCHEDREC" analyze --view fidelity replay-1.srz --against recorded.srz --against replay-2.srz
t_one_line "$T/err" && t_match 'replay-2.srz is a replay' "$T/err"
t_ok

t_case "a replay of another recording: a warning"
view replay-1.srz --against again-1.srz
t_one_line "$T/err" && t_match 'replay of another recording .recorded.srz.' "$T/err"
t_ok

t_case "--against more than once is for this view"
t_status 2 "$SCHEDREC" analyze "$T/replay-1.srz" --against "$T/recorded.srz" --against "$T/again-1.srz"
t_one_line "$T/err"
t_ok

t_case "--db keeps every measure with each run"
if t_need sqlite3; then
	view replay-1.srz replay-2.srz --against recorded.srz --db "$T/runs.db"
	t_equal '0.0|0.0526' "$(sqlite3 "$T/runs.db" "select group_concat(round(value, 4), '|') from
		(select value from metric where name = 'fidelity.makespan_error' order by run_id)")"
	for m in run_delay_error slice_distance sleep_distance sleep_error concurrency_error order_blocks_share \
		voluntary_switch_error_tasks; do
		t_equal 2 "$(sqlite3 "$T/runs.db" "select count(*) from metric where name = 'fidelity.$m'")"
	done
fi
t_ok

t_case "each fidelity metric of a run is explained"
if t_need sqlite3; then
	# {a,b}_c in the header stands for several names.
	for m in $(sqlite3 "$T/runs.db" "select distinct substr(name, 10) from metric where name like 'fidelity.%'"); do
		grep -o 'fidelity\.[a-z0-9_{},]*\|order_[a-z_]*' analyze/fidelity.h | sed 's/^fidelity\.//' | tr '\n' ' ' >"$T/names"
		t_true "$m is not in analyze/fidelity.h" bash -c "[[ ' '\$(eval echo \$(cat '$T/names'))' ' == *' $m '* ]]"
	done
fi
t_ok

t_done
