# SPDX-License-Identifier: GPL-2.0-or-later
#
# For tests/real/round-trip.sh: one line an event, alike for both decoders: TIME CPU CTX FLAGS EVENT FIELD...
#
#	awk -f round-trip.awk RAW PLAIN      `trace-cmd report -t -l -R` (numbers as they are, the flags) and `-t -N` (the
#	                                     states as the kernel's own format prints them) of the same file, line by line
#	awk -v first_ns=N -f round-trip.awk DUMP    `schedrec dump` and its first_ns
#
# What the stream is said to have otherwise than the ring is done to trace-cmd's side too: task_newtask stands right behind
# its fork, with its time (event.h); the idle tasks of all cpus are one, named swapper; what goes back in time on a cpu has
# the time of the event before it. `comm` lines are no kernel's event: what they say shows in the lines behind them.

function escaped(s, i, c, out) {
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		out = out ((c > " " && c < "\177" && c != "\\") ? c : sprintf("\\x%02x", ord[c]))
	}
	return out
}

# The value of the field `key` in the text, up to the field `next_key`, or to the end.
function value(text, key, next_key, at) {
	at = index(" " text, " " key "=")
	if (!at)
		return "?"
	text = substr(text, at + length(key) + 1)
	if (next_key != "" && (at = index(text, " " next_key "=")))
		text = substr(text, 1, at - 1)
	return text
}

function task(comm, tid) {
	if (tid == 0)
		return "swapper:0"
	return escaped(comm) ":" tid
}

function letter(state) {
	return state ~ /\+/ ? "R+" : substr(state, 1, 1)
}

function fields(event, f) {
	if (event == "sched_switch")
		return " prev=" task(value(f, "prev_comm", "prev_pid"), value(f, "prev_pid", "prev_prio")) \
			" prev_prio=" value(f, "prev_prio", "prev_state") " prev_state=" letter(state) \
			" next=" task(value(f, "next_comm", "next_pid"), value(f, "next_pid", "next_prio")) \
			" next_prio=" value(f, "next_prio")
	if (event ~ /^sched_wak/)
		return " task=" task(value(f, "comm", "pid"), value(f, "pid", "prio")) " prio=" value(f, "prio", "target_cpu") \
			" target_cpu=" value(f, "target_cpu") + 0
	if (event == "sched_migrate_task")
		return " task=" task(value(f, "comm", "pid"), value(f, "pid", "prio")) " prio=" value(f, "prio", "orig_cpu") \
			" from=" value(f, "orig_cpu", "dest_cpu") " to=" value(f, "dest_cpu")
	if (event == "sched_process_fork")
		return " parent=" task(value(f, "parent_comm", "parent_pid"), value(f, "parent_pid", "child_comm")) \
			" child=" task(value(f, "child_comm", "child_pid"), value(f, "child_pid"))
	if (event == "sched_process_exec")
		return " tid=" value(f, "pid", "old_pid") " old_tid=" value(f, "old_pid") \
			" file=" escaped(value(f, "filename", "pid"))
	if (event == "sched_process_exit")
		return " task=" task(value(f, "comm", "pid"), value(f, "pid", "prio")) " prio=" value(f, "prio", "group_dead") \
			" group_dead=" (f ~ / group_dead=/ ? value(f, "group_dead") + 0 : "?")
	if (event == "task_rename")
		return " tid=" (f ~ /^pid=/ ? value(f, "pid", "oldcomm") : ctx) \
			" comm=" escaped(value(f, "newcomm", "oom_score_adj"))
	if (event == "task_newtask")
		return " task=" task(value(f, "comm", "clone_flags"), value(f, "pid", "comm")) \
			" clone_flags=0x" value(f, "clone_flags", "oom_score_adj")
	return " " f
}

# The flags of struct trace_entry, given in hex: 8 hard interrupt, 0x10 soft interrupt, 0x40 NMI.
function flags_text(hex, low, high, out) {
	low = index("0123456789abcdef", substr(hex, length(hex))) - 1
	high = length(hex) > 1 ? index("0123456789abcdef", substr(hex, length(hex) - 1, 1)) - 1 : 0
	out = (low >= 8 ? "h" : "") (high % 2 ? "s" : "") (int(high / 4) % 2 ? "n" : "")
	return out == "" ? "-" : out
}

function trace_cmd_line(head, n, part, cpu, time, flags, event, pid, text) {
	# "CPU:1 [23 EVENTS DROPPED]", or without a number: before its next event.
	if (match($0, /\[([0-9]+ )?EVENTS DROPPED\]/)) {
		n = substr($0, RSTART + 1) + 0
		n = n ? n : "?"
		match($0, /CPU:[0-9]+/)
		lost[substr($0, RSTART + 4) + 0] = n
		return
	}
	if (!match($0, /-[0-9]+ +[0-9]+-0x[0-9a-f]+ +[0-9]+\.[0-9]+: +[a-z_]+: */))
		return
	head = substr($0, RSTART + 1, RLENGTH - 1)
	text = substr($0, RSTART + RLENGTH)
	split(head, part, / +/)
	ctx = part[1]
	cpu = part[2] + 0
	flags = part[2]
	sub(/.*0x/, "", flags)
	time = part[3]
	sub(/:$/, "", time)
	event = part[4]
	sub(/:$/, "", event)
	if (cpu in last && length(time) <= length(last[cpu]) && time "" < last[cpu] "")
		time = last[cpu]
	last[cpu] = time
	if (cpu in lost) {
		print time, cpu, "lost", lost[cpu]
		delete lost[cpu]
	}
	text = " " ctx " " flags_text(flags) " " event fields(event, text)
	if (event == "task_newtask") {
		pid = text
		sub(/ clone_flags=[^ ]*$/, "", pid)
		sub(/.*:/, "", pid)
		held[pid] = text
		held_cpu[pid] = cpu
		return
	}
	pid = event == "sched_process_fork" || event == "sched_wakeup_new" ? text : ""
	sub(/ prio=.*/, "", pid)
	sub(/.*:/, "", pid)
	if (event == "sched_wakeup_new" && pid in held)
		print time, cpu held[pid]
	print time, cpu text
	if (event == "sched_process_fork" && pid in held)
		print time, cpu held[pid]
	delete held[pid]
	latest = time
}

# A fork's or new task's line, held back until its child's comm is known: it may stand in the line behind.
function dump_held(comm) {
	if (held_line == "")
		return
	if (comm != "")
		sub(held_key "=[^ ]*:", held_key "=" comm ":", held_line)
	print held_line
	held_line = ""
}

function dump_line(part, s, ns, at, rest) {
	if ($5 == "comm") {
		comm_tid = $6
		sub(/tid=/, "", comm_tid)
		sub(/comm=/, "", $7)
		dump_held(comm_tid == held_tid ? $7 : "")
		return
	}
	dump_held("")
	split($1, part, ".")
	s = base_s + part[1]
	ns = base_ns + part[2]
	if (ns >= 1000000000) {
		ns -= 1000000000
		s++
	}
	at = sprintf("%d.%09d %d", s, ns, $2)
	if ($5 == "lost") {
		sub(/count=/, "", $6)
		print at, "lost", $6
		return
	}
	rest = $0
	sub(/^[^ ]+ [^ ]+ [^ ]*:/, "", rest)
	# Whose comm it is at an exec is the rename's matter.
	if ($5 == "sched_process_exec")
		sub(/ task=[^ ]*:/, " tid=", rest)
	held_line = at " " rest
	held_key = $5 == "task_newtask" ? " task" : " child"
	held_tid = $5 == "task_newtask" ? $6 : $7
	sub(/.*:/, "", held_tid)
	if ($5 != "task_newtask" && $5 != "sched_process_fork")
		dump_held("")
}

BEGIN {
	for (i = 1; i < 256; i++)
		ord[sprintf("%c", i)] = i
	if (first_ns != "") {
		base_s = substr(first_ns, 1, length(first_ns) - 9) + 0
		base_ns = substr(first_ns, length(first_ns) - 8) + 0
	} else {
		plain = ARGV[2]
		ARGV[2] = ""
	}
}

first_ns != "" {
	dump_line()
	next
}

{
	state = ""
	if ((getline other <plain) > 0 && match(other, /prev_state=[^ ]+/))
		state = substr(other, RSTART + 11, RLENGTH - 11)
	trace_cmd_line()
}

END {
	dump_held("")
	for (pid in held)
		print latest, held_cpu[pid] held[pid]
}
