#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# record: long recordings: bounded files, slices, the ring; full disks; what is known of the kernel
. tests/lib.sh

meta() {
	"$SCHEDREC" info --json "$1" | sed -n "s/^    \"$2\": \"\(.*\)\",\{0,1\}\$/\1/p" | head -n 1
}

flood() {
	t_need cc || return 1
	[ -x "$T/flood" ] || cc -O2 -D_GNU_SOURCE -pthread -o "$T/flood" tests/real/flood.c || t_fail "no flood"
}

t_case "--max-size ends the recording with a complete file, the command goes on, and its status counts"
t_need_tracefs && flood && {
	t_status 7 "$SCHEDREC" record --max-size 256K -o "$T/x.srz" -- sh -c "'$T/flood' 2 0 70000r; echo end; exit 7"
	t_match '^end$' "$T/out" && t_match 'reached --max-size' "$T/err" && t_equal true "$(t_info "$T/x.srz" complete)" &&
		t_equal max-size "$(meta "$T/x.srz" record.end)" &&
		t_true "no cost of draining" test "$(meta "$T/x.srz" record.drain_cpu_ns)" -gt 0 && t_equal 7 "$(meta "$T/x.srz" command.status)" &&
		size=$(stat -c %s "$T/x.srz") && t_true "$size bytes" test "$size" -le 262144 -a "$size" -gt 200000
}
t_ok

t_case "slices are complete, follow each other, and have every event once"
t_need_tracefs && flood && {
	t_status 0 "$SCHEDREC" record --slice 200ms -o "$T/s.srz" -- "$T/flood" 2 5000 1 /sys/kernel/tracing
	read -r _ written _ lost < <(grep written "$T/out")
	n=0 first=0 id=
	for f in "$T"/s-000*.srz; do
		n=$((n + 1))
		t_equal true "$(t_info "$f" complete)" && t_equal "$n" "$(meta "$f" slice.number)" &&
			t_true "slice $n begins too early" test "$(meta "$f" slice.first_ns)" -gt "$first" &&
			t_equal "${id:-$(meta "$f" record.id)}" "$(meta "$f" record.id)"
		first=$(meta "$f" slice.first_ns) id=$(meta "$f" record.id)
		"$SCHEDREC" dump "$f"
	done >"$T/dump"
	t_true "$n slices" test "$n" -ge 5 && t_equal exit "$(meta "$f" record.end)" && t_equal 32 "${#id}" && kept=$(awk '
		$5 ~ /^(sched_|task_)/ { n++ }
		$5 == "task_rename" && $7 == "comm=mark-a" { n = 0 }
		$5 == "task_rename" && $7 == "comm=mark-b" { kept = n }
		END { print kept + 0 }' "$T/dump") && t_equal "$written" "$((kept + lost))" &&
		t_true "a part file is left" eval "! compgen -G '$T/*.part' >/dev/null"
}
t_ok

t_case "a slice has the names and the tree of the tasks that began before it"
t_need_tracefs && {
	"$SCHEDREC" info "$T/s-0003.srz" >"$T/info" && t_match 'tasks +[0-9]+ \([4-9] in the tree' "$T/info" &&
		"$SCHEDREC" dump "$T/s-0003.srz" >"$T/dump" && t_match ' mark-a:[0-9]+ ' "$T/dump" && t_no_match ' (prev|next)=\?:' "$T/dump"
}
t_ok

t_case "bounded slices: the oldest are removed, the sum stays below the bound"
t_need_tracefs && flood && {
	t_status 0 "$SCHEDREC" record --slice 100ms --max-size 256K -o "$T/b.srz" -- "$T/flood" 2 0 70000r
	sum=$(cat "$T"/b-*.srz | wc -c)
	t_match 'older ones removed' "$T/err" && t_true "$sum bytes" test "$sum" -le 262144 && t_true "the first is there" test ! -e "$T/b-0001.srz"
}
t_ok

t_case "the ring is written on SIGUSR2 and at the end, with the last time only, and the recording goes on"
t_need_tracefs && flood && {
	t_status 0 "$SCHEDREC" record --ring 500ms -o "$T/r.srz" -- sh -c "'$T/flood' 2 5000 0.7; kill -USR2 \$PPID; '$T/flood' 2 5000 0.3;
		kill -USR2 \$PPID; sleep 0.3; grep VmHWM /proc/\$PPID/status"
	t_match 'kill -USR2 [0-9]+' "$T/err" && t_match 'wrote the last .* to .*r-0001.srz' "$T/err" && t_match 'wrote the last .* to .*r-0002.srz' "$T/err" &&
		for f in "$T"/r-0001.srz "$T"/r-0002.srz "$T"/r.srz; do
			t_equal true "$(t_info "$f" complete)" && d=$(t_info "$f" duration_ns) &&
				t_true "$f covers $d ns" test "$d" -ge 490000000 -a "$d" -lt 1000000000 &&
				t_true "$f has few events" test "$(t_info "$f" events)" -gt 2000 || break
		done && t_equal dump "$(meta "$T/r-0001.srz" record.end)" && t_equal exit "$(meta "$T/r.srz" record.end)" &&
		kb=$(awk '/VmHWM/ { print $2 }' "$T/out") && t_true "$kb kB of memory" test "$kb" -lt 65536
}
t_ok

t_case "SIGUSR2 without --ring is told, and the recording goes on"
t_need_tracefs && t_status 0 "$SCHEDREC" record -q -o "$T/x.srz" -- sh -c 'kill -USR2 $PPID; sleep 0.2; exit 0' &&
	t_one_line "$T/err" && t_match 'SIGUSR2 is for --ring' "$T/err" && t_equal true "$(t_info "$T/x.srz" complete)"
t_ok

t_case "times at a coarser resolution are multiples of it"
t_need_tracefs && flood && {
	t_status 0 "$SCHEDREC" record -q --time-resolution 1us -o "$T/x.srz" -- "$T/flood" 1 1000 0.2
	t_equal 1000 "$(meta "$T/x.srz" time.resolution_ns)" && "$SCHEDREC" dump "$T/x.srz" >"$T/dump" &&
		t_equal 0 "$(awk '$5 ~ /^sched_/' "$T/dump" | grep -vc '^[0-9]*\.[0-9]*000 ')"
}
t_ok

t_case "idle states are recorded on demand only, frequencies in system scope only"
t_need_tracefs && {
	if [ ! -d /sys/kernel/tracing/events/power/cpu_idle ]; then
		t_skip "this kernel has no power:cpu_idle"
	else
		# shellcheck disable=SC2016
		enabled='sleep 0.1; cd /sys/kernel/tracing/instances/schedrec-$PPID-*/events/power && cat cpu_idle/enable cpu_frequency/enable'
		t_status 0 "$SCHEDREC" record -q -a --cpu-idle -o "$T/x.srz" -- sh -c "$enabled" && t_equal "1 1" "$(xargs <"$T/out")" &&
			t_status 0 "$SCHEDREC" dump "$T/x.srz" && t_status 0 "$SCHEDREC" record -q -a -o "$T/x.srz" -- sh -c "$enabled" &&
			t_equal "0 1" "$(xargs <"$T/out")" && t_status 0 "$SCHEDREC" record -q -o "$T/x.srz" -- sh -c "$enabled" &&
			t_equal "0 0" "$(xargs <"$T/out")"
	fi
}
t_ok

t_case "the kernel's tunables are in the file"
t_need_tracefs && t_status 0 "$SCHEDREC" record -q -o "$T/x.srz" -- true &&
	t_equal "$(cat /proc/sys/kernel/sched_rt_runtime_us)" "$(meta "$T/x.srz" tunable.sched_rt_runtime_us)" &&
	t_true "no kernel.hz" test "$(meta "$T/x.srz" kernel.hz)" -ge 24 && t_true "no kernel.preempt" test -n "$(meta "$T/x.srz" kernel.preempt)" &&
	t_true "a small file takes $(stat -c %s "$T/x.srz") bytes" test "$(stat -c %s "$T/x.srz")" -lt 8192 &&
	t_true "it takes more disk than its blocks" test "$(stat -c %b "$T/x.srz")" -le 16
t_ok

# Fills a small disk: $1 the directory, $2 the bytes that must fit, $3 the rounds of the flood.
fill() {
	t_status 3 "$SCHEDREC" record -o "$1/x.srz" -- sh -c "'$T/flood' 2 0 $3r; echo end"
	t_one_line "$T/err" && t_match 'No space left' "$T/err" && t_match '^end$' "$T/out" && t_equal true "$(t_info "$1/x.srz" complete)" &&
		t_equal disk-full "$(meta "$1/x.srz" record.end)" && size=$(stat -c %s "$1/x.srz") &&
		t_true "only $size bytes fitted" test "$size" -gt "$2"
}

t_case "a full tmpfs ends the recording with a complete file"
t_need_tracefs && flood && mkdir "$T/small" && mount -t tmpfs -o size=400K none "$T/small" && {
	fill "$T/small" 250000 150000
	umount "$T/small"
}
t_ok

# 48,000 events, less than a chunk: nothing is written of them before the end.
t_case "a tmpfs that is full only when the recording ends leaves a complete file, too"
t_need_tracefs && flood && mount -t tmpfs -o size=40K none "$T/small" && {
	fill "$T/small" 500 10000
	umount "$T/small"
}
t_ok

t_case "a full ext4 ends the recording with a complete file"
t_need mkfs.ext4 && t_need_tracefs && flood && {
	truncate -s 512K "$T/disk" && mkfs.ext4 -q -O ^has_journal -m 0 "$T/disk" && mkdir -p "$T/ext4"
	if ! mount -o loop "$T/disk" "$T/ext4" 2>"$T/mount"; then
		t_skip "no loop device: $(cat "$T/mount")"
	else
		rmdir "$T/ext4/lost+found"
		fill "$T/ext4" 250000 150000
		umount "$T/ext4"
	fi
}
t_ok

t_case "a disk that fills ends slices too: those before and what is there of the last are complete"
t_need_tracefs && flood && mount -t tmpfs -o size=400K none "$T/small" && {
	t_status 3 "$SCHEDREC" record --slice 200ms -o "$T/small/x.srz" -- sh -c "'$T/flood' 2 0 90000r; echo end"
	t_match 'No space left' "$T/err" && t_match '^end$' "$T/out" && for f in "$T"/small/x-*; do
		t_status 0 "$SCHEDREC" dump "$f" || break
	done
	umount "$T/small"
}
t_ok

t_done
