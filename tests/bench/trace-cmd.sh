#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/bench/trace-cmd.sh INSTANCE SCRATCH CMD...: runs CMD, in whose command line trace-cmd is, in a mount namespace of
# its own (unshare -m). trace-cmd fails where the function tracer's files may not be written although events can be
# traced: there plain files in SCRATCH are mounted over them.
set -u
instance=$1 scratch=$2
shift 2

usable() {
	if [ "$1" = /proc/sys/kernel/ftrace_enabled ]; then
		{ echo "$(<"$1")" >"$1"; } 2>/dev/null
	else
		{ : <"$1" && : >>"$1"; } 2>/dev/null
	fi
}

n=0
for file in /proc/sys/kernel/ftrace_enabled "${instance%/instances/*}"/set_ftrace_* "$instance"/set_ftrace_*; do
	if [ ! -e "$file" ] || usable "$file"; then
		continue
	fi
	n=$((n + 1))
	echo 1 >"$scratch/ftrace.$n"
	mount --bind "$scratch/ftrace.$n" "$file" || exit 3
done
exec "$@"
