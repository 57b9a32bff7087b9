#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# JSON output is JSON, whatever names it has to carry.
# shellcheck source=tests/lib.sh
. tests/lib.sh

# The names are those of the label; sqlite3 judges and reads.
label=$'a\xff"\\\xed\xa0\x80\tb\xc3\xa9\x01'

t_case "a label with broken UTF-8, quotes and control characters"
t_need_tracefs && t_need sqlite3 && t_status 0 "$SCHEDREC" record -q --label "$label" -o "$T/x.srz" -- true &&
	t_status 0 "$SCHEDREC" info "$T/x.srz" --json && cp "$T/out" "$T/info.json" &&
	t_equal 1 "$(sqlite3 :memory: "select json_valid(readfile('$T/info.json'))")" &&
	t_equal $'a\xef\xbf\xbd"\\\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\tb\xc3\xa9\x01' \
		"$(sqlite3 :memory: "select json_extract(readfile('$T/info.json'), '\$.meta.label')")"
t_ok

t_case "what scripts read in info --json is there"
if t_need_tracefs && t_need sqlite3; then
	for key in events lost repaired bytes duration_ns cpus tasks complete; do
		t_true "no $key" [ -n "$(sqlite3 :memory: "select json_type(readfile('$T/info.json'), '\$.$key')")" ]
	done
	t_equal "$(stat -c %s "$T/x.srz")" "$(sqlite3 :memory: "select json_extract(readfile('$T/info.json'), '\$.bytes')")"
fi
t_ok

t_done
