#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/fuzz/run.sh SECONDS [TARGET...]: runs each fuzz target that `make fuzz` has built (fuzz_srz, ...) that long,
# beginning with its corpus. What it finds lies in build/fuzz/found/ and goes into the corpus once it is mended; inputs that
# reach more code are kept in build/fuzz/NAME.new/ for the next run. The last line is "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/../.." || exit 3
seconds=${1:-}
shift
if ! [[ $seconds =~ ^[1-9][0-9]*$ ]]; then
	echo "usage: tests/fuzz/run.sh SECONDS [TARGET...]" >&2
	exit 2
fi
passed=0 failed=0 skipped=0
mkdir -p build/fuzz/found || exit 3

# Where the inputs of a target are kept in the tree.
corpus() {
	case $1 in
	fuzz_srz) echo tests/fuzz/corpus tests/golden ;;
	*) echo "tests/fuzz/corpus-${1#fuzz_}" ;;
	esac
}

run() {
	local name=$1 log=build/fuzz/$1.log args=()

	if [ ! -x "build/fuzz/$name" ]; then
		echo "skip $name: it is not built: make fuzz"
		skipped=$((skipped + 1))
		return
	fi
	mkdir -p "build/fuzz/$name.new"
	[ -f "tests/fuzz/${name#fuzz_}.dict" ] && args+=("-dict=tests/fuzz/${name#fuzz_}.dict")
	# shellcheck disable=SC2046 # two folders
	if "build/fuzz/$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="build/fuzz/found/$name-" "${args[@]}" "build/fuzz/$name.new" $(corpus "$name") \
		>"$log" 2>&1 </dev/null; then
		echo "ok   $name: $(awk '/number_of_executed_units/ { print $2 }' "$log") inputs, no finding"
		passed=$((passed + 1))
	else
		echo "FAIL $name: $(grep -E -m1 'does not hold|ERROR: |runtime error' "$log" || tail -n 1 "$log"); more in $log"
		failed=$((failed + 1))
	fi
}

if [ $# -eq 0 ]; then
	for source in tests/fuzz/fuzz_*.c; do
		set -- "$@" "$(basename "$source" .c)"
	done
fi
for name in "$@"; do
	run "$name"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
