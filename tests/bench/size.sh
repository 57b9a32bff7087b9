# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Bytes an event, of recordings with at least SIZE_EVENTS events, and how fast schedrec's are written and read. Sourced by
# run.sh. Each recorder records one run; schedrec-a (the whole system) and trace-cmd record the same one.

SIZE_EVENTS=200000
RECORDINGS=$OUT/recordings

# CMD becomes itself, N times one after the other.
size_times() {
	CMD=(sh -c 'n=$0; while [ "$n" -gt 0 ]; do "$@" || exit; n=$((n - 1)); done' "$1" "${CMD[@]}")
}

# size_samples WORKLOAD ARM FILE: what is in it; sets EVENTS.
size_samples() {
	local lost bytes

	read -r EVENTS lost bytes <<<"$(file_counts "$2" "$3")"
	if [ -z "${bytes:-}" ]; then
		note "$1: the events in $2's file cannot be counted: $(tail -n 1 "$TMP/count.err" | cut -c1-200)"
		return 1
	fi
	sample size "$1" "$2" 0 events "$EVENTS"
	sample size "$1" "$2" 0 lost "$lost"
	sample size "$1" "$2" 0 bytes "$bytes"
}

# size_record WORKLOAD ARM FILE TIMES
size_record() {
	local log=$TMP/log

	workload "$1"
	# A compile is done once only.
	[ "$1" = compile ] && CMD+=(-B)
	[ "$4" -eq 1 ] || size_times "$4"
	progress "size: $1: $2$([ "$4" -eq 1 ] || echo ", $4 times")"
	record "$2" "$3" "$TMP/own" "$TMP/all" "$log" && return
	note "$1: $2 failed: $(tail -n 1 "$log" | cut -c1-200)"
	return 1
}

size_workload() {
	local w=$1 d=$TMP/size arm=schedrec n=1

	rm -rf "$d"
	mkdir -m 777 "$d" || return
	workload_is_of_system "$w" && arm=schedrec-a
	size_record "$w" "$arm" "$d/schedrec" 1 || return
	if [ "$w" != nothing ]; then
		read -r EVENTS _ <<<"$(file_counts "$arm" "$d/schedrec")"
		[ "$EVENTS" -ge "$SIZE_EVENTS" ] || n=$((SIZE_EVENTS * 5 / 4 / EVENTS + 1))
		[ "$n" -eq 1 ] || size_record "$w" "$arm" "$d/schedrec" "$n" || return
		mkdir -p "$RECORDINGS"
		cp "$d/schedrec" "$RECORDINGS/$w.srz"
	fi
	size_samples "$w" "$arm" "$d/schedrec"
	if have trace-cmd; then
		SAME=$d/same size_record "$w" trace-cmd "$d/trace-cmd" "$n" && size_samples "$w" trace-cmd "$d/trace-cmd" &&
			size_samples "$w" schedrec-same "$d/same"
	fi
	have perf && size_record "$w" perf "$d/perf" "$n" && size_samples "$w" perf "$d/perf"
	rm -rf "$d"
}

size() {
	local w

	# A recording of nothing is the fixed part.
	for w in nothing "$@"; do
		size_workload "$w"
	done
	progress_end
}

speed() {
	local bench=build/tests/bench/srz_bench

	if [ ! -x "$bench" ]; then
		note "the speed part is left out: $bench is not built"
	elif ! compgen -G "$RECORDINGS/*.srz" >/dev/null; then
		note "the speed part is left out: it needs the recordings of the size part"
	else
		progress "speed: $(ls "$RECORDINGS")"
		"$bench" "$RECORDINGS"/*.srz >"$OUT/speed.txt" 2>&1 || note "speed: $bench failed: $(tail -n 1 "$OUT/speed.txt")"
		progress_end
	fi
	# What the replay's engine adds to a wake.
	if [ -x build/tests/bench/engine_bench ]; then
		progress "speed: the engine's wakes"
		build/tests/bench/engine_bench >>"$OUT/speed.txt" 2>&1 || note "speed: engine_bench failed"
		progress_end
	fi
}
