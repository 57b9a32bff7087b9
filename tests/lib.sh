# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What every test script begins with. A script lies in tests/cli/ (no privilege needed, no tracefs) or tests/real/
# (root, the real kernel), ends in .sh, is run with bash from the top of the tree, finds the program in $SCHEDREC (an
# absolute path), has a temporary directory of its own in $T, which is removed at its end, and looks like this:
#
#	#!/bin/bash
#	# SPDX-License-Identifier: GPL-2.0-or-later
#	# info: what it says of damaged files
#	. tests/lib.sh
#
#	t_case "an empty file is damaged"
#	: >"$T/empty.srz"
#	t_status 4 "$SCHEDREC" info "$T/empty.srz"
#	t_match 'not a .srz file' "$T/err"
#	t_ok
#
#	t_case "a file of this machine's tracing"
#	t_need_tracefs && t_status 0 "$SCHEDREC" record -o "$T/x.srz" -- true && t_one_line "$T/err"
#	t_ok
#
#	t_done
#
# t_case NAME           begins a case: one fact, in words. An earlier case without a verdict has failed.
# t_ok                  the case passes, unless a check in it failed
# t_fail MSG            the case fails; the script goes on. Only the first failure of a case counts.
# t_skip REASON         the case is skipped: what it needs is not here
# t_status N CMD...     runs CMD with no stdin; its stdout is in $T/out, its stderr in $T/err; fails unless it ends with
#                       status N (N may be "0|1"). A killing signal is 128+n, and 124 means it took too long ($T_LIMIT, 60 s).
#                       CMD may be a function of the script; then the limit is its own matter.
# t_match RE FILE       fails unless a line of FILE matches the extended regular expression
# t_no_match RE FILE    the reverse
# t_equal WANT GOT      fails unless the two strings are the same
# t_one_line FILE       fails unless FILE is exactly one line (an error message is)
# t_info FILE KEY       prints a value of `info --json`: of the top level, or of what comes first by that name
# t_cpu_group           prints the control group of this shell that has the cpu controller: "/" is the root
# t_true TEXT CMD...    fails with TEXT unless CMD succeeds
# t_need CMD...         skips the case unless these programs are installed
# t_need_root, t_need_tracefs     the same for privilege and tracefs
# t_timing              what the script measures a busy machine can spoil: tests/run.sh gives it a second try, and says so.
#                       In that try real/held.c watches the machine: where its host kept the CPUs from it for 1% of a
#                       case's time, what fails is skipped with that figure. Under sanitizers, which slow schedrec down,
#                       a measure that fails is skipped too: what counts is how it ended.
# t_done                the last line of each script
# Each check (t_need too) is true or false, so that a case can go on or not: `t_need sqlite3 && t_status 0 ... && ...`.
#
# A script that ends without t_done (an error in it, exit) has failed, and that is counted. The last line it prints is
# "N passed, N failed, N skipped"; tests/run.sh adds these up.

set -u
# Run by sudo, schedrec would work for the user who called it; the tests say themselves when they want that.
unset SUDO_UID SUDO_GID SUDO_USER SUDO_COMMAND

T_NAME=$(basename "$0" .sh)
T_PASSED=0 T_FAILED=0 T_SKIPPED=0
T_CASE='' T_VERDICT=none T_DONE=no T_SLOW='' T_WITNESS='' T_HELD='0 0'
T_LIMIT=${T_LIMIT:-60}

T=$(mktemp -d "${TMPDIR:-/tmp}/schedrec-test.XXXXXX") || exit 3
: "${SCHEDREC:?is to name the program under test}"
export T SCHEDREC

t_end_case() {
	if [ "$T_VERDICT" = open ]; then
		T_FAILED=$((T_FAILED + 1))
		echo "FAIL $T_NAME: $T_CASE: it came to no verdict"
	fi
	T_VERDICT=none
}

t_at_exit() {
	local status=$?

	t_end_case
	if [ "$T_DONE" = no ]; then
		T_FAILED=$((T_FAILED + 1))
		echo "FAIL $T_NAME: the script ended early, with status $status"
	fi
	[ -n "$T_WITNESS" ] && kill "$T_WITNESS" 2>/dev/null
	rm -rf "$T"
	echo "$T_PASSED passed, $T_FAILED failed, $T_SKIPPED skipped"
	trap - EXIT
	[ "$T_FAILED" -eq 0 ] && exit 0
	exit 1
}
trap t_at_exit EXIT
trap 'exit 130' INT TERM

t_done() {
	T_DONE=yes
}

t_timing() {
	case $SCHEDREC in */san/*) T_SLOW=yes ;; esac
	[ -n "${T_SECOND_TRY:-}" ] && "${CC:-cc}" -O2 -D_GNU_SOURCE -pthread -o "$T/held" tests/real/held.c || return 0
	"$T/held" "$T/held.now" &
	T_WITNESS=$!
}

# t_held: the wake-ups of the witness so far, and the late ones
t_held() {
	awk '{ n += $1; late += $2 } END { print n + 0, late + 0 }' "$T/held.now" 2>/dev/null || echo 0 0
}

# t_held_percent: how much of the case's time the CPUs were kept from the machine, in percent; nothing where that is not known
t_held_percent() {
	[ -n "$T_WITNESS" ] && echo "$T_HELD $(t_held)" | awk '$3 - $1 >= 100 { printf "%.1f\n", 100 * ($4 - $2) / ($3 - $1) }'
}

t_case() {
	t_end_case
	T_CASE=$1
	T_VERDICT=open
	[ -n "$T_WITNESS" ] && T_HELD=$(t_held)
	return 0
}

t_ok() {
	if [ "$T_VERDICT" = open ]; then
		T_VERDICT=none
		T_PASSED=$((T_PASSED + 1))
		echo "ok   $T_NAME: $T_CASE"
	fi
	return 0
}

# t_spoiled WHY: is it what a slow machine spoils, and is this one so? Says how. Of how a command ended only that it came to no
# end: a process may have found the sanitizer's allocator locked, as threads that fork do.
t_spoiled() {
	local held

	[[ $1 == "status 124,"* || ! $1 =~ ^status\ |Sanitizer|runtime\ error ]] || return 1
	if [ -n "$T_SLOW" ]; then
		echo "no measure under sanitizers"
		return
	fi
	held=$(t_held_percent)
	[ -n "$held" ] && [ "${held%.*}" -ge 1 ] && echo "the host kept the CPUs from this machine $held% of the time"
}

t_fail() {
	local how

	if [ "$T_VERDICT" = open ] && how=$(t_spoiled "$1"); then
		t_skip "$how: $1"
		return 1
	fi
	if [ "$T_VERDICT" = open ]; then
		T_VERDICT=failed
		T_FAILED=$((T_FAILED + 1))
		echo "FAIL $T_NAME: $T_CASE: $1"
	elif [ "$T_VERDICT" = none ]; then
		echo "FAIL $T_NAME: a check outside of a case: $1"
		T_FAILED=$((T_FAILED + 1))
	fi
	return 1
}

t_skip() {
	if [ "$T_VERDICT" = open ]; then
		T_VERDICT=skipped
		T_SKIPPED=$((T_SKIPPED + 1))
		echo "skip $T_NAME: $T_CASE: $1"
	fi
	return 0
}

t_status() {
	local want=$1 got
	shift
	if [ "$(type -t "$1")" = function ]; then
		("$@") >"$T/out" 2>"$T/err" </dev/null
		got=$?
	else
		timeout -k 5 "$T_LIMIT" "$@" >"$T/out" 2>"$T/err" </dev/null
		got=$?
	fi
	case "|$want|" in
	*"|$got|"*) return 0 ;;
	esac
	t_fail "status $got, not $want: $* ($(tail -n 3 "$T/err" | tr '\n' ' '))"
}

t_match() {
	grep -Eq -e "$1" "$2" || t_fail "no line like '$1' in $(basename "$2"): $(head -n 3 "$2" | tr '\n' '~')"
}

t_no_match() {
	! grep -Eq -e "$1" "$2" || t_fail "a line like '$1' in $(basename "$2"): $(grep -E -m1 -e "$1" "$2")"
}

t_equal() {
	[ "$1" = "$2" ] || t_fail "'$2', not '$1'"
}

t_info() {
	"$SCHEDREC" info --json "$1" | sed -n "s/^  \"$2\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" | head -n 1
}

t_cpu_group() {
	awk -F: '$2 ~ /(^|,)cpu(,|$)/ { one = $3 } $2 == "" { two = $3 } END { print one ? one : two }' /proc/self/cgroup
}

t_one_line() {
	[ "$(wc -l <"$1")" -eq 1 ] || t_fail "$(wc -l <"$1") lines, not one: $(head -n 3 "$1" | tr '\n' '~')"
}

t_true() {
	local text=$1
	shift
	"$@" || t_fail "$text"
}

t_need() {
	local c
	for c in "$@"; do
		if ! command -v "$c" >/dev/null; then
			t_skip "$c is not installed"
			return 1
		fi
	done
}

t_need_root() {
	if [ "$(id -u)" -ne 0 ]; then
		t_skip "needs root"
		return 1
	fi
}

# A chroot whose root is no mount point has none.
t_need_mount_namespace() {
	t_need unshare && t_need_root || return 1
	if ! unshare -m true 2>/dev/null; then
		t_skip "no mount namespace can be made here: $(unshare -m true 2>&1 | head -n 1)"
		return 1
	fi
}

t_need_tracefs() {
	t_need_root || return 1
	if [ ! -d /sys/kernel/tracing/events/sched ]; then
		t_skip "tracefs with the sched events is not at /sys/kernel/tracing"
		return 1
	fi
}
