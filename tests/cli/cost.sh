#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a recording cost and lacks is told by every command that uses it.
# shellcheck source=tests/lib.sh
. tests/lib.sh

G=tests/golden
lossy=$G/all-kinds.srz     # a third of its events are lost
hopeless=$G/many-tasks.srz # nearly all of them

t_case "info tells the losses' share, in words and as JSON"
t_status 0 "$SCHEDREC" info $lossy && t_match '^DOUBT +36% of the events were lost' "$T/out"
t_status 0 "$SCHEDREC" info --json $lossy
t_match '^    "lost_share": 0.3585' "$T/out" && t_match '"doubt": "36% of the events were lost' "$T/out"
t_status 0 "$SCHEDREC" info $G/one-event.srz && t_no_match DOUBT "$T/out"
t_status 0 "$SCHEDREC" info --json $G/one-event.srz && t_match '"doubt": null' "$T/out"
t_ok

t_case "analyze warns, and says it in its JSON"
t_status 0 "$SCHEDREC" analyze $lossy && t_match '^schedrec: warning: .*all-kinds.srz: 36% of the events' "$T/err"
t_one_line "$T/err"
t_status 0 "$SCHEDREC" analyze --json $lossy && t_match '"doubt": "36% of the events were lost' "$T/out"
t_status 0 "$SCHEDREC" analyze $G/one-event.srz && t_true "a warning" test ! -s "$T/err"
t_ok

t_case "the database has lost events and their share, and compare notes the runs"
if t_need sqlite3; then
	for label in a b; do t_status 0 "$SCHEDREC" analyze $lossy --db "$T/runs.db" --label $label; done
	t_equal 0.3585 "$(sqlite3 "$T/runs.db" "select round(value, 4) from metric where name = 'recording_lost_share' limit 1")"
	t_true "no lost events" test "$(sqlite3 "$T/runs.db" 'select min(lost_events) from run')" -gt 0
	t_equal 0 "$(sqlite3 "$T/runs.db" "select count(*) from metric where name = 'recording_disturbance_share'")"
	t_status "0|1" "$SCHEDREC" compare --db "$T/runs.db" label=a label=b
	t_equal 2 "$(grep -cE '^schedrec: warning: run [12]: 35.9% of its events were lost$' "$T/err")"
fi
t_ok

t_case "replay refuses what lost more than it kept, before it does anything, but for --force"
t_status 4 "$SCHEDREC" replay --self $hopeless --db "$T/none.db"
t_one_line "$T/err" && t_match 'nearly all events were lost.*--force' "$T/err"
t_true "a database was made" test ! -e "$T/none.db"
t_status "0|1" "$SCHEDREC" replay --self -q --force --to 1ms $hopeless
t_match 'warning: .*nearly all events were lost' "$T/err"
t_ok

t_done
