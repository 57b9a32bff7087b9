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

t_done
