#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The README's examples work: each ```sh block is run, in order, in one directory.
# shellcheck source=tests/lib.sh
. tests/lib.sh

mkdir "$T/bin" "$T/blocks" "$T/work"
ln -s "$SCHEDREC" "$T/bin/schedrec"
# The tests run as root already, and sudo may not be there.
printf '#!/bin/sh\nexec "$@"\n' >"$T/bin/sudo"
chmod +x "$T/bin/sudo"
awk -v dir="$T/blocks" '
	/^```sh$/ { n++; file = sprintf("%s/%02d", dir, n); next }
	/^```/ { file = "" }
	file { print >file }' README.md

t_case "the README has examples"
t_true "no block found" [ -n "$(ls "$T/blocks")" ]
t_ok

for block in "$T/blocks/"*; do
	t_case "$(head -n 1 "$block")"
	if grep -q 'schedrec report' "$block" && [ ! -s build/web/charts.js ]; then
		t_skip "the charts' libraries were not there when schedrec was built"
		continue
	fi
	t_need_tracefs && t_need sqlite3 &&
		t_status 0 env -C "$T/work" PATH="$T/bin:$PATH" XDG_CONFIG_HOME="$T/config" XDG_CACHE_HOME="$T/cache" bash -e "$block" &&
		sed -E -i '/rests on these replays is doubtful$|do not rest a comparison on it$|runs other programs had more than .*$/d' "$T/err" && # on a busy machine, rightly
		t_no_match 'schedrec: warning' "$T/err"
	t_ok
done

t_done
