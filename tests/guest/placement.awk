# SPDX-License-Identifier: GPL-2.0-or-later
#
# Where tasks ran, out of `schedrec dump` read twice (awk -f placement.awk -v what=W ... DUMP DUMP):
#
#	what=apart name=N node="0 0 1 1"   ms for which two tasks called N* ran at one time, and ms in which they did so on
#	                                   different nodes; node: of each CPU
#	what=levels core="..." node="..."  migrations of the replay's tasks within cores, and between cores of a node, and
#	                                   between nodes
#	what=forks name=N                  of each task called N, by birth: "FROM TO MOST": the policy's decision at its fork, and
#	                                   the CPU where it ran the longest until the next decision on it; "none" when it did not
#	what=first name=N                  the CPU where each task called N ran first, by birth
#	what=most name=N                   the CPU where it ran the longest
#	what=on name=N                     ms that the tasks called N ran on each CPU: "MS0 MS1 ..."
#
# A name is what the task was ever called: its beginning for `apart`, else the whole.

function tid(field)
{
	sub(/.*:/, "", field)
	return field
}

function name_of(field)
{
	sub(/^[a-z_]*=/, "", field)
	sub(/:[0-9]+$/, "", field)
	return field
}

function fits(n)
{
	return what == "apart" ? index(n, name) == 1 : n == name
}

BEGIN {
	split(core, core_of)
	split(node, node_of)
}

NR == FNR {
	for (i = 6; i <= NF; i++)
		if ($i ~ /^(prev|next|task)=.*:[0-9]+$/ && fits(name_of($i)))
			mine[tid($i)] = 1
	if ($5 == "bind")
		bound[tid($6)] = 1
	if ($5 == "sched_process_fork")
		born[++births] = tid($7)
	next
}

$5 == "decision" && / cause=fork / {
	from[tid($6)] = substr($8, 6)
	to[tid($6)] = substr($9, 4)
}

$5 == "decision" && what == "forks" && !/ cause=fork / {
	moved[tid($6)] = 1
}

$5 == "sched_switch" {
	running = 0
	apart = 0
	for (c in current)
		if (current[c] in mine) {
			if (!(current[c] in moved))
				ran[current[c], c] += $1 - last
			on[c] += $1 - last
			if (running++ && node_of[c + 1] != where)
				apart = 1
			where = node_of[c + 1]
		}
	if (running > 1) {
		both += $1 - last
		if (apart)
			different += $1 - last
	}
	next_ = tid($9)
	if (next_ in bound) {
		if (next_ in cpu && cpu[next_] != $2)
			level[core_of[cpu[next_] + 1] == core_of[$2 + 1] ? "core" : \
			      node_of[cpu[next_] + 1] == node_of[$2 + 1] ? "node" : "far"]++
		cpu[next_] = $2
	}
	if (!(next_ in first))
		first[next_] = $2
	current[$2] = next_
	last = $1
}

function most(t,    c, best)
{
	best = 0
	for (c = 0; c < 4; c++)
		if (ran[t, c] > ran[t, best])
			best = c
	return ran[t, best] || what != "forks" ? best : "none"
}

END {
	if (what == "apart")
		printf "%d %d\n", both * 1000, different * 1000
	if (what == "levels")
		printf "%d %d %d\n", level["core"], level["node"], level["far"]
	if (what == "on")
		printf "%d %d %d %d\n", on[0] * 1000, on[1] * 1000, on[2] * 1000, on[3] * 1000
	for (i = 1; i <= births; i++) {
		t = born[i]
		if (!(t in mine))
			continue
		if (what == "forks")
			print from[t], to[t], most(t)
		if (what == "first")
			print first[t]
		if (what == "most")
			print most(t)
	}
}
