#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# replay: classes, nice values, affinity, groups
. tests/lib.sh
t_timing

for program in work thread_class; do
	"${CC:-cc}" -O2 -o "$T/$program" "tests/real/$program.c" || exit 3
done

# record OUT CMD...
record() {
	"$SCHEDREC" record -q -o "$T/$1.srz" -- "${@:2}" </dev/null >/dev/null 2>"$T/record.err" ||
		t_fail "cannot record: $(cat "$T/record.err")"
}

count() { # COUNTER: of the last replay with --json
	sed -n "s/.*\"$1\": \([0-9]*\),*/\1/p" "$T/out" | head -n 1
}

# during FILE COMM OPTIONS...: what the thread COMM had while the replay ran goes to $T/class
during() {
	local file=$1 comm=$2 replay
	shift 2
	"$SCHEDREC" replay -q --json "$@" "$T/$file.srz" >"$T/out" 2>"$T/err" </dev/null &
	replay=$!
	"$T/thread_class" "$replay" "$comm" >"$T/class"
	wait "$replay" || t_fail "the replay failed: $(cat "$T/err")"
}

for class in "-b 0:BATCH:policy 3" "-i 0:IDLE:policy 5" "-f 7:FIFO:policy 1 prio 7" "-r 8:RR:policy 2 prio 8"; do
	IFS=: read -r option name want <<<"$class"
	t_case "$name is recorded from a command that chrt starts, and replayed"
	t_need_tracefs && t_need chrt && record class chrt "${option% *}" "${option#* }" "$T/work" 20 300 &&
		during class work --allow-rt && t_match "$want" "$T/class" &&
		t_equal "0 0 0" "$(count policy_refused) $(count rt_refused) $(count rt_demoted)"
	t_ok
done

t_case "a real-time task runs as a normal one without --allow-rt, counted and said"
t_need_tracefs && t_need chrt && record fifo chrt -f 7 "$T/work" 20 300 &&
	during fifo work && t_match "policy 0" "$T/class" && t_equal 1 "$(count rt_refused)" && t_equal 0 "$(count rt_set)" &&
	t_match '1 real-time tasks ran as normal' "$T/err"
t_ok

t_case "with --processes a real-time task is a real-time process"
t_need_tracefs && t_need chrt && [ -s "$T/fifo.srz" ] && during fifo work --allow-rt --processes &&
	t_match "policy 1 prio 7" "$T/class" && t_equal "0 0" "$(count rt_refused) $(count rt_demoted)"
t_ok

t_case "under sudo --allow-rt keeps the right to real time, and without it nothing is kept"
if t_need_tracefs && t_need chrt && [ -s "$T/fifo.srz" ]; then
	chmod 755 "$T" && chmod 644 "$T/fifo.srz" && cp "$SCHEDREC" "$T/schedrec" && chmod 755 "$T/schedrec"
	for how in "" --processes; do
		t_status 0 env SUDO_UID=65534 SUDO_GID=65534 TMPDIR=/tmp "$T/schedrec" replay -q --json --allow-rt $how "$T/fifo.srz" &&
			t_equal 0 "$(count rt_refused)" && t_true "none was real-time" [ "$(count rt_set)" -ge 1 ]
	done
fi
t_ok

t_case "the watchdog makes a FIFO thread normal that does not stop, also one of another process"
t_need_tracefs && t_need chrt && record hog chrt -f 7 "$T/work" 800 0 &&
	for how in "" --processes; do
		during hog work --allow-rt --rt-limit 200ms $how && t_match 'policy 0' "$T/class" &&
			t_equal 1 "$(count rt_demoted)" && t_match 'made normal' "$T/err"
	done
t_ok

t_case "a FIFO thread goes before normal ones: it is not preempted by them on one CPU"
if t_need_tracefs && t_need chrt taskset &&
	record two taskset -c 0 sh -c "chrt -f 7 $T/work 60 300 a & $T/work 100 0 b & wait"; then
	t_status 0 "$SCHEDREC" replay -q --json --allow-rt -o "$T/two-r.srz" "$T/two.srz" &&
		"$SCHEDREC" dump "$T/two-r.srz" >"$T/dump" &&
		t_equal 0 "$(grep -c 'sched_switch prev=a:.*prev_state=R.*next=b:' "$T/dump")" &&
		t_true "it did not run" grep -q 'next=a:.*next_prio=92' "$T/dump"
fi
t_ok

t_case "nice 0 and nice 19 share a CPU as the kernel weighs them"
if t_need_tracefs && t_need taskset &&
	record nice taskset -c 0 sh -c "$T/work 250 0 a & nice -n 19 $T/work 100 0 b & wait"; then
	# When a ends, b has had 15 of 1024 parts: the last switch from a is long before the first half of b.
	t_status 0 "$SCHEDREC" replay -q --json -o "$T/nice-r.srz" "$T/nice.srz" &&
		"$SCHEDREC" dump "$T/nice-r.srz" >"$T/dump" &&
		share=$(awk '
			/sched_switch/ {
				split($0, p, "prev="); split(p[2], q, ":"); prev = q[1]
				split($0, n, "next="); split(n[2], m, ":"); next_ = m[1]
				if (since[$2] && (prev == "a" || prev == "b")) ran[prev] += $1 - since[$2]
				since[$2] = $1
				if (prev == "a" && $0 ~ /prev_state=[ZX]/) { printf "%.0f", 1000 * ran["b"] / (ran["a"] + ran["b"]); exit }
			}' "$T/dump") &&
		t_true "b had $share of 1000 while a ran: 15 is its weight's part" [ "${share:-999}" -le 80 ]
fi
t_ok

t_case "affinity is kept on this machine, mapped by --cpu-map, and dropped with --cpus"
if t_need_tracefs && t_need taskset && [ "$(nproc)" -ge 2 ]; then
	record pinned taskset -c 1 "$T/work" 20 300 &&
		during pinned work && t_match "cpus 1 dl" "$T/class" && t_equal 0 "$(count affinity_dropped)" &&
		during pinned work --cpu-map 1=0 && t_match "cpus 0 dl" "$T/class" && t_equal 0 "$(count affinity_dropped)" &&
		during pinned work --cpus 0-1 && t_match "cpus 0 1 dl" "$T/class" && t_true "nothing was dropped" [ "$(count affinity_dropped)" -ge 1 ] &&
		t_match 'affinities were dropped' "$T/err"
else
	t_skip "one CPU"
fi
t_ok

t_case "a CPU map that is none is refused with what is wrong in it"
t_status 2 "$SCHEDREC" replay --cpu-map 0-3=1-2 tests/golden/two-streams.srz && t_one_line "$T/err" && t_match 'same length' "$T/err" &&
	t_status 2 "$SCHEDREC" replay --cpu-map 0=1,0=2 tests/golden/two-streams.srz && t_match 'twice' "$T/err"
t_ok

t_case "a deadline task runs as one, with its recorded parameters"
if t_need_tracefs && t_need chrt; then
	if chrt -d --sched-runtime 5000000 --sched-deadline 20000000 --sched-period 20000000 0 true 2>/dev/null; then
		record deadline chrt -d --sched-runtime 5000000 --sched-deadline 20000000 --sched-period 20000000 0 "$T/work" 20 300 &&
			during deadline work --allow-rt && t_match 'policy 6 .*dl 5000000/20000000/20000000' "$T/class" && t_equal 0 "$(count deadline_refused)"
	else
		t_skip "this machine grants no SCHED_DEADLINE"
	fi
fi
t_ok

t_case "the kernel balances a replayed exec"
t_need_tracefs && record exec sh -c "/bin/true; /bin/true; :" &&
	t_status 0 "$SCHEDREC" replay -q --json "$T/exec.srz" && t_equal 0 "$(count exec_unbalanced)" &&
	t_true "no exec was balanced" [ "$(count exec_balanced)" -ge 3 ]
t_ok

t_done
