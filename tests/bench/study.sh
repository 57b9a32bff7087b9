#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# make study: is a replay as close to its recording as a second run of the application is? Each program is recorded several
# times; the most typical recording is replayed as often. Prints for each metric the application's own spread, the replay's
# error, the target; build/study/result.json has every sample. Needs root and tracefs. By the environment:
#
#	STUDY_PROGRAMS="compile database ..."    which (default: all that are installed)
#	STUDY_ROUNDS=5          recordings, and replays under each mode
#	STUDY_MODES="closed:--timing=closed free:--timing=closed:--order=free"    replay options beside each other, interleaved
#	                        (A B B A); default: one without options
#	STUDY_KEEP=DIR          keep the recordings there, in a folder for each program
#	STUDY_FROM=DIR          replay what STUDY_KEEP has kept there instead of recording anew
#	STUDY_RUN_UNDER="CMD"   starts each recording and each replay
#
# "study.sh report" measures nothing and prints all that build/study/runs still has of earlier runs.
set -u
cd "$(dirname "$0")/../.." || exit 3
export LC_ALL=C
NAME=study
SCHEDREC=$(realpath "${SCHEDREC:-schedrec}") || exit 3
OUT=$PWD/build/study
ROUNDS=${STUDY_ROUNDS:-5}
RUN_UNDER=${STUDY_RUN_UNDER:-}

. tests/bench/lib.sh
. tests/bench/pgbench.sh
. tests/bench/study_lib.sh

# Makes the recordings $d/app-N.srz of program $1.
recordings() {
	local w=$1 i

	if [ -n "${STUDY_FROM:-}" ]; then
		cp "$STUDY_FROM/$w"/app-* "$d" && return
		note "$w is left out: there are no recordings of it in $STUDY_FROM"
		return 1
	fi
	# The first run warms the caches.
	for ((i = 0; i <= ROUNDS; i++)); do
		progress "study: $w: recording $i of $ROUNDS"
		run_app "$w" "$d/app-$i.srz" || return
	done
	rm -f "$d"/app-0.*
	[ -z "${STUDY_KEEP:-}" ] || { mkdir -p "$STUDY_KEEP/$w" && cp "$d"/app-* "$STUDY_KEEP/$w"; }
}

study_program() {
	local w=$1 d=$OUT/runs/$1 file i name

	rm -rf "$d"
	mkdir -p "$d"
	recordings "$w" || return
	file=$(tests/bench/study_report.py typical "$d"/app-*.json) || return
	echo "$(basename "$file" .json) ${MODE_NAMES[*]}" >"$d/replayed"
	for ((i = 1; i <= ROUNDS; i++)); do
		in_round "$i" "${MODE_NAMES[@]}"
		for name in "${ORDER[@]}"; do
			progress "study: $w: replay $i of $ROUNDS: $name"
			mode_options "$name"
			run_replay "$w" "${file%.json}.srz" "$d/$name-$i.json" "${OPTIONS[@]}" || return
		done
	done
	rm -f "$d"/*.srz
}

if [ "${1:-}" = report ]; then
	exec tests/bench/study_report.py study "$OUT"
fi
modes "${STUDY_MODES:-}"
read -ra wanted <<<"${STUDY_PROGRAMS:-${PROGRAMS_KNOWN[*]}}"
study_begin "${wanted[@]}"
for w in "${PROGRAMS[@]}"; do
	study_program "$w"
done
progress_end
tests/bench/study_report.py study "$OUT" "${PROGRAMS[@]}"
