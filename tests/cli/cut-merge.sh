#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# cut and merge: what is cut out is what dump shows of that time, and joined again it is the whole
# shellcheck source=tests/lib.sh
. tests/lib.sh

G=tests/golden

# The times of a dump, from its first line on.
rebased() {
	awk '{ split($1, t, "."); ns = t[1] * 1000000000 + t[2]; if (NR == 1) first = ns; $1 = ns - first; print }' OFMT=%.0f CONVFMT=%.0f "$1"
}

# The time of line $2 in a dump.
time_of() {
	awk -v n="$2" 'NR == n { split($1, t, "."); printf "%.0fns\n", t[1] * 1000000000 + t[2] }' "$1"
}

# field FILE KEY: a number of info --json, of a meta value too
field() {
	"$SCHEDREC" info --json "$1" | sed -nE "s/^ *\"$2\": \"?([^\",]*)\"?,?\$/\1/p" | head -n 1
}

for f in late-events coded many-tasks two-streams time-unit; do
	"$SCHEDREC" dump $G/$f.srz >"$T/$f.dump"
	n=$(wc -l <"$T/$f.dump")
	a=$(time_of "$T/$f.dump" $((n / 3 + 1)))
	b=$(time_of "$T/$f.dump" $((n * 2 / 3 + 1)))

	t_case "$f: a part has the events, times and names that dump shows of that time"
	t_status 0 "$SCHEDREC" cut $G/$f.srz --from "$a" -o "$T/part.srz"
	t_one_line "$T/err"
	# What a replay's tasks stand for and the CPUs' clocks come first, told again.
	"$SCHEDREC" dump "$T/part.srz" | awk -v n="$(field "$T/part.srz" cut.binds)" -v m="$(field "$T/part.srz" cut.clocks)" \
		'!($5 == "bind" && ++binds <= n) && !($5 == "cpu_frequency" && ++clocks <= m)' >"$T/part.dump"
	"$SCHEDREC" dump --from "$a" $G/$f.srz >"$T/want.dump"
	t_true "nothing was cut out" test -s "$T/part.dump"
	t_true "they differ: $(diff <(rebased "$T/want.dump") <(rebased "$T/part.dump") | head -n 2)" \
		cmp -s <(rebased "$T/want.dump") <(rebased "$T/part.dump")
	t_ok

	t_case "$f: cut in three and joined again, in any order, it is what it was"
	t_status 0 "$SCHEDREC" cut -q $G/$f.srz --to "$a" -o "$T/1.srz" && t_true "not quiet" test ! -s "$T/err"
	t_status 0 "$SCHEDREC" cut $G/$f.srz --from "$a" --to "$b" -o "$T/2.srz"
	t_status 0 "$SCHEDREC" cut $G/$f.srz --from "$b" -o "$T/3.srz"
	t_status 0 "$SCHEDREC" merge "$T/3.srz" "$T/1.srz" "$T/2.srz" -o "$T/all.srz" && t_one_line "$T/err"
	"$SCHEDREC" dump "$T/all.srz" >"$T/all.dump"
	t_true "they differ: $(diff "$T/$f.dump" "$T/all.dump" | head -n 2)" cmp -s "$T/$f.dump" "$T/all.dump"
	for key in events lost tasks repaired duration_ns; do
		t_equal "$key $(field $G/$f.srz $key)" "$key $(field "$T/all.srz" $key)"
	done
	t_ok

	t_case "$f: every command takes a part"
	for p in 1 2 3 all; do
		t_status 0 "$SCHEDREC" info "$T/$p.srz" && t_match '^integrity +complete' "$T/out"
		t_status 0 "$SCHEDREC" analyze "$T/$p.srz"
	done
	t_ok
done

f=$G/coded.srz
t_case "a part says where it comes from"
t_status 0 "$SCHEDREC" cut $f --from 500ms --to 1s -o "$T/part.srz" --json
t_match '"from_ns": 500000000,' "$T/out" && t_match '"to_ns": 1000000000,' "$T/out"
t_equal "$(sha256sum $f | cut -c -64)" "$(field "$T/part.srz" cut.source_sha256)"
t_equal "500000000 1000000000" "$(field "$T/part.srz" cut.from_ns) $(field "$T/part.srz" cut.to_ns)"
t_equal "500000000" "$(field "$T/part.srz" duration_ns)"
t_ok

t_case "parts that do not adjoin: the gap is told, on every CPU"
t_status 0 "$SCHEDREC" cut $f --to 500ms -o "$T/1.srz"
t_status 0 "$SCHEDREC" cut $f --from 1s -o "$T/2.srz"
t_status 0 "$SCHEDREC" merge "$T/1.srz" "$T/2.srz" -o "$T/gap.srz" && t_match 'warning: .* 500 ms are missing' "$T/err"
cpus=$(field "$T/2.srz" cpus)
lost=$(($(field "$T/1.srz" lost_places) + $(field "$T/2.srz" lost_places) + cpus))
t_equal "$lost" "$(field "$T/gap.srz" lost_places)"
t_status 0 "$SCHEDREC" dump "$T/gap.srz"
t_equal "$cpus" "$(grep -c '^1.000000000 .* lost count=[?] span_us=500000$' "$T/out")"
t_ok

t_case "recordings that overlap are refused, and nothing is written"
t_status 0 "$SCHEDREC" cut $f --from 400ms -o "$T/2.srz"
t_status 2 "$SCHEDREC" merge "$T/1.srz" "$T/2.srz" -o "$T/none.srz"
t_one_line "$T/err" && t_match 'overlap in time' "$T/err"
t_true "a file is there" test ! -e "$T/none.srz" -a ! -e "$T/none.srz.part"
t_ok

t_case "recordings of which nothing says that they belong together are refused"
t_status 2 "$SCHEDREC" merge $f $G/one-event.srz -o "$T/none.srz" && t_one_line "$T/err"
t_ok

t_case "an incomplete recording can be cut, and is said to be incomplete"
head -c $(($(stat -c %s $f) - 100)) $f >"$T/half.srz.part"
t_status 0 "$SCHEDREC" cut "$T/half.srz.part" --from 200ms -o "$T/part.srz" && t_match 'is incomplete' "$T/err"
t_status 0 "$SCHEDREC" info "$T/part.srz" && t_match '^integrity +complete' "$T/out"
t_ok

t_case "the recording that is cut or joined is never replaced"
cp $f "$T/same.srz"
ln "$T/same.srz" "$T/link.srz"
t_status 2 "$SCHEDREC" cut "$T/same.srz" --to 500ms -o "$T/link.srz" && t_one_line "$T/err"
t_status 2 "$SCHEDREC" cut "$T/half.srz.part" --from 200ms -o "$T/half.srz" && t_one_line "$T/err"
t_status 2 "$SCHEDREC" merge "$T/1.srz" "$T/same.srz" -o "$T/1.srz" && t_one_line "$T/err"
t_true "it was touched" cmp -s $f "$T/same.srz"
t_true "the part file is gone" test -s "$T/half.srz.part"
t_ok

t_case "a damaged recording: status 4, and what stood there before stays"
echo before >"$T/kept.srz"
cp $f "$T/hurt.srz"
printf x | dd of="$T/hurt.srz" bs=1 seek=$(($(stat -c %s $f) * 2 / 3)) conv=notrunc status=none
t_status 4 "$SCHEDREC" cut "$T/hurt.srz" --from 200ms -o "$T/kept.srz" && t_one_line "$T/err"
t_equal before "$(cat "$T/kept.srz")"
t_true "a part file is left" test ! -e "$T/kept.srz.part"
t_status 4 "$SCHEDREC" merge "$T/1.srz" "$T/hurt.srz" -o "$T/kept.srz" && t_one_line "$T/err"
t_equal before "$(cat "$T/kept.srz")"
t_ok

t_case "wrong usage ends with status 2"
t_status 2 "$SCHEDREC" cut $f --from 1us && t_match 'o OUT.srz' "$T/err"
t_status 2 "$SCHEDREC" cut $f --from 2us --to 2us -o "$T/none.srz"
t_status 2 "$SCHEDREC" cut $f --from 1h -o "$T/none.srz" && t_match 'behind its last event, which is at' "$T/err"
t_status 2 "$SCHEDREC" merge $f -o "$T/none.srz" && t_one_line "$T/err"
t_status 3 "$SCHEDREC" merge $f "$T/nowhere.srz" -o "$T/none.srz" && t_one_line "$T/err"
t_true "a file is there" test ! -e "$T/none.srz"
t_ok

t_done
