#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# replay: arms, the order of their rounds, as many as it takes, an arm against itself
. tests/lib.sh
t_timing

db=$T/runs.db
sql() {
	sqlite3 "$db" "$1"
}
replay() {
	"$SCHEDREC" replay -q --self --force tests/golden/load.srz --db "$db" "$@"
}

t_case "arms differ in what they say, and are told apart in the database"
t_need sqlite3 && {
	t_status 0 replay --label both --repeat 3 --arm '' --arm '--work-scale 1.5  --nice-offset 3' --arm '--policy random --label r'
	t_equal 'kernel|both|,kernel|both|nice-offset=3 work-scale=1.5,random|r|' \
		"$(sql "select distinct policy, label, arm from run where engine = 'live' order by policy, arm" | paste -sd,)"
	t_equal 9 "$(sql "select count(*) from run where engine = 'live'")"
	t_match '^column 2: kernel nice-offset=3 work-scale=1.5$' "$T/out" && t_no_match '^.{101}' "$T/out"
}
t_ok

t_case "each round runs every arm once, one after the other"
t_need sqlite3 && t_equal '0 0 2 3,1 3 5 3,2 6 8 3' \
	"$(sql "select repeat || ' ' || min(order_slot) || ' ' || max(order_slot) || ' ' || count(distinct policy ||
		coalesce(arm, '')) from run where engine = 'live' group by repeat order by repeat" | paste -sd,)"
t_ok

# drawn NAME OPTION...: which arm came when, into $T/NAME.
drawn() {
	local name=$1
	shift

	rm -f "$T/turns.db"
	t_status 0 "$SCHEDREC" replay -q --self --force tests/golden/load.srz --no-stall --work time --work-scale 0.01 --db "$T/turns.db" \
		--arm '--label a' --arm '--label b' --arm '--label c' "$@"
	sqlite3 "$T/turns.db" "select repeat, order_slot, label from run where engine = 'live' order by order_slot" >"$T/$name"
}

t_case "the order is drawn: anew for each call, or from what is given, also in parts"
if t_need sqlite3; then
	drawn one --repeat 8
	drawn two --repeat 8
	drawn given --repeat 8 --turns-seed 'night one'
	drawn again --repeat 8 --turns-seed 'night one'
	drawn rest --repeat 3 --first-round 5 --turns-seed 'night one'
	t_true "two calls have the same order" sh -c "! cmp -s '$T/one' '$T/two'"
	t_true "one seed has two orders" cmp "$T/given" "$T/again"
	t_equal 24 "$(wc -l <"$T/given")"
	t_true "a part of the series has another order" sh -c "tail -n 9 '$T/given' | cmp - '$T/rest'"
fi
t_ok

t_case "a recording is not replaced by a run of it"
cp tests/golden/load.srz "$T/run-kernel-2.srz"
for c in replay simulate; do
	t_status 2 "$SCHEDREC" $c -q "$T/run-kernel-2.srz" -o "$T/run-kernel-2.srz" && t_one_line "$T/err" && t_match 'would replace' "$T/err"
	t_status 2 "$SCHEDREC" $c -q "$T/run-kernel-2.srz" --policy random,kernel --repeat 2 -o "$T/run-%p-%r.srz" && t_match 'would replace' "$T/err"
done
t_true "it is another" cmp tests/golden/load.srz "$T/run-kernel-2.srz"
t_ok

t_case "more work takes longer"
t_need sqlite3 && t_equal 1 "$(sql "select (select avg(value) from metric join run on run.id = run_id
	where name = 'cpu_time_ns' and arm like '%work-scale%') between 1.3 * m and 1.7 * m from
	(select avg(value) as m from metric join run on run.id = run_id
	where name = 'cpu_time_ns' and arm is null and policy = 'kernel' and engine = 'live')")"
t_ok

t_case "each run has its series, when it began, and the machine's conditions"
t_need sqlite3 && {
	t_equal 1 "$(sql "select count(distinct series) from run where engine = 'live'")"
	t_equal 9 "$(sql "select count(*) from run join host on run.id = run_id where boot_id is not null
		and cmdline_sha256 is not null and load1 >= 0 and started_at like '____-__-__T__:__:__.___Z'")"
	t_equal 9 "$(sql "select count(distinct started_at) from run where engine = 'live'")"
}
t_ok

t_case "auto: a plain difference ends it at the first look, and compare knows how often it could have ended"
t_need sqlite3 && {
	t_status 0 replay --repeat auto:16 --margin 2 --arm '--label one' --arm '--label two --work-scale 4'
	t_match '^(8|12|14|16) rounds: ' "$T/out"
	t_equal 4 "$(sql "select distinct looks from run where label = 'two'")"
	t_status 1 "$SCHEDREC" compare --db "$db" --json label=one label=two
	t_equal regressed "$(sqlite3 :memory: "select json_extract(value, '\$.verdict') from json_each(readfile('$T/out'))
		where json_extract(value, '\$.metric') = 'cpu_time_ns'")"
	t_equal 4 "$(sqlite3 :memory: "select distinct json_extract(value, '\$.looks') from json_each(readfile('$T/out'))")"
}
t_ok

t_case "--aa stores noise floors, and its runs are no arm of anything else"
t_need sqlite3 && {
	t_status 0 replay --aa --repeat 6 --label noise
	t_match 'each arm against itself, 6 rounds: their noise floors are stored' "$T/out"
	t_equal '6 6' "$(sql "select sum(arm = 'aa 1') || ' ' || sum(arm = 'aa 2') from run where label = 'noise'")"
	t_equal 1 "$(sql "select count(*) from noise where metric = 'cpu_time_ns' and rounds = 6 and floor >= abs(shift)
		and lo <= shift and shift <= hi")"
	t_status 0 replay --aa --repeat 6 --label pinned --arm '--cpus 0'
	t_equal '- cpus=0' "$(sql "select coalesce(arm, '-') from noise where metric = 'makespan_ns' order by measured_at" | paste -sd' ')"
	t_status '0|1' "$SCHEDREC" compare --db "$db" 'arm=aa 1,label=noise' 'arm=aa 2,label=noise'
	t_status '0|1' "$SCHEDREC" compare --db "$db" 'label=both,arm=' 'label=noise,arm=aa 1'
}
t_ok

t_case "arms run one after the other are no evidence"
t_need sqlite3 && {
	t_status 0 replay --repeat 6 --label first
	t_status 0 replay --repeat 6 --label second --work-scale 2
	sql "update run set arm = null where label = 'second'"
	t_status 0 "$SCHEDREC" compare --db "$db" label=first label=second
	t_match 'not interleaved' "$T/err" && t_match '^cpu_time_ns .* unknown, \+6$' "$T/out"
	t_status 1 "$SCHEDREC" compare --db "$db" --strict label=first label=second
}
t_ok

t_case "runs stored from their files are the same evidence"
t_need sqlite3 && {
	t_status 0 "$SCHEDREC" replay -q --self --force tests/golden/load.srz --repeat 6 -o "$T/run-%p-%r.srz" \
		--arm '--label p' --arm '--label q --work-scale 3'
	for f in "$T"/run-[pq]-*.srz; do
		t_status 0 "$SCHEDREC" analyze "$f" --db "$T/files.db"
	done
	t_status 1 "$SCHEDREC" compare --db "$T/files.db" --json -m cpu_time_ns label=p label=q
	t_match '"evidence": "paired"' "$T/out" && t_match '"verdict": "regressed"' "$T/out"
	t_equal work-scale=3 "$(sqlite3 "$T/files.db" "select distinct arm from run where label = 'q'")"
}
t_ok

t_case "runs stored from their files tell how often their series could have ended"
t_need sqlite3 && {
	t_status 0 replay --repeat auto:12 -o "$T/auto-%p-%r.srz" --arm '--label u' --arm '--label v --work-scale 3'
	for f in "$T"/auto-[uv]-*.srz; do
		t_status 0 "$SCHEDREC" analyze "$f" --db "$T/auto.db"
	done
	want=$(sql "select distinct looks from run where label = 'u'")
	t_true "its looks are not stored: $want" [ "$want" -gt 1 ] && t_equal "$want" "$(sqlite3 "$T/auto.db" "select distinct looks from run")"
}
t_ok

t_case "simulations have arms too"
t_status 0 "$SCHEDREC" simulate -q --force tests/golden/load.srz --arm '' --arm '--cpus 0' --json
t_match '"arm": "cpus=0"' "$T/out"
t_status 2 "$SCHEDREC" simulate -q --force tests/golden/load.srz --arm '--work-scale 2' && t_match 'work-scale' "$T/err"
t_ok

# numbers FILE KEY: all of that name, in one line
numbers() {
	sed -nE "s/^ *\"$2\": ([0-9]+),?\$/\1/p" "$1" | paste -sd' '
}

t_case "a part of a longer series has that one's numbers, and the drift that was asked for"
t_status 0 "$SCHEDREC" replay -q --self --force tests/golden/load.srz --json --first-round 10 --repeat 2 --work time \
	--work-drift 100
t_equal '10 11' "$(numbers "$T/out" round)"
t_match '"self_recorded_why": "--self"' "$T/out" && t_match '"doubt": (null|".+")' "$T/out"
owed=$(numbers "$T/out" owed_ns)
t_true "the last run owes twice as much: $owed" awk "BEGIN { split(\"$owed\", v, \" \"); r = v[2] / v[1]; exit !(r > 1.7 && r < 2.3) }"
t_ok

t_case "a wrong command line is status 2, with the word that is wrong"
wrong() {
	local text=$1
	shift
	t_status 2 replay "$@" && t_one_line "$T/err" && t_match "$text" "$T/err"
}
wrong 'nothing to compare' --repeat auto
wrong "'0' is not a number" --repeat 0
wrong "'many' is not" --repeat many
wrong "auto:3" --repeat auto:3 --arm '' --arm '--nice-offset 1'
wrong "auto:x" --repeat auto:x
wrong 'at least 6' --aa --repeat 5
wrong 'number of rounds that is known' --aa --repeat auto
wrong "[-]-arm '--loop 3'" --arm '--loop 3'
wrong "'kernel' is no option" --arm kernel
wrong 'one policy' --arm '--policy kernel,random'
wrong 'nice-offset' --arm '--nice-offset 99'
t_ok

t_done
