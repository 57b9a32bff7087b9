#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# record: however it ends, the file is readable and the kernel's tracing is as it was
. tests/lib.sh

tracing=/sys/kernel/tracing

# schedrec's instances, but for those of other recorders that are alive; $1: the pid of one that counts all the same.
instances() {
	local name pid

	for name in "$tracing"/instances/schedrec-*; do
		name=${name##*/}
		pid=${name#schedrec-}
		pid=${pid%%-*}
		[ "$pid" = "*" ] || { [ -d "/proc/$pid" ] && [ "$pid" != "${1:-}" ]; } || echo "$name"
	done
}

state() {
	local f

	for f in tracing_on current_tracer set_event set_event_pid set_event_notrace_pid buffer_size_kb trace_clock trace_options \
		tracing_cpumask events/enable events/sched/enable events/task/enable; do
		echo "$f: $(cat "$tracing/$f" 2>&1)"
	done
	grep -H . "$tracing"/events/sched/*/enable "$tracing"/events/task/*/enable
	instances "$@"
}

# Fails unless tracing is as $1 has it; $2 as for instances.
unchanged() {
	local now

	now=$(state "${2:-}")
	[ "$1" = "$now" ] || t_fail "tracing is not as it was: $(diff <(echo "$1") <(echo "$now") | tr '\n' '~')"
}

# The same, but the janitor has five seconds: nobody waits for it after a kill -9.
settled() {
	local _

	for _ in $(seq 50); do
		[ "$before" = "$(state "$pid")" ] && return 0
		sleep 0.1
	done
	unchanged "$before" "$pid"
}

# Starts `record ARGS` on its own, like a terminal's foreground job: its pid in $pid, its output in $T/out and $T/err.
start() {
	setsid env --default-signal=INT "$SCHEDREC" record "$@" >"$T/out" 2>"$T/err" </dev/null &
	pid=$!
	for _ in $(seq 400); do
		[ -s "$T/ready" ] && break
		sleep 0.05
	done
}

finish() {
	wait "$pid" 2>/dev/null
	status=$?
}

dead() {
	! kill -0 "$1" 2>/dev/null
}

load='echo $$ >'$T'/ready; while :; do /bin/true; done'
before=$(state)

t_case "tracing is as it was after a recording"
t_need_tracefs && t_status 0 "$SCHEDREC" record -q -o "$T/x.srz" -- true && unchanged "$before"
t_ok

t_case "tracing is as it was after a recording of the whole system"
t_need_tracefs && t_status 0 "$SCHEDREC" record -q -a --duration 100ms -o "$T/x.srz" && unchanged "$before"
t_ok

t_case "tracing is as it was after starts that failed"
t_need_tracefs && t_status 127 "$SCHEDREC" record -q -o "$T/x.srz" -- no-such-command-here &&
	t_status 3 "$SCHEDREC" record -q -o "$T/none/x.srz" -- true && t_status 3 "$SCHEDREC" record -q -p 4194303 &&
	t_status 3 "$SCHEDREC" record -q --buffer-size 64G -o "$T/x.srz" -- true
	unchanged "$before"
t_ok

t_case "settings of the user's own tracing are left alone"
t_need_tracefs && {
	echo 1 >"$tracing/events/sched/sched_switch/enable"
	echo global >"$tracing/trace_clock"
	echo $$ >"$tracing/set_event_pid"
	mine=$(state)
	t_status 0 "$SCHEDREC" record -q -o "$T/x.srz" -- true && unchanged "$mine"
	echo 0 >"$tracing/events/sched/sched_switch/enable"
	echo local >"$tracing/trace_clock"
	echo >"$tracing/set_event_pid"
	before=$(state) # the kernel has made the main buffer larger for its first event, for good
}
t_ok

t_case "SIGINT to the recorder: it reaches the command, the file is complete, status 130"
t_need_tracefs && {
	rm -f "$T/ready"
	start -o "$T/int.srz" -- sh -c "$load"
	kill -INT "$pid"
	finish
	t_equal 130 "$status" && t_equal true "$(t_info "$T/int.srz" complete)" && t_true "it lives" dead "$(cat "$T/ready")" &&
		unchanged "$before"
}
t_ok

t_case "Ctrl-C at a terminal reaches the command once, and the recording goes on until it ends"
t_need script && t_need_tracefs && {
	cat >"$T/trap.sh" <<-END
		trap 'n=\$((n + 1))' INT
		echo \$\$ >$T/ready
		i=0
		while [ \$i -lt 20 ]; do sleep 0.1; i=\$((i + 1)); done
		echo got \$n >$T/got
	END
	(sleep 1; printf '\003'; sleep 3) | timeout 30 script -qec "$SCHEDREC record -o $T/tty.srz -- sh $T/trap.sh" /dev/null >"$T/out"
	t_equal 130 "${PIPESTATUS[1]}" && t_equal "got 1" "$(cat "$T/got")" && t_equal true "$(t_info "$T/tty.srz" complete)"
}
t_ok

t_case "a second SIGINT does not wait for the command"
t_need_tracefs && {
	rm -f "$T/ready"
	start -o "$T/int2.srz" -- sh -c "trap '' INT; echo \$\$ >$T/ready; sleep 20"
	kill -INT "$pid"
	sleep 0.3
	t_true "it did not wait for the first" kill -0 "$pid"
	kill -INT "$pid"
	SECONDS=0
	finish
	t_equal 130 "$status" && t_equal true "$(t_info "$T/int2.srz" complete)" && unchanged "$before" &&
		t_true "it took $SECONDS s" test "$SECONDS" -lt 5
	kill "$(cat "$T/ready")"
}
t_ok

t_case "SIGTERM is passed to the command, whose status counts"
t_need_tracefs && {
	rm -f "$T/ready"
	start -o "$T/term.srz" -- sh -c "trap 'exit 7' TERM; $load"
	kill -TERM "$pid"
	finish
	t_equal 7 "$status" && t_equal true "$(t_info "$T/term.srz" complete)" && unchanged "$before"
}
t_ok

t_case "SIGINT ends a recording without a command, with a complete file"
t_need_tracefs && {
	rm -f "$T/ready"
	setsid env --default-signal=INT "$SCHEDREC" record -a -o "$T/all.srz" >"$T/out" 2>"$T/err" </dev/null &
	pid=$!
	sleep 1
	kill -INT "$pid"
	finish
	t_equal 130 "$status" && t_equal true "$(t_info "$T/all.srz" complete)" && unchanged "$before"
}
t_ok

t_case "SIGINT before the command runs leaves nothing behind"
t_need_tracefs && {
	setsid env --default-signal=INT "$SCHEDREC" record -o "$T/early.srz" -- touch "$T/early" >"$T/out" 2>"$T/err" </dev/null &
	pid=$!
	sleep 0.03
	kill -INT "$pid"
	finish
	settled && t_true "a part file" test ! -e "$T/early.srz.part"
}
t_ok

t_case "kill -9 of the recorder: the part file is readable, tracing is as it was, the command lives on"
t_need_tracefs && {
	rm -f "$T/ready"
	start -o "$T/kill.srz" -- sh -c "$load"
	sleep 5
	kill -9 "$pid"
	finish
	settled && t_true "the command died" kill -0 "$(cat "$T/ready")" && t_true "no part file" test -s "$T/kill.srz.part" &&
		t_true "a complete file" test ! -e "$T/kill.srz" &&
		t_status 0 "$SCHEDREC" info "$T/kill.srz.part" && t_equal false "$(t_info "$T/kill.srz.part" complete)" &&
		t_true "few events" test "$(t_info "$T/kill.srz.part" events)" -gt 1000 && t_status 0 "$SCHEDREC" dump "$T/kill.srz.part" &&
		t_status 0 "$SCHEDREC" record -q -o "$T/kill.srz" -- true && t_true "the part file stayed" test ! -e "$T/kill.srz.part"
	kill "$(cat "$T/ready")"
}
t_ok

t_case "kill -9 of recorder and janitor: the next recording cleans up"
t_need pgrep && t_need_tracefs && {
	rm -f "$T/ready"
	start -o "$T/both.srz" -- sh -c "$load"
	# It may not have its name yet.
	for _ in $(seq 40); do
		janitor=$(pgrep -P "$pid" schedrec-janit) && break
		sleep 0.05
	done
	# Who kills may lose the CPU in between; the janitor must not use that.
	kill -STOP "$janitor"
	kill -9 "$pid" "$janitor"
	finish
	kill "$(cat "$T/ready")"
	t_true "the janitor was not found" test -n "$janitor" &&
		t_true "no instance was left, so nothing is proved" test -d "$(echo "$tracing"/instances/schedrec-"$pid"-*)" &&
		t_status 0 "$SCHEDREC" record -q -o "$T/x.srz" -- true && unchanged "$before" "$pid"
}
t_ok

t_case "an instance of a living recorder is not taken for a stale one"
t_need_tracefs && {
	rm -f "$T/ready"
	start -o "$T/first.srz" -- sh -c "echo \$\$ >$T/ready; sleep 1.5; /bin/true; exit 0"
	t_status 0 "$SCHEDREC" record -q -o "$T/second.srz" -- true
	finish
	t_equal 0 "$status" && "$SCHEDREC" dump "$T/first.srz" >"$T/dump" && t_match 'sched_process_exec .*file=.*/true' "$T/dump"
}
t_ok

t_case "the terminal's and the pipes' ends are not held by the janitor"
t_need pgrep && t_need_tracefs && t_equal end "$( ("$SCHEDREC" record -q -o "$T/x.srz" -- true; echo end) | cat)" && {
	rm -f "$T/ready"
	start -o "$T/x.srz" -- sh -c "$load"
	janitor=$(pgrep -P "$pid" schedrec-janit)
	t_equal 1 "$(find "/proc/$janitor/fd" -type l | wc -l)" && t_true "it has no session of its own" \
		test "$(ps -o sid= -p "$janitor" | tr -d ' ')" = "$janitor"
	kill -INT "$pid"
	finish
}
t_ok

t_case "the instance of a recorder that is starting is in use, so that none of another pid namespace can sweep it away"
t_need_tracefs && {
	"$SCHEDREC" record -q --buffer-size $((512 / $(nproc)))M -o "$T/slow.srz" -- true 2>"$T/err" & # such buffers take time
	pid=$!
	for _ in $(seq 2000); do
		compgen -G "$tracing/instances/schedrec-$pid-*" >"$T/dir" && break
		sleep 0.001
	done
	sleep 0.02
	t_true "the instance could be removed" eval '! rmdir "$(cat "$T/dir")" 2>"$T/busy"' && t_match 'busy' "$T/busy"
	finish
	t_equal 0 "$status" && unchanged "$before"
}
t_ok

t_case "a full disk: the command goes on, status 3, one line, and what fitted is readable"
t_need_tracefs && mkdir "$T/small" && mount -t tmpfs -o size=32k none "$T/small" && {
	t_status 3 "$SCHEDREC" record -o "$T/small/x.srz" -- sh -c "i=0; while [ \$i -lt 1500 ]; do /bin/true; i=\$((i + 1)); done; echo end"
	t_one_line "$T/err" && t_match 'No space left' "$T/err" && t_equal end "$(cat "$T/out")" &&
		t_status 0 "$SCHEDREC" info "$T"/small/x.srz* && unchanged "$before"
	umount "$T/small"
}
t_ok

t_case "a file at its size limit is like a full disk"
t_need_tracefs && {
	# shellcheck disable=SC2016
	t_status 3 sh -c 'ulimit -f 8; exec "$@"' sh "$SCHEDREC" record -o "$T/limit.srz" -- \
		sh -c "i=0; while [ \$i -lt 500 ]; do /bin/true; i=\$((i + 1)); done; echo end"
	t_one_line "$T/err" && t_match 'File too large' "$T/err" && t_equal end "$(cat "$T/out")" &&
		t_status 0 "$SCHEDREC" info "$T"/limit.srz* && unchanged "$before"
}
t_ok

t_case "a disk that others fill in the middle of a recording ends it, not the command"
t_need_tracefs && mount -t tmpfs -o size=1M none "$T/small" && {
	cat >"$T/fill.sh" <<-END
		some() { i=0; while [ \$i -lt \$1 ]; do /bin/true; sleep 0.1; i=\$((i + 1)); done; }
		some 35
		dd if=/dev/zero of=$T/small/fill bs=4k count=300 2>/dev/null
		i=0; while [ \$i -lt 4000 ]; do /bin/true; i=\$((i + 1)); done # more than the blocks that are reserved already
		echo end
	END
	t_status 3 "$SCHEDREC" record -o "$T/small/x.srz" -- sh "$T/fill.sh"
	t_one_line "$T/err" && t_match 'No space left' "$T/err" && t_equal end "$(cat "$T/out")" &&
		t_status 0 "$SCHEDREC" info "$T"/small/x.srz* && events=$(t_info "$T"/small/x.srz* events) &&
		t_true "$events events fitted" test "$events" -gt 500 -a "$events" -lt 40000
	umount "$T/small"
}
t_ok

t_done
