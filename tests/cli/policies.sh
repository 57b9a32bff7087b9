#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# schedrec policies, energy tables, and what policies tell of a run
# shellcheck source=tests/lib.sh
. tests/lib.sh

ONE=tests/golden/attributes.srz # one task, recorded on CPUs 0 to 3

t_case "each policy of the list is told of alone, in lines of at most 100 columns"
t_status 0 "$SCHEDREC" policies
names=$(sed -nE 's/^([a-z][^ ]*) .*/\1/p' "$T/out")
t_equal 9 "$(wc -w <<<"$names")"
for name in $names; do
	t_status 0 "$SCHEDREC" policies "$name" && t_match "^$name: " "$T/out" && t_match '^Cost of a decision: ' "$T/out" &&
		t_match '^Source: ' "$T/out" && t_no_match '^.{101}' "$T/out"
done
t_ok

t_case "options are told with their defaults, and a sum of it as JSON"
t_status 0 "$SCHEDREC" policies eas && t_match '^  margin=yes\|no \(default: yes\)$' "$T/out" &&
	t_status 0 "$SCHEDREC" policies --json eas && t_match '"default": "yes"' "$T/out" && t_match '"tick_ns": 4000000' "$T/out"
t_need python3 && for name in '' bld; do
	# shellcheck disable=SC2086
	t_status 0 "$SCHEDREC" policies --json $name && t_true "no JSON" python3 -m json.tool "$T/out" >/dev/null
done
t_ok

t_case "an unknown policy, two at a time"
t_status 2 "$SCHEDREC" policies nothing && t_one_line "$T/err" && t_match 'there are kernel, recorded,' "$T/err" &&
	t_status 2 "$SCHEDREC" policies bld eas && t_one_line "$T/err"
t_ok

# All CPUs of this machine with these points.
table() {
	echo "cpus 0-$(($(getconf _NPROCESSORS_CONF) - 1))"
	printf 'opp %s\n' "$@"
}

t_case "an energy table that is missing or wrong ends a replay before it begins"
table "512 100" "1024 x" >"$T/wrong"
for policy in "kernel --energy $T" "eas:energy=$T"; do
	# shellcheck disable=SC2086
	t_status 3 "$SCHEDREC" replay -q --self $ONE --policy $policy/none && t_one_line "$T/err" && t_match 'none: No such' "$T/err" &&
		t_status 4 "$SCHEDREC" replay -q --self $ONE --policy $policy/wrong && t_one_line "$T/err" &&
		t_match 'wrong:3: an operating point is' "$T/err"
done
t_ok

# With any architecture's capacities: those that the replay says are not this machine's are tried.
t_case "eas takes the table of --energy, and what it went by is told"
table "512 100" "1024 1000" >"$T/table"
t_status "0|4" "$SCHEDREC" replay -q --self --json --energy "$T/table" --policy eas $ONE
if grep -q 'has [0-9]*$' "$T/err"; then
	t_skip "the CPUs of this machine do not all have the full capacity"
else
	t_match '"energy_estimated_by": "'"$T/table"'"' "$T/out" && t_match '"eas_by_load": [1-9]' "$T/out" &&
		t_match 'warning: eas: [0-9]+ placements were by load: all CPUs of this machine have one capacity' "$T/err" &&
		t_no_match '"energy_j"' "$T/out" # it recorded itself: who ran when is not known
fi
t_ok

t_case "recorded tells how many placements had no CPU here"
t_status 0 "$SCHEDREC" replay -q --self --json --force --cpus 0 --policy recorded tests/golden/many-cpus.srz &&
	t_match '"recorded_cpu_lacking": [1-9]' "$T/out" &&
	t_match 'warning: recorded: [1-9][0-9]* placements were recorded on CPUs that this machine lacks' "$T/err"
t_ok

t_done
