# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the parts of the bench share: the workloads, the recorders, the samples. Sourced by run.sh, which sets $OUT (what
# is kept), $TMP (what is not; anybody may write there), $SCHEDREC, $TRACEFS, $ROUNDS, $REPEATS, $BUFFER_KB.

# A sample is a line of $OUT/samples.tsv: PART WORKLOAD ARM ROUND METRIC VALUE.
sample() {
	local IFS=$'\t'
	echo "$*" >>"$OUT/samples.tsv"
}

note() {
	echo "$*" >>"$OUT/notes"
}

progress() {
	if [ -t 2 ]; then
		printf '\r\033[K%s' "$*" >&2
	else
		echo "$*" >&2
	fi
}

progress_end() {
	[ -t 2 ] && printf '\r\033[K' >&2
	return 0
}

have() {
	command -v "$1" >/dev/null
}

# ---- workloads ----

# What the workload needs and is not here, as text; nothing when it can run.
workload_lacks() {
	case $1 in
	pipe | messaging) have perf || echo "perf is not installed" ;;
	compile) have make && have cc || echo "make and cc are not installed" ;;
	mpv) have mpv && { have ffmpeg || [ -s "$OUT/clip.mkv" ]; } || echo "mpv and ffmpeg are not installed" ;;
	pgbench) [ -n "$(pg_bin)" ] || echo "PostgreSQL is not installed" ;;
	*) echo "there is no such workload" ;;
	esac
}

workload_setup() {
	case $1 in
	compile)
		mkdir "$TMP/tree" || return
		tar -c Makefile schedrec.[ch] formats record replay analyze corpus | tar -x -C "$TMP/tree"
		chmod -R a+rwX "$TMP/tree"
		;;
	mpv)
		[ -s "$OUT/clip.mkv" ] && return
		ffmpeg -loglevel error -y -f lavfi -i testsrc2=size=640x360:rate=30 -f lavfi -i sine=frequency=440 -t 2.5 \
			-c:v mpeg4 -c:a aac "$OUT/clip.mkv" </dev/null
		;;
	pgbench) pg_start ;;
	esac
}

# Much of what it does is done by processes that are no descendants of its command.
workload_is_of_system() {
	[ "$1" = pgbench ]
}

# Sets CMD, and clears what an earlier run left behind.
workload() {
	local c

	case $1 in
	nothing) CMD=(true) ;;
	pipe) CMD=(perf bench sched pipe -l 60000) ;;
	messaging) CMD=(perf bench sched messaging -g 10 -l 150) ;;
	compile)
		rm -rf "$TMP/tree/build"
		CMD=(make -s -C "$TMP/tree" -j4 CFLAGS=-O1)
		for c in "$TMP"/tree/formats/*.c; do
			c=${c##*/}
			CMD+=("build/formats/${c%.c}.o")
		done
		;;
	mpv) CMD=(mpv --no-config --really-quiet --vo=null --ao=null "$OUT/clip.mkv") ;;
	pgbench) CMD=("$(pg_bin)/pgbench" -h "$TMP" -U bench -c 8 -j 2 -t 1500 bench) ;;
	esac
}

# ---- recorders ----

# The events that schedrec records, where the kernel has them.
events() {
	local e

	for e in sched/sched_{switch,waking,wakeup,wakeup_new,migrate_task,process_fork,process_exec,process_exit} \
		task/task_rename task/task_newtask; do
		[ -d "$TRACEFS/events/$e" ] && echo "$e"
	done
}

# An instance of our own, for the ring buffer alone and for trace-cmd: nothing else of the kernel's tracing is touched.
INSTANCE=

instance_create() {
	INSTANCE=$TRACEFS/instances/schedbench-$$
	mkdir "$INSTANCE"
}

instance_remove() {
	local i

	[ -n "$INSTANCE" ] && [ -d "$INSTANCE" ] || return 0
	echo 0 >"$INSTANCE/tracing_on"
	# A reader that is just ending keeps it busy.
	for i in 1 2 3 4 5 6 7 8 9 10; do
		rmdir "$INSTANCE" 2>/dev/null && return
		sleep 0.1
	done
	echo "bench: cannot remove $INSTANCE after $i attempts" >&2
	return 1
}

# Those of a bench that was killed.
instances_sweep() {
	local dir

	for dir in "$TRACEFS"/instances/schedbench-*; do
		if [ -d "$dir" ] && [ ! -d "/proc/${dir##*-}" ]; then
			INSTANCE=$dir
			instance_remove
		fi
	done
	INSTANCE=
}

# The kernel's tracing outside of our instance, to be the same afterwards.
tracing_state() {
	local f

	for f in tracing_on trace_clock set_event set_event_pid current_tracer buffer_size_kb trace_options; do
		echo "$f: $(tr '\n' ' ' <"$TRACEFS/$f")"
	done
}

recorder_lacks() {
	case $1 in
	perf) have perf || echo "perf is not installed" ;;
	trace-cmd) have trace-cmd || echo "trace-cmd is not installed" ;;
	esac
}

# What perf sched record does, but with the events of all others.
PERF_SCHED=(perf record -a -R -m 1024 -c 1)

# Runs CMD under an arm: record ARM FILE OWN ALL LOG. What CMD itself took goes to OWN, what everything took until FILE
# was complete to ALL. The bare ring buffer's FILE gets the number of its events instead; it is as big as schedrec's
# ($BUFFER_KB), ring-small is what the kernel gives an instance that asks for nothing.
record() {
	local arm=$1 file=$2 inner=("$TIMED" "$3" "${CMD[@]}") all=$4 log=$5 e status=0
	local outer=("$TIMED" "$all") args=()

	case $arm in
	bare | again) "${outer[@]}" "${inner[@]}" ;;
	ring*)
		instance_create || return
		[ "$arm" = ring-small ] || echo "$BUFFER_KB" >"$INSTANCE/buffer_size_kb"
		echo mono >"$INSTANCE/trace_clock"
		for e in $(events); do
			echo 1 >"$INSTANCE/events/$e/enable"
		done
		"${outer[@]}" "${inner[@]}" || status=$?
		echo 0 >"$INSTANCE/tracing_on"
		awk '/^(entries|overrun|dropped events):/ { n += $NF } END { printf "%.0f\n", n }' \
			"$INSTANCE"/per_cpu/cpu*/stats >"$file"
		instance_remove && return "$status"
		;;
	schedrec) "${outer[@]}" "$SCHEDREC" record -o "$file" -- "${inner[@]}" ;;
	schedrec-a) "${outer[@]}" "$SCHEDREC" record -a -o "$file" -- "${inner[@]}" ;;
	perf)
		for e in $(events); do
			args+=(-e "${e/\//:}")
		done
		"${outer[@]}" "${PERF_SCHED[@]}" "${args[@]}" -o "$file" -- "${inner[@]}"
		;;
	perf-sched) "${outer[@]}" perf sched record -o "$file" -- "${inner[@]}" ;;
	perf-wakeup) "${outer[@]}" perf sched record -e sched:sched_wakeup -o "$file" -- "${inner[@]}" ;;
	trace-cmd)
		# SAME: where schedrec's recording of the same run goes.
		[ -n "${SAME:-}" ] && inner=("$SCHEDREC" record -q -a -o "$SAME" -- "${inner[@]}")
		for e in $(events); do
			args+=(-e "${e/\//:}")
		done
		instance_create || return
		unshare -m tests/bench/trace-cmd.sh "$INSTANCE" "$TMP" "${outer[@]}" \
			trace-cmd record -q -B "${INSTANCE##*/}" -C mono -o "$file" "${args[@]}" "${inner[@]}" || status=$?
		instance_remove && return "$status"
		;;
	esac >"$log" 2>&1 </dev/null
}

# json FILE EXPR: EXPR, SQL about the JSON text j.
json() {
	sqlite3 -separator ' ' :memory: "SELECT $2 FROM (SELECT CAST(readfile('$1') AS TEXT) AS j)"
}

# What ARM's FILE holds: "EVENTS LOST BYTES"; nothing when there is no telling. trace-cmd's and perf's own tools count
# theirs.
file_counts() {
	local arm=$1 file=$2 stats lost=0

	case $arm in
	ring*) echo "$(<"$file") 0 0" ;;
	schedrec*)
		"$SCHEDREC" info --json "$file" >"$TMP/info.json" 2>"$TMP/count.err" || return
		json "$TMP/info.json" "json_extract(j, '$.events'), json_extract(j, '$.lost'), json_extract(j, '$.bytes')"
		;;
	perf*)
		stats=$(perf report --stats -i "$file" 2>"$TMP/count.err")
		[[ $stats == *LOST* ]] && lost=$(perf script --show-lost-events -i "$file" 2>/dev/null |
			awk '/PERF_RECORD_LOST/ { n += $NF } END { printf "%.0f", n }')
		awk -v lost="$lost" -v bytes="$(stat -c %s "$file")" \
			'$1 == "SAMPLE" { print $3, lost, bytes; exit }' <<<"$stats"
		;;
	trace-cmd)
		trace-cmd report -i "$file" 2>"$TMP/count.err" | awk -v bytes="$(stat -c %s "$file")" '
			/EVENTS DROPPED\]/ { sub(/.*\[/, ""); lost += $1; next }
			/\[[0-9]+\]/ { n++ }
			END { if (n) printf "%.0f %.0f %s\n", n, lost, bytes }'
		;;
	esac
}
