# SPDX-License-Identifier: GPL-2.0-or-later
#
# Reads `schedrec dump` and counts what a set of tasks did, independently of schedrec's own analysis:
#
#	awk -v latencies=FILE -f count.awk DUMP            the first task that execs, and all its descendants
#	awk -v latencies=FILE -f count.awk CHOSEN DUMP     of the threads that `perf sched replay` makes, those whose
#	                                                   numbers are lines of CHOSEN (0: the first made by the task that
#	                                                   execs last), from when all are made to their last sleep
#
# Prints METRIC VALUE lines; the wakeup latencies (from the waking to the switch-in; from the switch-out where the waking
# came first) go to FILE, one a line, in ns.
#
# A switch can be missing in the events: another task than the one that was last switched in proves one. It is taken to
# have come right after the cpu's event before, or after the task's own waking where that came later; it is in none of
# the counts of switches, and no latency ends with it.

function tid_of(field) {
	sub(/.*:/, "", field)
	return field + 0
}

function ns_of(time, part) {
	split(time, part, ".")
	return part[1] * 1e9 + part[2]
}

function switched_out(tid, sleeps, exits) {
	if (tid in others_since) {
		others_ns += t - others_since[tid]
		delete others_since[tid]
	}
	if (!(tid in mine))
		return
	if (tid in in_since && t > start) {
		cpu_ns += t - (in_since[tid] > start ? in_since[tid] : start)
		last = t
		if (first == "")
			first = in_since[tid] > start ? in_since[tid] : start
	}
	delete in_since[tid]
	out_since[tid] = t
	if (t <= start || exits)
		return
	if (sleeps) {
		voluntary++
		slept[tid] = 1
		last_sleep = t
		cpu_at_last_sleep = cpu_ns
	} else
		involuntary++
}

function switched_in(tid, from) {
	if (tid in other)
		others_since[tid] = t
	if (!(tid in mine))
		return
	if (tid in waking) {
		from = waking[tid]
		if (tid in out_since && out_since[tid] > from)
			from = out_since[tid]
		if (waking[tid] > start)
			print t - from >latencies
		delete waking[tid]
	}
	in_since[tid] = t
}

FILENAME != ARGV[ARGC - 1] {
	chosen[$1] = 1
	next
}

{
	t = ns_of($1)
	cpu = $2
	tid = tid_of($3)
	if (cpu in running && running[cpu] != tid) {
		now = t
		t = last_event[cpu]
		switched_out(running[cpu], 0, 1)
		if (tid in waking && waking[tid] > t)
			t = waking[tid]
		delete waking[tid]
		switched_in(tid)
		if (tid in mine)
			repaired++
		t = now
	}
	running[cpu] = tid
	last_event[cpu] = t
}

$5 == "sched_switch" {
	state = $8
	sub(/prev_state=/, "", state)
	switched_out(tid_of($6), state !~ /^R/, state ~ /^[XZ]/)
	running[cpu] = tid_of($9)
	switched_in(running[cpu])
	next
}

$5 == "sched_waking" {
	tid = tid_of($6)
	if (tid in mine && !(tid in waking))
		waking[tid] = t
	next
}

# Of processes; older kernels do not tell them from threads.
$5 == "sched_process_exit" {
	if (tid_of($6) in mine && $8 != "group_dead=0")
		exits++
	next
}

# It had not slept yet, and now will not.
$5 == "sched_wakeup" {
	tid = tid_of($6)
	if (tid in in_since)
		delete waking[tid]
	next
}

$5 == "sched_process_exec" && (ARGC > 2 || root == "") {
	root = tid_of($6)
	split("", mine)
	split("", other)
	made = 0
	if (ARGC == 2) {
		mine[root] = 1
		in_since[root] = t
	}
	next
}

$5 == "sched_process_fork" {
	parent = tid_of($6)
	child = tid_of($7)
	if (ARGC == 2) {
		if (parent in mine)
			mine[child] = 1
	} else if (parent == root) {
		if (made in chosen)
			mine[child] = 1
		else
			other[child] = 1
		made++
		start = t
		cpu_ns = voluntary = involuntary = 0
		first = ""
		printf "" >latencies
		close(latencies)
		split("", slept)
	}
	next
}

END {
	# The last sleep of a thread of perf's is the end of its work.
	if (ARGC > 2) {
		for (tid in slept)
			voluntary--
		cpu_ns = cpu_at_last_sleep
		last = last_sleep
	}
	printf "cpu_time_ns %.0f\n", cpu_ns
	printf "makespan_ns %.0f\n", last - first
	printf "switches_voluntary %.0f\n", voluntary
	printf "switches_involuntary %.0f\n", involuntary
	printf "threads_made %.0f\n", made
	printf "exits %.0f\n", exits
	printf "repaired %.0f\n", repaired
	# Of the threads that were not chosen.
	printf "others_cpu_time_ns %.0f\n", others_ns
}
