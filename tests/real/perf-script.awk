# SPDX-License-Identifier: GPL-2.0-or-later
# Events as `perf script --ns -F tid,cpu,time,event,trace` prints them, as lines for tests/real/from_text.
function field(name, rest) {
	if (!match($0, " " name "=[^ ]+"))
		return "?"
	rest = substr($0, RSTART, RLENGTH)
	return substr(rest, length(name) + 3)
}
function number(text) {
	return text + 0
}
$4 ~ /^sched:/ {
	cpu = substr($2, 2) + 0
	# perf has no tid for a task that has exited and runs on.
	tid = $1 < 0 ? current[cpu] + 0 : $1
	at = $3
	sub(/:$/, "", at)
	split(at, t, ".")
	at = (t[1] == "0" ? "" : t[1]) t[2]
	if ($4 == "sched:sched_switch:") {
		current[cpu] = field("next_pid")
		print "switch", at, cpu, field("prev_pid"), field("prev_prio"), field("prev_state"), field("next_pid"), field("next_prio")
	} else if ($4 == "sched:sched_waking:")
		print "waking", at, cpu, tid, field("pid"), field("prio"), number(field("target_cpu"))
	else if ($4 == "sched:sched_wakeup:")
		print "wakeup", at, cpu, tid, field("pid"), field("prio"), number(field("target_cpu"))
	else if ($4 == "sched:sched_wakeup_new:")
		print "new", at, cpu, tid, field("pid"), field("prio"), number(field("target_cpu"))
	else if ($4 == "sched:sched_process_fork:")
		print "fork", at, cpu, field("pid"), field("child_pid")
	else if ($4 == "sched:sched_migrate_task:")
		print "migrate", at, cpu, tid, field("pid"), field("prio"), field("orig_cpu"), field("dest_cpu")
}
