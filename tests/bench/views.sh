#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/bench/views.sh: schedrec analyze beside perf sched, of the same events: perf's own file, and the recording that
# tests/real/from_text makes of it. In turns (A B B A), medians. Needs root, perf and tests/real/from_text (make unit).
#
#	BENCH_LOOPS=400000     of the loads that are recorded: of a small recording (30,000) the start counts more than the rate
#	BENCH_ROUNDS=3         each runs both twice
set -u
cd "$(dirname "$0")/../.." || exit 3
export LC_ALL=C
SCHEDREC=$(realpath "${SCHEDREC:-schedrec}") || exit 3
FROM_TEXT=$(realpath "${BUILD:-build}/tests/real/from_text") || exit 3
LOOPS=${BENCH_LOOPS:-400000} ROUNDS=${BENCH_ROUNDS:-3}
E=sched:sched_
T=$(mktemp -d) || exit 3
trap 'rm -rf "$T"' EXIT
trap 'exit 130' INT TERM

# took CMD...: ns of the wall clock
took() {
	local begin

	begin=$(date +%s%N)
	"$@" >/dev/null 2>"$T/err" || { echo "views: $1 failed: $(tail -n 1 "$T/err")" >&2 && exit 3; }
	echo $(($(date +%s%N) - begin))
}

median() {
	sort -n "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : int((v[NR / 2] + v[NR / 2 + 1]) / 2) }'
}

# pair NAME 'PERF ARGS' 'SCHEDREC ARGS': the table's line
pair() {
	local a b i perf schedrec

	read -ra perf <<<"$2"
	read -ra schedrec <<<"$3"
	: >"$T/a"
	: >"$T/b"
	for ((i = 0; i < ROUNDS; i++)); do
		took perf sched -i "$T/p.data" "${perf[@]}" >>"$T/a"
		took "$SCHEDREC" analyze "$T/p.srz" --all "${schedrec[@]}" >>"$T/b"
		took "$SCHEDREC" analyze "$T/p.srz" --all "${schedrec[@]}" >>"$T/b"
		took perf sched -i "$T/p.data" "${perf[@]}" >>"$T/a"
	done
	a=$(median "$T/a") b=$(median "$T/b")
	awk -v name="$1" -v a="$a" -v b="$b" -v n="$events" -v runs=$((2 * ROUNDS)) 'BEGIN {
		printf "%-10s %12.0f %12.0f %8.1f   (medians of %d: %.0f ms, %.0f ms)\n", name, n / a * 1e6, n / b * 1e6,
			a / b, runs, a / 1e6, b / 1e6 }'
}

perf record -q -a -R -c 1 -m 4096 -k CLOCK_MONOTONIC -e ${E}switch,${E}wakeup,${E}wakeup_new,${E}migrate_task \
	-e ${E}process_fork -o "$T/p.data" -- bash -c "perf bench sched pipe -l $LOOPS & perf bench sched pipe -T -l $LOOPS &
		perf bench sched messaging -g 2 -l $((LOOPS / 100)) & wait" >/dev/null 2>&1 || exit 3
perf script -i "$T/p.data" --ns -F tid,cpu,time,event,trace 2>/dev/null | awk -f tests/real/perf-script.awk >"$T/p.txt"
"$FROM_TEXT" "$T/p.srz" <"$T/p.txt" || exit 3
events=$(wc -l <"$T/p.txt")
echo "$events events; perf.data $(stat -c %s "$T/p.data") bytes, .srz $(stat -c %s "$T/p.srz") bytes"
printf '%-10s %12s %12s %8s\n' view "perf ev/ms" "schedrec" "ratio"
pair latency 'latency -p' '--view latency'
pair timehist timehist '--view timehist'
pair map 'map' '--view map'
pair csv timehist '--view timehist --csv'
