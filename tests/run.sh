#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/run.sh BUILD SCHEDREC: runs all tiers against what was built in BUILD: tests/unit (cmocka), tests/*.sh of the
# tree itself, tests/cli, and tests/real, which skips what needs root when there is none. The last line is
# "N passed, N failed, N skipped", the sum; the status is 0 when nothing failed. A line "n/a" says what makes no sense
# somewhere, and why: it is in none of the numbers.
set -u
# Run by sudo, schedrec would work for the user who called it; the tests say themselves when they want that.
unset SUDO_UID SUDO_GID SUDO_USER SUDO_COMMAND
cd "$(dirname "$0")/.." || exit 3
build=$1
SCHEDREC=$(realpath "$2") || exit 3
BUILD=$(realpath "$build") || exit 3
export SCHEDREC BUILD
# What a sanitizer finds must not look like one of schedrec's own statuses.
export ASAN_OPTIONS=${ASAN_OPTIONS:-exitcode=99} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export LSAN_OPTIONS=${LSAN_OPTIONS:-exitcode=99:print_suppressions=0:suppressions=$PWD/tests/lsan.txt}

log=$(mktemp) || exit 3
trap 'rm -f "$log" "$log".*' EXIT
passed=0 failed=0 skipped=0

# Adds the numbers up; $1 names what ran, its output is in $log, $2 is its status.
account() {
	local last

	grep -E '^(FAIL|skip) ' "$log" >>"$log.told"
	last=$(tail -n 1 "$log")
	if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
		skipped=$((skipped + BASH_REMATCH[3]))
		if [ "$2" -ne 0 ] && [ "${BASH_REMATCH[2]}" -eq 0 ]; then
			echo "FAIL $1: status $2" | tee -a "$log.told"
			failed=$((failed + 1))
		fi
	else
		echo "FAIL $1: it ended with status $2 and without its line of numbers: $last" | tee -a "$log.told"
		failed=$((failed + 1))
	fi
}

# cmocka's own report becomes the lines of the other tiers, in $log.
unit_try() {
	local prog=$1 name=$2 status

	CMOCKA_MESSAGE_OUTPUT=STDOUT timeout -k 5 120 "$prog" >"$log.raw" 2>&1 </dev/null
	status=$?
	# A test's failure stands twice in the report: where it happens, and in the list at the end.
	sed -n -e "s/^\[       OK \] /ok   $name: /p" \
		-e "s/^n\/a /n\/a  $name: /p" \
		-e "s/^\[  SKIPPED \] \([^0-9].*\)/skip $name: \1: skipped by the test itself/p" \
		-e "/^\[  FAILED  \] [0-9]* test/d" -e "s/^\[  FAILED  \] /FAIL $name: /p" "$log.raw" | awk '!seen[$0]++' >"$log"
	grep -q '^FAIL' "$log" && grep -v '^\[' "$log.raw"
	if [ "$status" -ne 0 ] && ! grep -q '^FAIL' "$log"; then
		tail -n 30 "$log.raw"
		echo "FAIL $name: status $status" >>"$log"
	fi
	rm -f "$log.raw"
}

unit() {
	local name

	name=$(basename "$1")
	unit_try "$1" "$name"
	# A busy machine can spoil what runs in real time.
	if [[ $name == test_engine* ]] && grep -q '^FAIL' "$log"; then
		sed -n 's/^FAIL /again /p' "$log" | tee -a "$log.told"
		unit_try "$1" "$name"
	fi
	grep -v '^ok' "$log"
	printf '%d passed, %d failed, %d skipped\n' "$(grep -c '^ok' "$log")" "$(grep -c '^FAIL' "$log")" \
		"$(grep -c '^skip' "$log")" >>"$log"
	echo "     $name: $(tail -n 1 "$log")"
	account "$name" 0
}

# one_try FAIL SCRIPT: what has failed is told as FAIL.
one_try() {
	timeout -k 10 900 env --default-signal=INT,QUIT,HUP bash "$2" 2>&1 </dev/null | tee "$log" |
		sed -uE -e '/^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/d' -e "s/^FAIL /$1 /"
	return "${PIPESTATUS[0]}"
}

# Of a script that measures time: a case has failed when it did in both tries.
two_tries() {
	one_try again "$1" && return
	cp "$log" "$log.first"
	T_SECOND_TRY=yes one_try again "$1" || true
	sed -n 's/^FAIL /again /p' "$log.first" "$log" >>"$log.told"
	awk '
		FNR == NR { if (sub(/^ok   /, "")) passed[$0]; next }
		/^FAIL / { for (k in passed) if (index($0, "FAIL " k ": ") == 1) { sub(/^FAIL/, "again"); mended++; break } }
		/^[0-9]+ passed, [0-9]+ failed, / { $1 += mended; $3 -= mended }
		{ print }' "$log.first" "$log" >"$log.both" && mv "$log.both" "$log"
	rm -f "$log.first"
	! grep '^FAIL ' "$log"
}

script() {
	local start=$SECONDS status

	if grep -q '^t_timing$' "$1"; then
		two_tries "$1"
	else
		one_try FAIL "$1"
	fi
	status=$?
	echo "     $1: $((SECONDS - start)) s"
	account "$1" "$status"
}

for t in "$build"/tests/unit/test_*; do
	[ -x "$t" ] && [ -f "$t" ] && unit "$t"
done
for t in tests/include-directions.sh tests/cli/*.sh tests/readme.sh tests/real/*.sh; do
	[ -f "$t" ] && script "$t"
done

# What is worth reading stands at the end once more, where it is not lost in what passed.
[ -s "$log.told" ] && echo "Skipped, tried again and failed:" && sort -r "$log.told"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
