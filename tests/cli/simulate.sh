#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# simulate: the same events each time, files like any run's, parameters, machines, what it refuses
# shellcheck source=tests/lib.sh
. tests/lib.sh

G=tests/golden
LOAD=$G/load.srz # a load of 19 tasks: pairs, periodic sleepers, forks (tests/unit/test_sim_file.c)

sim() {
	"$SCHEDREC" simulate -q "$@"
}

# sha FILE: the digests that --json told
sha() {
	sed -nE 's/^ *"events_sha256": "([0-9a-f]*)".*/\1/p' "$1"
}

# value FILE KEY: the first number of that name
value() {
	sed -nE "s/^ *\"$2\": ([0-9.e+-]*),?\$/\1/p" "$1" | head -n 1
}

t_case "the table names machine, digest and metrics, in 100 columns"
t_status 0 sim $LOAD --machine smt-2x2 --policy kernel,bld
t_match '^simulated: .*cores' "$T/out" && t_match '^events_sha256 [0-9a-f]{64}  bld$' "$T/out"
t_match '^makespan_ns' "$T/out" && t_match '^makespan_error' "$T/out"
t_no_match '^(threads|processes):' "$T/out" # of live replays only
t_true "lines of more than 100 columns" test -z "$(awk 'length > 102' "$T/out")"
t_ok

t_case "the number of jobs changes nothing, the seed does"
t_status 0 sim $LOAD --machine numa-2x8x2 --policy random,bld --repeat 3 --jobs 1 --json && sha "$T/out" >"$T/one"
t_status 0 sim $LOAD --machine numa-2x8x2 --policy random,bld --repeat 3 --jobs 5 --json && sha "$T/out" >"$T/five"
t_equal 6 "$(wc -l <"$T/one")"
t_true "they differ" cmp -s "$T/one" "$T/five"
t_status 0 sim $LOAD --machine numa-2x8x2 --policy random --seed 2 --json
t_true "another seed, the same events" test "$(sha "$T/out")" = "$(sed -n 2p "$T/one")"
t_ok

t_case "its file is one like any run's: every view, its machine, its parameters"
t_status 0 sim $LOAD --machine smt-2x2 --policy bld -o "$T/run.srz" --param wake_local=777 --label L
t_status 0 "$SCHEDREC" info "$T/run.srz" --json && t_match '"sim.parameters": ".*wake_local=777' "$T/out" &&
	t_match '"engine": "simulated"' "$T/out" && t_match '"complete": true' "$T/out"
for view in summary latency timehist map cpu tasks; do
	t_status 0 "$SCHEDREC" analyze "$T/run.srz" --view $view
done
t_status 0 "$SCHEDREC" analyze "$T/run.srz" --view fidelity --against $LOAD
t_status 0 "$SCHEDREC" dump "$T/run.srz" && t_match ' decision ' "$T/out" && t_match 'sched_switch' "$T/out"
t_ok

t_case "rows of the database have engine simulated, and compare takes them"
t_need sqlite3 && {
	t_status 0 sim $LOAD --machine smt-2x2 --policy kernel,bld --repeat 6 --db "$T/db"
	t_equal 'simulated|6|6' "$(sqlite3 "$T/db" "SELECT engine, sum(policy = 'kernel'), sum(policy = 'bld') FROM run
		WHERE engine <> 'recorded'")"
	t_status '0|1' "$SCHEDREC" compare --db "$T/db" policy=kernel,engine=simulated policy=bld,engine=simulated
}
t_ok

t_case "parameters: listed, set, read from a file, and refused by name"
t_status 0 "$SCHEDREC" simulate --params && t_match '^switch_voluntary +[0-9]+ ns' "$T/out"
t_true "lines of more than 100 columns" test -z "$(awk 'length > 100' "$T/out")"
t_status 0 "$SCHEDREC" simulate --params --json --param tick=1ms,smt_speed_2=700 && t_match '"value": 1000000' "$T/out"
printf '# a comment\nwake_local=9 # us\n\n' >"$T/par"
t_status 0 "$SCHEDREC" simulate --params --param-file "$T/par" && t_match '^wake_local +9 ns .*\(changed\)' "$T/out"
printf '  wake_local=9\t# us\n\t\n' >"$T/par"
t_status 0 "$SCHEDREC" simulate --params --param-file "$T/par" && t_match '^wake_local +9 ns .*\(changed\)' "$T/out"
printf 'tick=1ms\nwake_local=9 switch_voluntary=1us\n' >"$T/par"
t_status 2 "$SCHEDREC" simulate --params --param-file "$T/par" && t_one_line "$T/err" && t_match 'par:2: ' "$T/err"
t_status 3 "$SCHEDREC" simulate --params --param-file "$T" && t_one_line "$T/err"
for wrong in 'nonsense=1' 'tick' 'tick=' 'tick=-1' 'tick=1x' 'tick=99999999999999999999' 'smt_speed_2=0' 'tick_spread=1ms'; do
	t_status 2 "$SCHEDREC" simulate --params --param "$wrong"
	t_one_line "$T/err"
done
t_ok

t_case "calibrating: a recording that tells of nothing is status 1"
t_status 1 "$SCHEDREC" simulate --calibrate $G/one-event.srz && t_one_line "$T/err"
t_status 4 "$SCHEDREC" simulate --calibrate $G/reject-magic.srz && t_one_line "$T/err"
t_ok

t_case "calibrating from what was simulated gives the parameters that it was simulated with"
t_status 0 sim $LOAD --loop 3 --machine smt-2x2 --policy random -o "$T/known.srz" \
	--param idle_exit=20us,idle_exit_deep=40us,idle_switch=3us,ipi=5us,preempt_wake=4us
t_status 0 "$SCHEDREC" simulate --calibrate "$T/known.srz"
t_equal 'ipi=5000,preempt_wake=4000,way_spread=0,idle_exit=20000,idle_exit_deep=40000,idle_exit_spread=0,idle_switch=3000' "$(cat "$T/out")"
t_status 0 sim $LOAD --loop 20 --machine smt-2x2 --policy random -o "$T/known.srz" \
	--param idle_exit=20us,idle_exit_deep=20us,idle_exit_spread=30
t_status 0 "$SCHEDREC" simulate --calibrate "$T/known.srz"
spread=$(sed -E 's/.*idle_exit_spread=([0-9]+).*/\1/' "$T/out")
t_true "a spread of $spread %" test "$spread" -ge 24 -a "$spread" -le 36
t_ok

t_case "calibrating on this machine gives parameters that are taken"
t_status 0 "$SCHEDREC" simulate --calibrate live -o "$T/live.par"
t_status 0 sim $LOAD --param-file "$T/live.par" --param "$(cat "$T/out")" --machine smt-2x2
t_ok

t_case "several recordings, loops and parts"
t_status 0 sim $LOAD $G/two-streams.srz --machine numa-2x8x2 --loop 2 --offset 10ms --json
t_equal '' "$(value "$T/out" fidelity.makespan_error)" # there is nothing to compare it with
t_status 0 sim $LOAD --from 1ms --to 100ms --no-stall --order keep --timing open --time-scale 2 --machine smt-2x2
t_status 0 sim $LOAD --cpus 1 --machine smt-2x2 --nice-offset 5 --class batch --task '!nobody'
t_ok

t_case "the recorded column is of the tasks that are chosen"
t_status 0 sim $LOAD --json --task child && recorded=$(value "$T/out" cpu_time_ns) && work=$(value "$T/out" run_ns)
t_true "$recorded ns recorded, $work ns of work" awk "BEGIN { exit !($recorded > $work * 0.7 && $recorded < $work * 1.5) }"
t_need sqlite3 && t_status 0 sim $LOAD --task child --db "$T/chosen.db" &&
	t_equal simulated "$(sqlite3 "$T/chosen.db" "SELECT group_concat(engine) FROM run")"
t_ok

t_case "more CPUs take no longer than fewer"
t_status 0 sim $LOAD --json --machine 'node:8 core:64 pu:2' && many=$(value "$T/out" makespan_ns)
t_status 0 sim $LOAD --json --machine 'node:8 core:64 pu:2' --cpus 0 && one=$(value "$T/out" makespan_ns)
t_true "$many ns on 1,024 CPUs, $one on one" awk "BEGIN { exit !($many <= $one * 1.01) }"
t_ok

t_case "copies fill a large machine: all of their work is done, by the seed, at the same events each time"
M='node:8 l3:4 core:16 pu:2'
t_status 0 sim $LOAD --json --machine "$M" && one=$(value "$T/out" cpu_time_ns)
t_status 0 sim $LOAD $G/load.srz --json --machine "$M" --copies 60 --policy kernel,bld,bld-fixed,domain -o "$T/c-%p.srz" &&
	sha "$T/out" >"$T/one" && many=$(value "$T/out" cpu_time_ns) && t_match '"copies": 60' "$T/out"
t_true "$many ns of 120 copies, $one of one" awk "BEGIN { exit !($many > $one * 90 && $many < $one * 150) }"
t_status 0 sim $LOAD $G/load.srz --json --machine "$M" --copies 60 --policy kernel,bld,bld-fixed,domain --jobs 1 &&
	sha "$T/out" | t_equal "$(cat "$T/one")" "$(cat)"
t_status 0 "$SCHEDREC" info "$T/c-bld.srz" --json && t_match '"replay.copies": "?60' "$T/out"
t_status 0 sim $LOAD --json --machine "$M" --copies 3 --copy-spread 1s && slow=$(value "$T/out" makespan_ns)
t_status 0 sim $LOAD --json --machine "$M" --copies 3 --copy-spread 1ns && fast=$(value "$T/out" makespan_ns)
t_true "$slow ns within a second, $fast at once" test "$slow" -gt "$fast"
t_status 2 sim $LOAD --copy-spread 1s && t_one_line "$T/err"
t_status 2 sim $LOAD --copies 2 --copy-spread 0s && t_one_line "$T/err" # it would be the default
t_ok

t_case "a recording that does not tell its machine is simulated on this one, and that is said"
t_status 0 "$SCHEDREC" export -q $LOAD --to ftrace -o "$T/x.ftrace" && t_status 0 "$SCHEDREC" import -q "$T/x.ftrace" -o "$T/bare.srz"
t_status 0 sim "$T/bare.srz" --policy bld -o "$T/run.srz" && t_match 'bare\.srz does not say on which machine' "$T/err" &&
	t_status 0 "$SCHEDREC" info "$T/run.srz" --json && t_match '"sim.machine": "this"' "$T/out"
t_status 0 sim "$T/bare.srz" --policy bld --machine smt-2x2 && t_no_match 'which machine' "$T/err"
t_status 0 sim $LOAD --policy bld && t_no_match 'which machine' "$T/err"
t_ok

t_case "what cannot be: one line, and the right status"
t_status 2 "$SCHEDREC" simulate && t_one_line "$T/err"
t_status 3 "$SCHEDREC" simulate "$T/nothing.srz" && t_one_line "$T/err"
t_status 4 "$SCHEDREC" simulate $G/reject-magic.srz && t_one_line "$T/err"
t_status 2 sim $LOAD --machine nonsense && t_one_line "$T/err"
t_status 2 sim $LOAD --policy nonsense && t_one_line "$T/err"
t_status 2 sim $LOAD --machine smt-2x2 --cpus 77 && t_one_line "$T/err"
t_status 2 sim $LOAD --machine smt-2x2 --repeat 2 -o "$T/x.srz" && t_one_line "$T/err"
t_status 3 sim $LOAD --machine smt-2x2 -o /nonexistent/x.srz && t_one_line "$T/err"
t_true "the temporary folder stayed" test -z "$(TMPDIR=$T find "$T" -mindepth 1 -name 'schedrec-*')"
t_ok

t_case "every golden file ends in a result or in one line"
for f in "$G"/*.srz; do
	TMPDIR=$T t_status '0|1|4' "$SCHEDREC" simulate --force -q "$f" --machine biglittle-4+4 --policy bld,random,kernel
done
t_ok

t_done
