#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# replay: real recordings replayed as real threads
. tests/lib.sh

# A pipeline with forks, execs, pipes, timers and some work: 0.3 to 1 s.
cat >"$T/load.sh" <<'END'
i=0
while [ $i -lt 20 ]; do
	seq 1 2000 | sort -rn | tail -1 >/dev/null
	i=$((i + 1))
done
sleep 0.1
END

recorded() {
	[ -s "$T/load.srz" ] || "$SCHEDREC" record -q -o "$T/load.srz" -- sh "$T/load.sh" </dev/null >/dev/null 2>&1
	[ -s "$T/load.srz" ] || t_fail "no recording to replay"
}

t_case "a replay's table has the recording, the policy and the fidelity"
t_need_tracefs && recorded && t_status 0 "$SCHEDREC" replay -q "$T/load.srz" &&
	t_match '^metric +recorded +kernel$' "$T/out" &&
	t_match '^makespan_ns +[0-9]' "$T/out" &&
	t_match '^fidelity to the recording' "$T/out" &&
	t_match '^makespan_error +[-+][0-9]' "$T/out"
t_ok

t_case "no line of the table is wider than 100 columns with five policies"
t_need_tracefs && recorded && t_status 0 "$SCHEDREC" replay -q "$T/load.srz" --policy kernel,domain,bld,bld-fixed,random &&
	t_true "a line is wider" sh -c "! LC_ALL=C.UTF-8 grep -E '^.{101}' '$T/out'"
t_ok

t_case "policies are interleaved, and all runs are in the database"
t_need sqlite3 && t_need_tracefs && recorded &&
	t_status 0 "$SCHEDREC" replay -q "$T/load.srz" --policy kernel,domain,bld --repeat 2 --db "$T/db" --label x &&
	t_equal "bld domain kernel,bld domain kernel" "$(for round in 0 1; do sqlite3 "$T/db" "select group_concat(policy, ' ')
		from (select policy from run where engine = 'live' and order_slot / 3 = $round order by policy)"; done | paste -sd,)" &&
	t_equal 7 "$(sqlite3 "$T/db" "select count(distinct run.id) from run join metric on run_id = run.id \
		where name = 'makespan_ns' and value > 0")" &&
	t_equal 1 "$(sqlite3 "$T/db" "select count(*) from run where engine = 'recorded'")"
t_ok

t_case "a pinning policy's decisions are in the file and cost something"
t_need_tracefs && recorded && t_status 0 "$SCHEDREC" replay -q "$T/load.srz" --policy bld -o "$T/bld.srz" &&
	t_status 0 "$SCHEDREC" info --json "$T/bld.srz" &&
	t_true "no decision" sh -c "\"$SCHEDREC\" dump '$T/bld.srz' | grep -q 'decision'"
t_ok

t_case "--json has every run with its metrics and counts"
t_need sqlite3 && t_need_tracefs && recorded && t_status 0 "$SCHEDREC" replay -q --json --repeat 2 "$T/load.srz" &&
	t_equal 2 "$(sqlite3 :memory: "select json_array_length(readfile('$T/out'), '\$.runs')")" &&
	t_equal 0 "$(sqlite3 :memory: "select json_extract(readfile('$T/out'), '\$.runs[0].counts.forced')")"
t_ok

t_case "without privilege the replay records itself and says so"
t_need setpriv && t_need_root && t_need_tracefs && recorded && chmod 755 "$T" && chmod 644 "$T/load.srz" &&
	cp "$SCHEDREC" "$T/schedrec" && chmod 755 "$T/schedrec" &&
	t_status 0 setpriv --reuid=65534 --regid=65534 --clear-groups env TMPDIR=/tmp "$T/schedrec" replay -q "$T/load.srz" &&
	t_match 'recorded itself' "$T/err" && t_match '^makespan_error' "$T/out"
t_ok

t_case "an unknown policy is a usage error that names the known ones"
t_status 2 "$SCHEDREC" replay --policy nonsense "$T/none.srz" && t_one_line "$T/err" && t_match 'nonsense.*bld' "$T/err"
t_ok

t_case "a file that is not there is status 3"
t_status 3 "$SCHEDREC" replay "$T/none.srz" && t_one_line "$T/err" && t_match 'none.srz' "$T/err"
t_ok

t_case "a foreign file is status 4"
head -c 10000 /dev/urandom >"$T/foreign.srz"
t_status 4 "$SCHEDREC" replay "$T/foreign.srz" && t_one_line "$T/err"
t_ok

t_case "a recording cut short replays to the end of its last whole part"
t_need_tracefs && recorded && size=$(stat -c %s "$T/load.srz") && head -c $((size - 30)) "$T/load.srz" >"$T/cut.srz" &&
	t_status "0|1|4" "$SCHEDREC" replay -q "$T/cut.srz"
t_ok

t_case "several runs into one file are refused before anything runs"
t_need_tracefs && recorded && t_status 2 "$SCHEDREC" replay --repeat 2 -o "$T/same.srz" "$T/load.srz" &&
	t_one_line "$T/err" && t_match '%r' "$T/err" && t_true "a file was made" test ! -e "$T/same.srz" &&
	t_status 2 "$SCHEDREC" replay --policy kernel,kernel -o "$T/same-%p.srz" "$T/load.srz"
t_ok

t_case "Ctrl-C ends a replay with status 130 and leaves no tracing instance"
if t_need_tracefs; then
	"$SCHEDREC" record -q -o "$T/sleep.srz" -- sleep 5 </dev/null 2>/dev/null
	# A shell's background commands ignore SIGINT.
	env --default-signal=INT "$SCHEDREC" replay -q "$T/sleep.srz" >"$T/out" 2>"$T/err" </dev/null &
	replay=$!
	sleep 1.5
	kill -INT "$replay"
	wait "$replay"
	t_equal 130 $?
	t_equal "" "$(find /sys/kernel/tracing/instances -maxdepth 1 -name "schedrec-$replay-*")"
fi
t_ok

# shellcheck disable=SC2016 # the inner shell expands it
t_case "nice values are replayed"
if t_need_tracefs; then
	"$SCHEDREC" record -q -o "$T/nice.srz" -- sh -c 'nice -n 7 sh -c "i=0; while [ \$i -lt 20000 ]; do i=\$((i+1)); done; sleep 0.01; :"' \
		</dev/null 2>/dev/null
	t_status 0 "$SCHEDREC" replay -q -o "$T/nice-replay.srz" "$T/nice.srz" &&
		t_true "no task of prio 127 in the replay" sh -c "\"$SCHEDREC\" dump '$T/nice-replay.srz' | grep -q 'prio=127'"
fi
t_ok

t_case "a recording without anything to replay is answered with status 1"
if t_need_tracefs; then
	"$SCHEDREC" record -q -o "$T/load2.srz" -- true </dev/null 2>/dev/null
	t_status 1 "$SCHEDREC" replay -q --task 'no such task' "$T/load2.srz" && t_one_line "$T/err"
fi
t_ok

t_done
