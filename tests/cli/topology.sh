#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# topology: machines and their scheduling domains, drawn
# shellcheck source=tests/lib.sh
. tests/lib.sh

topology() {
	"$SCHEDREC" topology "$@"
}

presets() {
	"$SCHEDREC" topology --presets --json | sed -n 's/^    "name": "\(.*\)",$/\1/p'
}

t_case "two hyper-threading packages are drawn as in 2004"
cat >"$T/want" <<'END'
smt-2x2: 2 cores, 4 CPUs, 2 packages, 1 node

2 x package, core of 2 threads, L2 512 KiB: CPUs 0-1; 2-3

CPU: CPUs 0-3
  interval 1 to 4 ms, busy x64; imbalance 125 %; hot 2.50 ms; push at failure 4
  flags: newidle exec clone wake_affine wake_balance
  +-----------+-----------+
  | 0-1       | 2-3       |
  | power 140 | power 140 |
  +-----------+-----------+

SIBLING, 2 spans alike: CPUs 0-1; 2-3
  interval 1 to 2 ms, busy x8; imbalance 110 %; hot 0; push at failure 3
  flags: newidle exec clone wake_idle wake_affine share_cpupower
  +-----------+-----------+
  | 0         | 1         |
  | power 128 | power 128 |
  +-----------+-----------+
END
t_status 0 topology --machine smt-2x2 && t_equal "" "$(diff "$T/want" "$T/out")"
t_ok

t_case "a laptop's tree: kinds of cores, clusters, what is alike on one line"
cat >"$T/want" <<'END'
package, L3 24 MiB: CPUs 0-19
    6 x core of 2 threads, L2 2 MiB (P): CPUs 0-1; 2-3; 4-5; 6-7; 8-9; 10-11
    2 x cluster, L2 2 MiB: CPUs 12-15; 16-19
        4 x core, capacity 620 (E): CPUs 12-15
END
t_status 0 topology --machine hybrid-6x2+8 && t_equal "" "$(sed -n 3,6p "$T/out" | diff "$T/want" -)"
t_ok

t_case "every preset, with each kind of levels, stays within 100 columns and a few screens"
presets >"$T/presets"
t_true "no presets" [ "$(wc -l <"$T/presets")" -ge 16 ]
while read -r m; do
	for policy in domain domain:levels=full,degenerate=keep domain:preset=modern; do
		t_status 0 topology --machine "$m" --policy "$policy" && t_no_match '.{101}' "$T/out" && t_equal "$m" "$(sed '1s/: .*//;q' "$T/out")" &&
			t_true "$m: $(wc -l <"$T/out") lines" [ "$(wc -l <"$T/out")" -lt 90 ]
		t_status 0 topology --machine "$m" --policy "$policy" --cpu 0 && t_no_match '.{101}' "$T/out"
	done
done <"$T/presets"
t_ok

t_case "of 1,024 CPUs what is alike is drawn once"
t_status 0 topology --machine numa-8x64x2 --policy domain:levels=full &&
	t_match '^8 x package, node, L3 96 MiB: CPUs 0-127; 128-255; .*; 896-1023$' "$T/out" &&
	t_match '^NUMA, distance 31: CPUs 0-1023$' "$T/out" && t_match '\| 61 alike \|' "$T/out" &&
	t_match '^ +7 +31 +31 +31 +31 +21 +21 +21 +10$' "$T/out"
t_ok

t_case "one CPU's domains, its own groups marked"
t_status 0 topology --machine numa-8x64x2 --cpu 700 && t_match '\| \*640-767 ' "$T/out" && t_match '\| \*700-701 ' "$T/out" &&
	t_match '\| \*700  ' "$T/out" && t_no_match '^distances' "$T/out"
t_ok

t_case "options of the policy change what is drawn"
t_status 0 topology --machine smt-2x2 --policy domain:preset=modern &&
	t_match 'interval 4 to 8 ms, busy x16; imbalance 117 %; hot 500 us; push at failure 4' "$T/out" &&
	t_match '^SMT, 2 spans alike' "$T/out"
t_status 0 topology --machine smt-2x2 --policy domain:hot-time=cache && t_match 'hot 2.00 ms' "$T/out"
t_ok

t_case "a ring of nodes is drawn from each side"
t_status 0 topology --machine numa-4x4 --policy domain:levels=full &&
	t_match '^NUMA, distance 16, seen from nodes 0-3 alike: CPUs 0-7,12-15; 0-11; 4-15; 0-3,8-15$' "$T/out"
t_ok

t_case "a node none of whose CPUs can be used looks at nothing"
topology --machine numa-4x4 --xml "$T/ring.xml" >/dev/null
sed -i '0,/<object type="Machine"[^>]*>/s//&<info name="IsolatedCPUs" value="12-15"\/>/' "$T/ring.xml"
t_status 0 topology --machine "$T/ring.xml" --policy domain:levels=full &&
	t_match '^NUMA, distance 16, seen from nodes 0,2 alike: CPUs 0-7; 4-11$' "$T/out"
t_ok

t_case "a thousand nodes with as many distances as there are pairs are told in a few lines, and at once"
awk 'BEGIN {
	n = 1024
	print "<topology version=\"2.0\"><object type=\"Machine\" os_index=\"0\">"
	for (i = 0; i < n; i++) {
		set = "0x" sprintf("%08x", 2 ^ (i % 32))
		for (k = 0; k < int(i / 32); k++)
			set = set ",0x0"
		printf "<object type=\"NUMANode\" os_index=\"%d\" cpuset=\"%s\"/><object type=\"PU\" os_index=\"%d\"/>\n", i, set, i
	}
	print "</object><distances2 type=\"NUMANode\" nbobjs=\"" n "\" kind=\"5\" indexing=\"os\"><indexes length=\"1\">"
	for (i = 0; i < n; i++)
		printf "%d ", i
	print "</indexes><u64values length=\"1\">"
	for (i = 0; i < n * n; i++)
		printf "%d ", i % (n + 1) ? 20 + i : 10
	print "</u64values></distances2></topology>"
}' >"$T/far.xml"
t_status 0 timeout 60 "$SCHEDREC" topology --machine "$T/far.xml" && t_match '^ *1048594: 1 pair$' "$T/out" && t_match '^ +10: 1024 pairs$' "$T/out" &&
	t_true "$(wc -l <"$T/out") lines" [ "$(wc -l <"$T/out")" -lt 200 ]
t_ok

cat >"$T/some.xml" <<'END'
<topology version="2.0">
  <object type="Machine" os_index="0" cpuset="0x0000004f" complete_cpuset="0x0000007f" allowed_cpuset="0x0000004b">
    <info name="HostName" value="secret"/><info name="IsolatedCPUs" value="3"/>
    <object type="NUMANode" os_index="0" cpuset="0xf...f"/>
    <object type="PU" os_index="0"/><object type="PU" os_index="1"/><object type="PU" os_index="2"/>
    <object type="PU" os_index="3"/><object type="PU" os_index="6"/>
  </object>
</topology>
END
t_case "CPUs that are switched off, isolated or not allowed are told, and in no domain"
t_status 0 topology --machine "$T/some.xml" && t_match '^switched off: CPUs 4-5$' "$T/out" &&
	t_match '^isolated, used only when named: CPUs 3$' "$T/out" && t_match '^not for this process: CPUs 2$' "$T/out" &&
	t_match '^CPU: CPUs 0-1,6$' "$T/out"
for cpu in "2 not for this process" "3 isolated" "4 switched off" "9 no such CPU" "0-1 one CPU at a time" "x not a list"; do
	t_status 2 topology --machine "$T/some.xml" --cpu "${cpu%% *}" && t_one_line "$T/err" && t_match "${cpu#* }" "$T/err"
done
t_ok

t_case "--xml writes what loads again the same, for every preset, this machine and a file"
{ cat "$T/presets" && echo this && echo "$T/some.xml"; } | while read -r m; do
	topology --machine "$m" --xml "$T/a.xml" >"$T/line" && topology --machine "$T/a.xml" --xml "$T/b.xml" >/dev/null &&
		cmp -s "$T/a.xml" "$T/b.xml" && topology --machine "$m" --json | grep -v '^  "machine"' >"$T/a.json" &&
		topology --machine "$T/a.xml" --json | grep -v '^  "machine"' | cmp -s - "$T/a.json" || echo "$m"
done >"$T/differ"
t_true "$(tr '\n' ' ' <"$T/differ")" [ ! -s "$T/differ" ]
topology --machine "$T/some.xml" --xml "$T/a.xml" >"$T/line"
t_one_line "$T/line" && t_match '^.*a\.xml: 5 cores' "$T/line" && t_no_match 'secret' "$T/a.xml" && t_match 'IsolatedCPUs' "$T/a.xml"
t_ok

t_case "JSON has the machine and its domains"
t_need python3 && t_status 0 topology --machine biglittle-1+3+4 --json --cpu 7 &&
	t_equal "250 870 1024 prime 4096 1 8 118,0-7" "$(python3 -c '
import json, sys
t = json.load(open(sys.argv[1]))
c = t["cpus"]
s = t["levels"][-1]["spans"]
print(c[0]["capacity"], c[4]["capacity"], c[7]["capacity"], c[7]["kind"], c[7]["l3_kib"], len(s), len(s[0]["groups"]),
      "%d,%s" % (s[0]["groups"][0]["power"] + 87, s[0]["cpus"]))' "$T/out")"
t_ok

t_case "affinity narrows this machine"
t_need taskset python3 && [ "$(nproc)" -gt 1 ] && first=$(taskset -cp $$ | sed 's/.*: \([0-9]*\).*/\1/') &&
	t_status 0 taskset -c "$first" "$SCHEDREC" topology --json &&
	t_equal "$first 1" "$(python3 -c '
import json, sys
t = json.load(open(sys.argv[1]))
on = [c["cpu"] for c in t["cpus"] if c["online"]]
print(*on, len(on))' "$T/out")"
[ "$(nproc)" -gt 1 ] || t_skip "there is one CPU"
t_ok

t_case "what it cannot draw is said in a line"
t_status 2 topology --machine smt-3x3 && t_one_line "$T/err" && t_match 'hybrid-6x2\+8' "$T/err"
t_status 2 topology --policy bld && t_one_line "$T/err" && t_match 'only domain' "$T/err"
t_status 2 topology --policy domain:colour=red && t_one_line "$T/err"
t_status 2 topology smt-2x2 && t_one_line "$T/err" && t_match 'named with --machine' "$T/err"
t_status 3 topology --machine "$T/none.xml" && t_one_line "$T/err"
t_status 3 topology --xml /nowhere/x.xml && t_one_line "$T/err"
t_status 4 topology --machine tests/lib.sh && t_one_line "$T/err"
t_status 3 bash -c '"$1" topology --xml /dev/full' sh "$SCHEDREC" && t_one_line "$T/err"
t_ok

t_done
