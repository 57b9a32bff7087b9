#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# around.sh DIR [WORD...] -- CMD...: runs CMD between two measurements of the machine's speed, by DIR/speed into
# DIR/speed.count. With WORDs, which stand before it ("setsid taskset -c 0"), DIR/hog computes beside CMD, and is ended after
# it; its own count goes to DIR/hog.count.
set -u
dir=$1
shift
how=()
while [ "$1" != -- ]; do
	how+=("$1")
	shift
done
shift

"$dir/speed" >"$dir/speed.count"
if [ ${#how[@]} -gt 0 ]; then
	"${how[@]}" "$dir/hog" "$dir/hog.count" </dev/null &
	hog=$!
	trap 'kill "$hog" 2>/dev/null' EXIT
	# It is well under way, and no longer in its first slices.
	sleep 0.1
fi
"$@"
status=$?
if [ ${#how[@]} -gt 0 ]; then
	kill "$hog"
	wait "$hog"
fi
"$dir/speed" >>"$dir/speed.count"
exit "$status"
