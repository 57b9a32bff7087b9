#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# idle.sh TREE: somebody looks around in TREE and thinks in between.
set -u
cd "$1" || exit 3

ls -l .
sleep 0.6
git log --oneline 2>/dev/null | head -n 5
find . -name '*.h' | sort | head -n 20
sleep 0.4
grep -rn 'struct sr_error' --include='*.h' . | wc -l
sleep 0.9
for f in formats/*.h; do
	wc -l "$f"
done | sort -n | tail -n 3
sleep 0.2
cat formats/*.c | gzip -c | wc -c
sleep 0.5
date
