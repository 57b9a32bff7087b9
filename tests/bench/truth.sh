#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# make truth: does the simulator say of this machine what this machine says? One recording of each program is replayed and
# simulated under each policy, the simulator with parameters measured here just before. Prints each metric of the live runs,
# the error of the simulated ones, and for how many pairs of policies that differ live the simulation has the same order;
# build/truth/result.json has every sample. Needs root and tracefs. By the environment:
#
#	TRUTH_PROGRAMS="compile database ..."    which; those of the study (default: all that are installed)
#	TRUTH_POLICIES="kernel domain bld bld-fixed random"
#	TRUTH_ROUNDS=5          live runs of each policy, in turns (A B B A), and simulations, each with a seed of its own
#	TRUTH_KEEP=DIR          keep the recordings and the parameters there
#	TRUTH_FROM=DIR          simulate what TRUTH_KEEP has kept instead of running anything
#
# "truth.sh report" measures nothing and prints all that build/truth/runs still has of earlier runs.
set -u
cd "$(dirname "$0")/../.." || exit 3
export LC_ALL=C
NAME=truth
SCHEDREC=$(realpath "${SCHEDREC:-schedrec}") || exit 3
OUT=$PWD/build/truth
ROUNDS=${TRUTH_ROUNDS:-5}
RUN_UNDER=

. tests/bench/lib.sh
. tests/bench/pgbench.sh
. tests/bench/study_lib.sh

# The recording and the live runs of program $1 come into $d.
live() {
	local w=$1 i p

	progress "truth: $w: warm-up"
	run_app "$w" "$TMP/warm-up.srz" || return
	progress "truth: $w: recording"
	run_app "$w" "$d/source.srz" || return
	for ((i = 1; i <= ROUNDS; i++)); do
		in_round "$i" "${POLICIES[@]}"
		for p in "${ORDER[@]}"; do
			progress "truth: $w: replay $i of $ROUNDS: $p"
			run_replay "$w" "$d/source.srz" "$d/live-$p-$i.json" --policy "$p" || return
		done
	done
}

simulated() {
	local w=$1 i p out

	for p in "${POLICIES[@]}"; do
		for ((i = 1; i <= ROUNDS; i++)); do
			progress "truth: $w: simulation $i of $ROUNDS: $p"
			out=$d/sim-$p-$i.json
			if ! "$SCHEDREC" simulate -q --machine this --policy "$p" --seed "$i" --param-file "$OUT/runs/parameters" \
				--json "$d/source.srz" >"$out" 2>"$TMP/log"; then
				note "$w: simulation of $p failed: $(tail -n 1 "$TMP/log" | cut -c1-200)"
				rm -f "$out"
				return 1
			fi
		done
	done
}

truth_program() {
	local w=$1 d=$OUT/runs/$1

	rm -rf "$d"
	mkdir -p "$d"
	if [ -z "${TRUTH_FROM:-}" ]; then
		live "$w" || return
	elif ! cp "$TRUTH_FROM/$w"/{source.srz,live-*} "$d"; then
		note "$w is left out: there is nothing of it in $TRUTH_FROM"
		return 1
	fi
	[ -z "${TRUTH_KEEP:-}" ] || { mkdir -p "$TRUTH_KEEP/$w" && cp "$d"/* "$TRUTH_KEEP/$w"; }
	simulated "$w"
	rm -f "$d"/*.srz
}

if [ "${1:-}" = report ]; then
	exec tests/bench/truth_report.py "$OUT"
fi
read -ra POLICIES <<<"${TRUTH_POLICIES:-kernel domain bld bld-fixed random}"
for p in "${POLICIES[@]}"; do
	[[ $p =~ ^[a-z0-9-]+$ ]] || die 2 "a policy's name has small letters, digits and '-': not '$p'"
done
read -ra wanted <<<"${TRUTH_PROGRAMS:-${PROGRAMS_KNOWN[*]}}"
study_begin "${wanted[@]}"
progress "truth: measuring the simulator's parameters"
if [ -n "${TRUTH_FROM:-}" ]; then
	cp "$TRUTH_FROM/parameters" "$OUT/runs/parameters" || exit 3
else
	"$SCHEDREC" simulate -q --calibrate live -o "$OUT/runs/parameters" >"$TMP/log" || exit 3
fi
[ -z "${TRUTH_KEEP:-}" ] || { mkdir -p "$TRUTH_KEEP" && cp "$OUT/runs/parameters" "$TRUTH_KEEP"; }
for w in "${PROGRAMS[@]}"; do
	truth_program "$w"
done
progress_end
tests/bench/truth_report.py "$OUT" "${PROGRAMS[@]}"
