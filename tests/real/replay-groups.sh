#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# replay: control groups with the recorded weights
. tests/lib.sh
t_timing

"${CC:-cc}" -O2 -o "$T/work" tests/real/work.c || exit 3

# Where this shell's own control group has its files; weights in the words of its version.
cpu=$(t_cpu_group)
if [ -e /sys/fs/cgroup/cpu/tasks ]; then
	own=/sys/fs/cgroup/cpu$cpu moves=tasks weight=cpu.shares three=3072 one=1024
else
	own=/sys/fs/cgroup$cpu moves=cgroup.procs weight=cpu.weight three=300 one=100
fi
groups=("$own/schedrec-test-$$-a" "$own/schedrec-test-$$-b")

# Two tasks of 200 ms, a and b, in groups of weights 3 to 1: $T/two.srz
recorded() {
	[ -s "$T/two.srz" ] && return
	if ! mkdir "${groups[@]}" 2>/dev/null || ! echo $three 2>/dev/null >"${groups[0]}/$weight" ||
		! echo $one 2>/dev/null >"${groups[1]}/$weight"; then
		rmdir "${groups[@]}" 2>/dev/null
		t_skip "there is no cpu controller in $own, or it may not be used"
		return 1
	fi
	"$SCHEDREC" record -q -o "$T/two.srz" -- sh -c '
		sh -c "echo \$\$ >$1/$4; exec $3/work 200 0 a" & sh -c "echo \$\$ >$2/$4; exec $3/work 200 0 b" & wait' \
		sh "${groups[@]}" "$T" "$moves" </dev/null >/dev/null 2>"$T/record.err"
	rmdir "${groups[@]}"
	[ -s "$T/two.srz" ] || t_fail "no recording: $(cat "$T/record.err")"
}

left() { # the groups of replays
	find "$own" -maxdepth 1 -name 'schedrec-group-*'
}

value() { # KEY: of the last replay with --json
	sed -n "s/.*\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" "$T/out" | head -n 1
}

# Of 1000 parts of CPU time of a and b together, those that a had until it ended.
share() {
	"$SCHEDREC" dump "$1" >"$T/dump" && awk '
		/sched_switch/ {
			split($0, p, "prev="); split(p[2], q, ":")
			if (since[$2] && (q[1] == "a" || q[1] == "b")) ran[q[1]] += $1 - since[$2]
			since[$2] = $1
			if (q[1] == "a" && $0 ~ /prev_state=[ZX]/) {
				printf "%.0f", 1000 * ran["a"] / (ran["a"] + ran["b"])
				exit
			}
		}' "$T/dump"
}

for processes in no yes; do
	t_case "groups of weights 3 and 1 share a CPU so (processes: $processes), and are gone at the end"
	if t_need_tracefs && recorded; then
		t_status 0 "$SCHEDREC" replay -q --json --cpus 0 --processes=$processes -o "$T/r.srz" "$T/two.srz" &&
			t_equal "2 2 0" "$(value groups) $(value groups_entered) $(value groups_refused)" && t_equal "" "$(left)"
		got=$(share "$T/r.srz")
		t_true "a had $got of 1000" [ "$got" -ge 650 ] && t_true "a had $got of 1000" [ "$got" -le 850 ]
	fi
	t_ok
done

t_case "--groups no makes none, and says so"
if t_need_tracefs && recorded; then
	t_status 0 "$SCHEDREC" replay -q --groups no "$T/two.srz" &&
		t_match "^control groups: none, as asked for; the recording has 2" "$T/out"
fi
t_ok

t_case "kill -9 of schedrec leaves no group"
if t_need_tracefs && t_need pgrep && recorded; then
	"$SCHEDREC" replay -q --loop 100 "$T/two.srz" >"$T/out" 2>"$T/err" </dev/null &
	replay=$!
	for _ in {1..100}; do
		[ -n "$(left)" ] && break
		sleep 0.02
	done
	t_true "there were none" [ -n "$(left)" ]
	kill -KILL $replay
	wait $replay 2>/dev/null
	for _ in {1..100}; do
		[ -z "$(left)" ] && break
		sleep 0.02
	done
	t_equal "" "$(left)"
fi
t_ok

t_case "under sudo they are made with the privilege, and entered and removed without"
if t_need_tracefs && recorded; then
	chmod 755 "$T" && chmod 644 "$T/two.srz" && cp "$SCHEDREC" "$T/schedrec" && chmod 755 "$T/schedrec"
	t_status 0 env SUDO_UID=65534 SUDO_GID=65534 TMPDIR=/tmp "$T/schedrec" replay -q --json "$T/two.srz" &&
		t_equal "2 2 0" "$(value groups) $(value groups_entered) $(value groups_refused)" && t_equal "" "$(left)"
fi
t_ok

t_case "who may not make groups is told, and the replay runs in one"
if t_need_tracefs && t_need setpriv && recorded; then
	chmod 755 "$T" && chmod 644 "$T/two.srz" && cp "$SCHEDREC" "$T/schedrec" && chmod 755 "$T/schedrec"
	t_status 0 setpriv --reuid 65534 --regid 65534 --clear-groups env TMPDIR=/tmp "$T/schedrec" replay -q "$T/two.srz" &&
		t_match "^control groups: 0 of the recording's 2 could be made: Permission denied" "$T/out"
fi
t_ok

t_done
