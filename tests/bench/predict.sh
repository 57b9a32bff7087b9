#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# make predict: does a replay show what the application shows when something changes? Each program runs as it is and under
# each change; one recording of it as it is gets replayed as it is and under each change. Prints the real change of each
# metric beside the one that the replays predict; build/predict/result.json has every sample. Needs root and tracefs.
#
#	one-cpu     the program on CPU 0 only (taskset; --cpus 0)
#	hog         beside a program that computes without end, in a session (and so an autogroup) of its own
#	hog-cpu0    the same, bound to CPU 0
#	nice        at nice 10 (replay: --nice-offset 10) beside one that computes in the same session, at nice 0
#	batch       under SCHED_BATCH (replay: --class batch)
#
# By the environment:
#
#	PREDICT_PROGRAMS="compile database shell pool"    which; those of the study
#	PREDICT_CHANGES="one-cpu hog hog-cpu0 nice batch"
#	PREDICT_ROUNDS=5        runs, and replays under each mode, of each change
#	PREDICT_MODES="time:--work=time free:--work=instructions:--order=free"    replay options beside each other; default: one,
#	                        "work", with --work=instructions, so that all replays owe the same
#	PREDICT_KEEP=DIR        keep the runs there, and the recording that is replayed
#	PREDICT_FROM=DIR        use what PREDICT_KEEP has kept there instead of running the programs again
#	PREDICT_RUN_UNDER="CMD" starts each run and each replay
#
# "predict.sh report" measures nothing and prints all that build/predict/runs still has of earlier runs.
set -u
cd "$(dirname "$0")/../.." || exit 3
export LC_ALL=C
NAME=predict
SCHEDREC=$(realpath "${SCHEDREC:-schedrec}") || exit 3
OUT=$PWD/build/predict
ROUNDS=${PREDICT_ROUNDS:-5}
CHANGES_KNOWN=(one-cpu hog hog-cpu0 nice batch)
RUN_UNDER=${PREDICT_RUN_UNDER:-}

. tests/bench/lib.sh
. tests/bench/pgbench.sh
. tests/bench/study_lib.sh

# condition NAME: what runs and replays are done under from now on.
condition() {
	HOG=() APP_UNDER=() REPLAY_OPTIONS=()
	case $1 in
	plain) ;;
	one-cpu)
		APP_UNDER=(taskset -c 0)
		REPLAY_OPTIONS=(--cpus 0)
		;;
	hog) HOG=(setsid) ;;
	hog-cpu0) HOG=(setsid taskset -c 0) ;;
	nice)
		HOG=(nice -n 0)
		APP_UNDER=(nice -n 10)
		REPLAY_OPTIONS=(--nice-offset 10)
		;;
	batch)
		APP_UNDER=(chrt -b 0)
		REPLAY_OPTIONS=(--class batch)
		;;
	esac
}

# The program as it is and under each change; the recordings of it as it is stay, one of them becomes $d/source.srz.
run_apps() {
	local w=$1 i c typical

	condition plain
	progress "predict: $w: warm-up"
	run_app "$w" "$TMP/warm-up.srz" || return
	for ((i = 1; i <= ROUNDS; i++)); do
		in_round "$i" plain "${CHANGES[@]}"
		for c in "${ORDER[@]}"; do
			progress "predict: $w: run $i of $ROUNDS: $c"
			condition "$c"
			run_app "$w" "$d/$c/app-$i.srz" || return
			[ "$c" = plain ] || rm -f "$d/$c/app-$i.srz"
		done
	done
	typical=$(tests/bench/study_report.py typical "$d"/plain/app-*.json) || return
	mv "${typical%.json}.srz" "$d/source.srz"
	basename "$typical" .json >"$d/replayed"
	rm -f "$d"/plain/*.srz
}

run_replays() {
	local w=$1 i c k name order

	for ((i = 1; i <= ROUNDS; i++)); do
		in_round "$i" plain "${CHANGES[@]}"
		order=("${ORDER[@]}")
		for c in "${order[@]}"; do
			condition "$c"
			in_round "$i" "${MODE_NAMES[@]}"
			for name in "${ORDER[@]}"; do
				progress "predict: $w: replay $i of $ROUNDS: $c $name"
				mode_options "$name"
				run_replay "$w" "$d/source.srz" "$d/$c/$name-$i.json" "${OPTIONS[@]}" || return
			done
		done
	done
}

predict_program() {
	local w=$1 d=$OUT/runs/$1 c

	rm -rf "$d"
	mkdir -p "$d"
	for c in plain "${CHANGES[@]}"; do
		mkdir "$d/$c"
	done
	if [ -z "${PREDICT_FROM:-}" ]; then
		run_apps "$w" || return
	else
		for c in plain "${CHANGES[@]}"; do
			if ! cp "$PREDICT_FROM/$w/$c"/app-* "$d/$c"; then
				note "$w is left out: there are no runs of it in $PREDICT_FROM"
				return 1
			fi
		done
		cp "$PREDICT_FROM/$w"/{source.srz,replayed} "$d" || return
	fi
	[ -z "${PREDICT_KEEP:-}" ] || { mkdir -p "$PREDICT_KEEP/$w" && cp -r "$d"/. "$PREDICT_KEEP/$w"; }
	echo "$(cut -d' ' -f1 "$d/replayed") ${MODE_NAMES[*]}" >"$d/replayed.new" && mv "$d/replayed.new" "$d/replayed"
	run_replays "$w"
	rm -f "$d/source.srz"
}

if [ "${1:-}" = report ]; then
	exec tests/bench/study_report.py predict "$OUT"
fi
read -ra CHANGES <<<"${PREDICT_CHANGES:-${CHANGES_KNOWN[*]}}"
for c in "${CHANGES[@]}"; do
	[[ " ${CHANGES_KNOWN[*]} " == *" $c "* ]] || die 2 "there is no change '$c', but: ${CHANGES_KNOWN[*]}"
done
modes "${PREDICT_MODES:-work:--work=instructions}"
read -ra wanted <<<"${PREDICT_PROGRAMS:-compile database shell pool}"
study_begin "${wanted[@]}"
for w in "${PROGRAMS[@]}"; do
	predict_program "$w"
done
progress_end
tests/bench/study_report.py predict "$OUT" "${PROGRAMS[@]}"
