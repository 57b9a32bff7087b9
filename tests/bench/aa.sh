#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# make aa: are live comparisons to be trusted on this machine? A short recording (processes that pass work to and fro on
# one CPU) is replayed as
#
#	aa	identical arms, many comparisons: how many find something that is not there
#	drift	the same, while the work of all runs grows from the first to the last: a machine that slowly changes
#	planted	an arm beside others that really do 3, 5 and 10 % more work: how often each is found, in makespan and in
#		wakeup latency, by all rounds and by the first half of them
#	blocked	identical arms under that drift, all of one before all of the other: what the test alone would have said,
#		and what `compare` says
#
# Prints shares with their exact binomial intervals; build/aa has the database, each comparison's JSON, and result.json.
# Status 1 when false alarms are more than 5 % beyond doubt, or the planted 5 % in makespan is found too rarely. Needs
# root and tracefs. By the environment:
#
#	AA_COMPARISONS=100    identical arms
#	AA_ROUNDS=10          rounds of each
#	AA_DRIFT_COMPARISONS=30, AA_DRIFT=3 (per cent)
#	AA_PLANTED=10         series with planted shifts, AA_PLANTED_ROUNDS=20 rounds each
#	AA_BLOCKED=5          comparisons in blocked order
set -u
cd "$(dirname "$0")/../.." || exit 3
export LC_ALL=C
SCHEDREC=$(realpath "${SCHEDREC:-schedrec}") || exit 3
OUT=$PWD/build/aa
COMPARISONS=${AA_COMPARISONS:-100}
ROUNDS=${AA_ROUNDS:-10}
DRIFT_COMPARISONS=${AA_DRIFT_COMPARISONS:-30}
DRIFT=${AA_DRIFT:-3}
PLANTED=${AA_PLANTED:-10}
PLANTED_ROUNDS=${AA_PLANTED_ROUNDS:-20}
BLOCKED=${AA_BLOCKED:-5}
SHIFTS="3 5 10"

die() {
	echo "aa: $2" >&2
	exit "$1"
}

progress() {
	if [ -t 2 ]; then
		printf '\r\033[K%s' "aa: $*" >&2
	fi
}

# Under sudo the results belong to who called it.
give_back() {
	[ -z "${SUDO_UID:-}" ] || chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$OUT"
}

replay() {
	"$SCHEDREC" replay -q "$OUT/turns.srz" --cpus 0 --db "$OUT/runs.db" "$@" >"$OUT/replay.log" 2>&1 ||
		die 3 "a replay failed: $(tail -n 1 "$OUT/replay.log")"
}

# compare FILE DB MARGIN BASE CANDIDATE: labels
compare() {
	local status

	"$SCHEDREC" compare --db "$2" --json --margin "$3" "label=$4" "label=$5" >"$OUT/$1" 2>"$OUT/compare.log"
	status=$?
	[ $status -le 1 ] || die 3 "a comparison failed: $(tail -n 1 "$OUT/compare.log")"
}

# By the rule that users have, and with no margin at all: then only chance and the correction for many metrics are left.
both_margins() {
	compare "$1.json" "$2" 2 "$3" "$4"
	compare "$1-no-margin.json" "$2" 0.01 "$3" "$4"
}

[ "$(id -u)" -eq 0 ] || die 3 "root is needed for the kernel's tracing"
[ -d /sys/kernel/tracing/events/sched ] || die 3 "tracefs is not at /sys/kernel/tracing"
mkdir -p "$OUT" || exit 3
trap give_back EXIT
rm -f "$OUT"/*.json "$OUT"/*.db*
"${CC:-cc}" -O2 -o "$OUT/turns" tests/bench/programs/turns.c || die 3 "the workload does not compile"
"$SCHEDREC" record -q -o "$OUT/turns.srz" -- taskset -c 0 "$OUT/turns" 3 60 400 </dev/null ||
	die 3 "the workload could not be recorded"

start=$SECONDS
for ((i = 1; i <= COMPARISONS; i++)); do
	progress "identical arms, $i of $COMPARISONS"
	replay --repeat "$ROUNDS" --arm "--label aa$i-a" --arm "--label aa$i-b"
	both_margins "aa-$i" "$OUT/runs.db" "aa$i-a" "aa$i-b"
done
for ((i = 1; i <= DRIFT_COMPARISONS; i++)); do
	progress "identical arms under $DRIFT % of drift, $i of $DRIFT_COMPARISONS"
	replay --repeat "$ROUNDS" --work-drift "$DRIFT" --arm "--label drift$i-a" --arm "--label drift$i-b"
	both_margins "drift-$i" "$OUT/runs.db" "drift$i-a" "drift$i-b"
done
for ((i = 1; i <= PLANTED; i++)); do
	progress "planted shifts, $i of $PLANTED"
	arms=()
	for s in $SHIFTS; do
		arms+=(--arm "--label planted$i-$s --work-scale $(awk -v s="$s" 'BEGIN { print 1 + s / 100 }')")
	done
	replay --repeat "$PLANTED_ROUNDS" --arm "--label planted$i-0" "${arms[@]}"
	rm -f "$OUT/half.db"
	"$SCHEDREC" merge -q "$OUT/runs.db" -o "$OUT/half.db" || die 3 "the database could not be copied"
	sqlite3 "$OUT/half.db" "pragma foreign_keys = on; delete from run where repeat >= $((PLANTED_ROUNDS / 2))" ||
		die 3 "sqlite3 is not installed"
	for s in $SHIFTS; do
		compare "planted-$s-$PLANTED_ROUNDS-$i.json" "$OUT/runs.db" 2 "planted$i-0" "planted$i-$s"
		compare "planted-$s-$((PLANTED_ROUNDS / 2))-$i.json" "$OUT/half.db" 2 "planted$i-0" "planted$i-$s"
	done
done
rm -f "$OUT/half.db"
for ((i = 1; i <= BLOCKED; i++)); do
	progress "blocked order, $i of $BLOCKED"
	# The second arm begins where the first one's drift ended.
	half=$(awk -v d="$DRIFT" 'BEGIN { print d / 2 }')
	scale=$(awk -v d="$DRIFT" 'BEGIN { print 1 + d / 200 }')
	replay --repeat "$ROUNDS" --work-drift "$half" --work instructions --label "blocked$i-a"
	replay --repeat "$ROUNDS" --work-drift "$half" --work instructions --work-scale "$scale" --label "blocked$i-b"
	# The scale stands for time that passed; it is no part of what the arm is.
	sqlite3 "$OUT/runs.db" "update run set arm = 'cpus=0' where label = 'blocked$i-b'"
	both_margins "blocked-$i" "$OUT/runs.db" "blocked$i-a" "blocked$i-b"
done
[ ! -t 2 ] || printf '\r\033[K' >&2
tests/bench/aa_report.py "$OUT" "$((SECONDS - start))"
