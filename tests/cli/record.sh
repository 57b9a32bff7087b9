#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# record: options that are refused, before anything is touched
. tests/lib.sh

# refused RE ARGS...: status 2, one line that matches, and no file.
refused() {
	local re=$1
	shift
	(cd "$T" && mkdir -p empty && cd empty && t_status 2 "$SCHEDREC" record "$@") && t_one_line "$T/err" &&
		t_match "$re" "$T/err" && t_equal "" "$(ls "$T/empty")"
}

t_case "--slice and --ring exclude each other"
refused 'exclude each other' --slice 1s --ring 1s -- true
t_ok

t_case "a ring has a least memory"
refused '32M' --ring 1s --max-size 31M -- true
t_ok

t_case "a file has a least size"
refused '256k' --max-size 255K -- true
t_ok

t_case "times of slices and rings have bounds and units"
refused '100ms' --slice 99ms -- true
refused '100ms' --ring 1ms -- true
refused "'10'" --slice 10 -- true
t_ok

t_case "--cpu-idle is for --all"
refused '\-\-all' --cpu-idle -- true
refused '\-\-all' --cpu-idle -p 1
t_ok

t_case "the resolution of times has bounds"
refused '1ms' --time-resolution 2ms -- true
refused 'time-resolution' --time-resolution 0ns -- true
t_ok

t_case "help says how the ring is triggered"
t_status 0 "$SCHEDREC" record --help && t_match 'kill -USR2 PID' "$T/out"
t_ok

t_done
