#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nightly: what a night does, whatever happens to it meanwhile, and what it tells
# shellcheck source=tests/lib.sh
. tests/lib.sh

T_LIMIT=240
mkdir "$T/corpus" "$T/corpus/deeper"
cp tests/golden/load.srz tests/golden/attributes.srz "$T/corpus/"
# More traces, each of its own content.
"$SCHEDREC" cut tests/golden/load.srz --to 60% -o "$T/corpus/deeper/first.srz" >/dev/null 2>&1 ||
	"$SCHEDREC" cut tests/golden/load.srz --to 100ms -o "$T/corpus/deeper/first.srz" >/dev/null 2>&1
"$SCHEDREC" cut tests/golden/load.srz --from 30ms -o "$T/corpus/deeper/second.srz" >/dev/null 2>&1
"$SCHEDREC" simulate -q tests/golden/load.srz --machine smt-2x2 --policy bld -o "$T/corpus/third.srz" >/dev/null 2>&1

# night DIR OPTION...: a simulated night of the corpus, into DIR/db and DIR/out
night() {
	local dir=$1
	shift
	mkdir -p "$dir"
	"$SCHEDREC" nightly -q --corpus "$T/corpus" --db "$dir/db" --policy kernel,roundrobin --engine sim --repeat 8 \
		--baseline policy=kernel --label night --out "$dir/out" "$@"
}

# What a night has measured, whatever the run's numbers and times are.
measured() {
	sqlite3 "$1" "select q.sha256, q.round, q.arm, r.policy, r.order_slot, r.label, m.name, m.value from night_run q
		join run r on r.id = q.run join metric m on m.run_id = r.id order by 1, 2, 3, 7"
}

# What it has judged: the verdicts, and the samples without their runs' numbers and times.
judged() {
	python3 - "$1" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
for v in d["verdicts"] + d["change_points"]:
    print(json.dumps(v, sort_keys=True))
for r in d["runs"]:
    print(r["sha256"], r["policy"], r["round"], json.dumps(r["metrics"], sort_keys=True))
print(json.dumps(d["counts"], sort_keys=True), d["status"])
PY
}

t_case "a night: every trace, policy and round once, and status 1 for what regressed"
t_need sqlite3 python3 && t_equal 5 "$(find "$T/corpus" -name '*.srz' | wc -l)" &&
	t_status 1 night "$T/whole" &&
	t_equal "80" "$(sqlite3 "$T/whole/db" "select count(*) from night_run")" &&
	t_equal "5|8" "$(sqlite3 "$T/whole/db" "select count(distinct sha256), count(distinct round) from night_round")" &&
	t_equal "0" "$(sqlite3 "$T/whole/db" "select count(*) from run where label like 'night~%'")" &&
	t_equal "1" "$(sqlite3 "$T/whole/db" "select count(*) from night where finished_at is not null")" &&
	t_match '^REGRESSED' "$T/out" && t_match 'roundrobin +wakeup_latency_ns' "$T/out" &&
	t_true "wider than 100 columns" sh -c "! LC_ALL=C.UTF-8 grep -E '^.{101}' '$T/out'"
t_ok

t_case "the same night again: nothing is repeated, and the results are the same"
t_need sqlite3 python3 && before=$(sqlite3 "$T/whole/db" "select max(id) from run") &&
	t_status 1 night "$T/whole" &&
	t_equal "$before" "$(sqlite3 "$T/whole/db" "select max(id) from run where engine <> 'recorded'")"
t_ok

t_case "kill -9 in the middle, several times: the rest is done, and the results are those of an uninterrupted night"
if t_need sqlite3 python3; then
	kills=0
	for _ in 1 2 3; do
		setsid "$BASH" -c "$(declare -f night); T='$T'; night '$T/killed' & echo \$! >'$T/pid'; wait" \
			>/dev/null 2>&1 </dev/null &
		shell=$!
		want=$(($(sqlite3 "$T/killed/db" "select count(*) from night_round" 2>/dev/null || echo 0) + 5))
		for _ in $(seq 400); do
			[ "$(sqlite3 -cmd '.timeout 1000' "$T/killed/db" "select count(*) from night_round" 2>/dev/null || echo 0)" -ge "$want" ] && break
			sleep 0.02
		done
		# The whole session: nightly and the round that it has under way.
		if kill -0 "$shell" 2>/dev/null && pkill -KILL -s "$shell" -x schedrec; then
			kills=$((kills + 1))
		fi
		wait "$shell" 2>/dev/null
	done
	t_true "it was never killed" [ "$kills" -ge 2 ]
	done_before=$(sqlite3 -cmd '.timeout 5000' "$T/killed/db" "select count(*) from night_round")
	t_true "nothing was left to do: $done_before rounds" [ "$done_before" -lt 40 ]
	t_status 1 night "$T/killed" &&
		t_equal "40 80 80" "$(sqlite3 "$T/killed/db" "select (select count(*) from night_round) || ' ' ||
			(select count(*) from night_run) || ' ' || (select count(*) from run where engine <> 'recorded')")" &&
		measured "$T/whole/db" >"$T/a" && measured "$T/killed/db" >"$T/b" && t_true "other figures" cmp -s "$T/a" "$T/b" &&
		judged "$T/whole/out/nightly.json" >"$T/a" && judged "$T/killed/out/nightly.json" >"$T/b" &&
		t_true "other verdicts" cmp -s "$T/a" "$T/b"
fi
t_ok

t_case "Ctrl-C: status 130, what is done is kept, and the same command goes on"
if t_need sqlite3 python3; then
	mkdir "$T/stopped"
	"$SCHEDREC" nightly -q --corpus "$T/corpus" --db "$T/stopped/db" --policy kernel,roundrobin --engine sim --repeat 8 \
		--baseline policy=kernel --label night --out "$T/stopped/out" >"$T/out" 2>"$T/err" </dev/null &
	pid=$!
	for _ in $(seq 400); do
		[ "$(sqlite3 -cmd '.timeout 1000' "$T/stopped/db" "select count(*) from night_round" 2>/dev/null || echo 0)" -ge 5 ] && break
		sleep 0.02
	done
	kill -TERM "$pid"
	wait "$pid"
	t_equal 130 "$?" && t_match 'interrupted: [0-9]+ of 40 rounds are done' "$T/err" &&
		t_true "results of half a night" [ ! -e "$T/stopped/out/nightly.json" ] &&
		t_equal "0" "$(sqlite3 "$T/stopped/db" "select count(*) from run where label like 'night~%'")" &&
		t_status 1 night "$T/stopped" && measured "$T/stopped/db" >"$T/b" && measured "$T/whole/db" >"$T/a" &&
		t_true "other figures" cmp -s "$T/a" "$T/b"
fi
t_ok

t_case "shards are disjoint, their union is the whole, and merged they judge as the whole does"
if t_need sqlite3 python3; then
	merge=()
	for i in 1 2 3; do
		t_status "0|1" night "$T/shard$i" --shard "$i/3"
		merge+=(--merge "$T/shard$i/db")
		sqlite3 "$T/shard$i/db" "select distinct sha256 from night_run" >>"$T/shards"
	done
	t_equal 5 "$(sort "$T/shards" | uniq -u | wc -l)" &&
		t_status 1 "$SCHEDREC" nightly -q --db "$T/merged.db" "${merge[@]}" --baseline policy=kernel --out "$T/merged" &&
		measured "$T/merged.db" >"$T/b" && measured "$T/whole/db" >"$T/a" && t_true "other figures" cmp -s "$T/a" "$T/b" &&
		judged "$T/merged/nightly.json" >"$T/b" && judged "$T/whole/out/nightly.json" >"$T/a" &&
		t_true "other verdicts" cmp -s "$T/a" "$T/b" &&
		t_equal "1" "$(sqlite3 "$T/merged.db" "select count(*) from night where finished_at is not null")"
fi
t_ok

t_case "merged again: nothing is there twice"
t_need sqlite3 && t_status 1 "$SCHEDREC" nightly --db "$T/merged.db" --merge "$T/shard1/db" --merge "$T/shard1/db" \
	--baseline policy=kernel --out "$T/merged" && t_match 'shard1/db: 0 rounds taken over' "$T/err" &&
	measured "$T/merged.db" >"$T/b" && measured "$T/whole/db" >"$T/a" && t_true "other figures" cmp -s "$T/a" "$T/b"
t_ok

t_case "a label that is another night's is refused"
t_need sqlite3 && t_status 2 night "$T/whole" --machine smt-2x2 && t_one_line "$T/err" &&
	t_match "the label 'night' is another night's" "$T/err"
t_ok

# ---- regressions ----

# later LABEL OPTION...: a night of the kernel's policy beside the last one
later() {
	local label=$1
	shift
	"$SCHEDREC" nightly -q --corpus "$T/corpus" --db "$T/nights.db" --engine sim --repeat 6 --baseline last \
		--label "$label" --out "$T/later" "$@"
}

t_case "the first night has no last one: that is told, and is 1 only with --strict"
t_need sqlite3 && t_status 0 later n1 && t_match 'no run of the baseline last' "$T/out" &&
	t_status 1 later n1 --strict
t_ok

t_case "an equal night is identical"
t_need sqlite3 && t_status 0 later n2 && t_match '^no regression: [0-9]+ identical$' "$T/out"
t_ok

t_case "a night on another machine, or with another load, has no last one; with another of the model's parameters it has"
t_need sqlite3 && mkdir "$T/single" && cp tests/golden/load.srz "$T/single/" && {
	# alone LABEL OPTION...
	alone() {
		"$SCHEDREC" nightly -q --corpus "$T/single" --db "$T/alone.db" --engine sim --repeat 6 --baseline last \
			--label "$1" --out "$T/alone" "${@:2}"
	}
	t_status 0 alone one -m numa-2x8x2
	for other in "-m smt-2x2" "-m numa-2x8x2 --extra=--time-scale=0.5" "-m numa-2x8x2 --extra=--loop=2" \
		"-m numa-2x8x2 --extra=--timing=open"; do
		# shellcheck disable=SC2086
		t_status 0 alone "two${other//[^a-z0-9]/}" $other
		t_match 'had no run of the baseline last, under the same' "$T/out"
	done
	t_status "0|1" alone three -m numa-2x8x2 --extra=--param=switch_voluntary=4us
	t_match '"baseline": "policy=kernel,label=one"' "$T/alone/nightly.json"
}
t_ok

t_case "what makes comparisons doubtful, and how many rounds would tell, is in each of the five files"
if t_need sqlite3 python3 xmllint; then
	doubtful() {
		"$SCHEDREC" nightly -q --corpus "$T/single" --db "$T/doubt.db" --engine sim -n 3 -p kernel,roundrobin,bld \
			--baseline policy=kernel --label doubt --out "$T/doubt"
	}
	t_status 0 doubtful && t_match '"doubts": 0,' "$T/doubt/nightly.json"
	sqlite3 "$T/doubt.db" "insert or replace into metric select id, 'recording_lost_share', 'ratio', 0.125 from run where
		engine <> 'recorded' and repeat > 0"
	t_status 0 doubtful
	t_no_match '^.{101}' "$T/out"
	lost='4 of 6 runs lost events, up to 12.5% of them'
	t_match "^note: load.srz, roundrobin and 1 more: $lost" "$T/out" && t_match "^- load.srz, roundrobin and 1 more: $lost" "$T/doubt/nightly.md" &&
		grep -q "<li>load.srz, roundrobin and 1 more: $lost" "$T/doubt/nightly.html" &&
		t_match "roundrobin: $lost" "$T/doubt/junit.xml" && t_status 0 xmllint --noout "$T/doubt/junit.xml"
	t_match '^\| load.srz \| roundrobin .*\| unknown, \+[0-9]+ rounds? \|' "$T/doubt/nightly.md" &&
		t_match '<td>unknown, \+[0-9]+ rounds?</td>' "$T/doubt/nightly.html" &&
		t_match '<skipped message=".* unknown, \+[0-9]+ rounds?: ' "$T/doubt/junit.xml"
	t_true "$(tail -n 1 "$T/err")" python3 - "$T/doubt" "$lost" <<'PY'
import json, sys
d, k = (json.load(open(sys.argv[1] + "/" + f)) for f in ("nightly.json", "kcidb.json"))
assert d["counts"]["doubts"] == 2 == len(d["doubts"])
assert {x["policy"] for x in d["doubts"]} == {"roundrobin", "bld"}
assert all(x["kind"] == "lost events" and x["text"] == sys.argv[2] for x in d["doubts"])
assert all(t["misc"]["doubts"] == [sys.argv[2]] for t in k["tests"] if "misc" in t)
unknown = [t for t in k["tests"] if t["status"] == "DONE"]
assert unknown and all(t["misc"]["needs"] > 0 for t in unknown)
PY
fi
t_ok

t_case "a simulated machine made worse: status 1, and named in each of the five files"
if t_need sqlite3 python3 xmllint; then
	t_status 1 later n3 '--extra=--param=switch_voluntary=400us,switch_involuntary=400us'
	for f in nightly.html nightly.md nightly.json junit.xml kcidb.json; do
		t_true "$f does not name it" grep -q 'load.srz' "$T/later/$f"
	done
	t_match '<tr class="regressed"><td>load.srz</td><td>kernel</td><td>wakeup_latency_ns' "$T/later/nightly.html"
	t_match '^\| load.srz \| kernel \| wakeup.*\| regressed' "$T/later/nightly.md"
	t_match '^\*\*REGRESSED' "$T/later/nightly.md"
	t_true "not in the JSON" python3 - "$T/later/nightly.json" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
bad = [v for v in d["verdicts"] if v["verdict"] == "regressed" and v["trace"] == "load.srz"]
assert bad and d["status"] == 1 and d["counts"]["regressed"] >= len(bad)
assert all(len(v["base_samples"]) == 6 == len(v["candidate_samples"]) for v in d["verdicts"])
assert len(d["runs"]) == 6 * 5 and all(r["metrics"]["makespan_ns"] > 0 for r in d["runs"])
assert bad[0]["baseline"] == "policy=kernel,label=n2", bad[0]["baseline"]
PY
	t_true "not in JUnit's" [ "$(xmllint --xpath 'count(//testsuite[@name="load.srz"]/testcase[failure[@type="regression"]])' \
		"$T/later/junit.xml")" -ge 1 ]
	t_true "not in KCIDB's" python3 - "$T/later/kcidb.json" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
assert [t for t in d["tests"] if t["status"] == "FAIL" and t["path"].startswith("schedrec.load_srz.kernel.wakeup_latency_ns")]
PY
fi
t_ok

t_case "JUnit: the numbers of the suites are those of their cases, and those of all are their sums"
if t_need xmllint python3; then
	t_status 0 xmllint --noout "$T/later/junit.xml"
	t_true "$(tail -n 1 "$T/err")" python3 - "$T/later/junit.xml" <<'PY'
import sys, xml.etree.ElementTree as ET
top = ET.parse(sys.argv[1]).getroot()
assert top.tag == "testsuites"
total = dict(tests=0, failures=0, errors=0, skipped=0)
names = set()
for suite in top:
    assert suite.tag == "testsuite" and suite.get("name") and suite.get("timestamp") and suite.get("time")
    cases = suite.findall("testcase")
    count = dict(tests=len(cases))
    for key, tag in ("failures", "failure"), ("errors", "error"), ("skipped", "skipped"):
        count[key] = sum(c.find(tag) is not None for c in cases)
    for key, n in count.items():
        assert int(suite.get(key)) == n, (suite.get("name"), key, suite.get(key), n)
        total[key] += n
    for c in cases:
        assert c.get("classname") and c.get("name") and c.get("time") is not None
        assert (c.get("classname"), c.get("name")) not in names
        names.add((c.get("classname"), c.get("name")))
for key, n in total.items():
    assert int(top.get(key)) == n
assert total["failures"] > 0
PY
fi
t_ok

t_case "KCIDB: version 5.3's rules"
if t_need python3; then
	t_true "kcidb.json breaks them" python3 - "$T/later/kcidb.json" "$T/whole/out/kcidb.json" <<'PY'
import json, re, sys
ID, ORIGIN = re.compile(r"[a-z0-9_]+:.*"), re.compile(r"[a-z0-9_]+")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
KNOWN = {
    "checkouts": {"id", "origin", "comment", "valid"},
    "builds": {"id", "origin", "checkout_id", "architecture", "comment", "status"},
    "tests": {"id", "origin", "build_id", "path", "status", "start_time", "duration", "environment", "number",
              "comment", "misc", "log_excerpt"},
}
def no_null(v):
    assert v is not None
    for x in v.values() if isinstance(v, dict) else v if isinstance(v, list) else ():
        no_null(x)
for name in sys.argv[1:]:
    d = json.load(open(name))
    no_null(d)
    assert d["version"] == {"major": 5, "minor": 3} and set(d) == {"version", "checkouts", "builds", "tests"}
    for kind, known in KNOWN.items():
        ids = [o["id"] for o in d[kind]]
        assert len(ids) == len(set(ids)) and ids
        for o in d[kind]:
            assert set(o) <= known, set(o) - known
            assert ID.fullmatch(o["id"]) and ORIGIN.fullmatch(o["origin"]) and o["id"].startswith(o["origin"] + ":")
    assert {b["checkout_id"] for b in d["builds"]} <= {c["id"] for c in d["checkouts"]}
    for t in d["tests"]:
        assert t["build_id"] in {b["id"] for b in d["builds"]}
        assert t["status"] in ("FAIL", "ERROR", "MISS", "PASS", "DONE", "SKIP")
        assert re.fullmatch(r"[.a-zA-Z0-9_-]*", t["path"]) and t["path"].count(".") >= 3
        assert TIME.fullmatch(t["start_time"]) and t.get("duration", 0) >= 0
        assert isinstance(t["number"]["value"], (int, float)) and set(t["number"]) <= {"value", "unit", "prefix"}
        assert t["number"].get("prefix", "metric") in ("metric", "binary")
        if "wakeup_latency_ns" in t["path"]:
            assert t["number"]["unit"] == "s" and t["number"]["value"] < 100
PY
fi
t_ok

t_case "a policy with many options has names and ids of its own for each metric; long labels keep to 100 columns"
if t_need python3; then
	mkdir "$T/one" && cp tests/golden/load.srz "$T/one/"
	many=domain:tables=modern,levels=full,degenerate=drop,hot-time=2.5ms,clone=threads,wake=2.6.7,wake-idle=2.6.11
	many=$many,migrate=2.6.11,busiest=2.6.12,push=2.6.11,failed=grow,smtnice=off,tick=1ms
	t_status "0|1" "$SCHEDREC" nightly -q --corpus "$T/one" --db "$T/one.db" --engine sim -n 2 --policy "kernel,$many" \
		--baseline policy=kernel,engine=simulated --label "$(printf 'x%.0s' {1..90})" --out "$T/oneout" &&
		t_no_match '^.{101}' "$T/out" && t_true "$(tail -n 1 "$T/err")" python3 - "$T/oneout" <<'PY'
import json, sys, xml.etree.ElementTree as ET
ids = [t["id"] for t in json.load(open(sys.argv[1] + "/kcidb.json"))["tests"]]
names = [(c.get("classname"), c.get("name")) for c in ET.parse(sys.argv[1] + "/junit.xml").getroot().iter("testcase")]
assert len(ids) >= 9 and len(set(ids)) == len(ids), "%d ids, %d different" % (len(ids), len(set(ids)))
assert len(set(names)) == len(names)
PY
fi
t_ok

t_case "the change stays: the change point is found where it was, told once, and kept"
if t_need sqlite3 python3; then
	# 5 + 5 equal nights: all but 2 of 252 orders show less.
	for n in n4 n5 n6 n7; do
		t_status "0|1" later "$n" '--extra=--param=switch_voluntary=400us,switch_involuntary=400us'
	done
	t_equal 0 "$(sqlite3 "$T/nights.db" "select count(*) from change_point")"
	sqlite3 "$T/nights.db" "update night set started_at = '2020-01-0' || substr(label, 2) || 'T00:00:00Z'"
	for n in 1 2 3 4; do
		t_status "0|1" "$SCHEDREC" nightly -q --corpus "$T/corpus" --db "$T/nights.db" --engine sim --repeat 6 \
			--baseline last --label "o$n" --out "$T/later"
		sqlite3 "$T/nights.db" "update night set started_at = '2019-01-0$n' || 'T00:00:00Z' where label = 'o$n'"
	done
	t_status 1 later n8 '--extra=--param=switch_voluntary=400us,switch_involuntary=400us' &&
		t_match '^changed over the nights, seen first now:' "$T/out" && t_match 'since the night n3' "$T/out" &&
		t_true "not at n3" [ "$(sqlite3 "$T/nights.db" "select count(*) from change_point where night = 'n3' and
			found = 'n8' and metric = 'wakeup_latency_ns.mean' and magnitude > 0.05")" -ge 1 ] &&
		grep -q 'over the nights' "$T/later/junit.xml" && grep -q 'over-nights' "$T/later/kcidb.json"
	t_status 0 later n9 '--extra=--param=switch_voluntary=400us,switch_involuntary=400us' &&
		t_no_match 'seen first now' "$T/out" && t_match '\| n3 \| n8 \|' "$T/later/nightly.md"
fi
t_ok

# ---- what goes wrong ----

t_case "a trace that is damaged fails, is told in every file, and the others go on"
if t_need sqlite3 python3 xmllint; then
	mkdir "$T/bad"
	cp tests/golden/load.srz "$T/bad/"
	head -c 2000 tests/golden/load.srz >"$T/bad/half.srz"
	bad() {
		"$SCHEDREC" nightly -q --corpus "$T/bad" --db "$T/bad.db" --policy kernel,recorded --engine sim \
			--baseline policy=recorded --out "$T/badout" -n 6 --metric switches_voluntary --margin 100 "$@"
	}
	t_status 0 bad && t_match 'half.srz failed: ' "$T/out" && t_match 'half.srz failed' "$T/badout/nightly.md" &&
		grep -q '<td>half.srz' "$T/badout/nightly.html" &&
		t_equal 1 "$(xmllint --xpath 'count(//testsuite[@name="half.srz"]/testcase/error)' "$T/badout/junit.xml")" &&
		t_equal 1 "$(grep -c '"status": "ERROR"' "$T/badout/kcidb.json")" &&
		t_equal 6 "$(sqlite3 "$T/bad.db" "select count(*) from night_round")" &&
		t_equal 1 "$(sqlite3 "$T/bad.db" "select count(*) from night where finished_at is not null")" &&
		t_status 1 bad --strict
fi
t_ok

# ---- a corpus ----

export XDG_CONFIG_HOME=$T/config XDG_CACHE_HOME=$T/cache

# The traces above, pushed into a corpus in a directory, and pulled out of it as files.
crp_corpus() {
	[ -d "$T/store" ] && return
	"$SCHEDREC" corpus init "$T/store" && find "$T/corpus" -name '*.srz' -print0 |
		xargs -0 "$SCHEDREC" corpus push -q "$T/store" --yes --licence CC0-1.0 >/dev/null &&
		mkdir "$T/pulled" && "$SCHEDREC" corpus pull -q "$T/store" -C "$T/pulled" >/dev/null
}

# same_figures DB DB
same_figures() {
	measured "$1" >"$T/a" && measured "$2" >"$T/b" && [ -s "$T/a" ] && cmp -s "$T/a" "$T/b"
}

# crp_night DIR CORPUS OPTION...
crp_night() {
	local dir=$1 corpus=$2
	shift 2
	mkdir -p "$dir"
	"$SCHEDREC" nightly -q --corpus "$corpus" --db "$dir/db" --policy kernel,roundrobin --engine sim --repeat 6 \
		--baseline policy=kernel --label night --out "$dir/out" --metric makespan_ns --metric wakeup_latency_ns "$@"
}

t_case "a corpus: the same figures as over the folder of the files that are pulled out of it"
if t_need sqlite3 python3; then
	t_status 0 crp_corpus && t_equal 5 "$(find "$T/pulled" -name '*.srz' | wc -l)" &&
		rm -rf "$T/cache/schedrec/objects" && t_status "0|1" crp_night "$T/of-store" "$T/store" &&
		t_equal 5 "$(find "$T/cache/schedrec/objects" -name '*.srz' | wc -l)" &&
		t_status "0|1" crp_night "$T/of-files" "$T/pulled" &&
		t_true "other figures" same_figures "$T/of-store/db" "$T/of-files/db" &&
		judged "$T/of-store/out/nightly.json" >"$T/a" && judged "$T/of-files/out/nightly.json" >"$T/b" &&
		t_true "other verdicts" cmp -s "$T/a" "$T/b" && t_no_match 'stand for' "$T/of-store/out/nightly.md"
fi
t_ok

t_case "a corpus: nothing is repeated, and shards of it, merged, are the whole"
if t_need sqlite3 python3 && t_status 0 crp_corpus; then
	before=$(sqlite3 "$T/of-store/db" "select max(id) from run")
	t_status "0|1" crp_night "$T/of-store" "$T/store" &&
		t_equal "$before" "$(sqlite3 "$T/of-store/db" "select max(id) from run")"
	t_status "0|1|3" crp_night "$T/crp1" "$T/store" --shard 1/2 && t_status "0|1|3" crp_night "$T/crp2" "$T/store" --shard 2/2 &&
		t_status "0|1" "$SCHEDREC" nightly -q --db "$T/crp.db" --merge "$T/crp1/db" --merge "$T/crp2/db" \
			--baseline policy=kernel --out "$T/crpout" &&
		t_true "other figures" same_figures "$T/crp.db" "$T/of-store/db"
fi
t_ok

t_case "--query leaves of a corpus what corpus list finds"
if t_need sqlite3 && t_status 0 crp_corpus; then
	some=$("$SCHEDREC" corpus list "$T/store" | sed -n '2s/ .*//p')
	t_status "0|1" crp_night "$T/some" "$T/store" --query "sha256=$some" --query duration=1us.. -n 2 &&
		t_equal "$some" "$(sqlite3 "$T/some/db" "select substr(sha256, 1, 16) from night_trace")"
	t_status 3 crp_night "$T/none" "$T/store" --query cpus=4096 && t_match 'nothing matches' "$T/err" && t_one_line "$T/err"
	t_status 2 crp_night "$T/none" "$T/store" --query nonsense && t_one_line "$T/err"
fi
t_ok

t_case "--sample: the picks of corpus sample with their weights, and results over the traces weighted so"
if t_need sqlite3 python3 && t_status 0 crp_corpus; then
	t_status 0 "$SCHEDREC" corpus sample "$T/store" -n 3 --json && cp "$T/out" "$T/picks" &&
		t_status "0|1" crp_night "$T/sampled" "$T/store" --sample 3 && cp "$T/out" "$T/said" &&
		t_match '^note: 3 traces stand for 5 of the corpus' "$T/said" && t_match 'no random sample' "$T/said" &&
		t_no_match '.{101}' "$T/said" &&
		t_match '3 traces stand for 5 of the corpus' "$T/sampled/out/nightly.md" &&
		t_match '3 traces stand for 5 of the corpus' "$T/sampled/out/nightly.html" &&
		t_match '<h2>Over the traces' "$T/sampled/out/nightly.html" &&
		t_status 0 python3 - "$T/picks" "$T/sampled/out/nightly.json" <<'PY'
import json, sys
picks = {p["sha256"]: p for p in json.load(open(sys.argv[1]))}
d = json.load(open(sys.argv[2]))
assert {t["sha256"] for t in d["traces"]} == set(picks) and len(picks) == 3
for t in d["traces"]:
    assert t["weight"] == picks[t["sha256"]]["weight"] and t["stands_for"] == picks[t["sha256"]]["traces"], t
assert len({t["weight"] for t in d["traces"]}) > 1, "all weights alike: nothing is tested"
assert d["sample"] == {"traces": 3, "stand_for": 5, "stand_for_failed": 0, "method": "k-medoids", "random": False}
assert d["over_traces"]
wider = 0
for o in d["over_traces"]:
    v = [(v["shift"], picks[v["sha256"]]["weight"]) for v in d["verdicts"]
         if v["policy"] == o["policy"] and v["metric"] == o["metric"]]
    assert len(v) == o["traces"]
    def over(terms):
        m = sum(w * s / (1 + s / 2) for s, w in terms) / sum(w for s, w in terms)
        return m / (1 - m / 2)
    assert abs(over(v) - o["shift"]) < 1e-6, (over(v), o)
    wider += abs(over([(s, 1) for s, w in v]) - o["shift"]) > 1e-6
    w = [w for s, w in v]
    assert abs(sum(w) ** 2 / sum(x * x for x in w) - o["traces_in_effect"]) < 1e-6
assert wider, "without the weights the results would be the same"
PY
fi
t_ok

t_case "--sample: a night that is gone on with keeps its picks, whatever the corpus has become"
if t_need sqlite3 && t_status 0 crp_corpus; then
	cp -r "$T/sampled" "$T/grown" && cp -r "$T/store" "$T/store.was"
	picks="select group_concat(sha256 || weight) from (select * from night_trace order by sha256)"
	before=$(sqlite3 "$T/grown/db" "$picks")
	sqlite3 "$T/grown/db" "delete from night_round where round = 3; delete from night_run where round = 3;
		delete from run where repeat = 3 and engine <> 'recorded'; update night set finished_at = null"
	for p in 10 25 40 55 70; do
		"$SCHEDREC" cut tests/golden/load.srz --to "${p}ms" -o "$T/more$p.srz" >/dev/null 2>&1 &&
			"$SCHEDREC" corpus push -q "$T/store" --yes "$T/more$p.srz" >/dev/null
	done
	t_true "the sample is the same" [ "$("$SCHEDREC" corpus sample "$T/store" -n 3 --json | grep -E '"(sha256|weight)"' | tr -d ' \n')" != \
		"$(grep -E '"(sha256|weight)"' "$T/picks" | tr -d ' \n')" ] &&
		t_status "0|1" crp_night "$T/grown" "$T/store" --sample 3 && t_equal "$before" "$(sqlite3 "$T/grown/db" "$picks")" &&
		t_true "other figures" same_figures "$T/grown/db" "$T/sampled/db"
	rm -rf "$T/store" && mv "$T/store.was" "$T/store"
fi
t_ok

t_case "a damaged object, and one that is gone, are told by their names, and the others go on"
if t_need sqlite3 && t_status 0 crp_corpus; then
	mapfile -t objects < <(cd "$T/pulled" && printf '%s\n' *.srz | sort)
	cp -r "$T/store" "$T/hurt" && rm -rf "$T/cache/schedrec/objects"
	printf x | dd of="$(echo "$T/hurt/sha256"/*/"${objects[1]%.srz}"*)" bs=1 seek=500 conv=notrunc 2>/dev/null
	rm "$T/hurt/sha256"/*/"${objects[2]%.srz}"*
	t_status "0|1" crp_night "$T/hurtnight" "$T/hurt" --sample 1000 && cp "$T/out" "$T/said" &&
		t_match "^note: ${objects[1]} failed: " "$T/said" && t_match "^note: ${objects[2]} failed: " "$T/said" &&
		t_match '^note: for 2 of the 5 nothing speaks here' "$T/said" &&
		t_match "${objects[1]} failed: " "$T/hurtnight/out/nightly.md" &&
		t_equal 2 "$(grep -c '"failure": "' "$T/hurtnight/out/nightly.json")" &&
		t_equal 18 "$(sqlite3 "$T/hurtnight/db" "select count(*) from night_round")" &&
		t_equal 3 "$(find "$T/cache/schedrec/objects" -name '*.srz' | wc -l)" &&
		t_equal "" "$(find "$T/cache/schedrec/objects" -name 'incoming*')" &&
		t_status 1 crp_night "$T/hurtnight" "$T/hurt" --sample 1000 --strict
fi
t_ok

t_case "a corpus on a server: the same figures"
if t_need sqlite3 && t_status 0 crp_corpus; then
	"$SCHEDREC" corpus serve "$T/store" --listen 127.0.0.1:0 --log "$T/served" >/dev/null 2>&1 </dev/null &
	server=$!
	for _ in $(seq 100); do
		at=$(sed -n 's/.*"event":"start".*"why":"\([^"]*\)".*/\1/p' "$T/served" 2>/dev/null)
		[ -n "$at" ] && break
		sleep 0.1
	done
	rm -rf "$T/cache/schedrec/objects"
	t_true "the server does not start" [ -n "$at" ] && t_status "0|1" crp_night "$T/of-server" "$at" &&
		t_true "other figures" same_figures "$T/of-server/db" "$T/of-files/db" &&
		t_equal 5 "$(find "$T/cache/schedrec/objects" -name '*.srz' | wc -l)"
	kill "$server"
	wait "$server" 2>/dev/null
	t_status 3 crp_night "$T/noserver" http://127.0.0.1:1 && t_one_line "$T/err"
fi
t_ok

t_case "where every trace fails there is nothing to judge: status 3"
mkdir "$T/allbad" && echo x >"$T/allbad/x.srz"
t_status 3 "$SCHEDREC" nightly -q --corpus "$T/allbad" --db "$T/allbad.db" --engine sim --baseline last \
	--out "$T/allbadout" && t_match 'no round succeeded' "$T/err"
t_ok

t_case "a round that takes too long is ended, and its trace has failed"
t_need sqlite3 && mkdir "$T/long" && cp tests/golden/load.srz "$T/long/" && t_status 3 "$SCHEDREC" nightly -q --corpus "$T/long" \
	--db "$T/long.db" --out "$T/longout" -n 1 --baseline last --limit 1s --quiet-wait 0s --extra=--self \
	--extra=--time-scale=1000 && t_match 'ended after 1 s' "$T/err" &&
	t_equal 0 "$(sqlite3 "$T/long.db" "select count(*) from run where engine = 'live'")"
t_ok

for wrong in "--shard 0/2" "--shard 3/2" "--shard 1" "--shard 1/2x" "--baseline nonsense" "--baseline run=3" \
	"--baseline last,label=x" "--policy nosuch" "--policy kernel,kernel" "--corpus ftp://x/y" "--sample 2" "--query cpus=1" "--label a~b" \
	"--kcidb-origin A" "--kcidb-build x" "--extra load.srz" "--min-segment 2" "more"; do
	t_case "refused: $wrong"
	# shellcheck disable=SC2086
	t_status 2 "$SCHEDREC" nightly --corpus "$T/corpus" --db "$T/no.db" --engine sim --baseline last --out "$T/no" $wrong &&
		t_one_line "$T/err"
	t_ok
done

t_case "a folder that is not there, and one without traces: status 3"
mkdir "$T/empty"
t_status 3 "$SCHEDREC" nightly --corpus "$T/nowhere" --db "$T/no.db" --engine sim --baseline last --out "$T/no" &&
	t_one_line "$T/err" &&
	t_status 3 "$SCHEDREC" nightly --corpus "$T/empty" --db "$T/no.db" --engine sim --baseline last --out "$T/no" &&
	t_one_line "$T/err"
t_ok

t_case "files are whole or not there: a folder that cannot be written leaves the old ones"
if t_need setpriv && t_need_root; then
	cp -r "$T/whole" "$T/ro" && rm -f "$T/ro/out/nightly.html" && before=$(sha256sum "$T/ro/out/nightly.json")
	mkdir "$T/ro/out/nightly.html"
	t_status 3 night "$T/ro" && t_one_line "$T/err" && t_equal "$before" "$(sha256sum "$T/ro/out/nightly.json")" &&
		t_equal "" "$(find "$T/ro/out" -name '.*' -type f)"
fi
t_ok

t_case "--resume goes on with an unfinished night, and begins none"
t_need sqlite3 && t_status 0 "$SCHEDREC" nightly -q --resume --corpus "$T/long" --db "$T/resume.db" --engine sim \
	--baseline last --out "$T/no" && t_match 'no unfinished night' "$T/out" &&
	t_equal 0 "$(sqlite3 "$T/resume.db" "select count(*) from night")"
t_ok

t_case "two at a time at one night: the second is refused, and a dead owner is not in the way"
if t_need sqlite3; then
	cp -r "$T/whole" "$T/owned"
	sqlite3 "$T/owned/db" "delete from night_round where round = 7; delete from night_run where round = 7;
		update night set finished_at = null; update night_part set finished_at = null, owner =
		'pid $$ on $(hostname), boot $(cat /proc/sys/kernel/random/boot_id), started $(
		sed 's/.*) //' /proc/$$/stat | cut -d' ' -f20)'"
	t_status 3 night "$T/owned" && t_match 'another process works at the night' "$T/err" &&
		sqlite3 "$T/owned/db" "update night_part set owner = replace(owner, 'started ', 'started 1')" &&
		t_status 1 night "$T/owned" && t_equal 40 "$(sqlite3 "$T/owned/db" "select count(*) from night_round")"
fi
t_ok

# ---- live ----

t_case "live: interleaved from round to round, conditions stored, and a busy machine is told everywhere"
if t_need sqlite3 python3; then
	timeout 100 sh -c 'while :; do :; done' &
	hog=$!
	t_status "0|1" "$SCHEDREC" nightly -q --corpus "$T/long" --db "$T/live.db" --policy kernel,domain --baseline policy=kernel \
		--out "$T/liveout" -n 2 --quiet-wait 0s --extra=--self &&
		t_equal "domain kernel,domain kernel" "$(for round in 0 1; do sqlite3 "$T/live.db" "select group_concat(policy, ' ')
			from (select policy from run where engine = 'live' and order_slot / 2 = $round order by policy)"; done | paste -sd,)" &&
		t_equal 4 "$(sqlite3 "$T/live.db" "select count(*) from night_run q join run r on r.id = q.run
			where r.policy = iif(q.arm, 'domain', 'kernel')")" &&
		t_equal "0 1 2 3" "$(sqlite3 "$T/live.db" "select group_concat(order_slot, ' ') from
			(select order_slot from run where engine = 'live' order by id)")" &&
		t_equal "2" "$(sqlite3 "$T/live.db" "select count(*) from night_round where noise like '%busy%' and
			json_extract(host, '\$.busy_before') > 0.05")" &&
		t_match 'load.srz: 2 of 2 rounds are noisy: others kept [0-9]+% of the machine busy' "$T/out" &&
		t_match 'rounds are noisy' "$T/liveout/nightly.md" && grep -q 'rounds are noisy' "$T/liveout/nightly.html" &&
		grep -q '"rounds_noisy": 2' "$T/liveout/nightly.json" && grep -q 'noisy_rounds" value="2"' "$T/liveout/junit.xml" &&
		grep -q 'busy_before' "$T/liveout/kcidb.json" && t_match "$(uname -r)" "$T/liveout/kcidb.json" &&
		t_match "_$(uname -r)" "$T/out"
	t_status 3 "$SCHEDREC" nightly -q --corpus "$T/long" --db "$T/stop.db" --baseline last --out "$T/liveout" -n 1 \
		--quiet-wait 0s --noisy stop --extra=--self && t_match 'the machine is not quiet' "$T/err"
	kill "$hog"
	wait "$hog" 2>/dev/null
fi
t_ok

t_case "live: what the first round found holds after a reboot"
if t_need sqlite3; then
	again() {
		"$SCHEDREC" nightly -q --corpus "$T/long" --db "$T/rebooted.db" --baseline last --label r --out "$T/liveout" -n 2 \
			--quiet-wait 0s --max-busy 100 --extra=--self
	}
	t_status 0 again && t_no_match 'the governor was' "$T/out"
	sqlite3 "$T/rebooted.db" "pragma foreign_keys = on; update night_round set host = json_set(host, '\$.governor', 'as before') where round = 0;
		delete from run where id in (select run from night_run where round = 1); delete from night_round where round = 1;
		update night set finished_at = null; update night_part set finished_at = null"
	t_status 0 again && t_match 'load.srz: 1 of 2 rounds are noisy: the governor was as before and is' "$T/out"
fi
t_ok

t_case "under sudo the database and the results are the user's"
if t_need sqlite3 && t_need_root; then
	mkdir "$T/user" && chmod 755 "$T" && chown 12345:12345 "$T/user"
	# Who has changed his user cannot be looked into by the leak sanitizer.
	t_status "0|1" env ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" SUDO_UID=12345 SUDO_GID=12345 "$SCHEDREC" nightly -q --corpus "$T/long" --db "$T/user/db" \
		--baseline last --out "$T/user/out" -n 1 --quiet-wait 0s --extra=--self &&
		t_equal "" "$(find "$T/user" ! -user 12345)" &&
		t_equal 1 "$(sqlite3 "$T/user/db" "select count(*) from night_round")"
fi
t_ok

# ---- what starts it ----

t_case "the systemd units hold"
if t_need systemd-analyze make; then
	mkdir "$T/units"
	t_status 0 make -n install && cp "$T/out" "$T/install"
	for unit in nightly.service nightly-resume.service nightly.timer; do
		t_match "systemd/system/schedrec-$unit" "$T/install"
		# It looks for the program, too.
		sed "s|/usr/local/bin/schedrec|$SCHEDREC|" "analyze/$unit" >"$T/units/schedrec-$unit"
	done
	for unit in "$T"/units/*; do
		t_status 0 env SYSTEMD_UNIT_PATH="$T/units:" systemd-analyze verify --man=no "$unit" &&
			t_no_match 'schedrec' "$T/err"
	done
fi
t_ok

t_case "GNU parallel: shards on one machine, merged, are the whole"
if t_need sqlite3 python3 parallel; then
	export T SCHEDREC
	export -f night
	t_status "0|1|2|3" parallel --will-cite --halt never -j 2 night "$T/par{}" --shard "{}/3" -j 1 ::: 1 2 3
	t_status 1 "$SCHEDREC" nightly -q --db "$T/par.db" --merge "$T/par1/db" --merge "$T/par2/db" --merge "$T/par3/db" \
		--baseline policy=kernel --out "$T/parout" && measured "$T/par.db" >"$T/b" && measured "$T/whole/db" >"$T/a" &&
		t_true "other figures" cmp -s "$T/a" "$T/b"
fi
t_ok

# A Slurm of one node on the loopback: no systemd, no cgroups, no accounting.
slurm_start() {
	local dir=$1 port=$2 node cpus

	node=$(hostname -s)
	cpus=$(nproc)
	mkdir -p "$dir/state" "$dir/spool" "$dir/munge" && chmod 755 "$T" "$(dirname "$dir")" "$dir" && chown munge: "$dir/munge" || return 1
	head -c 1024 /dev/urandom >"$dir/munge/key" && chown munge: "$dir/munge/key" && chmod 400 "$dir/munge/key"
	cat >"$dir/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/ctld.pid
SlurmdPidFile=$dir/d.pid
SlurmctldLogFile=$dir/ctld.log
SlurmdLogFile=$dir/d.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=5
NodeName=$node NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=500 State=UNKNOWN
PartitionName=all Nodes=$node Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
END
	export SLURM_CONF=$dir/slurm.conf
	setpriv --reuid=munge --regid=munge --clear-groups munged --foreground --force --key-file="$dir/munge/key" \
		--socket="$dir/munge/socket" --pid-file="$dir/munge/pid" --log-file="$dir/munge/log" \
		--seed-file="$dir/munge/seed" >"$dir/munged.out" 2>&1 &
	slurm_pids=($!)
	for _ in $(seq 50); do
		[ -S "$dir/munge/socket" ] && break
		sleep 0.1
	done
	slurmctld -D -f "$SLURM_CONF" >"$dir/ctld.out" 2>&1 &
	slurm_pids+=($!)
	slurmd -D -f "$SLURM_CONF" -N "$node" >"$dir/d.out" 2>&1 &
	slurm_pids+=($!)
	for _ in $(seq 100); do
		sinfo -h -o %T 2>/dev/null | grep -q idle && return 0
		sleep 0.2
	done
	grep -ih -e error -e fatal "$dir"/*.log | tail -n 3 >&2
	return 1
}

slurm_down() {
	local i

	for ((i = ${#slurm_pids[@]} - 1; i >= 0; i--)); do
		kill "${slurm_pids[i]}" 2>/dev/null
		wait "${slurm_pids[i]}" 2>/dev/null
	done
	slurm_pids=()
	unset SLURM_CONF
}

# A port may be another's: up to three tries.
slurm_up() {
	local i

	for i in 1 2 3; do
		slurm_start "$1/$i" $((20000 + RANDOM % 10000)) && return 0
		slurm_down
	done
	return 1
}

t_case "Slurm: an array of two shards on a real one, merged, is the whole"
if t_need sqlite3 python3 slurmctld slurmd sbatch munged setpriv && t_need_root; then
	slurm_pids=()
	if slurm_up "$T/slurm" 2>"$T/err"; then
		T_LIMIT=150 t_status 0 env NIGHTLY_CORPUS="$T/corpus" NIGHTLY_DIR="$T/array" NIGHTLY_POLICY=kernel,roundrobin \
			NIGHTLY_LABEL=night NIGHTLY_OPTIONS="--repeat 8" SCHEDREC="$SCHEDREC" sbatch --wait --parsable \
			--array=1-2 --output="$T/slurm/job-%a.out" analyze/nightly.slurm
		cat "$T"/slurm/job-*.out >"$T/err" 2>/dev/null
		t_status 1 "$SCHEDREC" nightly -q --db "$T/array.db" --merge "$T/array/part-1.db" --merge "$T/array/part-2.db" \
			--baseline policy=kernel --out "$T/arrayout" && measured "$T/array.db" >"$T/b" &&
			measured "$T/whole/db" >"$T/a" && t_true "other figures" cmp -s "$T/a" "$T/b" &&
			judged "$T/arrayout/nightly.json" >"$T/b" && judged "$T/whole/out/nightly.json" >"$T/a" &&
			t_true "other verdicts" cmp -s "$T/a" "$T/b"
	else
		t_fail "Slurm does not start: $(tail -n 2 "$T/err" | tr '\n' ' ')"
	fi
	slurm_down
fi
t_ok

t_done
