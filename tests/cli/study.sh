#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# the study's and the predictions' tables: what they make of given runs
. tests/lib.sh

REPORT=tests/bench/study_report.py

metrics() {
	cat <<-JSON
		{"makespan_ns": $1, "cpu_time_ns": 1e9, "switches_voluntary": 100, "switches_involuntary": 50,
		"wakeup_latency_ns.p50": 1000, "wakeup_latency_ns.p95": 2000, "wakeup_latency_ns.p99": 3000,
		"fidelity.wake_edges_recall": 0.97, "fidelity.wake_edges_precision": 0.90}
	JSON
}
# app FILE MAKESPAN: a run of the application.
app() {
	echo "[{\"metrics\": $(metrics "$2")}]" >"$1"
}
# replay FILE MAKESPAN: a replay.
replay() {
	echo "{\"runs\": [{\"counts\": {}, \"metrics\": $(metrics "$2")}]}" >"$1"
}
# series KIND FOLDER ARM MAKESPAN...
series() {
	local kind=$1 folder=$2 arm=$3 i=0 ns
	shift 3

	mkdir -p "$folder"
	for ns; do
		"$kind" "$folder/$arm-$((++i)).json" "$ns"
	done
}

t_case "the typical run is the one nearest to the medians"
series app "$T/typical" app 2e9 9e9 3e9
t_need python3 && t_status 0 "$REPORT" typical "$T"/typical/app-*.json && t_equal "$T/typical/app-3.json" "$(<"$T/out")"
t_ok

t_case "a replay beyond the target and the application's own spread is a miss"
series app "$T/study/runs/x" app 1.00e9 1.01e9 1.02e9
series replay "$T/study/runs/x" good 1.02e9 1.02e9 1.02e9
series replay "$T/study/runs/x" bad 1.05e9 1.06e9 1.07e9
echo "app-2 good bad" >"$T/study/runs/x/replayed"
t_need python3 && t_status 0 "$REPORT" study "$T/study" &&
	t_match '^  makespan .* 1\.0% +2\.0% +\+1\.0% .* \+5\.0% .*\*$' "$T/out" &&
	t_match '^  edges recall +95% +97\.0% +97\.0%$' "$T/out" &&
	t_match '^good: 8 of 9 targets met' "$T/out" && t_match '^bad: 7 of 9 targets met' "$T/out"
t_ok

t_case "a prediction of the wrong sign and one within the allowed error"
series app "$T/predict/runs/x/plain" app 1.00e9 1.01e9 1.02e9 1.03e9 1.04e9
series app "$T/predict/runs/x/hog" app 2.00e9 2.01e9 2.02e9 2.03e9 2.04e9
series replay "$T/predict/runs/x/plain" good 1e9
series replay "$T/predict/runs/x/hog" good 1.9e9
series replay "$T/predict/runs/x/plain" bad 1e9
series replay "$T/predict/runs/x/hog" bad 0.9e9
echo "app-1 good bad" >"$T/predict/runs/x/replayed"
t_need python3 && t_status 0 "$REPORT" predict "$T/predict" &&
	t_match '^  hog +makespan +\+98\.0% \* 0\.008 +14\.7% +\+90\.0% +0\.5 +-10\.0%! +7\.3$' "$T/out" &&
	t_match '^  all +good +1 +1 \(100%\) +0\.5[0-9] +1 ' "$T/out" && t_match '^  all +bad +1 +0 \( +0%\)' "$T/out"
t_ok

t_done
