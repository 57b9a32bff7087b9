# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What recording costs. Sourced by run.sh. The floor is the kernel's ring buffer with the same events and nobody reading;
# "again" and "ring-again" are a second arm of the same: what is between the two is the noise.
#
# A round runs every arm twice, there and back (A B C C B A), so that a drift of the machine's speed falls on all alike;
# each round begins with another arm. An arm's value of a round is the mean of its two runs.

# ring-small, of the size that the kernel gives by itself, only where it is asked for.
OVERHEAD_ARMS=(bare again ring ring-again schedrec schedrec-a perf trace-cmd)

# overhead_run WORKLOAD ARM ROUND: one run.
overhead_run() {
	local w=$1 arm=$2 round=$3 d=$TMP/run wall cpu vol invol events lost bytes

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
	# The peers' own tools take seconds to count their events.
	if [[ $arm == ring* || $arm == schedrec* ]]; then
		read -r events lost bytes <<<"$(file_counts "$arm" "$d/file")"
		if [ -z "${bytes:-}" ]; then
			note "$w: the events in $arm's file cannot be counted: $(tail -n 1 "$TMP/count.err" | cut -c1-200)"
			return 1
		fi
		sample overhead "$w" "$arm" "$round" events "$events"
		sample overhead "$w" "$arm" "$round" lost "$lost"
	fi
	rm -rf "$d"
}

# Sets ARMS to those that work here, found out with a command that does nothing.
overhead_arms() {
	local arm lacks

	ARMS=()
	for arm in ${BENCH_ARMS:-"${OVERHEAD_ARMS[@]}"}; do
		lacks=$(recorder_lacks "$arm")
		if [ -n "$lacks" ]; then
			note "$arm is left out: $lacks"
		elif overhead_run nothing "$arm" 0; then
			ARMS+=("$arm")
		else
			note "$arm is left out"
		fi
	done
}

overhead() {
	local w round arm i n order arms

	overhead_arms
	for w in "$@"; do
		# Caches warm, the clip and the sources read.
		overhead_run "$w" bare warm-up || continue
		arms=()
		for arm in "${ARMS[@]}"; do
			[ "$arm" = schedrec ] && workload_is_of_system "$w" || arms+=("$arm")
		done
		n=${#arms[@]}
		for ((round = 1; round <= ROUNDS; round++)); do
			order=()
			for ((i = 0; i < n; i++)); do
				order+=("${arms[(i + round - 1) % n]}")
			done
			for ((i = n - 1; i >= 0; i--)); do
				order+=("${order[i]}")
			done
			for ((i = 0; i < 2 * n; i++)); do
				progress "overhead: $w: round $round of $ROUNDS, run $((i + 1)) of $((2 * n)): ${order[i]}"
				overhead_run "$w" "${order[i]}" "$round" || true
			done
		done
	done
	progress_end
}
