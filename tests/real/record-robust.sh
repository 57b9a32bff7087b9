#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# record: what it bears: a high rate, overload, a stop, CPUs that go and come, kills at any moment. SCHEDREC_LONG=1: a minute
# of the high rate and 200 kills.
. tests/lib.sh

tracing=/sys/kernel/tracing
long=${SCHEDREC_LONG:-}
T_LIMIT=180

flood() {
	t_need cc || return 1
	[ -x "$T/flood" ] || cc -O2 -D_GNU_SOURCE -pthread -o "$T/flood" tests/real/flood.c || t_fail "no flood"
}

# Of a dump: the kernel's own events from behind the last mark-a up to the last mark-b, and the sum of the losses.
kept_and_lost() {
	awk '
	$5 == "lost" && match($0, /count=[0-9]+/) { lost += substr($0, RSTART + 6, RLENGTH - 6) }
	$5 ~ /^(sched_|task_)/ { n++ }
	$5 == "task_rename" && $7 == "comm=mark-a" { n = lost = 0 }
	$5 == "task_rename" && $7 == "comm=mark-b" { kept = n; told = lost }
	END { print kept + 0, told + 0 }' "$1"
}

state() {
	local f

	for f in tracing_on current_tracer set_event set_event_pid buffer_size_kb trace_clock events/enable events/sched/enable; do
		echo "$f: $(cat "$tracing/$f" 2>&1)"
	done
}

t_case "300,000 events a second are kept, all of them, with the default settings"
t_need_tracefs && flood && {
	seconds=${long:+60}
	seconds=${seconds:-2}
	t_status 0 "$SCHEDREC" record -o "$T/x.srz" -- "$T/flood" 4 68000 "$seconds"
	cp "$T/out" "$T/rounds"
	events=$(t_info "$T/x.srz" events) rounds=$(awk '$1 == "rounds" { print $2 }' "$T/rounds")
	if [ $((events / seconds)) -lt 300000 ]; then
		t_skip "this machine makes only $((events / seconds)) events a second"
	else
		t_equal 0 "$(t_info "$T/x.srz" lost)" &&
			t_true "$events events are fewer than those of $rounds rounds" test "$events" -ge $((rounds * 4))
	fi
}
t_ok

t_case "under overload what is lost is what the kernel counted, and with what is kept it makes up all events"
t_need_tracefs && flood && {
	t_status 0 "$SCHEDREC" record --buffer-size 64K -o "$T/x.srz" -- "$T/flood" 4 0 1 "$tracing"
	read -r _ written _ lost < <(grep written "$T/out")
	"$SCHEDREC" dump "$T/x.srz" >"$T/dump" && read -r kept told < <(kept_and_lost "$T/dump")
	if [ "$lost" -eq 0 ]; then
		t_skip "nothing was lost"
	else
		t_equal "lost $lost, all $written" "lost $told, all $((kept + told))"
	fi
}
t_ok

t_case "a recorder that is stopped for seconds tells its loss exactly, and the file is complete"
t_need_tracefs && flood && {
	stop=1 run=2
	[ -n "$long" ] && stop=5 run=7
	cat >"$T/stop.sh" <<-END
		recorder=\$PPID
		(sleep 0.3; kill -STOP \$recorder; sleep $stop; kill -CONT \$recorder) &
		exec "$T/flood" 2 10000 $run "$tracing"
	END
	t_status 0 "$SCHEDREC" record --buffer-size 256K -o "$T/x.srz" -- sh "$T/stop.sh"
	read -r _ written _ lost < <(grep written "$T/out")
	"$SCHEDREC" dump "$T/x.srz" >"$T/dump" && read -r kept told < <(kept_and_lost "$T/dump")
	t_true "no loss, so nothing is proved" test "$lost" -gt 0 && t_equal true "$(t_info "$T/x.srz" complete)" &&
		t_equal "lost $lost, all $written" "lost $told, all $((kept + told))"
}
t_ok

t_case "a CPU that goes offline and comes back is told, and nothing is lost"
t_need_tracefs && flood && {
	cpu=/sys/devices/system/cpu/cpu1/online
	if ! (echo 1 >"$cpu") 2>/dev/null; then
		t_skip "CPU 1 cannot be taken offline here"
	else
		cat >"$T/off.sh" <<-END
			(sleep 0.3; echo 0 >$cpu; sleep 0.3; echo 1 >$cpu) &
			exec "$T/flood" 2 20000 1 "$tracing"
		END
		t_status 0 "$SCHEDREC" record -o "$T/x.srz" -- sh "$T/off.sh"
		echo 1 >"$cpu"
		read -r _ written _ lost < <(grep written "$T/out")
		"$SCHEDREC" dump "$T/x.srz" >"$T/dump" && read -r kept told < <(kept_and_lost "$T/dump")
		t_match 'CPU 1 went offline' "$T/err" && t_match 'CPU 1 came online' "$T/err" && t_equal 0 "$told" &&
			t_equal "lost $lost, all $written" "lost $told, all $((kept + told))" &&
			"$SCHEDREC" info --json "$T/x.srz" >"$T/json" && t_match '"cpus.changes": "-1@[0-9]+,\+1@[0-9]+"' "$T/json"
	fi
}
t_ok

t_case "a janitor that is stopped is not waited for, and removes the instance when it goes on"
t_need pgrep && t_need_tracefs && {
	if [ -z "$long" ]; then
		t_skip "it takes 12 s: SCHEDREC_LONG=1"
	else
		SUDO_UID=65534 SUDO_GID=65534 "$SCHEDREC" record -q -a --duration 2s -o "/tmp/schedrec-stopped-$$.srz" 2>"$T/err" &
		pid=$!
		sleep 1
		janitor=$(pgrep -P "$pid" schedrec-janit)
		kill -STOP "$janitor"
		(sleep 30; kill -CONT "$janitor") 2>/dev/null &
		limit=$!
		wait "$pid"
		t_equal 3 $?
		kill "$limit"
		t_match 'could not be removed' "$T/err" && t_true "a complete file" test -s "/tmp/schedrec-stopped-$$.srz"
		kill -CONT "$janitor"
		sleep 1
		t_true "an instance is left" test -z "$(find "$tracing/instances" -maxdepth 1 -name "schedrec-$pid-*")"
		rm -f "/tmp/schedrec-stopped-$$.srz"
	fi
}
t_ok

# Kills at moments all over a recording's life: before it is set up, while it writes, while it ends.
t_case "however often it is killed, every part file is readable, no instance is left, and tracing is as it was"
t_need_tracefs && flood && {
	before=$(state)
	kills=${long:+200}
	kills=${kills:-6}
	readable=0
	for i in $(seq "$kills"); do
		rm -f "$T"/k*.srz*
		case $((i % 3)) in
		0) mode=() ;;
		1) mode=(-a) ;;
		2) mode=(-a --slice 100ms) ;;
		esac
		"$SCHEDREC" record -q "${mode[@]}" -o "$T/k.srz" -- "$T/flood" 2 20000 0.25 >/dev/null 2>&1 &
		pid=$!
		sleep "0.$(printf '%03d' $((RANDOM % 450)))"
		kill -9 "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
		for f in "$T"/k*.srz*; do
			[ -s "$f" ] || continue
			# A file of which not even the header was written yet is empty or too short.
			[ "$(stat -c %s "$f")" -gt 20 ] || continue
			if ! "$SCHEDREC" info "$f" >"$T/info" 2>"$T/err2" || ! "$SCHEDREC" dump "$f" >"$T/dump" 2>>"$T/err2"; then
				t_fail "kill $i: $f: $(cat "$T/err2")"
				break 2
			fi
			readable=$((readable + 1))
		done
		for _ in $(seq 50); do
			compgen -G "$tracing/instances/schedrec-$pid-*" >/dev/null || break
			sleep 0.1
		done
		t_true "kill $i left an instance" eval "! compgen -G '$tracing/instances/schedrec-$pid-*' >/dev/null" || break
	done
	t_equal "$before" "$(state)" && t_true "nothing to read was ever left, so nothing is proved" test "$readable" -gt 0 &&
		t_status 0 "$SCHEDREC" record -q -o "$T/k.srz" -- true && t_equal true "$(t_info "$T/k.srz" complete)"
	[ -n "$long" ] && echo "     $kills kills, $readable files read"
}
t_ok

t_done
