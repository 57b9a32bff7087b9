#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# replay --processes: recorded processes become processes
. tests/lib.sh
t_timing

# The tree of a file's forks as numbers: of how many children each parent is one, and how many forks made threads. Of a
# replay only those of its tasks are looked at.
shape() {
	"$SCHEDREC" dump "$1" >"$T/dump" 2>/dev/null
	awk '
		{ kind = $5 }
		kind == "bind" { c = $6; sub(/.*:/, "", c); bound[c] = 1; binds++ }
		kind == "sched_process_fork" { p = $6; c = $7; sub(/.*:/, "", p); sub(/.*:/, "", c); parent[c] = p }
		kind == "task_newtask" { c = $6; sub(/.*:/, "", c); sub(/.*=0x/, "", $7); flags[c] = $7 }
		END {
			for (c in parent)
				if (!binds || c in bound) {
					n[parent[c]]++
					d = substr("0000" flags[c], length(flags[c]), 1)
					threads += d ~ /[13579bdf]/
				}
			for (p in n)
				print n[p]
			print "threads", threads + 0
		}' "$T/dump" | sort | tr '\n' ' '
}

# A compiler's way to make processes (vfork), a shell's, and threads.
cat >"$T/load.sh" <<'END'
(sleep 0.05; sh -c 'true; sleep 0.01; true') &
seq 1 2000 | sort -rn | tail -1 >/dev/null
"$1" 20
make -s -f "$2" -j2
wait
END
printf 'all: a b c\na b c:\n\t@sleep 0.01; true\n' >"$T/mk"

recorded() {
	"${CC:-cc}" -O2 -pthread -o "$T/threads" tests/real/threads.c &&
		"$SCHEDREC" record -q -o "$T/load.srz" -- sh "$T/load.sh" "$T/threads" "$T/mk" </dev/null >/dev/null 2>&1
	[ -s "$T/load.srz" ] || t_fail "no recording to replay"
}

# On some hosts a switch is missing now and then, and with it who forked: such a recording has more than the one process
# whose parent is not replayed.
whole_tree() {
	for _ in 1 2 3 4; do
		recorded || return
		"$SCHEDREC" replay -q --processes -o "$T/replay.srz" "$T/load.srz" >/dev/null 2>"$T/err"
		"$SCHEDREC" info --json "$T/replay.srz" >"$T/out" && grep -q '"replay.count.orphans": "1"' "$T/out" && return
	done
	t_fail "no recording of a whole tree: $(cat "$T/err")"
}

t_case "the replay forks the same tree, of processes and threads as recorded"
if t_need_tracefs && t_need make && whole_tree; then
	t_match '"replay.processes": "1"' "$T/out" && t_equal "$(shape "$T/load.srz")" "$(shape "$T/replay.srz")"
	t_status 0 "$SCHEDREC" replay -q -o "$T/replay.srz" "$T/load.srz" &&
		t_true "a replay of threads has made processes" test "$(shape "$T/load.srz")" != "$(shape "$T/replay.srz")"
fi
t_ok

t_case "every policy places processes"
t_need_tracefs && [ -s "$T/load.srz" ] &&
	t_status 0 "$SCHEDREC" replay -q --processes --policy kernel,recorded,domain,bld "$T/load.srz" &&
	t_match '^makespan_ns' "$T/out"
t_ok

# Of the replay that start_long began, its zombies left out: whose parent was killed are init's. Each has the variable that
# schedrec was given; the janitor of the tracing goes a little later.
members() {
	grep -lzx "T_REPLAY=$T.$replay_nr" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 |
		xargs -r ps -o pid=,stat=,sid=,comm= -p | awk '$2 !~ /^Z/ && $4 != "schedrec-janit"'
}

# Starts a replay that lasts, in three sessions where the kernel tells them apart; $replay, $root (its first process) and
# $some (one of the others) are its numbers.
replay_nr=0
start_long() {
	[ -s "$T/long.srz" ] || "$SCHEDREC" record -q -o "$T/long.srz" -- \
		sh -c 'sh -c "sleep 0.2; :" & setsid sh -c "sleep 0.2; :" & setsid sh -c "sleep 0.2; :" & sleep 0.2; wait' \
		</dev/null 2>/dev/null
	replay_nr=$((replay_nr + 1))
	T_REPLAY=$T.$replay_nr env --default-signal=INT "$SCHEDREC" replay -q --processes --time-scale 100 "$T/long.srz" \
		>"$T/out" 2>"$T/err" </dev/null &
	replay=$!
	for _ in {1..200}; do
		root=$(pgrep -P "$replay" -x replay-root) && [ "$(members | wc -l)" -ge 8 ] &&
			some=$(pgrep -P "$root" | head -n 1) && [ -n "$some" ] && return
		sleep 0.05
	done
	kill -KILL "$replay"
	t_fail "no processes of a replay: $(cat "$T/err")"
}

# Waits, at most a second, until nobody of the replay is left.
all_gone() {
	for _ in {1..20}; do
		left=$(members)
		[ -z "$left" ] && return
		sleep 0.05
	done
	t_fail "still there: $left"
}

t_case "the processes of a long replay are in as many sessions as they were"
if t_need_tracefs && t_need pgrep && start_long; then
	want=3
	[ "$(cat /proc/sys/kernel/sched_autogroup_enabled 2>/dev/null)" = 1 ] && [ "$(t_cpu_group)" = / ] || want=1
	got=$(members | awk '{ print $3 }' | sort -u | wc -l)
	kill -INT "$replay"
	wait "$replay"
	t_equal "$want" "$got"
fi
t_ok

t_case "kill -9 of schedrec leaves no process of the replay"
if t_need_tracefs && t_need pgrep && start_long; then
	kill -KILL "$replay"
	all_gone
	wait "$replay" 2>/dev/null
fi
t_ok

t_case "kill -9 of schedrec and of the root at once leaves none"
if t_need_tracefs && t_need pgrep && start_long; then
	kill -KILL "$replay" "$root"
	all_gone
	wait "$replay" 2>/dev/null
fi
t_ok

t_case "kill -9 of one process of the replay ends it with status 3 and leaves none"
if t_need_tracefs && t_need pgrep && start_long; then
	kill -KILL "$some"
	all_gone
	wait "$replay"
	t_equal 3 $? && t_one_line "$T/err" && t_match 'process [0-9]+ of the replay .* was killed' "$T/err"
fi
t_ok

t_case "kill -9 of the root of the replay's processes ends it with status 3 and leaves none"
if t_need_tracefs && t_need pgrep && start_long; then
	kill -KILL "$root"
	all_gone
	wait "$replay"
	t_equal 3 $? && t_one_line "$T/err" && t_match 'root of the replay' "$T/err"
fi
t_ok

t_case "Ctrl-C ends it with status 130 and leaves no process and no tracing instance"
if t_need_tracefs && t_need pgrep && start_long; then
	kill -INT "$replay"
	all_gone
	wait "$replay"
	t_equal 130 $? && t_equal "" "$(find /sys/kernel/tracing/instances -maxdepth 1 -name "schedrec-$replay-*")"
fi
t_ok

# A fork of a program under the address sanitizer costs tens of milliseconds.
case $SCHEDREC in */san/*) many=100 ;; *) many=2000 ;; esac
t_case "2,000 processes alive at a time"
if t_need_tracefs && t_true "cannot build forks.c" "${CC:-cc}" -O2 -o "$T/forks" tests/real/forks.c; then
	t_status 0 "$SCHEDREC" record -q -o "$T/many.srz" -- "$T/forks" $many &&
		t_status 0 "$SCHEDREC" replay -q --json --processes "$T/many.srz" &&
		t_match "\"processes\": $((many + 1))" "$T/out" && t_match '"forced": 0' "$T/out"
fi
t_ok

t_done
