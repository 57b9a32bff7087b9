#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# cut and merge of what the kernel really did: names, processes and the command's tree are known in every part
# shellcheck source=tests/lib.sh
. tests/lib.sh

# Processes that are born, renamed, and die, some of them over the places of the cuts.
load='for i in 1 2 3 4 5 6; do (sleep 0.25 & seq 20000 | sort -n | tail -n 1 & wait); done'

# Events of FILE from $2 on, with times since the first of them.
from() {
	"$SCHEDREC" dump --from "$2" "$1" | rebased
}

rebased() {
	awk '{ split($1, t, "."); ns = t[1] * 1000000000 + t[2]; if (NR == 1) first = ns; $1 = ns - first; print }' \
		OFMT=%.0f CONVFMT=%.0f
}

# But for the recorder's own time, which is divided by events and rounded.
metrics() {
	"$SCHEDREC" analyze --csv "$1" | cut -d, -f2- | grep -v recording_disturbance
}

for scope in tree system; do
	all=()
	# Ended by the clock, the last events may come after the end that the file states.
	[ $scope = system ] && all=(-a --duration 1s)

	t_case "$scope: parts know their tasks' names, and joined again they are the whole"
	if t_need_tracefs && t_status 0 "$SCHEDREC" record -o "$T/$scope.srz" "${all[@]}" -- sh -c "$load"; then
		for at in 130ms 400ms 777ms; do
			t_status 0 "$SCHEDREC" cut -q "$T/$scope.srz" --to $at -o "$T/1.srz"
			t_status 0 "$SCHEDREC" cut -q "$T/$scope.srz" --from $at -o "$T/2.srz"
			from "$T/$scope.srz" $at >"$T/want"
			"$SCHEDREC" dump "$T/2.srz" | rebased >"$T/got"
			t_true "at $at: $(diff "$T/want" "$T/got" | head -n 2)" cmp -s "$T/want" "$T/got"
			t_status 0 "$SCHEDREC" merge -q "$T/1.srz" "$T/2.srz" -o "$T/12.srz"
			t_true "$at: the whole differs" cmp -s <("$SCHEDREC" dump "$T/$scope.srz") <("$SCHEDREC" dump "$T/12.srz")
			t_equal "$(metrics "$T/$scope.srz")" "$(metrics "$T/12.srz")"
		done
		t_true "nothing in it" test -s "$T/want"
	fi
	t_ok

	t_case "$scope: the parts' CPU time is the whole's, to the stretches that were cut"
	if t_need_tracefs && [ -s "$T/2.srz" ]; then
		cpu() { "$SCHEDREC" analyze --csv "$1" | awk -F, '$2 == "cpu_time_ns" { print $4 }'; }
		t_true "whole $(cpu "$T/$scope.srz"), parts $(cpu "$T/1.srz") and $(cpu "$T/2.srz")" \
			awk -v w="$(cpu "$T/$scope.srz")" -v a="$(cpu "$T/1.srz")" -v b="$(cpu "$T/2.srz")" \
			'BEGIN { exit !(w > 0 && a + b > w * 0.9 && a + b < w * 1.02) }'
	fi
	t_ok
done

t_case "the slices of a recording become one again, without a gap"
if t_need_tracefs && t_status 0 "$SCHEDREC" record -q -o "$T/slice.srz" --slice 300ms -- sh -c "$load"; then
	t_status 0 "$SCHEDREC" merge "$T"/slice-*.srz -o "$T/joined.srz" && t_one_line "$T/err"
	t_true "the events differ" cmp -s \
		<(for f in "$T"/slice-*.srz; do "$SCHEDREC" dump "$f"; done | cut -d' ' -f2-) \
		<("$SCHEDREC" dump "$T/joined.srz" | cut -d' ' -f2-)
	t_status 0 "$SCHEDREC" info "$T/joined.srz"
	t_match '^ended by +exit' "$T/out" && t_match '^lost +none' "$T/out" && t_match '^Kernel$' "$T/out"
	t_match '^  kernel.cmdline ' "$T/out" && t_no_match '^  .{99}' "$T/out"
fi
t_ok

t_case "a part can be replayed"
if t_need_tracefs && [ -s "$T/2.srz" ]; then
	t_status 0 "$SCHEDREC" cut -q "$T/tree.srz" --from 400ms --to 900ms -o "$T/part.srz"
	t_status 0 "$SCHEDREC" replay -q "$T/part.srz" --policy kernel --self -o "$T/replay.srz"
	t_status 0 "$SCHEDREC" cut -q "$T/replay.srz" --from 100ms -o "$T/replayed.srz"
	t_status 0 "$SCHEDREC" analyze --csv "$T/replayed.srz" && t_match ',makespan_ns,ns,[1-9]' "$T/out"
fi
t_ok

t_done
