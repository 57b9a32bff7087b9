#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# replay: sessions (autogroups) are made as recorded, and share CPUs as recorded
. tests/lib.sh
t_timing

"${CC:-cc}" -O2 -o "$T/sessions" tests/real/sessions.c || exit 3

# record OUT ARG...: a run of sessions
record() {
	"$SCHEDREC" record -q -o "$T/$1.srz" -- "$T/sessions" "${@:2}" </dev/null >/dev/null 2>"$T/record.err" ||
		t_fail "cannot record: $(cat "$T/record.err")"
}

# Skips the case where sessions make no difference to the scheduler.
need_autogroups() {
	if [ "$(cat /proc/sys/kernel/sched_autogroup_enabled 2>/dev/null)" != 1 ]; then
		t_skip "autogroups are off (kernel.sched_autogroup_enabled)"
		return 1
	fi
	if [ "$(t_cpu_group)" != / ]; then
		t_skip "autogroups do not count in this control group"
		return 1
	fi
}

# replay FILE OPTION...: $T/out has its JSON, $T/FILE-r.srz its recording
replay() {
	t_status 0 "$SCHEDREC" replay -q --json -o "$T/$1-r.srz" "${@:2}" "$T/$1.srz"
}

value() { # KEY: of the last replay
	sed -n "s/.*\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" "$T/out" | head -n 1
}

# share FILE.srz: of 1000 parts of CPU time of s1 and s2 together, those that s1 had until its first process ended.
share() {
	"$SCHEDREC" dump "$1" >"$T/dump" && awk '
		/sched_switch/ {
			split($0, p, "prev="); split(p[2], q, ":")
			if (since[$2] && (q[1] == "s1" || q[1] == "s2")) ran[q[1]] += $1 - since[$2]
			since[$2] = $1
			if (q[1] == "s1" && $0 ~ /prev_state=[ZX]/) {
				printf "%.0f", 1000 * ran["s1"] / (ran["s1"] + ran["s2"])
				exit
			}
		}' "$T/dump"
}

t_case "sessions of 1 and 3 busy processes share one CPU by halves, as no threads do"
if t_need_tracefs && need_autogroups && record shares 150 1 3 &&
	replay shares --cpus 0 && t_equal "true 2 0" "$(value sessions) $(value sessions_made) $(value sessions_refused)" &&
	t_match '"sessions": 3,' "$T/out"; then
	got=$(share "$T/shares-r.srz")
	t_true "s1 had $got of 1000" [ "$got" -ge 420 ] && t_true "s1 had $got of 1000" [ "$got" -le 580 ]
	replay shares --cpus 0 --processes=no && t_equal "false 0" "$(value sessions) $(value sessions_made)" &&
		got=$(share "$T/shares-r.srz") && t_true "threads: s1 had $got of 1000" [ "$got" -le 350 ]
fi
t_ok

t_case "a session that is made late, and seen by its forks only, is one"
if t_need_tracefs && need_autogroups && record late 50 3:150; then
	replay late && t_equal "true 1 0" "$(value sessions) $(value sessions_made) $(value sessions_split)"
fi
t_ok

t_case "what runs in one session is replayed as threads"
if t_need_tracefs && "$SCHEDREC" record -q -o "$T/one.srz" -- sh -c 'sleep 0.01; :' 2>/dev/null; then
	t_status 0 "$SCHEDREC" replay -q "$T/one.srz" && t_match '^threads: the recording has one session' "$T/out"
	t_status 0 "$SCHEDREC" replay -q --processes "$T/one.srz" && t_match '^processes: asked for' "$T/out"
fi
t_ok

t_case "processes of the start are in sessions as they were"
if t_need_tracefs && need_autogroups && t_need pgrep taskset; then
	taskset -c 0 "$T/sessions" 5000 1 1 &
	server=$!
	sleep 0.1
	t_status 0 "$SCHEDREC" record -q --duration 200ms -o "$T/start.srz" -a
	kill -KILL $server $(pgrep -P $server)
	wait $server 2>/dev/null
	replay start --task 's[12]' && t_equal "true 2 0 0" \
		"$(value sessions) $(value sessions_made) $(value sessions_refused) $(value sessions_split)"
fi
t_ok

t_case "under sudo too, without the privilege"
if [ -s "$T/shares.srz" ]; then
	chmod 755 "$T" && chmod 644 "$T/shares.srz" && cp "$SCHEDREC" "$T/schedrec" && chmod 755 "$T/schedrec"
	t_status 0 env SUDO_UID=65534 SUDO_GID=65534 TMPDIR=/tmp "$T/schedrec" replay -q --json "$T/shares.srz" &&
		t_equal "true 2 0" "$(value sessions) $(value sessions_made) $(value sessions_refused)"
else
	t_skip "no recording with sessions"
fi
t_ok

t_done
