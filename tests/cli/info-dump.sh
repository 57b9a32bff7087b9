#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# info and dump: what they say of good, incomplete, damaged and foreign files
# shellcheck source=tests/lib.sh
. tests/lib.sh

G=tests/golden

t_case "dump prints the same text as ever"
for f in all-kinds ties two-streams one-event future; do
	t_status 0 "$SCHEDREC" dump $G/$f.srz
	[ "${UPDATE:-}" = yes ] && cp "$T/out" $G/$f.dump
	t_true "the dump of $f.srz differs from $G/$f.dump" cmp -s "$T/out" $G/$f.dump
done
t_ok

t_case "every line of a dump has its five columns and no control character"
t_status 0 "$SCHEDREC" dump $G/all-kinds.srz
t_equal 0 "$(grep -cvE '^[0-9]+\.[0-9]{9} [0-9]+ [^ ]+:[0-9]+ (-|h?s?n?) [a-z_]+( [a-z_]+=[^ ]+)+$' "$T/out")"
t_no_match '[^ -~]' "$T/out"
t_match 'sh.x20.x5c.x20.x0a:3 ' "$T/out"
t_ok

t_case "dump --cpu shows that CPU's events only"
t_status 0 "$SCHEDREC" dump --cpu 2 $G/all-kinds.srz
t_equal "$(awk '$2 == 2' $G/all-kinds.dump)" "$(cat "$T/out")"
t_ok

t_case "dump --from and --to cut by time, and times stay those of the whole file"
"$SCHEDREC" dump $G/coded.srz | awk '$1 >= 1.5 && $1 < 3.25' >"$T/want"
t_status 0 "$SCHEDREC" dump --from 1.5s --to 3250ms $G/coded.srz
t_true "nothing is expected" test -s "$T/want"
t_true "they differ" cmp -s "$T/want" "$T/out"
t_ok

t_case "dump --no-names shows the same events with tids alone, from anywhere"
nameless() { sed -E 's/( |=)[^ =]*:([0-9]+)/\1?:\2/g' "$1"; }
"$SCHEDREC" dump $G/coded.srz >"$T/whole.dump"
t_status 0 "$SCHEDREC" dump --no-names $G/coded.srz
t_true "they differ" cmp -s "$T/out" <(nameless "$T/whole.dump")
for cpu in 0 0-1,3; do
	t_status 0 "$SCHEDREC" dump --no-names --from 1s --to 3s --cpu $cpu $G/coded.srz
	awk -v l="$cpu" '$1 >= 1 && $1 < 3 && (l != 0 ? $2 != 2 : $2 == 0)' "$T/whole.dump" >"$T/want.dump"
	t_true "nothing is expected" test -s "$T/want.dump"
	t_true "CPU $cpu differs" cmp -s "$T/out" <(nameless "$T/want.dump")
done
t_status 2 "$SCHEDREC" dump --no-names --task 'sw*' $G/coded.srz && t_one_line "$T/err"
t_status 0 "$SCHEDREC" dump --no-names --task 7 $G/coded.srz && t_match ':7 ' "$T/out"
t_ok

t_case "dump --task takes a tid or a pattern on the comm"
t_status 0 "$SCHEDREC" dump --task 7 $G/all-kinds.srz
t_true "nothing was found" test -s "$T/out"
t_equal "" "$(grep -vE '(:| tid=| old_tid=)7( |$)' "$T/out")"
t_status 0 "$SCHEDREC" dump --task 'swap*' $G/all-kinds.srz
t_true "nothing was found" test -s "$T/out"
t_equal "" "$(grep -vE 'swapper:|tid=0' "$T/out")"
t_ok

t_case "dump of a pipe whose reader goes away is quiet"
for _ in 1 2 3 4 5 6 7 8; do cat $G/coded.srz; done >"$T/many"
"$SCHEDREC" dump $G/coded.srz 2>"$T/err" | head -n 1 >"$T/out"
t_equal "0 0" "${PIPESTATUS[*]}"
t_true "it said: $(cat "$T/err")" test ! -s "$T/err"
t_ok

t_case "dump to a full disk fails with one line"
"$SCHEDREC" dump $G/coded.srz >/dev/full 2>"$T/err"
t_equal 3 $?
t_one_line "$T/err"
t_ok

t_case "info --json has the promised keys, with the right values"
t_status 0 "$SCHEDREC" info --json $G/all-kinds.srz
for key in events lost repaired bytes duration_ns cpus tasks complete; do
	t_match "^  \"$key\": (true|[0-9]+),\$" "$T/out"
done
t_ok

t_case "info --json counts what dump shows"
t_status 0 "$SCHEDREC" info --json $G/all-kinds.srz
cat >"$T/compare.py" <<'P'
import json, os, sys
o = json.load(open(sys.argv[1]))
lines = open(sys.argv[2]).read().splitlines()
assert o["complete"] is True and o["events"] == len(lines) == sum(o["events_by_kind"].values())
assert o["bytes"] == os.path.getsize("tests/golden/all-kinds.srz")
kinds = {}
for l in lines:
    kinds[l.split()[4]] = kinds.get(l.split()[4], 0) + 1
assert kinds == o["events_by_kind"], (kinds, o["events_by_kind"])
lost = [l for l in lines if l.split()[4] == "lost"]
assert o["lost_places"] == len(lost) == len(o["lost_at"])
assert o["lost"] == sum(int(l.split("count=")[1].split()[0].replace("?", "0")) for l in lost)
assert o["duration_ns"] == int(lines[-1].split()[0].replace(".", ""))
P
t_need python3 && t_true "they differ" python3 "$T/compare.py" "$T/out" $G/all-kinds.dump
t_ok

t_case "info says of a whole file that it is complete"
t_status 0 "$SCHEDREC" info $G/coded.srz
t_match '^integrity +complete' "$T/out"
t_match '^events +6,000, ' "$T/out"
t_no_match '[^ -~]' "$T/out"
t_ok

t_case "a cut file is read up to its last whole chunk, and said to be incomplete, status 0"
size=$(stat -c %s $G/ties.srz)
head -c $((size - 100)) $G/ties.srz >"$T/cut.srz"
t_status 0 "$SCHEDREC" info "$T/cut.srz"
t_match '^integrity +INCOMPLETE' "$T/out"
t_status 0 "$SCHEDREC" info --json "$T/cut.srz"
t_match '"complete": false' "$T/out"
t_status 0 "$SCHEDREC" dump "$T/cut.srz"
t_true "the events differ" cmp -s "$T/out" $G/ties.dump
t_match 'is incomplete' "$T/err"
head -c $((size / 2)) $G/ties.srz >"$T/cut.srz"
t_status 0 "$SCHEDREC" dump "$T/cut.srz"
n=$(wc -l <"$T/out")
t_true "$n events are not some whole chunks of 32" test "$n" -gt 0 -a $((n % 32)) -eq 0
t_equal "$(head -n "$n" $G/ties.dump)" "$(cat "$T/out")"
t_ok

t_case "each file of the must-reject list ends info and dump with status 4 and one line that names the file"
for f in "$G"/reject-*.srz; do
	case $f in */reject-attributes-*) continue ;; esac
	for c in info dump; do
		t_status 4 "$SCHEDREC" $c "$f" || break 2
		t_one_line "$T/err" || break 2
		t_match "^schedrec $c: .*$f" "$T/err" || break 2
	done
done
t_ok

t_case "damaged attributes: info tells of them, dump needs none, replay refuses the file"
for f in "$G"/reject-attributes-*.srz; do
	t_status 0 "$SCHEDREC" info --json "$f" && t_match '"attributes_damaged": "the attributes section' "$T/out"
	t_status 0 "$SCHEDREC" dump "$f"
	t_status 4 "$SCHEDREC" replay "$f" && t_one_line "$T/err" && t_match 'the attributes section' "$T/err"
done
t_ok

t_case "dump shows what comes before the damage"
cp $G/ties.srz "$T/hurt.srz"
printf x | dd of="$T/hurt.srz" bs=1 seek=$((size * 2 / 3)) conv=notrunc status=none
t_status 4 "$SCHEDREC" dump "$T/hurt.srz"
t_one_line "$T/err"
t_match 'the events section at offset [0-9]+ has a wrong checksum' "$T/err"
n=$(wc -l <"$T/out")
t_true "nothing was shown" test "$n" -gt 0
t_equal "$(head -n "$n" $G/ties.dump)" "$(cat "$T/out")"
t_status 4 "$SCHEDREC" info "$T/hurt.srz"
t_ok

t_case "missing, empty, foreign and special files"
: >"$T/empty"
for c in info dump; do
	t_status 3 "$SCHEDREC" $c "$T/none"
	t_one_line "$T/err"
	t_status 4 "$SCHEDREC" $c "$T/empty"
	t_status 4 "$SCHEDREC" $c Makefile
	t_match 'is not a .srz file' "$T/err"
	t_status 4 "$SCHEDREC" $c "$T"
	t_status 4 "$SCHEDREC" $c /dev/zero
	t_one_line "$T/err"
done
t_ok

t_case "wrong usage ends with status 2"
t_status 2 "$SCHEDREC" info
t_status 2 "$SCHEDREC" dump $G/ties.srz $G/ties.srz
t_status 2 "$SCHEDREC" dump --from 5 $G/ties.srz
t_status 2 "$SCHEDREC" dump --from 2s --to 1s $G/ties.srz
t_status 2 "$SCHEDREC" dump --cpu x $G/ties.srz
t_one_line "$T/err"
t_ok

t_done
