#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# compare: verdicts, statuses, selectors
. tests/lib.sh

db=$T/runs.db
command -v sqlite3 >/dev/null || {
	t_case "comparison of stored runs"
	t_skip "sqlite3 is not installed"
	t_done
	exit
}

# The tables are schedrec's own; the rows are written here. arm POLICY LABEL ROUNDS MAKESPAN MIGRATIONS: values are SQL
# with the round as i.
"$SCHEDREC" analyze tests/golden/all-kinds.srz --db "$db" >/dev/null 2>&1
arm() {
	sqlite3 "$db" "
	create temp table made(run_id, i);
	create temp trigger t after insert on run begin insert into made values (new.id, new.repeat); end;
	with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < $3)
	insert into run(engine, policy, label, trace_sha256, trace_name, repeat, order_slot, lost_events, repaired, censored)
		select 'live', '$1', '$2', 'abcdef0123', 'build.srz', i, i, 0, 0, 0 from n;
	insert into metric select run_id, 'makespan_ns', 'ns', $4 from made;
	insert into metric select run_id, 'migrations.total', 'count', $5 from made;
	insert into metric select run_id, 'fidelity.makespan_error', 'ratio', $4 from made;"
}
arm kernel a 12 '1e9 + 1e6 * (i * 7 % 5)' 100
arm slow a 12 '1.3e9 + 1e6 * (i * 3 % 5)' 100
arm fast a 12 '0.7e9 + 1e6 * (i * 3 % 5)' 100
arm close a 12 '1.001e9 + 1e6 * (i * 3 % 5)' 100
arm few a 4 '1.3e9' 100
arm wild a 12 '1e9 * (1 + (i * 5 % 7) / 5.0 - 0.5)' '100 * (i % 5)'

# field METRIC FIELD: out of $T/out
field() {
	sqlite3 :memory: "select json_extract(value, '\$.$2') from json_each(readfile('$T/out'))
		where json_extract(value, '\$.metric') = '$1'"
}

t_case "a regression is status 1, told in the table"
t_status 1 "$SCHEDREC" compare --db "$db" policy=kernel policy=slow
t_match '^makespan_ns .*regressed$' "$T/out" && t_match '^migrations.total .*identical$' "$T/out"
t_match '^build.srz$' "$T/out" && t_no_match '^.{101}' "$T/out"
t_ok

t_case "JSON: one object a trace and metric"
t_status 1 "$SCHEDREC" compare --db "$db" --json policy=kernel policy=slow
t_equal regressed "$(field makespan_ns verdict)"
t_equal 12 "$(field makespan_ns rounds)"
t_equal build.srz "$(field makespan_ns trace)"
t_equal 1 "$(sqlite3 :memory: "select $(field makespan_ns lo) < 0.3 and $(field makespan_ns hi) > 0.29
	and $(field makespan_ns shift) between $(field makespan_ns lo) and $(field makespan_ns hi)")"
t_equal 2 "$(sqlite3 :memory: "select json_array_length(readfile('$T/out'))")"
t_ok

t_case "an improvement is status 0"
t_status 0 "$SCHEDREC" compare --db "$db" --json --strict policy=kernel policy=fast
t_equal improved "$(field makespan_ns verdict)"
t_ok

t_case "what is within the margin is the same"
t_status 0 "$SCHEDREC" compare --db "$db" --json --strict policy=kernel policy=close
t_equal same "$(field makespan_ns verdict)"
t_ok

t_case "a smaller margin makes the same change count"
t_status 1 "$SCHEDREC" compare --db "$db" --json --margin 20 policy=kernel policy=slow
t_status 0 "$SCHEDREC" compare --db "$db" --json --margin 40 policy=kernel policy=slow
t_equal same "$(field makespan_ns verdict)"
t_ok

t_case "four rounds tell nothing, and say how many more"
t_status 0 "$SCHEDREC" compare --db "$db" policy=kernel policy=few
t_match '^makespan_ns .*unknown, \+2$' "$T/out" && t_match '8 runs have no counterpart' "$T/out"
t_status 0 "$SCHEDREC" compare --db "$db" --json policy=kernel policy=few
t_equal unknown "$(field makespan_ns verdict)"
t_equal 2 "$(field makespan_ns needs)"
t_equal '' "$(field makespan_ns lo)"
t_ok

t_case "--strict: unknown is status 1"
t_status 1 "$SCHEDREC" compare --db "$db" --strict policy=kernel policy=few
t_status 1 "$SCHEDREC" compare --db "$db" --strict policy=kernel policy=wild
t_ok

t_case "--metric picks, and fidelity is never compared"
t_status 0 "$SCHEDREC" compare --db "$db" --json --metric 'migr*' policy=kernel policy=slow
t_equal 1 "$(sqlite3 :memory: "select json_array_length(readfile('$T/out'))")"
t_status 1 "$SCHEDREC" compare --db "$db" --json --metric '*' policy=kernel policy=slow
t_no_match fidelity "$T/out"
t_status 2 "$SCHEDREC" compare --db "$db" --metric 'fidelity.*' policy=kernel policy=slow
t_ok

t_case "several traces: a line and an object for all of them, by a bootstrap that is the same each time"
many() { # POLICY FACTOR: seven traces of eight rounds
	sqlite3 "$db" "
	create temp table made(run_id, i, t);
	create temp trigger t after insert on run begin
		insert into made values (new.id, new.repeat, substr(new.trace_name, 6)); end;
	with recursive n(i) as (select 0 union all select i + 1 from n where i < 7),
		t(t) as (select 1 union all select t + 1 from t where t < 7)
	insert into run(engine, policy, label, trace_sha256, trace_name, repeat, order_slot, lost_events, repaired, censored)
		select 'live', '$1', 'many', 'trace' || t, 'trace' || t, i,
			2 * i + (i % 2 <> ('$1' = 'm2')), 0, 0, 0 from n, t order by t, i;
	insert into metric select run_id, 'makespan_ns', 'ns', 1e9 * t * (1 + 0.001 * (i * (t + 2) % 5)) * ($2) from made;
	insert into metric select run_id, 'a_metric_with_a_name_that_has_no_room_in_its_column', 'count', 5 from made;"
}
many m1 1
many m2 '1.03 + 0.01 * (t % 3)'
t_status 1 "$SCHEDREC" compare --db "$db" -m '*' policy=m1 policy=m2
t_match '^over all traces$' "$T/out" && t_match '^makespan_ns +7 +56 .* regressed$' "$T/out"
t_no_match '^.{101}' "$T/out" && t_equal '' "$(cat "$T/err")"
cp "$T/out" "$T/first"
t_status 1 "$SCHEDREC" compare --db "$db" -m '*' policy=m1 policy=m2 && t_true "it differs" cmp "$T/first" "$T/out"
t_status 1 "$SCHEDREC" compare --db "$db" --json -m makespan_ns policy=m1 policy=m2
t_equal '7 1' "$(sqlite3 :memory: "select sum(json_extract(value, '\$.trace') is not null) || ' ' ||
	sum(json_extract(value, '\$.trace') is null and json_extract(value, '\$.verdict') = 'regressed'
		and json_extract(value, '\$.lo') > 0.03 and json_extract(value, '\$.hi') < 0.05)
	from json_each(readfile('$T/out'))")"
t_ok

t_case "all of one arm before all of the other: unknown, and why"
sqlite3 "$db" "update run set order_slot = repeat + 8 * (policy = 'm2') where label = 'many'"
t_status 0 "$SCHEDREC" compare --db "$db" --json -m makespan_ns policy=m1 policy=m2
t_no_match 'regressed|improved|same' "$T/out" && t_match '"evidence": "blocked order"' "$T/out"
t_match 'trace1: the arms were not interleaved' "$T/err"
t_status 1 "$SCHEDREC" compare --db "$db" --strict -m makespan_ns policy=m1 policy=m2
t_ok

t_case "what a person feels is judged unasked, and the help and COMPARE.md list the usual metrics"
felt() { # POLICY SHARE
	arm "$1" felt 12 '1e9 + 1e6 * (i * 3 % 5)' 100
	sqlite3 "$db" "
	insert into metric select id, 'frames_late_share', 'ratio', ($2) * (1 + repeat % 3 / 10.0) from run where policy = '$1';
	insert into metric select id, v.column1, 'ns', 1e6 * (1 + repeat * 7 % 5 / 100.0) from run, (values ('cpu_time_ns'),
		('wakeup_latency_ns.mean'), ('wakeup_latency_ns.p50'), ('wakeup_latency_ns.p95'), ('wakeup_latency_ns.p99'),
		('switches_voluntary'), ('switches_involuntary'), ('missed_periods'), ('longest_stall_ns'), ('energy_j'),
		('run_delay_ns.p50'), ('frames_late'), ('slice_ns.p50')) v where policy = '$1'"
}
felt f1 0.01
felt f2 0.3
t_status 1 "$SCHEDREC" compare --db "$db" policy=f1 policy=f2
t_match '^frames_late_share .*regressed$' "$T/out" && t_no_match '^.{101}' "$T/out"
t_status 1 "$SCHEDREC" compare --db "$db" --json policy=f1 policy=f2
t_equal 0.01 "$(field frames_late_share step)"
t_equal 13 "$(sqlite3 :memory: "select json_array_length(readfile('$T/out'))")"
t_equal 1 "$(sqlite3 :memory: "select count(*) from json_each(readfile('$T/out'))
	where json_extract(value, '\$.verdict') = 'regressed'")"
"$SCHEDREC" help compare | tr -s '\n ' ' ' >"$T/help"
for m in $(sqlite3 :memory: "select json_extract(value, '\$.metric') from json_each(readfile('$T/out'))"); do
	t_match "[ :]${m}[ ,:;.]" "$T/help"
	t_match "\`(${m%%.*})?\.?${m#*.}\`" analyze/COMPARE.md
done
t_ok

t_case "arms on two machines: no number of rounds would tell, and what would is said"
sqlite3 "$db" "update run set machine = 'one' where policy = 'kernel' and label = 'a';
	update run set machine = 'two' where policy = 'wild'"
t_status 0 "$SCHEDREC" compare --db "$db" policy=kernel,label=a policy=wild
t_match '^makespan_ns .* unknown$' "$T/out" && t_no_match 'more rounds would tell \(' "$T/out"
t_match 'run both arms on one machine' "$T/out" && t_no_match '^.{101}' "$T/out"
t_status 0 "$SCHEDREC" compare --db "$db" --json policy=kernel,label=a policy=wild
t_equal '0 both arms on one machine' "$(field makespan_ns needs) $(field makespan_ns needs_what)"
sqlite3 "$db" "update run set machine = null"
t_ok

t_case "the BPF scheduler of an arm is told, and chooses it"
sqlite3 "$db" "update run set sched_ext = 'lavd_1.0' where policy = 'slow'"
t_status 1 "$SCHEDREC" compare --db "$db" policy=kernel,label=a sched_ext=lavd_1.0
t_match '^sched_ext: base none, candidate lavd_1.0$' "$T/out"
t_status 1 "$SCHEDREC" compare --db "$db" --json policy=kernel,label=a sched_ext=lavd_1.0
t_equal lavd_1.0 "$(field makespan_ns candidate_sched_ext)" && t_equal '' "$(field makespan_ns base_sched_ext)"
t_status 2 "$SCHEDREC" compare --db "$db" policy=kernel,label=a,sched_ext=lavd_1.0 policy=slow
sqlite3 "$db" "update run set sched_ext = null"
t_ok

t_case "unknown over enough traces: how many more, and --strict counts it"
many m3 1
many m4 'case t when '"'1'"' then 0.7 else 1.001 end'
sqlite3 "$db" "update run set order_slot = 2 * repeat + (repeat % 2 <> (policy = 'm4')) where policy in ('m3', 'm4')"
t_status 0 "$SCHEDREC" compare --db "$db" -m makespan_ns policy=m3 policy=m4
t_match '^makespan_ns +7 .* unknown, \+[1-9][0-9]* traces$' "$T/out" && t_match 'about N more would tell' "$T/out"
t_no_match '^.{101}' "$T/out" && t_match '^6 same  1 improved' "$T/out"
t_status 1 "$SCHEDREC" compare --db "$db" -m makespan_ns --strict policy=m3 policy=m4
sqlite3 "$db" "pragma foreign_keys = on; delete from run where policy in ('m3', 'm4') and trace_name > 'trace5'" # too few for an interval
t_status 0 "$SCHEDREC" compare --db "$db" -m makespan_ns --strict policy=m3 policy=m4
t_match '^makespan_ns +5 .* unknown, \+1 traces$' "$T/out"
t_ok

t_case "a selector that matches nothing: status 2, and what there is"
t_status 2 "$SCHEDREC" compare --db "$db" policy=kernel policy=none
t_one_line "$T/err" && t_match 'close, f1, f2, fast, few, kernel, m1, m2, m3, m4, slow, wild' "$T/err" && t_match 'labels: a, all-kinds, felt, many' "$T/err"
t_ok

t_case "a wrong command line: status 2"
t_status 2 "$SCHEDREC" compare --db "$db" policy=kernel && t_match 'two selectors' "$T/err"
t_status 2 "$SCHEDREC" compare policy=kernel policy=slow && t_match '[-]-db' "$T/err"
t_status 2 "$SCHEDREC" compare --db "$db" policy=kernel slow && t_match "'slow'" "$T/err"
t_ok

t_case "a database that is not there, or none, or empty"
t_status 3 "$SCHEDREC" compare --db "$T/none.db" policy=a policy=b && t_one_line "$T/err"
t_true "it was not made" test ! -e "$T/none.db"
echo text >"$T/text.db"
t_status 4 "$SCHEDREC" compare --db "$T/text.db" policy=a policy=b && t_one_line "$T/err"
: >"$T/empty.db"
t_status 4 "$SCHEDREC" compare --db "$T/empty.db" policy=a policy=b && t_one_line "$T/err"
t_ok

t_case "replays that were not close to their recording are told, where that makes a comparison doubtful"
poor() { # LABEL WORK MEASURE VALUE
	arm kernel "$1" 2 1e9 100
	sqlite3 "$db" "update run set work = '$2' where label = '$1';
		insert into metric select id, '$3', 'ratio', $4 from run where label = '$1'"
}
poor slow-replay time fidelity.wake_edges_recall 0.5
poor instructions instructions fidelity.cpu_time_error 0.3
poor other-policy time fidelity.cpu_time_error 0.3
sqlite3 "$db" "update run set policy = 'bld' where label = 'other-policy'"
# of these the makespan is in the rows of all
sqlite3 "$db" "update metric set value = 0.01 where name = 'fidelity.makespan_error' and run_id in
	(select id from run where label in ('slow-replay', 'instructions', 'other-policy'))"
t_status 0 "$SCHEDREC" compare --db "$db" label=instructions label=slow-replay
t_one_line "$T/err" && t_match 'candidate, build.srz: fidelity.wake_edges_recall is 50.0 % .median of 2.' "$T/err"
t_status 0 "$SCHEDREC" compare --db "$db" label=instructions label=other-policy
t_equal '' "$(cat "$T/err")"
t_ok

t_done
