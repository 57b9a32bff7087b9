#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# report: what it writes, what it refuses, how large it gets, and what a build without the charts' libraries says
# shellcheck source=tests/lib.sh
. tests/lib.sh

LOAD=tests/golden/load.srz
DB=$T/runs.db

need_charts() {
	if [ ! -s build/web/charts.js ]; then
		t_skip "the charts' libraries were not there when schedrec was built"
		return 1
	fi
}

t_case "a report comes from a database"
need_charts && t_status 0 "$SCHEDREC" simulate -q $LOAD --machine smt-2x2 --policy kernel,bld --repeat 6 --db "$DB" &&
	t_status 0 "$SCHEDREC" report --db "$DB" -o "$T/r.html" --trace $LOAD && t_match '<!doctype html>' "$T/r.html" &&
	t_true "something was printed" [ ! -s "$T/out" ] && t_true "something was printed" [ ! -s "$T/err" ]
t_ok

t_case "it names no other file or host but the libraries' own comments"
need_charts && sed '/^<script>/,/^<\/script>/d' "$T/r.html" >"$T/page" &&
	t_no_match '(src|href)="[^#"]|https?://|@import|url\(' "$T/page"
t_ok

t_case "- is stdout, a file's mode is the umask's, and nothing else is left"
need_charts && t_status 0 "$SCHEDREC" report --db "$DB" -o - --trace $LOAD &&
	t_true "they differ" [ "$(sed 's/<time>.*<.time>//' "$T/out" | sha256sum)" = "$(sed 's/<time>.*<.time>//' "$T/r.html" | sha256sum)" ] &&
	t_equal "$(printf '%o' $((0666 & ~$(umask))))" "$(stat -c %a "$T/r.html")" && t_equal 1 "$(find "$T" -name 'r.html*' | wc -l)"
t_ok

t_case "two selectors are one comparison"
need_charts && t_status 0 "$SCHEDREC" report --db "$DB" -o "$T/two.html" policy=bld policy=kernel &&
	t_equal 1 "$(grep -c '<article' "$T/two.html")" && t_match 'kernel <span class="against">against</span> bld' "$T/two.html"
t_ok

t_case "the verdict is the one that compare tells"
need_charts && t_status '0|1' "$SCHEDREC" compare --db "$DB" policy=kernel policy=bld --json &&
	for verdict in regressed improved changed same unknown identical; do
		want=$(grep -c "\"verdict\": \"$verdict\"" "$T/out")
		got=$(grep -oE "class=\"chip $verdict\">[0-9]+" "$T/r.html" | grep -oE '[0-9]+$')
		t_equal "$verdict $want" "$verdict ${got:-0}"
	done
t_ok

t_case "metrics are named as they are for compare"
if need_charts && t_status '0|1' "$SCHEDREC" compare --db "$DB" policy=kernel policy=bld -m 'run_delay_ns.*' --json; then
	want=$(grep -c '"metric": "run_delay_ns' "$T/out")
	t_true "$want metrics" [ "$want" -gt 3 ] &&
		t_status 0 "$SCHEDREC" report --db "$DB" -o "$T/m.html" -m 'run_delay_ns.*' policy=kernel policy=bld &&
		t_match "\"cells_all\":$want," "$T/m.html" && t_no_match '"cpu_time_ns"' "$T/m.html"
	t_status 2 "$SCHEDREC" report --db "$DB" -o "$T/x.html" -m 'none*' && t_one_line "$T/err" && t_match 'no metric that was asked for' "$T/err"
fi
t_ok

t_case "neither the database nor a trace is replaced by the report of it"
if need_charts; then
	cp "$DB" "$T/kept.db" && cp $LOAD "$T/kept.srz" && ln -s kept.db "$T/link.db"
	for output in kept.db link.db kept.srz; do
		t_status 2 "$SCHEDREC" report --db "$T/kept.db" --trace "$T/kept.srz" -o "$T/$output" && t_one_line "$T/err" &&
			t_match 'would replace' "$T/err"
	done
	t_true "the database was changed" cmp -s "$DB" "$T/kept.db" && t_true "the trace was changed" cmp -s $LOAD "$T/kept.srz"
fi
t_ok

t_case "what it refuses"
t_status 2 "$SCHEDREC" report && t_match '^schedrec report: --db is missing' "$T/err" && t_one_line "$T/err"
t_status 2 "$SCHEDREC" report --db "$DB" -o "$T/x.html" policy=kernel && t_one_line "$T/err"
t_status 3 "$SCHEDREC" report --db "$T/none.db" -o "$T/x.html" && t_one_line "$T/err"
t_status 4 "$SCHEDREC" report --db README.md -o "$T/x.html" && t_one_line "$T/err"
need_charts && t_status 2 "$SCHEDREC" report --db "$DB" -o "$T/x.html" policy=none policy=kernel && t_one_line "$T/err" &&
	t_match 'there are policies: ' "$T/err"
need_charts && t_status 3 "$SCHEDREC" report --db "$DB" -o "$T/none/x.html" && t_one_line "$T/err"
need_charts && t_status 3 "$SCHEDREC" report --db "$DB" -o "$T" && t_one_line "$T/err"
need_charts && t_status 4 "$SCHEDREC" report --db "$DB" -o "$T/x.html" --trace README.md && t_one_line "$T/err"
t_true "something is left: $(find "$T" -name 'x.html*')" [ -z "$(find "$T" -name 'x.html*')" ]
t_ok

t_case "a report that was there stays when a new one fails"
need_charts && echo old >"$T/old.html" && t_status 4 "$SCHEDREC" report --db "$DB" -o "$T/old.html" --trace README.md &&
	t_equal old "$(cat "$T/old.html")"
t_ok

t_case "a full disk is told"
if need_charts; then
	t_status 3 "$SCHEDREC" report --db "$DB" -o /dev/full
	t_one_line "$T/err" && t_match 'No space left' "$T/err"
fi
t_ok

t_case "a large database makes a report of bounded size"
if need_charts && t_need sqlite3; then
	cp "$DB" "$T/large.db"
	sqlite3 "$T/large.db" "
		PRAGMA foreign_keys = OFF; BEGIN; DELETE FROM run; DELETE FROM metric; DELETE FROM histogram; DELETE FROM task;
		CREATE TEMP TABLE k AS WITH RECURSIVE k(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM k WHERE i < 400 * 6 * 3 - 1)
			SELECT i, i % 400 AS trace, i / 400 % 6 AS round, i / 2400 AS arm FROM k;
		INSERT INTO run (id, trace_sha256, trace_name, label, engine, policy, repeat, order_slot, lost_events, repaired, censored)
			SELECT i + 1, printf('%064d', trace), 'trace-' || trace, 'x', 'simulated',
			CASE arm WHEN 0 THEN 'kernel' WHEN 1 THEN 'bld' ELSE 'domain' END, round + 1, arm, 0, 0, 0 FROM k;
		INSERT INTO metric SELECT i + 1, name, 'ns', 1000 + (i * 7919 % 97) + arm * (trace % 3) * 200 FROM k, (SELECT 'makespan_ns' AS name
			UNION SELECT 'cpu_time_ns' UNION SELECT 'wakeup_latency_ns.mean' UNION SELECT 'wakeup_latency_ns.p99');
		INSERT INTO histogram SELECT i + 1, 'wakeup_latency_ns', 1000 << b, (1000 << (b + 1)) - 1, 100 - b FROM k,
			(WITH RECURSIVE b(b) AS (SELECT 0 UNION ALL SELECT b + 1 FROM b WHERE b < 19) SELECT b FROM b);
		COMMIT"
	start=$SECONDS
	t_status 0 "$SCHEDREC" report --db "$T/large.db" -o "$T/large.html"
	size=$(stat -c %s "$T/large.html")
	t_true "$size bytes" [ "$size" -lt 2000000 ] && t_true "it took $((SECONDS - start)) s" [ $((SECONDS - start)) -lt 40 ] &&
		t_match '"traces":400' "$T/large.html" && t_match '"cells_all":1600' "$T/large.html"
fi
t_ok

# The command layer and the library as they were built, with what a build without npm has in place of the libraries.
t_case "without npm the build goes on, and report says what is missing"
if t_need "$(cut -d ' ' -f 1 "$BUILD/flags")" pkg-config; then
	mkdir -p "$T/tree/bin" "$T/tree/build/web"
	ln -s "$PWD/analyze" "$PWD/formats" "$T/tree/"
	for program in sh dirname mkdir cat cp cmp mv rm sed grep; do
		ln -s "$(command -v $program)" "$T/tree/bin/"
	done
	t_status 0 env PATH="$T/tree/bin" analyze/web/fetch.sh "$T/tree/build/web" &&
		t_match 'built without charts and will not work: npm is not installed' "$T/err" && t_one_line "$T/err"
	t_true "no empty file" [ -f "$T/tree/build/web/charts.js" ] && t_true "not empty" [ ! -s "$T/tree/build/web/charts.js" ]
	build() {
		local flags libs

		read -ra flags <"$BUILD/flags"
		# shellcheck disable=SC2046 # one word a library
		read -ra libs < <(pkg-config --libs $(sed -n 's/^PKGS *:= //p' Makefile))
		cd "$T/tree" && "${flags[@]}" -o schedrec "$BUILD/schedrec.o" "$BUILD"/*/cmd_*.o analyze/report_assets.c \
			"$BUILD/libschedrec.a" "${libs[@]}" -lRmath -lm -lpthread
	}
	t_status 0 build && t_status 0 "$SCHEDREC" analyze $LOAD --db "$T/one.db"
	t_status 3 "$T/tree/schedrec" report --db "$T/one.db" -o "$T/y.html" && t_one_line "$T/err" && t_match 'install npm' "$T/err" &&
		t_true "a file is left" [ ! -e "$T/y.html" ]
fi
t_ok

t_case "the lock file has hashes, and no addresses"
t_equal "$(grep -c '"node_modules/' analyze/web/package-lock.json)" "$(grep -c '"integrity": "sha512-' analyze/web/package-lock.json)"
t_no_match '"resolved"|://' analyze/web/package-lock.json
t_ok

t_done
