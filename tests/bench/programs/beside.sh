#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# beside.sh HOG FILE CMD...: runs CMD while the program HOG computes, and ends HOG after it. HOG's own count goes to FILE.
# Words before a "--" in CMD stand before HOG: beside.sh HOG FILE setsid taskset -c 0 -- CMD...
set -u
hog=$1 file=$2
shift 2
how=()
while [ "$1" != -- ]; do
	how+=("$1")
	shift
done
shift

"${how[@]}" "$hog" "$file" </dev/null &
trap 'kill $!; wait' EXIT
# It is well under way, and no longer in its first slices.
sleep 0.1
"$@"
