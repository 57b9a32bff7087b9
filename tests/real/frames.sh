#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# analyze: late frames of a periodic task are those that the task itself saw; what waits made late is told apart
. tests/lib.sh
t_timing

# column NAME TASK: of $T/out, which is --view tasks --csv
column() {
	awk -F, -v name="$1" -v task="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i }
		$2 == task { print $at; exit }' "$T/out"
}

# near WHAT A B BY
near() {
	t_true "$1: $2 by schedrec, $3 by the task itself, which may differ by $4" \
		test $(($2 > $3 ? $2 - $3 : $3 - $2)) -le "$4"
}

# agree: but for the frames that missing switches cut. The task's own count is in $T/own, schedrec's in $T/out
agree() {
	read -r own late missed close _ <"$T/own"
	t_true "no period was recognised" test -n "$(column period_ns frames)" || return
	slack=$(($(column frames_cut frames) + 4))
	near "period in us" $(($(column period_ns frames) / 1000)) 10000 100
	# The first two wake-ups come before there is an interval, the last frame is cut.
	near frames "$(column frames frames)" "$own" $((slack + 4))
	near "late frames" "$(column frames_late frames)" "$late" $((close + 2 + slack))
	near "missed periods" "$(column missed_periods frames)" "$missed" $((close + 2 + slack))
}

# undisturbed WHO CMD...: CMD recorded while the machine wakes a task that nothing of the test delays in time, whose numbers
# are in $T/WHO: where a host stops the machine for a while, no period is to be seen. Five tries.
undisturbed() {
	for _ in 1 2 3 4 5; do
		t_status 0 "$SCHEDREC" record -q -o "$T/x.srz" -- "${@:2}" || return
		cp "$T/out" "$T/own"
		read -r _ _ _ _ woken <"$T/$1"
		[ "$woken" -gt 1250 ] || return 0
	done
	t_skip "this machine wakes a real-time task $woken us late"
	return 1
}

t_case "frames whose work is too long are late, each of them"
if t_need_tracefs && t_need "${CC:-cc}" chrt; then
	"${CC:-cc}" -O1 -D_GNU_SOURCE -o "$T/frames" tests/real/frames.c || t_fail "tests/real/frames.c does not compile"
	if undisturbed own chrt -f 10 "$T/frames" 10000 200 1000 10 14000; then
		t_status 0 "$SCHEDREC" analyze "$T/x.srz" --view tasks --csv
		agree
		t_true "something was late" test "$late" -ge 19
		# Their own work alone was too long.
		t_true "$(column frames_late_by_wait frames) of $(column frames_late frames) late frames by waits" \
			test "$(column frames_late_by_wait frames)" -le $((late - 19 + close))
	fi
fi
t_ok

t_case "frames that a competitor on the same CPU makes late are late by waits"
if t_need_tracefs && t_need "${CC:-cc}" taskset chrt; then
	# Ten times a second the other one takes the CPU for two of this one's periods.
	cp "$T/frames" "$T/other"
	if undisturbed others chrt -f 30 taskset -c 0 sh -c \
		'chrt -f 20 "$0/other" 100000 22 21000 1000 21000 >"$0/others" & chrt -f 10 "$0/frames" 10000 200 1000 1000 1000; wait' "$T"; then
		t_status 0 "$SCHEDREC" analyze "$T/x.srz" --view tasks --csv
		agree
		t_true "$late late frames" test "$late" -ge 15
		t_true "$(column frames_late_by_wait frames) of $(column frames_late frames) late frames by waits" \
			test "$(column frames_late_by_wait frames)" -ge $(($(column frames_late frames) - 3))
		near "period of the other in us" $(($(column period_ns other) / 1000)) 100000 1000
		t_equal 0 "$(column frames_late other)"
	fi
fi
t_ok

t_case "a stall is where the task waited, and --from and --to find it"
if t_need_tracefs && t_need "${CC:-cc}" sqlite3; then
	t_status 0 "$SCHEDREC" record -q -a -o "$T/x.srz" -- taskset -c 0 sh -c \
		'"$0" 10000 60 500 1000 500 & i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done; wait' "$T/frames"
	t_status 0 "$SCHEDREC" analyze "$T/x.srz" --view tasks --csv
	t_equal 1 "$(column interactive frames)"
	stall=$(column stall_ns frames) at=$(column stall_at_ns frames)
	t_true "a stall of $stall ns" test "$stall" -gt 0
	t_status 0 "$SCHEDREC" analyze "$T/x.srz" --view timehist --csv --task frames --from "$((at - 1000))ns" \
		--to "$((at + stall + 50000000))ns"
	# The waits of the activation that began then, however often it was preempted, up to its sleep.
	t_equal "$stall" "$(awk -F, -v at="$at" '{ waited = $10 != "" ? $10 : $9 }
		$4 == "run" && waited != "" && $2 - waited == at { on = 1 }
		on { sum += waited } on && $13 !~ /^R/ { exit } END { printf "%d", sum }' "$T/out")"
fi
t_ok

t_done
