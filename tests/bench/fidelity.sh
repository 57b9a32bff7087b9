# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# How true replays are. Sourced by run.sh. One recording of each workload, and against it: the application run again
# (its own spread is the yardstick), schedrec's replay, and perf's replay of a perf.data of the same workload. What perf's
# replay really did is counted from its threads' events; those that replay tasks outside of the workload are left out.

# json_samples WORKLOAD ARM DB SQL: the rows ROUND METRIC VALUE of a query become samples.
json_samples() {
	local w=$1 arm=$2 file=$3 query=$4 round metric value

	sqlite3 -separator ' ' "$file" "$query" | while read -r round metric value; do
		sample fidelity "$w" "$arm" "$round" "$metric" "$value"
	done
}

# count_samples WORKLOAD ARM ROUND FILE [CHOSEN MADE]: what count.awk counts in a recording; of perf's replay with MADE
# threads in all.
count_samples() {
	local w=$1 arm=$2 round=$3 file=$4 metric value

	"$SCHEDREC" dump "$file" >"$TMP/dump" || return
	: >"$TMP/latencies"
	awk -v latencies="$TMP/latencies" -f tests/bench/count.awk ${5:+"$5"} "$TMP/dump" >"$TMP/counted" || return
	sort -n "$TMP/latencies" | awk '
		{ v[NR] = $1 }
		function at(q, i) { i = int(q * NR); return v[i < q * NR ? i + 1 : i] }
		END {
			if (NR)
				printf "wakeup_latency_ns.p50 %s\nwakeup_latency_ns.p95 %s\nwakeup_latency_ns.p99 %s\n",
					at(0.50), at(0.95), at(0.99)
		}' >>"$TMP/counted"
	rm -f "$TMP/dump"
	# Without each of their forks the threads' numbers would be wrong.
	if [ -n "${6:-}" ] && ! grep -qx "threads_made $6" "$TMP/counted"; then
		note "$w: $6 threads of perf's, but $(grep threads_made "$TMP/counted") in the recording: not counted"
		return 1
	fi
	while read -r metric value; do
		sample fidelity "$w" "$arm" "$round" "$metric" "$value"
	done <"$TMP/counted"
}

# The tasks of the workload in a perf.data: `timed`, which runs it, and all its descendants.
perf_workload_pids() {
	perf script -F event,trace -i "$1" 2>/dev/null | awk '
		/sched_process_fork:/ {
			child = $0
			sub(/.* child_pid=/, "", child)
			parent = $0
			sub(/ child_comm=.*/, "", parent)
			sub(/.* pid=/, "", parent)
			if (!n && / comm=timed pid=/)
				mine[parent + 0] = ++n
			if (parent + 0 in mine)
				mine[child + 0] = ++n
		}
		END { for (pid in mine) print pid }'
}

# perf sched replay of WORKLOAD recorded as perf does (ARM perf-sched) or with sched_wakeup too (perf-wakeup).
fidelity_perf() {
	local w=$1 arm=$2 d=$TMP/fidelity round status

	workload "$w"
	if ! record "$arm" "$d/perf.data" "$d/own" "$d/all" "$d/log"; then
		note "$w: $arm failed: $(tail -n 1 "$d/log" | cut -c1-200)"
		return 1
	fi
	perf_workload_pids "$d/perf.data" >"$d/pids"
	for ((round = 1; round <= REPEATS; round++)); do
		progress "fidelity: $w: perf sched replay ($arm) $round of $REPEATS"
		# It needs root also under sudo.
		env -u SUDO_UID -u SUDO_GID "$SCHEDREC" record -o "$d/perf.srz" -- \
			timeout 120 perf sched replay -f -r 1 -i "$d/perf.data" >"$d/list" 2>"$d/log" </dev/null
		status=$?
		if [ "$status" -ne 0 ] || ! grep -q '^#1' "$d/list"; then
			note "$w: perf sched replay ($arm) failed with status $status: $(tail -n 1 "$d/log" | cut -c1-200)"
			return 1
		fi
		# "task      7 (          mpv:      1234), nr_events: 42": perf makes its threads in this order.
		awk 'FNR == NR { mine[$1] = 1; next }
			/^task .*nr_events:/ { n = $2; sub(/\), nr_events.*/, ""); sub(/.*:/, ""); if ($1 in mine) print n }' \
			"$d/pids" "$d/list" >"$d/chosen"
		count_samples "$w" "$arm" "$round" "$d/perf.srz" "$d/chosen" "$(grep -c '^task .*nr_events:' "$d/list")" &&
			sample fidelity "$w" "$arm" "$round" chosen "$(wc -l <"$d/chosen")"
	done
	rm -f "$d/perf.data" "$d/perf.srz"
}

fidelity_workload() {
	local w=$1 d=$TMP/fidelity round wall cpu vol invol

	rm -rf "$d"
	mkdir -m 777 "$d" || return
	workload "$w"
	progress "fidelity: $w: the recording"
	if ! record schedrec "$d/recorded.srz" "$d/own" "$d/all" "$d/log"; then
		note "$w: schedrec record failed: $(tail -n 1 "$d/log")"
		return
	fi
	read -r wall cpu vol invol <"$d/own"
	sample fidelity "$w" rusage 0 makespan_ns "$wall"
	sample fidelity "$w" rusage 0 cpu_time_ns "$cpu"
	sample fidelity "$w" rusage 0 switches_involuntary "$invol"
	# getrusage counts a process's last switch, as it exits.
	count_samples "$w" counted 0 "$d/recorded.srz" &&
		sample fidelity "$w" rusage 0 switches_voluntary $((vol - $(awk '$1 == "exits" { print $2 }' "$TMP/counted")))

	for ((round = 1; round <= REPEATS; round++)); do
		progress "fidelity: $w: the application again, $round of $REPEATS"
		workload "$w"
		if ! record schedrec "$d/again.srz" "$d/own" "$d/all" "$d/log" ||
			! "$SCHEDREC" analyze "$d/again.srz" --db "$d/again.db" --label "$round" >/dev/null 2>"$d/log"; then
			note "$w: the application again: $(tail -n 1 "$d/log")"
			break
		fi
	done
	[ -f "$d/again.db" ] && json_samples "$w" application "$d/again.db" \
		"SELECT label, name, value FROM run JOIN metric ON run_id = id WHERE engine = 'recorded'"

	progress "fidelity: $w: schedrec replay"
	if "$SCHEDREC" replay "$d/recorded.srz" --policy kernel --work time --repeat "$REPEATS" --json \
		>"$d/replay.json" 2>"$d/log" </dev/null; then
		json_samples "$w" recorded :memory: "SELECT 0, m.key, m.value
			FROM json_each(CAST(readfile('$d/replay.json') AS TEXT), '$.recorded.metrics') m"
		json_samples "$w" schedrec :memory: "SELECT json_extract(r.value, '$.round') + 1, m.key, m.value
			FROM json_each(CAST(readfile('$d/replay.json') AS TEXT), '$.runs') r, json_each(r.value, '$.metrics') m"
	else
		note "$w: schedrec replay failed: $(tail -n 1 "$d/log")"
	fi

	if have perf; then
		# Whether it crashes depends on the perf.data: it gets a second one.
		fidelity_perf "$w" perf-sched || fidelity_perf "$w" perf-sched
		fidelity_perf "$w" perf-wakeup || fidelity_perf "$w" perf-wakeup
	fi
	rm -rf "$d"
}

fidelity() {
	local w

	have perf || note "perf sched replay is left out: perf is not installed"
	for w in "$@"; do
		if workload_is_of_system "$w"; then
			note "$w is left out of the fidelity part: its work is done outside of the recorded command"
		else
			fidelity_workload "$w"
		fi
	done
	progress_end
}
