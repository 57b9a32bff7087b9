#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# analyze: what it counts in a real recording, against a count of its own from the dump
. tests/lib.sh

# field NAME: out of the JSON in $T/sum
field() {
	sqlite3 :memory: "select json_extract(readfile('$T/sum'), '\$[0].$1')"
}

t_case "switches, CPU time and migrations of a recording are those of its events"
if t_need_tracefs && t_need sqlite3; then
	t_status 0 "$SCHEDREC" record -a -o "$T/x.srz" -- bash -c \
		'for i in 1 2 3; do (for k in $(seq 40); do /bin/true | cat; done; sleep 0.02) & done; wait'
	t_status 0 "$SCHEDREC" analyze "$T/x.srz" --json
	cp "$T/out" "$T/sum"
	t_status 0 "$SCHEDREC" analyze "$T/x.srz" --view tasks --csv
	cut -d, -f3 "$T/out" | tail -n +2 >"$T/tids"
	t_status 0 "$SCHEDREC" dump "$T/x.srz"
	awk 'NR == FNR { mine[$1] = 1; next }
		/ sched_switch / {
			at = $1 * 1e9
			match($0, / prev=.* prev_prio=/); prev = substr($0, RSTART, RLENGTH - 11); sub(/.*:/, "", prev)
			match($0, / next=.* next_prio=/); next_ = substr($0, RSTART, RLENGTH - 11); sub(/.*:/, "", next_)
			match($0, / prev_state=[^ ]+/); state = substr($0, RSTART + 12, RLENGTH - 12)
			if (prev in mine) {
				if (prev in since) cpu += at - since[prev]
				delete since[prev]
				if (state ~ /^R/) involuntary++; else if (state !~ /^[XZ]/) voluntary++
			}
			if (next_ in mine) {
				since[next_] = at
				if (next_ in last && last[next_] != $2) migrations++
				last[next_] = $2
			}
		}
		END { printf "%d %d %d %d\n", voluntary, involuntary, migrations, cpu }' "$T/tids" "$T/out" >"$T/counts"
	read -r voluntary involuntary migrations cpu <"$T/counts"
	repaired=$(field repaired)
	near() { # name, its value, the count, what it may differ by
		t_true "$1: $2, but the dump says $3 (and $repaired repaired)" test $(($2 > $3 ? $2 - $3 : $3 - $2)) -le "$4"
	}
	t_true "something happened" test "$voluntary" -gt 100
	near switches_voluntary "$(field metrics.switches_voluntary)" "$voluntary" "$repaired"
	near switches_involuntary "$(field metrics.switches_involuntary)" "$involuntary" "$repaired"
	near migrations.total "$(field 'metrics."migrations.total"')" "$migrations" "$repaired"
	# The dump has no repairs, and each may be a whole burst that it does not see.
	near cpu_time_ns "$(field metrics.cpu_time_ns)" "$cpu" $((repaired ? cpu / 4 : cpu / 50))
fi
t_ok

t_case "a recording agrees with itself"
if t_need_tracefs && t_need sqlite3; then
	t_status 0 "$SCHEDREC" analyze "$T/x.srz" --against "$T/x.srz" --json
	t_equal 0 "$(sqlite3 :memory: "select json_extract(readfile('$T/out'), '\$[0].metrics.\"fidelity.cpu_time_error\"')")"
	t_equal 1.0 "$(sqlite3 :memory: "select json_extract(readfile('$T/out'), '\$[0].metrics.\"fidelity.wake_edges_recall\"') * 1.0")"
fi
t_ok

t_done
