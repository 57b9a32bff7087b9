#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# report in a real browser: it draws, runs nothing that is not its own, is readable light, dark, narrow and on paper, and
# the keyboard reaches all of it; with hostile names too
# shellcheck source=tests/lib.sh
. tests/lib.sh

LOAD=tests/golden/load.srz

# browse FILE DIR: what the browser saw is in DIR/facts
browse() {
	mkdir -p "$2"
	timeout -k 5 240 python3 tests/real/browser.py "$1" "$2" >"$2/facts" 2>"$2/err" </dev/null
	local status=$?
	[ "$status" -eq 0 ] || t_fail "status $status: $(tail -n 2 "$2/err" | tr '\n' ' ')"
}

fact() {
	sed -n "s/^$2 //p" "$1/facts"
}

# at_least N DIR KEY
at_least() {
	local got
	got=$(fact "$2" "$3")
	t_true "$3: '$got', not $1 or more" [ "${got:-0}" -ge "$1" ]
}

is() {
	t_equal "$1" "$(fact "$2" "$3")"
}

# What holds of each report, whatever is in it.
harmless() {
	is yes "$1" ready && is 0 "$1" requests && is '[]' "$1" violations && is '[]' "$1" errors && is '[]' "$1" console &&
		is 0 "$1" hacked && is 3 "$1" scripts && is 0 "$1" markup && is 0 "$1" handlers
}

need_browser() {
	if [ ! -s build/web/charts.js ]; then
		t_skip "the charts' libraries were not there when schedrec was built"
		return 1
	fi
	t_need chromium python3 sqlite3
}

# Forty nights of two series, whose levels change once; the 20th had a noisy round, the 30th lost events.
nights() {
	sqlite3 "$1" "
		CREATE TABLE IF NOT EXISTS night (id INTEGER PRIMARY KEY, label TEXT NOT NULL UNIQUE, spec TEXT NOT NULL,
			engine TEXT NOT NULL, kernel TEXT NOT NULL, rounds INTEGER NOT NULL, started_at TEXT NOT NULL, finished_at TEXT);
		CREATE TABLE IF NOT EXISTS night_run (run INTEGER PRIMARY KEY, night_id INTEGER NOT NULL, sha256 TEXT NOT NULL,
			round INTEGER NOT NULL, arm INTEGER NOT NULL);
		CREATE TABLE IF NOT EXISTS change_point (trace_sha256 TEXT NOT NULL, metric TEXT NOT NULL, engine TEXT NOT NULL,
			policy TEXT NOT NULL, policy_options TEXT NOT NULL, machine TEXT NOT NULL, sched_ext TEXT NOT NULL, night TEXT NOT NULL,
			found TEXT NOT NULL, p REAL NOT NULL, before REAL NOT NULL, after REAL NOT NULL, magnitude REAL);
		CREATE TEMP TABLE k AS WITH RECURSIVE k(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM k WHERE i < 119) SELECT i FROM k;
		INSERT INTO night SELECT i + 1, date('2026-10-01', i || ' days'), 's', 'simulated', 'k', 3,
			date('2026-10-01', i || ' days') || 'T02:00:00Z', NULL FROM k WHERE i < 40;
		INSERT INTO run (id, trace_sha256, trace_name, label, engine, policy, machine, kernel, repeat, order_slot,
			lost_events, repaired, censored) SELECT 1000 + i, 'abc', 'nightly.srz', date('2026-10-01', i / 3 || ' days'),
			'simulated', 'bld', 'm', 'k', i % 3 + 1, 0, 0, 0, 0 FROM k;
		INSERT INTO night_run SELECT 1000 + i, i / 3 + 1, 'abc', i % 3 + 1, 0 FROM k;
		INSERT INTO metric SELECT 1000 + i, 'wakeup_latency_ns.p99', 'ns',
			120000 + i * 7919 % 9000 + (i >= 75) * 22000 FROM k;
		INSERT INTO metric SELECT 1000 + i, 'frames_late', 'count', 10 + i % 3 + (i >= 60) * 20 FROM k;
		INSERT INTO metric SELECT 1000 + i, 'sleep_ns.mean', 'ns', 1000 + i FROM k;
		INSERT INTO night_round SELECT i / 3 + 1, 'abc', i % 3 + 1, 'x', 'x', NULL, CASE i WHEN 58 THEN 'make 31%' END FROM k;
		UPDATE run SET lost_events = 17 WHERE id = 1088;
		INSERT INTO change_point VALUES ('abc', 'frames_late', 'simulated', 'bld', '', 'm', '',
			date('2026-10-01', '20 days'), 'x', 0.001, 11, 31, 1.8);
		INSERT INTO change_point VALUES ('abc', 'wakeup_latency_ns.p99', 'simulated', 'bld', '', 'm', '',
			date('2026-10-01', '25 days'), 'x', 0.001, 124000, 146000, 0.17)"
}

# 25 traces of six metrics under two policies: 150 measurements.
many() {
	sqlite3 "$1" "
		CREATE TEMP TABLE m AS WITH RECURSIVE m(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM m WHERE i < 299)
			SELECT i, i % 25 AS trace, i / 25 % 6 AS round, i / 150 AS arm FROM m;
		INSERT INTO run (id, trace_sha256, trace_name, label, engine, policy, repeat, order_slot, lost_events, repaired, censored)
			SELECT 5000 + i, printf('%064d', trace), 'trace-' || trace, 'many', 'simulated',
			CASE arm WHEN 0 THEN 'kernel' ELSE 'bld' END, round + 1, arm, trace = 3, 0, 0 FROM m;
		INSERT INTO metric SELECT 5000 + i, name, 'ns', 1000 + i * 7919 % 97 + arm * (trace % 3) * 200 FROM m, (
			SELECT 'makespan_ns' AS name UNION SELECT 'cpu_time_ns' UNION SELECT 'wakeup_latency_ns.mean'
			UNION SELECT 'wakeup_latency_ns.p50' UNION SELECT 'wakeup_latency_ns.p95' UNION SELECT 'wakeup_latency_ns.p99')"
}

t_case "the reports are written and opened"
if need_browser; then
	t_status 0 "$SCHEDREC" simulate -q $LOAD --machine smt-2x2 --policy kernel,domain,bld --repeat 6 --db "$T/runs.db" \
		-o "$T/run-%p-%r.srz" &&
		t_status 0 "$SCHEDREC" simulate -q "$T/run-bld-1.srz" --force --machine numa-2x8x2 --policy kernel,bld --repeat 6 \
			--db "$T/runs.db" &&
		t_status 0 "$SCHEDREC" export $LOAD --to ftrace -o "$T/load.txt" && awk '/\[000\]/ && NR > 700 && NR < 900 { n++; next }
			/\[000\]/ && n { print "CPU:0 [LOST " n " EVENTS]"; n = 0 } 1' "$T/load.txt" >"$T/lossy.txt" &&
		t_status 0 "$SCHEDREC" import "$T/lossy.txt" -o "$T/lossy.srz" &&
		t_status 0 "$SCHEDREC" report --db "$T/runs.db" -o "$T/plain.html" --trace "$T/run-bld-1.srz" \
			--trace tests/golden/many-cpus.srz --trace "$T/lossy.srz" && browse "$T/plain.html" "$T/plain"
	# Every text that the database has is an attack.
	cp "$T/runs.db" "$T/hostile.db" && nights "$T/hostile.db" && sqlite3 "$T/hostile.db" "
		CREATE TEMP TABLE evil AS SELECT '</script><script>alert(1)</script><img src=x onerror=alert(2)><svg/onload=alert(3)>'
			|| '\"''><b>&lt;i&gt;' || char(8232, 8238, 10, 0x2029) || 'javascript:alert(4){{scripts}}' AS t;
		UPDATE run SET trace_name = trace_name || (SELECT t FROM evil), label = (SELECT t FROM evil), policy = policy
			|| (SELECT t FROM evil) WHERE id < 1000;
		UPDATE run SET machine = machine || (SELECT t FROM evil), kernel = (SELECT t FROM evil), sched_ext = (SELECT t FROM evil),
			schedrec_version = (SELECT t FROM evil), started_at = (SELECT t FROM evil),
			host = json_object((SELECT t FROM evil), (SELECT t FROM evil), '__proto__', 'x') WHERE id < 1000;
		UPDATE run SET trace_name = 'nightly' || (SELECT t FROM evil) WHERE id >= 1000;
		UPDATE metric SET unit = (SELECT t FROM evil) WHERE name LIKE 'switches%';
		UPDATE night SET started_at = started_at || (SELECT t FROM evil) WHERE id % 2" &&
		t_status 0 "$SCHEDREC" report --db "$T/hostile.db" -o "$T/hostile.html" --trace "$T/run-bld-1.srz" \
			--title '</title><script>alert(5)</script>' && browse "$T/hostile.html" "$T/hostile"
	t_status 0 "$SCHEDREC" simulate -q $LOAD --machine smt-2x2 --policy kernel --repeat 1 --db "$T/nights.db" &&
		nights "$T/nights.db" && many "$T/nights.db" && t_status 0 "$SCHEDREC" report --db "$T/nights.db" -o "$T/nights.html" &&
		browse "$T/nights.html" "$T/nights"
fi
t_ok

t_case "it runs, asks for nothing from anywhere, and violates no policy of its own"
need_browser && harmless "$T/plain" && harmless "$T/nights"
t_ok

t_case "hostile names run nothing, and are shown as text"
if need_browser && harmless "$T/hostile"; then
	is '</title><script>alert(5)</script>' "$T/hostile" title
	t_match '^first .*</script><script>alert\(1\)</script><img src=x' "$T/hostile/facts"
fi
t_ok

t_case "the verdict comes first"
need_browser && t_match '^first Verdict .* against kernel.* (Worse|Better|Different|Unknown|No difference)' "$T/plain/facts" &&
	t_match '^parts verdict shifts distributions timelines evidence hosts$' "$T/plain/facts" &&
	t_match '^parts verdict .*timelines nights evidence hosts$' "$T/hostile/facts" # nights are there only where they are stored
t_ok

t_case "charts are drawn"
if need_browser; then
	at_least 10 "$T/plain" marks.shifts && at_least 4 "$T/plain" marks.distributions && at_least 4 "$T/plain" canvases.timelines &&
		at_least 8 "$T/plain" colours.timelines && at_least 1 "$T/nights" canvases.nights && at_least 8 "$T/nights" colours.nights
fi
t_ok

t_case "runs over time say whose time it is, and have gaps where events were lost"
if need_browser; then
	t_match '^timelines .*with the replayed tasks; no others ran .*with the recorded tasks; of others this file tells nothing ' \
		"$T/plain/facts" && t_match '^timelines .*makespan [−+0-9.]+ % off its recording, latency distance [0-9.]+ %' "$T/plain/facts" &&
		t_match '^timelines .*there is a gap where events of a CPU were lost.*not known: events were lost' "$T/plain/facts"
fi
t_ok

t_case "no text lies on other text, nothing is wider than the page, at 1280 and at 390 pixels"
need_browser && for report in plain nights hostile; do
	for width in wide narrow; do
		is 0 "$T/$report" "overlaps.$width" && is 0 "$T/$report" "too_wide.$width"
	done
done
t_ok

t_case "light and dark follow the system, and the button"
if need_browser; then
	is 'rgb(255, 255, 255)' "$T/plain" background.light && is 'rgb(20, 24, 28)' "$T/plain" background.dark &&
		is light "$T/plain" theme.light && is dark "$T/plain" theme.dark && is 'rgb(20, 24, 28)' "$T/plain" background.chosen_dark
fi
t_ok

t_case "the keyboard reaches every control, and one sees where it is"
if need_browser; then
	for report in plain nights hostile; do
		at_least 20 "$T/$report" focusable && is "$(fact "$T/$report" focusable)" "$T/$report" reached &&
			is "$(fact "$T/$report" focusable)" "$T/$report" focus_visible && is 0 "$T/$report" unnamed
	done
fi
t_ok

t_case "keys sort tables, and move along charts"
if need_browser; then
	is ascending "$T/plain" aria_sort && t_match '^readout At .* running, .* waiting\.$' "$T/plain/facts" &&
		t_match '^readout 2026-10-.*µs' "$T/nights/facts"
fi
t_ok

t_case "behind each chart stands a table"
need_browser && for report in plain nights hostile; do
	is 0 "$T/$report" figures_without_table && at_least 2 "$T/$report" figures
done
t_ok

t_case "it prints"
need_browser && at_least 1 "$T/plain" pdf_pages && is yes "$T/plain" pdf_charts
t_ok

t_case "a series over nights shows what changed, and which nights lost events or had noisy rounds"
if need_browser; then
	t_match '^nights .*2 series of 2 changed level.*a night with noisy rounds or lost events.*1 more metrics? .*: sleep_ns\.mean' "$T/nights/facts" &&
		t_match '^night_options .*wakeup_latency_ns\.p99 .*frames_late' "$T/nights/facts"
fi
t_ok

t_case "on paper all rows are there, closed ones and those behind \"more\" too, and on the screen again as they were"
if need_browser; then
	for report in plain nights hostile; do
		is 0 "$T/$report" print.closed && is 0 "$T/$report" pdf_closed && is 0 "$T/$report" print.more &&
			is 0 "$T/$report" print.hidden && is yes "$T/$report" printed.closed && is yes "$T/$report" printed.more
	done
	is 150 "$T/nights" print.numbers
fi
t_ok

# For whoever wants to look.
[ -n "${SCHEDREC_KEEP:-}" ] && cp -r "$T"/*.html "$T"/{plain,nights,hostile} "$SCHEDREC_KEEP/"

t_done
