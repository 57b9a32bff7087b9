#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# energy_j: what a replay's busy time comes to by a table
# shellcheck source=tests/lib.sh
. tests/lib.sh

cpus=$(($(getconf _NPROCESSORS_CONF) - 1))
capacity=$(cat /sys/devices/system/cpu/cpu0/cpu_capacity 2>/dev/null || echo 1024)

# value NAME: of the metric, in each run of $T/out.
value() {
	sed -n '/"runs"/,$s/^ *"'"$1"'": \([0-9.e+-]*\),*$/\1/p' "$T/out"
}
# A joule a second of busy time, then a millijoule.
printf 'cpus 0-%d\nopp %d 1000\n' "$cpus" "$capacity" >"$T/one"
printf 'cpus 0-%d\nopp %d 1\n' "$cpus" "$capacity" >"$T/thousandth"

t_case "with one point of 1 W joules are seconds of CPU time"
t_need_tracefs && t_status 0 "$SCHEDREC" record -q -o "$T/x.srz" -- sh -c 'seq 300000 | sort -n | tail -n 1' &&
	t_status 0 "$SCHEDREC" replay -q --json --energy "$T/one" --policy kernel,bld "$T/x.srz" &&
	t_equal 2 "$(value energy_j | wc -l)" &&
	t_true "$(value energy_j | tr '\n' ' ') J for $(value cpu_time_ns | tr '\n' ' ') ns" \
		awk 'NR == FNR { ns[NR] = $1; next } { if ($1 < ns[FNR] * 0.98e-9 || $1 > ns[FNR] * 1.02e-9) exit 1; n++ }
			END { exit n != 2 }' <(value cpu_time_ns) <(value energy_j)
t_ok

t_case "eas has a table without one being given, its own before that of --energy"
if t_need_tracefs; then
	t_status 0 "$SCHEDREC" replay -q --json --policy "bld,eas,eas:energy=$T/one" "$T/x.srz" &&
		t_equal 2 "$(value energy_j | wc -l)" && t_match '"energy_estimated_by": "the CPUs. capacities"' "$T/out"
	t_status 0 "$SCHEDREC" replay -q --json -o "$T/%p.srz" --energy "$T/thousandth" --policy "eas:energy=$T/one,eas" "$T/x.srz" &&
		t_true "energies: $(value energy_j | tr '\n' ' ')" \
			awk '{ v[NR] = $1 } END { exit !(NR == 2 && v[1] > 100 * v[2]) }' <(value energy_j) &&
		"$SCHEDREC" info --json "$T/eas.srz" >"$T/info" && t_match "\"replay.policy_options\": \"energy=$T/thousandth\"" "$T/info" &&
		t_match "\"replay.energy_table\": \"$T/thousandth\"" "$T/info"
fi
t_ok

t_case "the table says that it is an estimate"
t_need_tracefs && t_status 0 "$SCHEDREC" replay -q --policy eas "$T/x.srz" && t_match '^energy_j .* J$' "$T/out" &&
	t_match '^energy_j is an estimate by the CPUs. capacities$' "$T/out"
t_ok

t_done
