#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a recording cost and lacks is told by every command that uses it.
# shellcheck source=tests/lib.sh
. tests/lib.sh

G=tests/golden
gap=$G/two-streams.srz # a long time of which nothing is known
hopeless=$G/coded.srz  # nearly all events are lost

t_case "info tells what is lost, in words and as JSON"
t_status 0 "$SCHEDREC" info $gap && t_match '^DOUBT +for 70.4 ms, 100% of the recording, nothing is known' "$T/out"
t_status 0 "$SCHEDREC" info --json $gap
t_match '^    "lost_share": 0.00502' "$T/out" && t_match '"doubt": "for 70.4 ms, 100% of the rec' "$T/out"
t_status 0 "$SCHEDREC" info $G/one-event.srz && t_no_match DOUBT "$T/out"
t_status 0 "$SCHEDREC" info --json $G/one-event.srz && t_match '"doubt": null' "$T/out"
t_ok

t_case "analyze warns, and says it in its JSON"
t_status 0 "$SCHEDREC" analyze $gap && t_match '^schedrec: warning: .*two-streams.srz: for 70.4 ms, 100%' "$T/err"
t_one_line "$T/err"
t_status 0 "$SCHEDREC" analyze --json $gap && t_match '"doubt": "for 70.4 ms, 100%' "$T/out"
t_status 0 "$SCHEDREC" analyze $G/one-event.srz && t_true "a warning" test ! -s "$T/err"
t_ok

t_case "the database has lost events and their share, and compare notes the runs"
if t_need sqlite3; then
	for label in a b; do t_status 0 "$SCHEDREC" analyze $hopeless --db "$T/runs.db" --label $label; done
	t_equal 1.0 "$(sqlite3 "$T/runs.db" "select round(value, 4) from metric where name = 'recording_lost_share' limit 1")"
	t_true "no lost events" test "$(sqlite3 "$T/runs.db" 'select min(lost_events) from run')" -gt 0
	t_equal 0 "$(sqlite3 "$T/runs.db" "select count(*) from metric where name = 'recording_disturbance_share'")"
	t_status "0|1" "$SCHEDREC" compare --db "$T/runs.db" label=a label=b
	t_equal 2 "$(grep -cE '^schedrec: warning: run [12]: 100.0% of its events were lost$' "$T/err")"
fi
t_ok

t_case "replay refuses what lost more than it kept, before it does anything, but for --force"
t_status 4 "$SCHEDREC" replay --self $hopeless --db "$T/none.db"
t_one_line "$T/err" && t_match 'nearly all events were lost.*--force' "$T/err"
t_true "a database was made" test ! -e "$T/none.db"
t_status 0 "$SCHEDREC" replay --self -q --force $G/ties.srz && t_match 'warning: .*nearly all events were lost' "$T/err"
t_ok

t_done
