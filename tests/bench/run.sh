#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# make bench: schedrec beside perf sched and trace-cmd, in one run: what recording costs, bytes an event, fidelity of
# the replays. Prints tables, and writes build/bench/result.json, which has every sample. Needs root and tracefs
# (else status 3); peers that are not installed are said and left out. Restricted by the environment:
#
#	BENCH_WORKLOADS="pipe messaging compile mpv"    those to run
#	BENCH_PARTS="overhead fidelity"
#	BENCH_ROUNDS=5          rounds of the overhead part; each runs every recorder twice
#	BENCH_REPEATS=3         replays, and runs of the application, of the fidelity part
set -u
cd "$(dirname "$0")/../.." || exit 3
export LC_ALL=C
SCHEDREC=$(realpath "${SCHEDREC:-schedrec}") || exit 3
OUT=$PWD/build/bench
TRACEFS=/sys/kernel/tracing
ROUNDS=${BENCH_ROUNDS:-5}
REPEATS=${BENCH_REPEATS:-3}
WORKLOADS=${BENCH_WORKLOADS:-pipe messaging compile mpv}
PARTS=${BENCH_PARTS:-overhead fidelity}
TMP=

. tests/bench/lib.sh
. tests/bench/overhead.sh
. tests/bench/fidelity.sh

die() {
	echo "bench: $2" >&2
	exit "$1"
}

for n in "$ROUNDS" "$REPEATS"; do
	[[ $n =~ ^[1-9][0-9]{0,2}$ ]] || die 2 "BENCH_ROUNDS and BENCH_REPEATS are numbers from 1 to 999, not '$n'"
done
for n in $PARTS; do
	[[ $n =~ ^(overhead|fidelity)$ ]] || die 2 "BENCH_PARTS: there is no part '$n'"
done
[ "$(id -u)" -eq 0 ] || die 3 "needs root: sudo make bench"
[ -d "$TRACEFS/events/sched" ] || die 3 "needs tracefs with the sched events at $TRACEFS"
[ -x "$SCHEDREC" ] || die 3 "$SCHEDREC is not built: run make"
have sqlite3 || die 3 "needs sqlite3: run tests/deps test"

at_exit() {
	local status=$1 now

	trap '' INT TERM HUP
	instance_remove
	if [ -n "${state:-}" ]; then
		now=$(tracing_state)
		[ "$now" = "$state" ] || diff <(echo "$state") <(echo "$now") | sed 's/^/bench: tracing has changed: /' >&2
	fi
	[ -n "$TMP" ] && rm -rf "$TMP"
	[ -n "${SUDO_UID:-}" ] && [ -d "$OUT" ] && chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" build/bench
	exit "$status"
}
# A trap runs with the redirections of the command that it interrupts.
exec 3>&2
trap 'at_exit $? 2>&3' EXIT
trap 'exec 2>&3; progress_end; echo "bench: interrupted" >&2; exit 130' INT
trap 'exec 2>&3; progress_end; echo "bench: ended by a signal" >&2; exit 143' TERM HUP

instances_sweep
state=$(tracing_state)
mkdir -p "$OUT" || exit 3
rm -f "$OUT/samples.tsv" "$OUT/notes" "$OUT/result.json"
: >"$OUT/samples.tsv"
: >"$OUT/notes"
TMP=$(mktemp -d "$OUT/tmp.XXXXXX") || exit 3
# Under sudo schedrec runs the workload as the invoking user.
chmod 777 "$TMP"
TIMED=$TMP/timed
"${CC:-cc}" -O2 -Wall -Wextra -o "$TIMED" tests/bench/timed.c || die 3 "cannot compile tests/bench/timed.c"
# perf sched replay opens a descriptor for each task.
ulimit -n "$(ulimit -Hn)"

chosen=()
for w in $WORKLOADS; do
	lacks=$(workload_lacks "$w")
	if [ -n "$lacks" ]; then
		note "$w is left out: $lacks"
	elif workload_setup "$w"; then
		chosen+=("$w")
	else
		note "$w is left out: it cannot be set up"
	fi
done
[ ${#chosen[@]} -gt 0 ] || die 3 "no workload can run: $(tr '\n' ' ' <"$OUT/notes")"

{
	echo "kernel $(uname -r)"
	echo "cpus $(nproc)"
	echo "load_at_start $(cut -d' ' -f1-3 /proc/loadavg)"
	echo "started_at $(date -u +%Y-%m-%dT%H:%M:%SZ)"
	echo "schedrec $("$SCHEDREC" --version 2>/dev/null | grep -o '[0-9][0-9.]*' | head -n 1)"
	have perf && echo "perf $(perf --version | grep -o '[0-9][0-9.]*' | head -n 1)"
	have trace-cmd && echo "trace-cmd $(trace-cmd --version 2>/dev/null | grep -o '[0-9][0-9.]*' | head -n 1)"
} >"$TMP/host"

for part in $PARTS; do
	"$part" "${chosen[@]}"
done
echo "load_at_end $(cut -d' ' -f1-3 /proc/loadavg)" >>"$TMP/host"
awk -v json="$OUT/result.json" -v rounds="$ROUNDS" -v repeats="$REPEATS" -f tests/bench/report.awk \
	"$TMP/host" "$OUT/notes" "$OUT/samples.tsv"
