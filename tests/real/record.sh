#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# record: what is recorded, under whose name, and what it says
. tests/lib.sh

# A script, for t_status runs programs only.
printf '#!/bin/sh\nexec "%s" record -o "%s/x.srz" "$@"\n' "$SCHEDREC" "$T" >"$T/rec"
chmod 755 "$T/rec"

dump_has() {
	"$SCHEDREC" dump "$T/x.srz" >"$T/dump" 2>"$T/dump-err" || { t_fail "dump: $(cat "$T/dump-err")"; return 1; }
	t_match "$1" "$T/dump"
}

t_case "a command's recording is complete and ends with its status"
t_need_tracefs && t_status 0 "$T/rec" -- true && t_equal true "$(t_info "$T/x.srz" complete)" &&
	t_match '^recorded [0-9,]+ events in .* \(0 lost\), [0-9.]+ bytes an event, to .*x\.srz' "$T/err" && t_one_line "$T/err" &&
	dump_has 'sched_process_exec .*file=.*/true'
t_ok

t_case "the command's own failure is the recorder's status, and is told"
t_need_tracefs && t_status 3 "$T/rec" -- sh -c 'exit 3' && t_equal true "$(t_info "$T/x.srz" complete)" &&
	t_match 'the command ended with status 3' "$T/err"
t_ok

t_case "a command that a signal ends gives 128 and the signal"
t_need_tracefs && t_status 137 "$T/rec" -- sh -c 'kill -9 $$' && t_equal true "$(t_info "$T/x.srz" complete)" &&
	t_match 'ended by signal 9' "$T/err"
t_ok

t_case "a command that does not exist is 127, with one line and no file"
t_need_tracefs && rm -f "$T/x.srz" && t_status 127 "$T/rec" -- no-such-command-here && t_one_line "$T/err" &&
	t_match 'cannot run no-such-command-here: No such file' "$T/err" && t_true "a file" test ! -e "$T/x.srz" &&
	t_true "a part file" test ! -e "$T/x.srz.part"
t_ok

t_case "the command's status is told also to a caller that ignores SIGCHLD"
t_need_tracefs && t_status 7 env --ignore-signal=CHLD "$SCHEDREC" record -q -o "$T/x.srz" -- sh -c 'exit 7'
t_ok

t_case "a command that may not be executed is 126"
t_need_tracefs && : >"$T/plain" && t_status 126 "$T/rec" -- "$T/plain" && t_one_line "$T/err"
t_ok

t_case "without privilege: status 3 and one line that says what to do"
t_need setpriv && t_need_root && chmod 777 "$T" &&
	t_status 3 setpriv --reuid=65534 --regid=65534 --clear-groups "$SCHEDREC" record -o "$T/no.srz" -- true &&
	t_one_line "$T/err" && t_match 'root.*sudo' "$T/err"
t_ok

t_case "capabilities of the program's file open the tracing, not the user's output"
t_need setpriv && t_need setcap && t_need_tracefs && mkdir -m 755 "$T/roots" && cp "$SCHEDREC" "$T/capable" &&
	setcap cap_dac_override,cap_dac_read_search+ep "$T/capable" &&
	t_status 0 setpriv --reuid=65534 --regid=65534 --clear-groups "$T/capable" record -q -o "$T/mine.srz" -- true &&
	t_status 3 setpriv --reuid=65534 --regid=65534 --clear-groups "$T/capable" record -q -o "$T/roots/x.srz" -- true &&
	t_match 'cannot create .*: Permission denied' "$T/err" && t_true "a file of the user's" test -z "$(ls "$T/roots")"
t_ok

t_case "a plugin that the environment names for hwloc has none of the program's capabilities"
t_need setpriv && t_need setcap && t_need cc && t_need_tracefs && mkdir "$T/plugins" && cat >"$T/plugin.c" <<-'END' &&
	#include <fcntl.h>
	#include <stdlib.h>
	__attribute__((constructor)) static void loaded(void)
	{
		open(getenv("PLUGIN_MINE"), O_CREAT | O_WRONLY, 0600);
		open(getenv("PLUGIN_ROOTS"), O_CREAT | O_WRONLY, 0600);
	}
	END
	cc -shared -fPIC -o "$T/plugins/hwloc_test.so" "$T/plugin.c" && chmod -R a+rX "$T/plugins" &&
	t_status 0 setpriv --reuid=65534 --regid=65534 --clear-groups env HWLOC_PLUGINS_PATH="$T/plugins" PLUGIN_MINE="$T/mine" \
		PLUGIN_ROOTS="$T/roots/plugin" "$T/capable" record -q -o "$T/mine.srz" -- true && {
	if [ -e "$T/mine" ]; then
		t_true "the plugin wrote where only root may" test ! -e "$T/roots/plugin"
	else
		t_skip "this hwloc loads no plugins"
	fi
}
t_ok

t_case "without tracefs: status 3 and one line"
t_need_mount_namespace && t_need_tracefs &&
	t_status 3 unshare -m sh -c "mount -t tmpfs none /sys && \"$SCHEDREC\" record -o '$T/no.srz' -- true" && t_one_line "$T/err" &&
	t_match 'tracefs' "$T/err"
t_ok

for args in "" "-a -p 1" "-p 1 true" "-p abc" "--duration 5 true" "--no-such-option true"; do
	t_case "a wrong command line is refused: record $args"
	# shellcheck disable=SC2086
	t_status 2 "$SCHEDREC" record $args && t_one_line "$T/err"
	t_ok
done

t_case "a process that does not exist is refused"
t_need_tracefs && t_status 3 "$T/rec" -p 4194303 && t_one_line "$T/err" && t_match 'no process 4194303' "$T/err"
t_ok

t_case "a thread is refused as a process, by what it is"
t_need_tracefs && {
	"$SCHEDREC" record -a -q -o "$T/y.srz" -- sleep 1 & # which has threads
	sleep 0.5
	tid=$(find /proc/$!/task -mindepth 1 -maxdepth 1 ! -name $! -printf '%f\n' | head -n 1)
	t_true "no thread" test -n "$tid" && t_status 3 "$T/rec" -p "$tid" && t_one_line "$T/err" && t_match "$tid is a thread" "$T/err"
	wait
}
t_ok

t_case "an output whose name is too long is refused, not cut"
long=$(printf '/.%.0s' $(seq 2040))
t_need_tracefs && t_status 2 "$SCHEDREC" record -o "$T$long/abcdefghijklmnopqrstuvwxyz" -- true && t_one_line "$T/err"
t_ok

t_case "an output that cannot be written is refused before the command runs"
t_need_tracefs && t_status 3 "$SCHEDREC" record -o "$T/none/x.srz" -- touch "$T/ran" && t_one_line "$T/err" &&
	t_true "it ran" test ! -e "$T/ran"
t_ok

t_case "an existing file is replaced only by a complete one"
t_need_tracefs && t_status 0 "$T/rec" -q -- true && cp "$T/x.srz" "$T/keep" && t_status 127 "$T/rec" -- no-such-command-here &&
	t_true "it changed" cmp -s "$T/x.srz" "$T/keep"
t_ok

t_case "without -o the file is named after the command and the time"
t_need_tracefs && mkdir "$T/named" && t_status 0 sh -c "cd '$T/named' && \"$SCHEDREC\" record -- /bin/sh -c true" &&
	t_true "$(ls "$T/named")" sh -c "ls '$T/named' | grep -Eqx 'sh-[0-9]{8}-[0-9]{6}\\.srz'"
t_ok

t_case "options behind the command are the command's"
t_need_tracefs && t_status 0 "$T/rec" -q -- echo -a --pid 1 && t_equal "-a --pid 1" "$(cat "$T/out")" &&
	t_status 0 "$T/rec" -q echo -a && t_equal "-a" "$(cat "$T/out")"
t_ok

t_case "--quiet says nothing when all is well"
t_need_tracefs && t_status 0 "$T/rec" -q -- true && t_equal "" "$(cat "$T/err")"
t_ok

t_case "label, command, status and scope are in the file"
t_need_tracefs && t_status 5 "$T/rec" --label nightly -- sh -c 'exit 5' && "$SCHEDREC" info "$T/x.srz" >"$T/info" &&
	t_match 'nightly' "$T/info" && t_match 'sh -c exit 5$' "$T/info" && t_match '^status +5$' "$T/info" &&
	t_match '^scope +tree$' "$T/info"
t_ok

t_case "no descriptor of the recorder reaches the command"
t_need_tracefs && t_status 0 ls /proc/self/fd && cp "$T/out" "$T/plain-fds" && t_status 0 "$T/rec" -q -- ls /proc/self/fd &&
	t_equal "$(cat "$T/plain-fds")" "$(cat "$T/out")"
t_ok

t_case "a descriptor of the caller's reaches the command"
t_need_tracefs && t_status 0 "$T/rec" -q -- sh -c 'echo here >&9' 9>"$T/nine" && t_equal here "$(cat "$T/nine")"
t_ok

t_case "the command has the caller's limits, signals and standard streams"
# make has its recipes ignore signals 32 and 33, which are libc's own: not compared.
t_need_tracefs && facts='ulimit -n; grep -E "^Sig(Blk|Ign|Cgt)" /proc/self/status | sed -E "s/..(.{7})$/xx\1/"; cat' &&
	echo in | sh -c "ulimit -S -n 200; trap '' USR1; sh -c '$facts'" >"$T/plain-facts" &&
	echo in | sh -c "ulimit -S -n 200; trap '' USR1; \"$SCHEDREC\" record -q -o '$T/x.srz' -- sh -c '$facts'" >"$T/facts" &&
	t_equal "$(cat "$T/plain-facts")" "$(cat "$T/facts")"
t_ok

t_case "all descendants are recorded, each fork, exec and exit"
t_need_tracefs && cat >"$T/tree.sh" <<'END' && t_status 0 "$T/rec" -- sh "$T/tree.sh" && dump_has 'sched_process_fork' &&
for i in 1 2 3 4 5 6 7 8; do (/bin/true; (/bin/true; /bin/true; :) & wait; :) & done; wait
END
	t_equal 40 "$(grep -c sched_process_fork "$T/dump")" && t_equal 25 "$(grep -c sched_process_exec "$T/dump")" &&
	t_equal 41 "$(grep -c sched_process_exit "$T/dump")"
t_ok

t_case "an outside waker is seen"
t_need_tracefs && mkfifo "$T/fifo" && {
	timeout 20 sh -c "echo \$\$ >'$T/waker'; sleep 0.5; echo hi >'$T/fifo'" &
	t_status 0 timeout 10 "$T/rec" -q -- sh -c "read -r x <'$T/fifo'"
	wait
	waker=$(cat "$T/waker")
	dump_has "^[0-9.]+ [0-9]+ [^ ]+:$waker . sched_waking "
}
t_ok

t_case "-p records a process and its later children until it ends"
t_need_tracefs && {
	sh -c 'sleep 1; /bin/true; exit 0' &
	p=$!
	sleep 0.3
	t_status 0 "$T/rec" -p $p && "$SCHEDREC" info "$T/x.srz" >"$T/info" && t_match '^scope +pid$' "$T/info" &&
		dump_has 'sched_process_exec .*file=.*/true' && dump_has "sched_process_exit task=[^ ]*:$p "
	wait
}
t_ok

t_case "a recording without events is a valid file"
t_need_tracefs && {
	sleep 30 &
	p=$!
	t_status 0 "$T/rec" -p $p --duration 100ms && t_equal 0 "$(t_info "$T/x.srz" events)" &&
		t_equal true "$(t_info "$T/x.srz" complete)" && t_status 0 "$SCHEDREC" dump "$T/x.srz"
	kill $p
}
t_ok

t_case "-a has tasks that are not the command's, and the start state of all"
t_need_tracefs && {
	sh -c 'echo $$; while [ ! -e '"$T"'/stop ]; do sleep 0.05; done' >"$T/other" &
	t_status 0 "$T/rec" -a -q -- sleep 0.5
	: >"$T/stop"
	wait
	dump_has "sched_switch prev=[^ ]*:$(cat "$T/other") " && "$SCHEDREC" info "$T/x.srz" >"$T/info" &&
		t_match '^scope +system$' "$T/info"
}
t_ok

t_case "--duration ends the recording, and the command with SIGTERM"
t_need_tracefs && t_status 0 "$T/rec" --duration 300ms -- sh -c "trap 'echo term; exit 9' TERM; sleep 20 & wait" &&
	t_equal term "$(cat "$T/out")" && "$SCHEDREC" info "$T/x.srz" >"$T/info" && t_match '^ended by +duration' "$T/info" &&
	t_match '^status +9$' "$T/info" && d=$(t_info "$T/x.srz" duration_ns) &&
	t_true "it took $d ns" test "$d" -ge 300000000 -a "$d" -lt 600000000
t_ok

t_case "-a --duration needs no command"
t_need_tracefs && t_status 0 "$T/rec" -a --duration 200ms && t_equal true "$(t_info "$T/x.srz" complete)"
t_ok

t_case "under sudo the command and the file belong to the invoking user"
t_need_tracefs && mkdir "$T/user" && chown 65534:65534 "$T/user" &&
	t_status 0 env SUDO_UID=65534 SUDO_GID=65534 SUDO_USER=nobody HOME=/root USER=root LOGNAME=root \
		"$SCHEDREC" record -q -o "$T/user/x.srz" -- sh -c 'id -u; id -g; id -G; echo $USER $LOGNAME $HOME' &&
	t_equal "65534 65534 65534 nobody nobody $(getent passwd 65534 | cut -d: -f6)" "$(tr '\n' ' ' <"$T/out" | sed 's/ $//')" &&
	t_equal "65534:65534" "$(stat -c %u:%g "$T/user/x.srz")"
t_ok

t_case "under sudo the recorder itself has given its privilege up for good"
t_need_tracefs && t_status 0 env SUDO_UID=65534 SUDO_GID=65534 "$SCHEDREC" record -q -o "$T/user/x.srz" -- sh -c \
	'grep -E "^(Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapAmb):" /proc/$PPID/status' &&
	t_equal "65534 65534 65534 65534 65534 65534 65534 65534 65534 0000000000000000 0000000000000000 0000000000000000 0000000000000000" \
		"$(sed 's/^[A-Za-z]*://' "$T/out" | tr -s '\t\n ' ' ' | sed 's/^ //; s/ $//')"
t_ok

t_case "the recorder drains at nice -20, the command runs at the caller's nice, under sudo too"
t_need setpriv && t_need_tracefs && {
	if nice -n -20 true 2>"$T/nice" && [ ! -s "$T/nice" ]; then
		# During a pass it is of another class, of which ps shows no nice value.
		t_status 0 env SUDO_UID=65534 SUDO_GID=65534 nice -n 3 "$SCHEDREC" record -q -o "$T/user/x.srz" -- \
			sh -c 'nice; for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1; ps -o ni= -p $PPID; done' &&
			t_equal "3 -20" "$(tr -d ' ' <"$T/out" | grep -vx -e - | uniq | tr '\n' ' ' | sed 's/ $//')"
	else
		t_skip "priorities cannot be raised here"
	fi
}
t_ok

t_case "SUDO_UID is believed only from root"
t_need setpriv && t_need_tracefs && t_status 3 env SUDO_UID=0 SUDO_GID=0 setpriv --reuid=65534 --regid=65534 --clear-groups \
	"$SCHEDREC" record -o "$T/no.srz" -- true
t_ok

t_case "nonsense in SUDO_UID leaves root as it is"
t_need_tracefs && t_status 0 env SUDO_UID=-1 SUDO_GID=1x "$SCHEDREC" record -q -o "$T/x.srz" -- id -u &&
	t_equal 0 "$(cat "$T/out")"
t_ok

t_case "in a pid namespace the command is found all the same"
t_need_mount_namespace && t_need_tracefs &&
	t_status 0 unshare -pf --mount-proc "$SCHEDREC" record -o "$T/x.srz" -- sh -c '/bin/true; /bin/true; exit 0' &&
	dump_has 'sched_process_fork' && t_equal 2 "$(grep -c sched_process_fork "$T/dump")" &&
	t_equal 3 "$(grep -c sched_process_exit "$T/dump")"
t_ok

t_case "a task's name with parentheses, blanks and a newline does not confuse the start state"
odd=$T/'a) R (b
c'
t_need_tracefs && cp "$(command -v sleep)" "$odd" && {
	"$odd" 5 &
	p=$!
	t_status 0 "$T/rec" -a --duration 100ms && t_status 0 "$SCHEDREC" info "$T/x.srz"
	kill $p
}
t_ok

t_done
