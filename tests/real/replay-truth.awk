# SPDX-License-Identifier: GPL-2.0-or-later
#
# For tests/real/replay-truth.sh: what the tasks of a recorded command, or of a replay of it, did, from `schedrec dump`.
#
#	task COMM CPU_NS SLEEPS PREEMPTED WOKEN WAITED_NS START_NS END_NS TID RAN_ON    in the order in which they begin;
#	                        WAITED_NS: ready to run, without a cpu; RAN_ON: cpus, as 0 or 0,1
#	wake TIME_NS COMM       it is woken (and slept)
#	fork TIME_NS COMM FOREIGN_NS              it is forked; until then tasks that are none of these ran so long on cpu
#	                                          `cpu`
#	end TIME_NS COMM FOREIGN_NS CPU_NS...     it exits; until then each task had used so much (up to 10 tasks)
#
# COMM is a task's last one. A replay (-v replay=1) names its tasks in bind events; in the recording of a command they are
# what is executed first, and its descendants. A pid may be a second task's: a fork begins a new one.

function ns(t) {
	return substr(t, 1, length(t) - 10) * 1000000000 + substr(t, length(t) - 8)
}

function tid_of(text) {
	sub(/^.*:/, "", text)
	return text
}

function value(key, i) {
	for (i = 6; i <= NF; i++)
		if (index($i, key "=") == 1)
			return substr($i, length(key) + 2)
	return ""
}

# The task that now has this tid.
function task(tid) {
	if (!(tid in now)) {
		now[tid] = ++ntasks
		tid_of_task[ntasks] = tid
	}
	return now[tid]
}

function member(k) {
	if (!(k in is_member)) {
		is_member[k] = 1
		order[++nmembers] = k
		start[k] = time
	}
}

function used(k) {
	return cpu_ns[k] + (k in in_ns ? time - in_ns[k] : 0)
}

function is_foreign(k) {
	return k && !(k in is_member)
}

function foreign_ns(k) {
	k = running[cpu]
	return foreign + (is_foreign(k) && k in in_ns ? time - in_ns[k] : 0)
}

# It runs on this cpu from `from` on.
function goes_in(k, from) {
	if (k in in_ns)
		leaves(k)
	if (k in ready_ns)
		waited[k] += from - ready_ns[k]
	delete ready_ns[k]
	delete asleep[k]
	in_ns[k] = from
	on[k] = $2
	running[$2] = k
	if (index("," ran_on[k] ",", "," $2 ",") == 0)
		ran_on[k] = (ran_on[k] == "" ? "" : ran_on[k] ",") $2
}

function leaves(k) {
	cpu_ns[k] += time - in_ns[k]
	if (on[k] == cpu && is_foreign(k))
		foreign += time - in_ns[k]
	running[on[k]] = 0
	delete in_ns[k]
}

# An event shows that it (0: none) runs on this cpu: some switches are not in a trace, and there are hosts that write none
# from idle (formats/timeline.h).
function shows(k, from) {
	if (running[$2] == k && (!k || k in in_ns))
		return
	if (running[$2] && running[$2] in in_ns)
		leaves(running[$2])
	else if (k && k in ready_ns)
		from = ready_ns[k] > idle_ns[$2] ? ready_ns[k] : idle_ns[$2]
	if (k)
		goes_in(k, from ? from : time)
	else
		running[$2] = 0
}

function ends(k, line, i) {
	line = sprintf("end %.0f %d %.0f", time, k, foreign_ns())
	for (i = 1; i <= nmembers && nmembers <= 10; i++)
		line = line sprintf(" %.0f", used(order[i]))
	lines[++nlines] = line
	end[k] = time
}

function goes_out(tid, state, k) {
	k = task(tid)
	if (k in in_ns)
		leaves(k)
	if (state ~ /^[XZ]/) {
		ends(k)
		delete now[tid]
	} else if (state ~ /^[SDI]/) {
		sleeps[k]++
		asleep[k] = 1
	} else {
		preempted[k]++
		ready_ns[k] = time
	}
}

{
	time = ns($1)
	tid = tid_of($3)
	shows(tid == 0 ? 0 : task(tid))
	if (tid == 0)
		idle_ns[$2] = time
	if ($3 !~ /^\?:/)
		comm[task(tid)] = substr($3, 1, length($3) - length(tid) - 1)
}

$5 == "bind" {
	tid = tid_of(value("task"))
	k = task(tid)
	member(k)
	if (k in asleep)
		at_gate[k] = 1
	cpu_ns[k] = sleeps[k] = preempted[k] = waited[k] = woken[k] = 0
	if (k in in_ns)
		in_ns[k] = time
}

$5 == "sched_process_exec" && !nmembers && !replay {
	member(task(tid_of(value("task"))))
}

$5 == "sched_process_fork" {
	tid = tid_of(value("child"))
	if (!replay && task(tid_of(value("parent"))) in is_member) {
		delete now[tid]
		member(task(tid))
		comm[task(tid)] = comm[task(tid_of(value("parent")))]
	}
	k = task(tid)
	ready_ns[k] = time
	lines[++nlines] = sprintf("fork %.0f %d %.0f", time, k, foreign_ns())
}

# A task that runs is renamed: its last name counts.
$5 == "task_rename" {
	comm[task(value("tid"))] = value("comm")
}

$5 == "sched_waking" {
	k = task(tid_of(value("task")))
	if (k in asleep) {
		ready_ns[k] = time
		if (!(k in at_gate)) {
			woken[k]++
			lines[++nlines] = sprintf("wake %.0f %d", time, k)
		}
		delete at_gate[k]
		delete asleep[k]
	}
}

$5 == "sched_switch" {
	if (tid_of(value("prev")) != 0)
		goes_out(tid_of(value("prev")), value("prev_state"))
	tid = tid_of(value("next"))
	running[$2] = 0
	idle_ns[$2] = time
	if (tid != 0)
		goes_in(task(tid), time)
}

END {
	for (i = 1; i <= nmembers; i++) {
		k = order[i]
		if (!(k in end)) # the file ends with it
			ends(k)
		printf "task %s %.0f %d %d %d %.0f %.0f %.0f %d %s\n", comm[k], used(k), sleeps[k], preempted[k], woken[k],
			waited[k], start[k], end[k], tid_of_task[k], ran_on[k] == "" ? "-" : ran_on[k]
	}
	for (i = 1; i <= nlines; i++) {
		n = split(lines[i], f, " ")
		if (!(f[3] in is_member))
			continue
		line = f[1] sprintf(" %.0f ", f[2]) comm[f[3]]
		for (j = 4; j <= n; j++)
			line = line sprintf(" %.0f", f[j])
		print line
	}
}
