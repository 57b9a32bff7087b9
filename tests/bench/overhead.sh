# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What recording costs, and what it leaves on the disk. Sourced by run.sh.
#
# A round runs every arm twice, there and back (A B C C B A), so that a drift of the machine's speed falls on all alike;
# each round begins with another arm. An arm's value of a round is the mean of its two runs.

OVERHEAD_ARMS=(bare again ring schedrec schedrec-a perf trace-cmd)

# One run: WORKLOAD ARM ROUND PASS.
overhead_run() {
	local w=$1 arm=$2 round=$3 pass=$4 d=$TMP/run wall cpu vol invol events lost bytes

	rm -rf "$d"
	mkdir -m 777 "$d" || return
	workload "$w"
	if ! record "$arm" "$d/file" "$d/own" "$d/all" "$d/log" || [ ! -s "$d/own" ]; then
		note "$w: $arm failed: $(tail -n 1 "$d/log" | cut -c1-200)"
		return 1
	fi
	read -r wall cpu vol invol <"$d/own"
	sample overhead "$w" "$arm" "$round" own_ns "$wall"
	sample overhead "$w" "$arm" "$round" own_cpu_ns "$cpu"
	sample overhead "$w" "$arm" "$round" switches_voluntary "$vol"
	sample overhead "$w" "$arm" "$round" switches_involuntary "$invol"
	read -r wall cpu vol invol <"$d/all"
	sample overhead "$w" "$arm" "$round" all_ns "$wall"
	sample overhead "$w" "$arm" "$round" all_cpu_ns "$cpu"
	# Counting takes perf and trace-cmd seconds: once a round.
	if [ "$pass" -eq 0 ] && [[ $arm != bare && $arm != again ]]; then
		read -r events lost bytes <<<"$(file_counts "$arm" "$d/file")"
		if [ -z "${bytes:-}" ]; then
			note "$w: the events in $arm's file cannot be counted: $(tail -n 1 "$TMP/count.err" | cut -c1-200)"
			return 1
		fi
		sample overhead "$w" "$arm" "$round" events "$events"
		sample overhead "$w" "$arm" "$round" lost "$lost"
		[ "$arm" = ring ] || sample overhead "$w" "$arm" "$round" bytes "$bytes"
	fi
	rm -rf "$d"
}

# The arms that work here, found out with a command that does nothing. What its recording takes is the fixed part of a
# recorder's files.
overhead_arms() {
	local arm lacks

	ARMS=()
	for arm in "${OVERHEAD_ARMS[@]}"; do
		lacks=$(recorder_lacks "$arm")
		if [ -n "$lacks" ]; then
			note "$arm is left out: $lacks"
		elif overhead_run nothing "$arm" 0 0; then
			ARMS+=("$arm")
		else
			note "$arm is left out"
		fi
	done
}

overhead() {
	local w round pass arm i n order

	overhead_arms
	n=${#ARMS[@]}
	for w in "$@"; do
		# Caches warm, the clip and the sources read.
		overhead_run "$w" bare warm-up 1 || continue
		for ((round = 1; round <= ROUNDS; round++)); do
			order=()
			for ((i = 0; i < n; i++)); do
				order+=("${ARMS[(i + round - 1) % n]}")
			done
			for ((i = n - 1; i >= 0; i--)); do
				order+=("${order[i]}")
			done
			for ((i = 0; i < 2 * n; i++)); do
				arm=${order[i]} pass=$((i / n))
				progress "overhead: $w: round $round of $ROUNDS, run $((i + 1)) of $((2 * n)): $arm"
				overhead_run "$w" "$arm" "$round" "$pass" || true
			done
		done
	done
	progress_end
}
