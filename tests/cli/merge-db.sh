#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# merge: databases of runs into one
. tests/lib.sh

a=$T/a.db b=$T/b.db all=$T/all.db
"$SCHEDREC" analyze tests/golden/all-kinds.srz --db "$a" --label one >/dev/null 2>&1
"$SCHEDREC" analyze tests/golden/all-kinds.srz --db "$b" --label two >/dev/null 2>&1
"$SCHEDREC" analyze tests/golden/late-events.srz --db "$b" >/dev/null 2>&1

count() {
	sqlite3 "$all" "select count(*) from $1"
}

t_case "databases become one, and what is there is not added again"
t_need sqlite3 && {
	t_status 0 "$SCHEDREC" merge "$a" "$b" -o "$all" && t_one_line "$T/err"
	t_match 'added 3 runs and 0 noise floors' "$T/err"
	t_equal 3 "$(count run)"
	t_status 0 "$SCHEDREC" merge "$b" "$a" -o "$all" --json
	t_equal '3 0' "$(sqlite3 :memory: "select json_extract(j, '\$.runs_already_there') || ' ' || json_extract(j, '\$.runs_added')
		from (select readfile('$T/out') as j)")"
	t_equal 3 "$(count run)"
	metrics=$(($(sqlite3 "$a" 'select count(*) from metric') + $(sqlite3 "$b" 'select count(*) from metric')))
	t_equal "$metrics" "$(count metric)"
}
t_ok

t_case "one database into another that is there, quietly"
t_need sqlite3 && {
	cp "$a" "$T/c.db"
	t_status 0 "$SCHEDREC" merge -q "$b" -o "$T/c.db" && t_equal '' "$(cat "$T/err" "$T/out")"
	t_equal 3 "$(sqlite3 "$T/c.db" 'select count(*) from run')"
	t_status 0 "$SCHEDREC" merge "$T/c.db" -o "$T/c.db" && t_match 'added 0 runs' "$T/err"
}
t_ok

t_case "the files named stay as they are"
sum=$(sha256sum "$a" "$b")
t_status 0 "$SCHEDREC" merge "$a" "$b" -o "$T/d.db"
t_equal "$sum" "$(sha256sum "$a" "$b")"
t_ok

t_case "databases and recordings together are refused"
t_status 2 "$SCHEDREC" merge "$a" tests/golden/all-kinds.srz -o "$T/e.db" && t_one_line "$T/err"
t_match 'all-kinds.srz is no database' "$T/err" && t_true "nothing is made" test ! -e "$T/e.db"
t_status 3 "$SCHEDREC" merge "$a" "$T/none.db" -o "$T/e.db" && t_match 'none.db: No such file' "$T/err"
t_ok

t_case "recordings are no databases: a database as their output stays what it is"
t_status 2 "$SCHEDREC" merge tests/golden/all-kinds.srz -o "$a"
t_status 2 "$SCHEDREC" merge "$a" && t_match '[-]o OUT.db' "$T/err"
t_equal "$sum" "$(sha256sum "$a" "$b")"
t_ok

t_case "an output that is no database is not touched"
cp tests/golden/all-kinds.srz "$T/rec.srz"
t_status 4 "$SCHEDREC" merge "$a" -o "$T/rec.srz" && t_one_line "$T/err"
t_true "it changed" cmp tests/golden/all-kinds.srz "$T/rec.srz"
t_ok

t_case "a foreign database, one of a newer schedrec, and one that is cut are damaged input; nothing is added"
t_need sqlite3 && {
	sqlite3 "$T/foreign.db" 'create table run(id)'
	t_status 4 "$SCHEDREC" merge "$T/foreign.db" -o "$T/f.db" && t_one_line "$T/err" && t_match "not schedrec's" "$T/err"
	cp "$b" "$T/newer.db" && sqlite3 "$T/newer.db" 'pragma user_version = 1000'
	t_status 4 "$SCHEDREC" merge "$T/newer.db" -o "$all" && t_one_line "$T/err" && t_match 'newer schedrec' "$T/err"
	head -c 20000 "$b" >"$T/cut.db"
	t_status 4 "$SCHEDREC" merge "$T/cut.db" -o "$all" && t_one_line "$T/err"
	t_equal 3 "$(count run)"
}
t_ok

# ---- nights ----

mkdir "$T/corpus"
cp tests/golden/load.srz tests/golden/attributes.srz "$T/corpus/"

# night DB LABEL OPTION...: a simulated night
night() {
	"$SCHEDREC" nightly -q --corpus "$T/corpus" --db "$1" --engine sim -n 6 --policy kernel,roundrobin \
		--baseline policy=kernel --label "$2" --out "$T/out.d" "${@:3}"
}

# What there is of nights, whatever the numbers of the rows are.
nights() {
	sqlite3 "$1" "select n.label, n.finished_at is not null, q.sha256, q.round, q.arm, r.uid, r.label, r.series,
		(select count(*) from metric where run_id = r.id), x.started_at from night n join night_run q on q.night_id = n.id
		join run r on r.id = q.run join night_round x on x.night_id = n.id and x.sha256 = q.sha256 and x.round = q.round
		order by 1, 3, 4, 5; select * from change_point order by 1, 2, 3, 4, 5, 6, 7"
}

# Two databases, each with a night of its own and a shard of a third, and in the second a round under way.
two_nights() {
	[ -e "$T/n2.db" ] && return
	night "$T/n1.db" one >/dev/null 2>&1
	night "$T/n2.db" two >/dev/null 2>&1
	night "$T/n1.db" both --shard 1/2 >/dev/null 2>&1
	night "$T/n2.db" both --shard 2/2 >/dev/null 2>&1
	sqlite3 "$T/n2.db" "insert into change_point select sha256, 'makespan_ns', 'simulated', 'kernel', '', '', '', 'two', 'two',
			0.01, 1, 2, 1 from night_trace limit 1;
		insert into run (label, engine, policy, repeat, order_slot, lost_events, repaired, censored, uid)
			values ('two~1.1~x', 'simulated', 'kernel', 0, 0, 0, 0, 0, 'underway')"
}

t_case "nights come with their runs, rounds and change points, from both sides and once"
t_need sqlite3 && {
	two_nights
	sum=$(sha256sum "$T/n1.db" "$T/n2.db")
	t_status 0 "$SCHEDREC" merge "$T/n1.db" "$T/n2.db" -o "$T/n12.db" && t_one_line "$T/err"
	t_match 'added 74 runs and 0 noise floors .* 36 rounds of nights, 1 change point$' "$T/err"
	t_status 0 "$SCHEDREC" merge --json "$T/n2.db" "$T/n1.db" -o "$T/n21.db" && t_match '"night_rounds_added": 36,' "$T/out"
	t_equal "3 72 0" "$(sqlite3 "$T/n12.db" "select (select count(*) from night where finished_at is not null) || ' ' ||
		(select count(*) from night_run) || ' ' || (select count(*) from run where label like '%~%')")"
	nights "$T/n12.db" >"$T/a" && nights "$T/n21.db" >"$T/b" && t_true "other nights" cmp -s "$T/a" "$T/b"
	t_status 0 "$SCHEDREC" merge "$T/n21.db" "$T/n2.db" "$T/n1.db" -o "$T/n12.db" && t_match 'added 0 runs' "$T/err"
	nights "$T/n12.db" >"$T/b" && t_true "it changed" cmp -s "$T/a" "$T/b"
	t_equal "$sum" "$(sha256sum "$T/n1.db" "$T/n2.db")"
}
t_ok

t_case "a night that came is gone on with by its label"
t_need sqlite3 && {
	two_nights
	before=$(sqlite3 "$T/n12.db" "select count(*) from run")
	t_status "0|1" night "$T/n12.db" two
	t_equal "$before" "$(sqlite3 "$T/n12.db" "select count(*) from run")"
}
t_ok

t_case "a night that came is reported"
if [ ! -s build/web/charts.js ]; then
	t_skip "the charts' libraries were not there when schedrec was built"
else
	t_need sqlite3 && {
		two_nights
		t_status 0 "$SCHEDREC" report --db "$T/n12.db" -o "$T/report.html" &&
			t_true "no nights in it" grep -q '"nightly"' "$T/report.html"
	}
fi
t_ok

t_case "killed at any time, the target has all of a database or nothing, and the same command goes on"
t_need sqlite3 && {
	two_nights
	kills=0
	first=$(sqlite3 "$T/n1.db" "select printf('%d %d %d', count(*), 2 * count(*), 2 * count(*)) from night_round")
	for i in $(seq 30); do
		"$SCHEDREC" merge -q "$T/n1.db" "$T/n2.db" -o "$T/killed.db" >/dev/null 2>&1 </dev/null &
		pid=$!
		sleep "0.0$((i * 2 / 10))$((i * 2 % 10))"
		kill -KILL "$pid" 2>/dev/null && kills=$((kills + 1))
		wait "$pid" 2>/dev/null
		[ -s "$T/killed.db" ] || continue
		# Of runs, too: not one without its round.
		part=$(sqlite3 -cmd '.timeout 5000' "$T/killed.db" "select (select count(*) from night_round) || ' ' ||
			(select count(*) from night_run) || ' ' || (select count(*) from run where engine <> 'recorded')" 2>/dev/null)
		case ${part:-0 0 0} in
		"0 0 0" | "$first" | "36 72 72") ;;
		*) t_fail "half a database is there: $part" ;;
		esac
		[ $((i % 10)) -eq 0 ] && rm -f "$T"/killed.db*
	done
	t_true "it was never killed" [ "$kills" -ge 5 ]
	t_status 0 "$SCHEDREC" merge "$T/n1.db" "$T/n2.db" -o "$T/killed.db"
	nights "$T/n21.db" >"$T/a" && nights "$T/killed.db" >"$T/b" && t_true "other nights" cmp -s "$T/a" "$T/b"
}
t_ok

t_case "rounds that both have are told to stay out; another night of a label is refused, and nothing is added"
t_need sqlite3 && {
	two_nights
	night "$T/n3.db" one >/dev/null 2>&1
	t_status 0 "$SCHEDREC" merge "$T/n1.db" "$T/n3.db" -o "$T/n13.db"
	t_match 'n3.db: 12 rounds stay out: .*n13.db has others of the same nights' "$T/err"
	nights "$T/n13.db" >"$T/b" && nights "$T/n1.db" >"$T/a" && t_true "other nights" cmp -s "$T/a" "$T/b"
	night "$T/n4.db" one --machine smt-2x2 >/dev/null 2>&1
	t_status 2 "$SCHEDREC" merge "$T/n4.db" -o "$T/n13.db" && t_one_line "$T/err" && t_match "'one' is another one" "$T/err"
	nights "$T/n13.db" >"$T/b" && t_true "it changed" cmp -s "$T/a" "$T/b"
}
t_ok

t_done
