#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A corpus in a directory: what is pushed tells nothing of who pushed it, and is a recording that simulates as the original
# shellcheck source=tests/lib.sh
. tests/lib.sh

export XDG_CONFIG_HOME=$T/config XDG_CACHE_HOME=$T/cache
C=$T/corpus

# value FILE KEY: the first string of that name in JSON
value() {
	sed -nE "s/^ *\"$2\": \"([^\"]*)\",?\$/\1/p" "$1" | head -n 1
}

# Events without what scrubbing changes: names and the numbers of tasks.
events() {
	"$SCHEDREC" dump --no-names "$1" | sed -E 's/\?:[0-9]+/TASK/g; s/tid=[0-9]+/tid=/g; s/(comm|file|name)=.*//'
}

# A program with a name of its own, below a directory with another, by a user whose name is a third.
mkdir -p "$T/zz-secret-dir"
cp "$(command -v sleep)" "$T/zz-secret-dir/zzsecretprog"
cat >"$T/zz-secret-dir/zzsecretsh" <<'END'
#!/bin/bash
for i in 1 2 3 4 5; do
	("$(dirname "$0")/zzsecretprog" 0.02 & seq 3000 | sort -n | tail -n 1 & wait) >/dev/null
done
END
chmod +x "$T/zz-secret-dir/zzsecretsh"
SECRETS="zzsecretprog zzsecretsh zz-secret-dir zzlabel $(basename "$T")"

# record OUT: the program, on a host with a name of its own
record() {
	unshare -u sh -c 'echo zzsecrethost >/proc/sys/kernel/hostname && USER=zzsecretuser exec "$@"' sh \
		"$SCHEDREC" record -o "$1" --label zzlabel -- "$T/zz-secret-dir/zzsecretsh"
}

t_case "init makes a corpus once, and never of a directory with other things"
t_status 0 "$SCHEDREC" corpus init "$C" && t_status 0 "$SCHEDREC" corpus init "$C"
t_status 3 "$SCHEDREC" corpus init "$T" && t_one_line "$T/err"
t_status 3 "$SCHEDREC" corpus list "$T/none" && t_one_line "$T/err"
t_ok

t_case "without consent nothing is pushed"
t_status 2 "$SCHEDREC" corpus push "$C" tests/golden/load.srz && t_match 'consent' "$T/err"
t_status 0 "$SCHEDREC" corpus list "$C" && t_true "something is there" [ ! -s "$T/out" ]
t_ok

t_case "consent is asked on a terminal, once, with the licence"
if t_need script; then
	printf 'CC0-1.0\nyes\n' | script -qec "'$SCHEDREC' corpus push '$C' tests/golden/load.srz" /dev/null >"$T/said" 2>&1
	t_match 'Licence' "$T/said" && t_match 'do you agree' "$T/said" && t_match 'keys were pressed' "$T/said"
	t_status 0 "$SCHEDREC" corpus list "$C" --json && t_equal CC0-1.0 "$(value "$T/out" licence)"
	t_match '^consent 1 licence CC0-1.0$' "$T/config/schedrec/consent"
	t_status 0 "$SCHEDREC" corpus push -q "$C" tests/golden/attributes.srz
	printf 'no\n' | script -qec "'$SCHEDREC' corpus push '$C' tests/golden/coded.srz --licence CC-BY-4.0" /dev/null >"$T/said" 2>&1
	t_match 'not agreed: nothing was sent' "$T/said"
	t_equal 2 "$("$SCHEDREC" corpus list "$C" | grep -vc OBJECT)"
fi
t_ok

t_case "a real recording: what will leave is shown, and --dry-run sends nothing"
if t_need_tracefs && t_status 0 record "$T/real.srz"; then
	t_status 0 "$SCHEDREC" corpus push "$C" "$T/real.srz" --dry-run --all
	t_match 'zzsecretprog -> t[0-9a-f]{12}$' "$T/err" && t_match '^  values that stay here' "$T/err"
	t_match 'label zzlabel' "$T/err" && t_no_match '.{101}' "$T/err"
	t_equal 0 "$("$SCHEDREC" corpus list "$C" program=build | grep -vc OBJECT)"
fi
t_ok

t_case "a real recording is pushed, and recognised when it is pushed again"
if t_need_tracefs; then
	t_status 0 "$SCHEDREC" corpus push "$C" "$T/real.srz" --yes --licence CC-BY-4.0 --program build --json
	sha=$(value "$T/out" sha256) token=$(value "$T/out" token)
	t_match '"stored": true' "$T/out" && t_match '^[0-9a-f]{64}$' <(echo "$sha")
	t_true "the object has not its place" [ -f "$C/sha256/${sha:0:2}/$sha" ]
	t_equal "$sha" "$(sha256sum <"$C/sha256/${sha:0:2}/$sha" | cut -d' ' -f1)"
	t_status 0 "$SCHEDREC" corpus push "$C" "$T/real.srz" --yes && t_match "^$sha .*there already" "$T/out"
	t_true "scrubbed copies are left" [ -z "$(ls "$T/cache/schedrec/outgoing")" ]
fi
t_ok

t_case "no name, path, label, host or directory of the original is in what was pushed"
if t_need_tracefs; then
	o=$C/sha256/${sha:0:2}/$sha
	"$SCHEDREC" dump "$T/real.srz" >"$T/original" && "$SCHEDREC" info --json "$T/real.srz" >>"$T/original"
	for s in $SECRETS; do
		t_true "$s is not in the original" grep -q "$s" "$T/original"
	done
	for s in $SECRETS zzsecrethost zzsecretuser; do
		t_true "$s is in the bytes" [ "$(grep -c -a -F "$s" "$o")" -eq 0 ]
		t_true "$s is in the events" [ "$("$SCHEDREC" dump "$o" | grep -c -F "$s")" -eq 0 ]
		t_true "$s is in the rest" [ "$("$SCHEDREC" info --json "$o" | sed 1,2d | grep -c -F "$s")" -eq 0 ]
		t_true "$s is in the index" [ "$(cat "$C"/index/*.db | grep -c -a -F "$s")" -eq 0 ]
	done
	"$SCHEDREC" info --json "$o" | sed -n '/"meta": {/,$p' >"$T/meta"
	t_no_match '"(command|label|start.realtime_ns|kernel.cmdline|kernel.version|record.id|cgroup.path)"' "$T/meta"
	# Every name that is left is a pseudonym or of the kernel: by its form, or because a thread of the kernel here has it.
	ps -o comm= --ppid 2 -p 2 | sort -u >"$T/threads"
	"$SCHEDREC" dump "$o" | grep -oE '(comm|file)=[^ ]*' | cut -d= -f2 | sort -u |
		grep -vE '^(t[0-9a-f]{12}|schedrec|kworker/.*|ksoftirqd/.*|rcu_.*|migration/.*|swapper.*|jbd2|kcompactd.*)$' |
		grep -vxF -f "$T/threads" >"$T/names"
	t_true "names: $(tr '\n' ' ' <"$T/names")" [ ! -s "$T/names" ]
fi
t_ok

t_case "pull gives back what was pushed, from the cache the second time"
if t_need_tracefs; then
	t_status 0 "$SCHEDREC" corpus pull -q "$C" "${sha:0:12}" -o "$T/back.srz" --json && t_match '"cached": false' "$T/out"
	t_equal "$sha" "$(sha256sum <"$T/back.srz" | cut -d' ' -f1)"
	t_status 0 "$SCHEDREC" corpus pull -q "$C" program=build -C "$T" --json && t_match '"cached": true' "$T/out"
	t_true "the file" cmp -s "$T/back.srz" "$T/${sha:0:16}.srz"
	# A cache that somebody changed is not believed.
	printf x | dd of="$T/cache/schedrec/objects/$sha.srz" bs=1 seek=100 conv=notrunc 2>/dev/null
	t_status 0 "$SCHEDREC" corpus pull -q "$C" "$sha" -o "$T/back2.srz" --json && t_match '"cached": false' "$T/out"
	t_true "the file" cmp -s "$T/back.srz" "$T/back2.srz"
fi
t_ok

t_case "events and their simulation are the original's, but for names and numbers"
if t_need_tracefs; then
	t_true "events differ" cmp -s <(events "$T/real.srz") <(events "$T/back.srz")
	for p in kernel domain bld; do
		t_status 0 "$SCHEDREC" simulate -q "$T/real.srz" --policy $p --machine smt-2x2 --seed 3 -o "$T/a-$p.srz"
		t_status 0 "$SCHEDREC" simulate -q "$T/back.srz" --policy $p --machine smt-2x2 --seed 3 -o "$T/b-$p.srz"
		t_true "$p: no events" [ "$(events "$T/a-$p.srz" | wc -l)" -gt 100 ]
		t_true "$p: simulations differ" cmp -s <(events "$T/a-$p.srz") <(events "$T/b-$p.srz")
	done
	t_true "metrics differ" cmp -s <("$SCHEDREC" analyze --csv "$T/real.srz" | cut -d, -f2-) <("$SCHEDREC" analyze --csv "$T/back.srz" | cut -d, -f2-)
fi
t_ok

t_case "list and search by kernel, duration, features"
if t_need_tracefs; then
	t_status 0 "$SCHEDREC" corpus list "$C" program=build duration=1ms..1h "kernel=$(uname -r | cut -d. -f1)" switch_rate=1.. --json
	t_equal "$sha" "$(value "$T/out" sha256)" && t_match '"switch_rate": ' "$T/out"
	t_status 0 "$SCHEDREC" corpus list "$C" program=build duration=1h.. && t_true "found" [ ! -s "$T/out" ]
	t_status 0 "$SCHEDREC" corpus show "$C" "${sha:0:8}" && t_match '^program +build' "$T/out" && t_no_match '.{101}' "$T/out"
	t_status 2 "$SCHEDREC" corpus list "$C" nonsense && t_one_line "$T/err"
	t_status 3 "$SCHEDREC" corpus show "$C" ffffffff && t_one_line "$T/err"
fi
t_ok

t_case "a sample stands for all of it, each time the same"
t_status 0 "$SCHEDREC" corpus push -q "$C" tests/golden/load.srz tests/golden/attributes.srz tests/golden/many-cpus.srz --yes
n=$("$SCHEDREC" corpus list "$C" | grep -vc OBJECT)
t_status 0 "$SCHEDREC" corpus sample "$C" -n 2 --json
cp "$T/out" "$T/sample"
t_equal 2 "$(grep -c '"weight"' "$T/sample")"
t_equal "$n" "$(sed -nE 's/^ *"traces": ([0-9]+),?$/\1/p' "$T/sample" | awk '{ n += $1 } END { print n }')"
t_status 0 "$SCHEDREC" corpus sample "$C" -n 2 --json && t_true "another sample" cmp -s "$T/out" "$T/sample"
mkdir "$T/in"
t_status 0 "$SCHEDREC" corpus pull "$C" --sample 2 -C "$T/in" && t_equal 2 "$(find "$T/in" -name '*.srz' | wc -l)"
t_status 2 "$SCHEDREC" corpus pull "$C" --sample 2 --limit 3 -C "$T/in" && t_one_line "$T/err"
t_ok

t_case "verify: nothing found, then a changed object, one that is gone, one too many"
t_status 0 "$SCHEDREC" corpus verify "$C" && t_true "findings" [ ! -s "$T/out" ]
mapfile -t all < <("$SCHEDREC" corpus list "$C" --json | sed -nE 's/^ *"sha256": "([0-9a-f]*)",?$/\1/p')
o=$C/sha256/${all[0]:0:2}/${all[0]}
cp -p "$o" "$T/kept" && chmod u+w "$o"
printf '\377' | dd of="$o" bs=1 seek=200 conv=notrunc 2>/dev/null
t_status 1 "$SCHEDREC" corpus verify "$C" && t_match "^${all[0]}: .*damaged" "$T/out" && t_equal 1 "$(wc -l <"$T/out")"
rm -rf "$T/cache"
t_status 4 "$SCHEDREC" corpus pull "$C" "${all[0]}" -C "$T/in" && t_one_line "$T/err"
rm -f "$o"
t_status 1 "$SCHEDREC" corpus verify "$C" --json && t_match 'not there' "$T/out" && t_match "\"objects\": $n" "$T/out"
cp -p "$T/kept" "$o"
cp "$o" "$C/sha256/${all[0]:0:2}/${all[0]:0:60}ffff"
t_status 1 "$SCHEDREC" corpus verify "$C" && t_match 'has no row' "$T/out"
rm "$C/sha256/${all[0]:0:2}/${all[0]:0:60}ffff"
: >"$C/sha256/${all[0]:0:2}/"$'\e[31mred'
t_status 1 "$SCHEDREC" corpus verify "$C" && t_match 'red is no object' "$T/out" && t_no_match $'\e' "$T/out"
rm "$C/sha256/${all[0]:0:2}/"$'\e[31mred'
t_status 0 "$SCHEDREC" corpus verify "$C"
t_ok

t_case "remove takes the token"
if t_need_tracefs; then
	t_status 2 "$SCHEDREC" corpus remove "$C" "$sha" --token "${token%?}x" && t_one_line "$T/err"
	t_status 0 "$SCHEDREC" corpus show "$C" "$sha"
	t_status 0 "$SCHEDREC" corpus remove "$C" "$sha" --token "$token"
	t_status 3 "$SCHEDREC" corpus show "$C" "$sha"
	t_true "the object is there" [ ! -e "$C/sha256/${sha:0:2}/$sha" ]
	# Pushed again it has a token of its own, which is kept.
	t_status 0 "$SCHEDREC" corpus push -q "$C" "$T/real.srz" --yes
	t_status 2 "$SCHEDREC" corpus remove "$C" "$sha" --token "$token"
	t_status 0 "$SCHEDREC" corpus remove "$C" "${sha:0:10}"
fi
t_ok

t_case "of an object in two corpora each has its token, and remove takes the right one"
f=tests/golden/two-streams.srz
t_status 0 "$SCHEDREC" corpus init "$T/other"
t_status 0 "$SCHEDREC" corpus push -q "$C" $f --yes --json && two=$(value "$T/out" sha256)
t_status 0 "$SCHEDREC" corpus push -q "$T/other/" $f --yes --json && t_match "$two" "$T/out" && t_match '"stored": true' "$T/out"
t_status 0 "$SCHEDREC" corpus remove "$C" "$two"
t_status 0 "$SCHEDREC" corpus remove "$T/../$(basename "$T")/other" "$two"
t_ok

t_case "pull follows no link that somebody put in its way, and two may pull at the same time"
mkdir "$T/shared" && echo kept >"$T/victim"
one=$("$SCHEDREC" corpus list "$C" --json | sed -nE 's/^ *"sha256": "([0-9a-f]*)",?$/\1/p' | head -n 1)
ln -s ../victim "$T/shared/${one:0:16}.srz.part"
for _ in 1 2 3 4; do
	"$SCHEDREC" corpus pull -q "$C" "$one" -C "$T/shared" >/dev/null 2>>"$T/pull.err" &
	pulls+=($!)
done
for p in "${pulls[@]}"; do
	wait "$p" || t_fail "$(tail -n 1 "$T/pull.err")"
done
t_equal kept "$(cat "$T/victim")"
t_equal "$one" "$(sha256sum <"$T/shared/${one:0:16}.srz" | cut -d' ' -f1)"
t_equal 2 "$(find "$T/shared" -mindepth 1 | wc -l)"
t_ok

t_case "pushes from containers that share a home and have the same process ids do not meet"
t_need unshare && t_need_root && {
	files=(tests/golden/{load,attributes,coded,ties,two-streams,many-cpus}.srz)
	for f in "${files[@]}"; do
		unshare -fp "$SCHEDREC" corpus push -q "$T/other" "$f" --yes >/dev/null 2>>"$T/push.err" &
		pushes+=($!)
	done
	for p in "${pushes[@]}"; do
		wait "$p" || t_fail "$(tail -n 1 "$T/push.err")"
	done
	t_status 0 "$SCHEDREC" corpus verify "$T/other" && t_equal "${#files[@]}" "$("$SCHEDREC" corpus list "$T/other" | grep -vc OBJECT)"
}
t_ok

t_case "an interrupted push leaves nothing, and is repeated"
if t_need_tracefs; then
	# The shell tells of what was killed.
	exec 3>&2 2>/dev/null
	for d in 0.01 0.05 0.1 0.2; do
		timeout -s INT $d "$SCHEDREC" corpus push -q "$C" "$T/real.srz" --yes >/dev/null 2>&1
		{ timeout -s KILL $d "$SCHEDREC" corpus push -q "$C" "$T/real.srz" --yes; } >/dev/null 2>&1
	done
	exec 2>&3 3>&-
	t_status 0 "$SCHEDREC" corpus push -q "$C" "$T/real.srz" --yes && t_match "^$sha" "$T/out"
	t_status 0 "$SCHEDREC" corpus verify "$C" && t_equal 0 "$(find "$C/incoming" -type f | wc -l)"
fi
t_ok

t_case "what is damaged, cut or no recording is not pushed"
head -c 2000 tests/golden/load.srz >"$T/cut.srz"
t_status 4 "$SCHEDREC" corpus push -q "$C" "$T/cut.srz" --yes && t_one_line "$T/err"
t_status 4 "$SCHEDREC" corpus push -q "$C" README.md --yes && t_one_line "$T/err"
t_status 3 "$SCHEDREC" corpus push -q "$C" "$T/nothing.srz" --yes && t_one_line "$T/err"
t_ok

t_case "a salt that is none is refused: other pseudonyms would not be noticed"
echo nonsense >"$T/config/schedrec/salt"
t_status 4 "$SCHEDREC" corpus push -q "$C" tests/golden/load.srz --yes && t_one_line "$T/err"
t_ok

t_done
