#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# replay: what a replay must not get wrong, each with a program of which it is known what it does (truth.c)
#
# What the replay did is counted from its own events (replay-truth.awk), and CPU time and counts are compared rather than
# times, for the machine may be loaded. A case that fails is tried once more, from its recording on, and says why.
# shellcheck disable=SC2030,SC2031 # what runs in the background has its own reasons
. tests/lib.sh
t_timing

truth=$T/truth

# record_it NAME CMD...: $T/NAME.srz, and what it holds in $T/NAME.rec
record_it() {
	local name=$1
	shift
	stolen_before=$(stolen_ns)
	"$SCHEDREC" record -q -o "$T/$name.srz" -- "$@" >"$T/$name.log" 2>&1 </dev/null
	case $? in 0) ;; 77) because "the program was refused" ;; *) because "record: $(tail -n 1 "$T/$name.log")" ;; esac &&
		counted "$T/$name.srz" 0 >"$T/$name.rec"
}

# replay_it NAME [OPTION...]: the same in $T/NAME-r.srz and $T/NAME.rep
replay_it() {
	local name=$1
	shift
	"$SCHEDREC" replay -q -o "$T/$name-r.srz" "$@" "$T/$name.srz" >"$T/$name.log" 2>&1 </dev/null ||
		because "replay: $(tail -n 1 "$T/$name.log")" || return
	counted "$T/$name-r.srz" 1 >"$T/$name.rep"
}

counted() {
	"$SCHEDREC" dump "$1" | awk -v replay="$2" -v cpu=0 -f tests/real/replay-truth.awk
}

# because WHY...: the check fails; the first reason is kept
why=$T/why
because() {
	[ -s "$why" ] || echo "$*" >"$why"
	return 1
}

# sum FILE COMM FIELD: over the tasks of that name (a pattern) in a .rec or .rep
declare -A field=([cpu_ns]=3 [sleeps]=4 [preempted]=5 [woken]=6 [waited_ns]=7)
sum() {
	awk -v comm="^($2)\$" -v f="${field[$3]}" '$1 == "task" && $2 ~ comm { n += $f } END { printf "%.0f\n", n }' "$1"
}

tasks() {
	grep -Ec "^task ($2) " "$1"
}

# On a virtual machine events count the time that the host took as the task's, unlike the tasks' own clocks.
stolen_ns() {
	awk -v tick="$(getconf CLK_TCK)" '$1 == "cpu" { printf "%.0f\n", $9 / tick * 1000000000 }' /proc/stat
}

# stolen WANT: since the recording began, but at most a fifth of WANT, or any replay would pass after a bad minute
stolen() {
	local ns=$(($(stolen_ns) - stolen_before))

	echo $((ns < $1 / 5 ? ns : $1 / 5))
}

# cpu_time NAME COMM PERCENT [MORE]: the replay's is the recording's
cpu_time() {
	local want

	want=$(sum "$T/$1.rec" "$2" cpu_ns)
	within "CPU time of $2, ns" "$(sum "$T/$1.rep" "$2" cpu_ns)" "$want" "$3" $((${4:-0} + $(stolen "$want")))
}

# within WHAT GOT WANT PERCENT [MORE]: GOT is WANT, give or take PERCENT of it and MORE
within() {
	awk -v got="$2" -v want="$3" -v percent="$4" -v more="${5:-0}" 'BEGIN {
		d = got > want ? got - want : want - got
		exit !(want != "" && got != "" && d <= want * percent / 100 + more)
	}' || because "$1: $2, not $3 +-$4%${5:+ +-$5}"
}

between() {
	awk -v got="$2" -v low="$3" -v high="$4" 'BEGIN { exit !(got != "" && got >= low && got <= high) }' ||
		because "$1: $2, not $3 to $4"
}

# From the first task's beginning to the last one's end.
span_ns() {
	awk '$1 == "task" { if (!n++ || $8 < a) a = $8; if ($9 > b) b = $9 } END { printf "%.0f\n", b - a }' "$1"
}

# same NAME COMM CPU_PERCENT [CPU_MORE]: as many sleeps, and as much CPU time
same() {
	cpu_time "$1" "$2" "$3" "${4:-0}" &&
		within "sleeps of $2" "$(sum "$T/$1.rep" "$2" sleeps)" "$(sum "$T/$1.rec" "$2" sleeps)" 1 1
}

# truth_case NAME CHECK: CHECK is a function that records, replays, and compares
truth_case() {
	t_case "$1"
	if ! t_need_tracefs; then
		return
	fi
	: >"$why"
	if ! "$2"; then
		echo "     $T_NAME: once more: $T_CASE: $(cat "$why")"
		: >"$why"
		"$2" || t_fail "$(cat "$why")"
	fi
	t_ok
}

# ---- the cases ----

t_case "the programs can be built"
t_true "cannot build truth.c" "${CC:-cc}" -O2 -pthread -o "$truth" tests/real/truth.c
t_true "cannot build threads.c" "${CC:-cc}" -O2 -pthread -o "$T/threads" tests/real/threads.c
t_ok

# It takes six seconds in which hardly anything happens: the other cases run beside it.
idle_runs() {
	record_it idle "$truth" timer 4 750000 5000 && replay_it idle
}

idle_pid=
if [ "$(id -u)" -eq 0 ] && [ -d /sys/kernel/tracing/events/sched ]; then
	idle_stolen=$(stolen_ns)
	(why=$T/why-idle && idle_runs) &
	idle_pid=$!
fi

idle() {
	if [ -n "$idle_pid" ]; then
		stolen_before=$idle_stolen
		wait "$idle_pid" || because "$(cat "$T/why-idle")" || { idle_pid= && return 1; }
		idle_pid=
	else
		idle_runs || return
	fi
	same idle truth 5 2000000 &&
		within "makespan, ns" "$(span_ns "$T/idle.rep")" "$(span_ns "$T/idle.rec")" 2
}

# 90% of the intervals from wake to wake are this close to a period, ns.
jitter_ns() {
	awk -v period="$2" '$1 == "wake" { if (n++) { d = $2 - last - period; print d < 0 ? -d : d } last = $2 }' "$1" |
		sort -n | awk '{ v[NR] = $1 } END { printf "%.0f\n", v[int(NR * 0.9)] }'
}

timer() {
	record_it timer "$truth" timer 100 10000 1500 && replay_it timer &&
		same timer truth 5 &&
		within "makespan, ns" "$(span_ns "$T/timer.rep")" "$(span_ns "$T/timer.rec")" 2 &&
		within "jitter, ns" "$(jitter_ns "$T/timer.rep" 10000000)" "$(jitter_ns "$T/timer.rec" 10000000)" 0 500000
}
truth_case "a periodic timer sleeper sleeps as often, works as much, and keeps its period" timer

# Without the time in which others had the CPUs: of two busy threads, each on a CPU, and of both on CPU 0.
busy_recorded_ns() {
	awk '$2 == "truth-busy" && $1 == "task" && $9 - $8 - $7 > n { n = $9 - $8 - $7 } END { printf "%.0f\n", n }' "$1"
}

busy_replayed_ns() {
	awk '$3 == "truth-busy" && $1 == "fork" && !n++ { a = $2 - $4 }
		$3 == "truth-busy" && $1 == "end" { b = $2 - $4 } END { printf "%.0f\n", b - a }' "$1"
}

# squeezed WORK PERCENT
squeezed() {
	local recorded replayed

	replay_it busy --cpus 0 --work "$1" && cpu_time busy truth-busy "$2" || return
	recorded=$(busy_recorded_ns "$T/busy.rec") replayed=$(busy_replayed_ns "$T/busy.rep")
	within "--work $1: elapsed beside the CPU time, ns" "$replayed" "$(sum "$T/busy.rep" truth-busy cpu_ns)" 5 &&
		within "--work $1: elapsed beside twice the recorded, ns" "$replayed" $((2 * recorded)) "$2" \
			"$(stolen $((2 * recorded)))" &&
		{ [ -z "$(awk '$1 == "task" && $2 == "truth-busy" && $11 != "0"' "$T/busy.rep")" ] || because "not on CPU 0 alone"; }
}

# The clock of the latter is work: the machine's speed may move.
busy() {
	record_it busy "$truth" busy 250 && squeezed time 5 && squeezed instructions 25
}
truth_case "two busy threads on one CPU take twice as long, and do no less work" busy

reuse() {
	record_it reuse "$truth" reuse
	if grep -q refused "$why"; then
		t_skip "this user may not choose a pid (clone3 with set_tid)"
		return 0
	fi
	[ ! -s "$why" ] && replay_it reuse || return
	[ "$(awk '$2 ~ /^truth-(first|second)$/ { print $10 }' "$T/reuse.rec" | sort -u | wc -l)" -eq 1 ] ||
		because "the two had not the same pid" || return
	[ "$(tasks "$T/reuse.rep" truth-first) $(tasks "$T/reuse.rep" truth-second)" = "1 1" ] ||
		because "not two tasks by their names: $(awk '$1 == "task" { print $2 }' "$T/reuse.rep" | tr '\n' ' ')" || return
	same reuse truth-first 5 1000000 && same reuse truth-second 5 1000000
}
truth_case "a pid that is used twice is two tasks, each with its own name and work" reuse

forks() {
	record_it forks "$truth" forks 25 20000 5000 && replay_it forks &&
		within "children" "$(tasks "$T/forks.rep" truth-child)" 25 0 && same forks truth-child 6 2000000 || return
	grep "^fork .* truth-child " "$T/forks.rec" >"$T/forks.at" && grep "^fork .* truth-child " "$T/forks.rep" >"$T/forks.at2"
	between "forks away from their recorded time, ns (90%)" "$(paste "$T/forks.at" "$T/forks.at2" | awk '
		NR == 1 { a = $2; b = $6 }
		{ d = ($2 - a) - ($6 - b); print d < 0 ? -d : d }' | sort -n | sed -n 23p)" 0 4000000
}
truth_case "forks come when they came" forks

# What the first one at nice 19 had, of both, until the one at nice 0 had ended.
nice_share() {
	awk '$1 == "task" { n++; if ($2 == "truth-nice19") low = n; if ($2 == "truth-nice0") high = n }
		$1 == "end" && $3 == "truth-nice0" { print $(4 + low) / ($(4 + low) + $(4 + high)) }' "$1"
}

nice_values() {
	local recorded

	record_it nice taskset -c 0 "$truth" nice 250 && replay_it nice --cpus 0 --work time &&
		cpu_time nice '.*' 5 || return
	recorded=$(nice_share "$T/nice.rec")
	between "nice 19 has, of the recording's CPU time" "$recorded" 0 0.1 &&
		between "nice 19 has, of the CPU time" "$(nice_share "$T/nice.rep")" 0 "$(awk -v r="$recorded" 'BEGIN { print r + 0.04 }')"
}
truth_case "nice 19 has its small share beside nice 0" nice_values

# fidelity NAME METRIC
fidelity() {
	"$SCHEDREC" analyze --json --against "$T/$1.srz" "$T/$1-r.srz" 2>/dev/null |
		sed -n "s/^ *\"fidelity\.$2\": \([-0-9.e]*\),\{0,1\}\$/\1/p"
}

# edges NAME: 95% of the recorded wake edges are there, and of those that are there were recorded, but for the waits that keep
# the order, which the replay counts itself: each adds one.
edges() {
	local recorded blocked least=${2:-0.95}

	recorded=$(sum "$T/$1.rec" '.*' woken) blocked=$(fidelity "$1" order_waits_blocked)
	between "$1: wake edges, recall" "$(fidelity "$1" wake_edges_recall)" "$least" 1 &&
		between "$1: wake edges, precision ($recorded recorded, $blocked waits for the order)" \
			"$(fidelity "$1" wake_edges_precision)" \
			"$(awk -v l="$least" -v n="$recorded" -v b="$blocked" 'BEGIN { p = l - b / (n + b); print p < 0.7 ? 0.7 : p }')" 1
}

ring() {
	record_it ring "$truth" ring 8 100 100 && replay_it ring && edges ring &&
		cpu_time ring '.*' 5
}
# Under the sanitizers the engine's own steps take longer than the recorded ones that they stand for.
SLOW=no
case $SCHEDREC in */san/*) SLOW=yes ;; esac

# truth_case, where steps have to be as short as recorded ones
quick_case() {
	[ $SLOW = no ] && { truth_case "$@"; return; }
	t_case "$1"
	t_skip "under the sanitizers the engine is too slow for it"
}

quick_case "who wakes whom in a ring of pipes" ring

# Which of the two comes to its sleep before its wake is chance: as far apart as runs of the program are, a replay may be too.
cond() {
	local i wakes

	for i in 1 2 3 4; do
		record_it "cond$i" "$truth" cond 400 200 || return
	done
	mv "$T/cond1.srz" "$T/cond.srz" && mv "$T/cond1.rec" "$T/cond.rec" || return
	wakes=$(for i in "" 2 3 4; do sum "$T/cond$i.rec" '.*' woken; done)
	replay_it cond &&
		edges cond "$(sort -n <<<"$wakes" | awk 'NR == 1 { least = $1 } END { print 0.95 * least / $1 }')" &&
		cpu_time cond '.*' 5
}
quick_case "who wakes whom where two threads take turns with a condition variable" cond

# Bursts that are shorter than the engine's own calls: a wake that comes between its target's last look and its sleep ends
# the sleep before it begins, and a wait that keeps the order adds one. Measured: 25% to 122% of the recorded sleeps.
short() {
	local recorded

	record_it short "$truth" ring 2 2000 1 && replay_it short || return
	recorded=$(sum "$T/short.rec" 'truth-ring.' sleeps)
	between "sleeps ($recorded recorded)" "$(sum "$T/short.rep" 'truth-ring.' sleeps)" $((recorded / 5)) $((recorded * 3 / 2))
}
truth_case "of sleeps between bursts of 1 us, some are there" short

disk() {
	local n

	record_it disk "$truth" disk "$T/block" 40 && replay_it disk || return
	n=$(sum "$T/disk.rec" truth sleeps)
	if [ "$n" -lt 40 ]; then
		t_skip "a file in $T is written without waiting ($n sleeps)"
		return 0
	fi
	same disk truth 5 $((n * 25000))
}
truth_case "who waits for a disk sleeps as often, and uses no CPU time meanwhile" disk

threads() {
	local n=5000 recorded again used

	if ! "$T/threads" $n 2>"$T/threads.log"; then
		t_skip "this machine does not allow $n threads: $(cat "$T/threads.log")"
		return 0
	fi
	record_it again "$T/threads" $n && record_it threads "$T/threads" $n && replay_it threads &&
		within "tasks" "$(tasks "$T/threads.rep" '.*')" $((n + 1)) 0 || return
	# The kernel's work for threads that come and go is most of the CPU time here, and differs between runs. So do the wakes.
	recorded=$(sum "$T/threads.rec" threads woken) used=$(sum "$T/threads.rec" threads cpu_ns)
	again=$(sum "$T/again.rec" threads woken)
	between "wakes ($recorded recorded, $again in another run)" "$(sum "$T/threads.rep" threads woken)" \
		$(((recorded < again ? recorded : again) * 90 / 100)) $(((recorded > again ? recorded : again) * 110 / 100)) &&
		between "CPU time ($used ns recorded), ns" "$(sum "$T/threads.rep" threads cpu_ns)" $((used * 75 / 100)) \
			$((used * 160 / 100 + $(stolen "$used")))
}
quick_case "5,000 threads are as many tasks, wakes and CPU time" threads

truth_case "of a recording that is mostly idle, idle is not burnt" idle

t_done
