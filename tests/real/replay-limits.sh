#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# replay at its limits: many threads, foreign machines, hostile files
. tests/lib.sh
t_timing

t_case "10,000 threads alive at a time are recorded and replayed"
if t_need_tracefs && t_true "cannot build threads.c" "${CC:-cc}" -O2 -pthread -o "$T/threads" tests/real/threads.c; then
	if "$T/threads" 10000 2>"$T/why"; then
		t_status 0 "$SCHEDREC" record -q -o "$T/many.srz" -- "$T/threads" 10000 &&
			t_status 0 "$SCHEDREC" replay -q --json --policy kernel,bld "$T/many.srz" &&
			t_need sqlite3 &&
			t_equal 10001 "$(sqlite3 :memory: "select json_extract(readfile('$T/out'), '\$.model.tasks')")" &&
			t_equal 0 "$(sqlite3 :memory: "select json_extract(readfile('$T/out'), '\$.runs[0].counts.forced')")"
	else
		t_skip "this machine does not allow 10,000 threads: $(cat "$T/why")"
	fi
fi
t_ok

t_case "a limit on processes that is too low is named"
if t_need_root && t_need setpriv prlimit && [ -s "$T/many.srz" ]; then
	chmod 755 "$T" && chmod 644 "$T/many.srz" && cp "$SCHEDREC" "$T/schedrec" && chmod 755 "$T/schedrec"
	t_status 3 prlimit --nproc=500 setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$T/schedrec" replay -q "$T/many.srz" && t_one_line "$T/err" && t_match 'ulimit -u' "$T/err"
else
	t_skip "no recording of many threads"
fi
t_ok

t_case "a recording of more CPUs than this machine has is replayed under every policy"
t_status 0 "$SCHEDREC" replay -q --self --force --policy kernel,recorded,domain,bld tests/golden/many-cpus.srz &&
	t_match '^makespan_ns' "$T/out"
t_ok

t_case "no golden file, good or hostile, makes a replay crash or hang"
bad=
for f in tests/golden/*.srz; do
	timeout --preserve-status -s INT 3 "$SCHEDREC" replay -q --self "$f" >"$T/out" 2>"$T/err" </dev/null
	case $? in 0 | 1 | 4 | 130) ;; *) bad="$bad $f:$?" ;; esac
done
t_equal "" "$bad"
t_ok

t_done
