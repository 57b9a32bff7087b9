#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# make bench: schedrec beside perf sched and trace-cmd, in one run: what recording costs, bytes an event, encoding and
# decoding, fidelity of the replays. Prints tables, and writes build/bench/result.json, which has every sample. Needs root
# and tracefs (else status 3); peers that are not installed are said and left out. Restricted by the environment:
#
#	BENCH_WORKLOADS="pipe messaging compile mpv pgbench"    those to run
#	BENCH_PARTS="overhead size speed fidelity"
#	BENCH_ARMS="bare again ring ring-again schedrec schedrec-a perf trace-cmd"    of the overhead part; also ring-small
#	BENCH_ROUNDS=7          rounds of the overhead part; each runs every arm twice
#	BENCH_REPEATS=3         replays, and runs of the application, of the fidelity part
set -u
cd "$(dirname "$0")/../.." || exit 3
export LC_ALL=C
SCHEDREC=$(realpath "${SCHEDREC:-schedrec}") || exit 3
OUT=$PWD/build/bench
TRACEFS=/sys/kernel/tracing
ROUNDS=${BENCH_ROUNDS:-7}
REPEATS=${BENCH_REPEATS:-3}
WORKLOADS=${BENCH_WORKLOADS:-pipe messaging compile mpv pgbench}
PARTS=${BENCH_PARTS:-overhead size speed fidelity}
ARMS_KNOWN=' bare again ring ring-again ring-small schedrec schedrec-a perf trace-cmd '
TMP=

. tests/bench/lib.sh
. tests/bench/pgbench.sh
. tests/bench/overhead.sh
. tests/bench/size.sh
. tests/bench/fidelity.sh

die() {
	echo "bench: $2" >&2
	exit "$1"
}

for n in "$ROUNDS" "$REPEATS"; do
	[[ $n =~ ^[1-9][0-9]{0,2}$ ]] || die 2 "BENCH_ROUNDS and BENCH_REPEATS are numbers from 1 to 999, not '$n'"
done
for n in $PARTS; do
	[[ $n =~ ^(overhead|size|speed|fidelity)$ ]] || die 2 "BENCH_PARTS: there is no part '$n'"
done
for n in ${BENCH_ARMS:-}; do
	[[ $ARMS_KNOWN == *" $n "* ]] || die 2 "BENCH_ARMS: there is no arm '$n', but$ARMS_KNOWN"
done
[ "$(id -u)" -eq 0 ] || die 3 "needs root: sudo make bench"
[ -d "$TRACEFS/events/sched" ] || die 3 "needs tracefs with the sched events at $TRACEFS"
[ -x "$SCHEDREC" ] || die 3 "$SCHEDREC is not built: run make"
have sqlite3 || die 3 "needs sqlite3: run tests/deps test"

at_exit() {
	local status=$1 now

	trap '' INT TERM HUP
	pg_stop
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
rm -f "$OUT/samples.tsv" "$OUT/notes" "$OUT/result.json" "$OUT/speed.txt"
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

# The ring that the recorder is compared with is as big as its own.
BUFFER_KB=
"$SCHEDREC" record -q -o "$TMP/true.srz" -- true >"$TMP/log" 2>&1 </dev/null &&
	"$SCHEDREC" info --json "$TMP/true.srz" >"$TMP/info.json" &&
	BUFFER_KB=$(json "$TMP/info.json" "json_extract(j, '$.meta.\"record.buffer_kb\"')")
[[ $BUFFER_KB =~ ^[0-9]+$ ]] || die 3 "schedrec cannot record here: $(tail -n 1 "$TMP/log")"

{
	echo "kernel $(uname -r)"
	echo "cpus $(nproc)"
	echo "buffer_kb $BUFFER_KB"
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
[ ! -s "$OUT/speed.txt" ] || { echo; cat "$OUT/speed.txt"; }
