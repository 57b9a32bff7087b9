#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# replay: what other programs used of its CPUs
. tests/lib.sh
t_timing

# shellcheck disable=SC2016 # the inner shell expands it
light() {
	"$SCHEDREC" record -q -o "$T/light.srz" -- \
		sh -c 'i=0; while [ $i -lt 25 ]; do sleep 0.02; i=$((i + 1)); done' </dev/null >/dev/null 2>&1
}

ready=no
if [ "$(id -u)" -eq 0 ] && [ -d /sys/kernel/tracing/events/sched ] && light; then
	ready=yes
fi
recording() {
	t_need_tracefs && t_need sqlite3 taskset && { [ $ready = yes ] || t_fail "nothing was recorded"; }
}

two_cpus() {
	recording && { taskset -c 1 true 2>/dev/null || { t_skip "there is no CPU 1"; false; }; }
}

# value PATH: of the JSON in $T/out
value() {
	sqlite3 :memory: "select json_extract(readfile('$T/out'), '\$.$1')"
}

# share CPU [RUN]
share() {
	sqlite3 :memory: "select json_extract(value, '\$.share') from
		json_each(readfile('$T/out'), '\$.runs[${2:-0}].foreign_cpus') where json_extract(value, '\$.cpu') = $1"
}

# than A OP B: both are numbers, and it holds.
than() {
	awk -v a="$1" -v b="$3" "BEGIN { exit !(a != \"\" && b != \"\" && a + 0 $2 b + 0) }"
}

with_hog() {
	local status

	taskset -c 1 sh -c 'while :; do :; done' &
	hog=$!
	"$@"
	status=$?
	kill "$hog"
	wait "$hog" 2>/dev/null
	return $status
}

t_case "a hog on CPU 1 is told, in the metrics, by CPU, and in a warning"
two_cpus && with_hog t_status 0 "$SCHEDREC" replay -q --json --policy kernel -o "$T/hog.srz" "$T/light.srz" &&
	t_true "share of CPU 1: $(share 1)" than "$(share 1)" '>' 0.3 &&
	t_true "share of all: $(value runs[0].metrics.foreign_cpu_share)" \
		than "$(value runs[0].metrics.foreign_cpu_share)" '<=' 1 &&
	t_true "share of all: $(value runs[0].metrics.foreign_cpu_share)" \
		than "$(value runs[0].metrics.foreign_cpu_share)" '>' 0 &&
	t_match '^schedrec: note: other programs used [0-9]+% of CPU [0-9]+ in run 1 of kernel: its figures' "$T/err"
t_ok

t_case "the replay's file has it too, and so has its analysis"
if two_cpus; then
	all=$(value runs[0].metrics.foreign_cpu_share)
	t_status 0 "$SCHEDREC" info --json "$T/hog.srz" && t_match '"host.foreign_cpu_share": "[0-9:.,]*1:[01]\.' "$T/out" &&
		t_status 0 "$SCHEDREC" analyze --json "$T/hog.srz" && t_match '"foreign_cpu_share"' "$T/out" &&
		t_true "$all, and in the analysis $(grep foreign_cpu_share "$T/out")" \
			than "$(sed -n 's/.*"foreign_cpu_share": *\([0-9.]*\).*/\1/p' "$T/out")" '==' "$all"
fi
t_ok

t_case "a part that was cut out of the file does not have it"
two_cpus && t_status 0 "$SCHEDREC" cut "$T/hog.srz" --from 10ms --to 200ms -o "$T/part.srz" &&
	t_status 0 "$SCHEDREC" info --json "$T/part.srz" && t_no_match 'foreign_cpu_share' "$T/out"
t_ok

# others: the share of all CPUs that is used while nothing of ours runs
others() {
	awk '$1 == "cpu" { for (i = 2; i <= 9; i++) sum += $i; print sum, $5 + $6 }' /proc/stat >"$T/stat"
	sleep 1
	awk '$1 == "cpu" { for (i = 2; i <= 9; i++) sum += $i; print sum, $5 + $6 }' /proc/stat >>"$T/stat"
	awk 'NR == 1 { sum = $1; idle = $2 } END { print 1 - ($2 - idle) / ($1 - sum + 0.001) }' "$T/stat"
}

# few SHARE LEAST: it is below LEAST; or a skip, where others use the machine anyway
few() {
	local busy

	than "$1" '<' "$2" && return
	busy=$(others)
	if than "$busy" '>' 0.15; then
		t_skip "others use $busy of the machine"
		return 0
	fi
	t_true "share: $1, at try $try; others alone: $busy" than "$1" '<' "$2"
}

# Others may be here for a while: a share that stays high in all of five tries is the replay's own.
t_case "without a hog the share stays below that"
if two_cpus; then
	for try in 1 2 3 4 5; do
		t_status 0 "$SCHEDREC" replay -q --json --policy kernel "$T/light.srz" || break
		than "$(share 1)" '<' 0.3 && break
		sleep 2
	done
	few "$(share 1)" 0.3
fi
t_ok

t_case "only CPUs that the replay uses are looked at"
two_cpus && with_hog t_status 0 "$SCHEDREC" replay -q --json --policy kernel --cpus 0 "$T/light.srz" &&
	t_equal 0 "$(value 'runs[0].foreign_cpus[0].cpu')" && t_equal "" "$(share 1)" && t_no_match 'of CPU 1' "$T/err"
t_ok

t_case "the share is in the database"
two_cpus && with_hog t_status 0 "$SCHEDREC" replay -q --policy kernel --repeat 2 --db "$T/db" "$T/light.srz" &&
	t_match 'other programs used [0-9]+% of CPU [0-9]+ in run [12] of kernel, and much in 1 more: their' "$T/err" &&
	t_equal 2 "$(sqlite3 "$T/db" "select count(*) from metric where name = 'foreign_cpu_share' and unit = 'ratio'
		and value > 0.15 and value <= 1")"
t_ok

t_case "a replay that records itself knows the share of all its CPUs"
two_cpus && with_hog t_status 0 "$SCHEDREC" replay -q --json --self --policy kernel "$T/light.srz" &&
	t_true "$(value runs[0].metrics.foreign_cpu_share)" than "$(value runs[0].metrics.foreign_cpu_share)" '>' 0.15 &&
	t_equal "" "$(share 1)" && t_match 'other programs used [0-9]+% of its CPUs in run 1 of kernel' "$T/err"
t_ok

t_case "as processes, the replay's own are not foreign"
if recording; then
	"$SCHEDREC" record -q -o "$T/work.srz" -- sh -c 'seq 400000 | sort -n | tail -n 1' </dev/null >/dev/null 2>&1
	for try in 1 2 3 4 5; do
		t_status 0 "$SCHEDREC" replay -q --json --processes=yes --policy kernel "$T/work.srz" || break
		than "$(value runs[0].metrics.foreign_cpu_share)" '<' 0.2 && break
		sleep 2
	done
	few "$(value runs[0].metrics.foreign_cpu_share)" 0.2
fi
t_ok

t_done
