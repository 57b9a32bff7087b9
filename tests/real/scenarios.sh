#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# replay: what the policies make of small loads on two real CPUs. Others may use the machine: of five tries three decide.
# shellcheck source=tests/lib.sh
. tests/lib.sh
t_timing

"${CC:-cc}" -O2 -o "$T/work" tests/real/work.c || exit 3
cat >"$T/sleeper.c" <<'C'
#include <time.h>
int main(void)
{
	struct timespec from, now, rest = { 0, 10000000 };
	for (int i = 0; i < 30; i++) {
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
		do
			clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
		while ((now.tv_sec - from.tv_sec) * 1000000000L + now.tv_nsec - from.tv_nsec < 1000000);
		nanosleep(&rest, NULL);
	}
	return 0;
}
C
"${CC:-cc}" -O2 -o "$T/sleeper" "$T/sleeper.c" || exit 3

GOT=
cat >"$T/hogs.c" <<'C'
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
int main(void)
{
	struct timespec now = { 0, 0 };
	for (int i = 0; i < 2; i++) {
		if (fork())
			continue;
		prctl(PR_SET_NAME, i ? "hog-b" : "hog-a");
		while (now.tv_nsec < 300000000 && now.tv_sec == 0)
			clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
		return 0;
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
C
"${CC:-cc}" -O2 -o "$T/hogs" "$T/hogs.c" || exit 3

need() {
	t_need_tracefs && t_need taskset || return
	[ "$(nproc)" -ge 2 ] || t_skip "one CPU"
}

# record OUT SCRIPT: on CPU 0
record() {
	"$SCHEDREC" record -q -o "$T/$1.srz" -- taskset -c 0 sh -c "$2" </dev/null >/dev/null 2>"$T/record.err" ||
		t_fail "cannot record: $(cat "$T/record.err")"
}

# replay FILE POLICY [OPTION...]: on CPUs 0 and 1, wherever its tasks were allowed; its events go to $T/dump
replay() {
	local file=$1 policy=$2
	shift 2
	[ $# -gt 0 ] || set -- --cpus 0-1
	"$SCHEDREC" replay -q --json "$@" --policy "$policy" -o "$T/run.srz" "$T/$file.srz" >"$T/out" 2>"$T/err" </dev/null &&
		"$SCHEDREC" dump "$T/run.srz" >"$T/dump"
}

# majority CMD...: of five tries
majority() {
	local n=0 i

	for i in 1 2 3 4 5; do
		"$@" && n=$((n + 1))
		[ $n -lt 3 ] || return 0
		[ $((5 - i + n)) -ge 3 ] || return 1
	done
}

# apart A B: how many percent of the time that both were there they were on two CPUs. (Not whether they ran at once: others
# may have kept one of them from running.)
apart() {
	awk -v a="$1" -v b="$2" '
		function name(s) { sub(/^[a-z]*=/, "", s); sub(/:[0-9]*$/, "", s); return s }
		$5 == "sched_switch" {
			if (a in cpu && b in cpu && !gone) {
				there += $1 - last
				if (cpu[a] != cpu[b])
					two += $1 - last
			}
			last = $1
			for (i = 6; i <= NF; i++) {
				who = name($i)
				if ($i ~ /^next=/ && (who == a || who == b))
					cpu[who] = $2
				if ($i ~ /^prev=/)
					leaves = who
			}
			if (/prev_state=[XZ]/ && (leaves == a || leaves == b))
				gone = 1
		}
		END { printf "%.0f\n", (there ? 100 * two / there : -1) }' "$T/dump"
}

# are_apart LEAST MOST FILE POLICY A B
are_apart() {
	replay "$3" "$4" && GOT=$(apart "$5" "$6") && [ "$GOT" -ge "$1" ] && [ "$GOT" -le "$2" ]
}

t_case "two hogs that were recorded on one CPU part: at fork under bld, at ticks under domain; not under recorded"
if need && record hogs "exec $T/hogs"; then
	for policy in domain bld bld-fixed; do
		majority are_apart 60 100 hogs $policy hog-a hog-b || t_fail "$policy: on two CPUs for $GOT% of the time"
	done
	majority are_apart 0 5 hogs recorded hog-a hog-b || t_fail "recorded: on two CPUs for $GOT% of the time"
fi
t_ok

# away LEAST MOST POLICY: of a sleeper's wakes so many percent are decided to be where the hog does not run
away() {
	replay sleeper "$3" && GOT=$(awk '
		# Not by its switches in alone: there are hosts on which a CPU writes none from its idle task.
		($5 == "task_rename" && / comm=hog$/) || $3 ~ /^hog:/ || / next=hog:/ { hog = $2 }
		$5 == "decision" && $6 ~ /^task=hog:/ {
			hog = $0
			sub(/.* to=/, "", hog)
			hog += 0
		}
		$5 == "sched_switch" && / prev=hog:.* prev_state=[XZ]/ { exit }
		$5 == "decision" && $6 ~ /^task=sleeper:/ && / cause=wake / && hog != "" {
			n++
			to = $0
			sub(/.* to=/, "", to)
			other += (to + 0 != hog)
		}
		END { printf "%.0f\n", (n >= 10 ? 100 * other / n : -1) }' "$T/dump") && [ "$GOT" -ge "$1" ] && [ "$GOT" -le "$2" ]
}

t_case "a woken sleeper goes to the idle CPU, and the file shows the decisions; under recorded it stays"
if need && record sleeper "$T/work 400 0 hog & $T/sleeper & wait"; then
	for policy in bld bld-fixed bld-2012 domain; do
		majority away 80 100 $policy || t_fail "$policy: $GOT% of the wakes"
	done
	majority away 0 5 recorded || t_fail "recorded: $GOT% of the wakes"
fi
t_ok

# executes POLICY: whoever decides to execute something runs next where that was decided
executes() {
	replay exec "$1" && GOT=$(awk '
		function field(key) { match($0, " " key "=[^ ]*"); return substr($0, RSTART + length(key) + 2, RLENGTH - length(key) - 2) }
		function tid(s) { sub(/.*:/, "", s); return s }
		$5 == "decision" { delete to[tid(field("task"))] } # a balancer may move it before it runs
		$5 == "decision" && / cause=exec / { to[tid(field("task"))] = field("to") }
		$5 == "sched_switch" && tid(field("next")) in to {
			n++
			wrong += $2 != to[tid(field("next"))]
			delete to[tid(field("next"))]
		}
		END { print n + 0, wrong + 0 }' "$T/dump") && [ "${GOT% *}" -ge 2 ] && [ "${GOT#* }" -eq 0 ]
}

t_case "an exec is placed, and goes on where it was decided"
if need && record exec "$T/work 200 0 hog & ($T/work 10 0; exec $T/work 100 0 executed) & wait"; then
	for policy in domain bld bld-fixed random; do
		majority executes $policy || t_fail "$policy: of the execs decided and those elsewhere: $GOT"
	done
fi
t_ok

cat >"$T/young.c" <<'C'
#include <pthread.h>
#include <time.h>
static void *work(void *arg)
{
	struct timespec now;
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	while (now.tv_sec == 0 && now.tv_nsec < 100000000);
	return arg;
}
int main(void)
{
	pthread_t younger;
	work(NULL);
	return pthread_create(&younger, NULL, work, NULL) || pthread_join(younger, NULL);
}
C
"${CC:-cc}" -O2 -pthread -o "$T/young" "$T/young.c" || exit 3

# forked WANT FILE POLICY: how many forks are decided, and how many of them to be elsewhere than their parent
forked() {
	replay "$2" "$3" && GOT=$(awk '
		function field(key) { match($0, " " key "=[^ ]*"); return substr($0, RSTART + length(key) + 2, RLENGTH - length(key) - 2) }
		$5 == "decision" && / cause=fork / { n++; other += field("from") != field("to") }
		END { print n + 0, other + 0 }' "$T/dump") && [ "$GOT" = "$1" ]
}

t_case "a new thread goes to the idle CPU, a process's child stays; bld puts both elsewhere"
if need && record young "exec $T/young" && [ -s "$T/hogs.srz" ]; then
	majority forked "1 1" young domain || t_fail "domain: threads, and those elsewhere: $GOT"
	majority forked "1 0" young domain:clone=no || t_fail "domain:clone=no: threads, and those elsewhere: $GOT"
	majority forked "2 0" hogs domain || t_fail "domain: children, and those elsewhere: $GOT"
	majority forked "1 1" young bld || t_fail "bld: threads, and those elsewhere: $GOT"
fi
t_ok

t_case "affinity is respected under each policy"
# The recorder reads affinities when it begins; no event tells of later ones.
if need && taskset -c 1 "$SCHEDREC" record -q -o "$T/pinned.srz" -- "$T/work" 20 30 pinned </dev/null 2>"$T/record.err"; then
	for policy in kernel domain bld bld:affinity=respect bld-2012 bld-fixed eas random roundrobin recorded; do
		t_true "$policy: it was not replayed" replay pinned $policy --no-stall || break
		t_equal "ran, 0 elsewhere" "$(awk '
			# Before that it is only being made. A switch from idle may be missing, and the last one, too.
			(/ (next|prev)=pinned:/ || $3 ~ /^pinned:/) && $2 == 1 { here = 1 }
			/ next=pinned:/ && $2 != 1 && here { elsewhere++ }
			END { print (here ? "ran" : "never ran") ", " elsewhere + 0 " elsewhere" }' "$T/dump")" || break
	done
fi
t_ok

t_case "all policies but kernel tell their decisions, and random ones are where they say"
if need && [ -s "$T/sleeper.srz" ]; then
	replay sleeper kernel && t_no_match ' decision ' "$T/dump"
	for policy in domain bld bld-fixed random roundrobin recorded; do
		replay sleeper $policy && t_match ' decision .* cause=fork ' "$T/dump" && t_match ' decision .* cause=wake ' "$T/dump"
	done
	replay sleeper random &&
		t_equal 2 "$(sed -n 's/.* decision task=sleeper.* to=\([0-9]*\) .*/\1/p' "$T/dump" | sort -u | wc -l)"
fi
t_ok

t_done
