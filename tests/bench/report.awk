# SPDX-License-Identifier: GPL-2.0-or-later
#
#	awk -v json=FILE -v rounds=N -v repeats=N -f report.awk HOST NOTES SAMPLES
#
# The bench's tables, within 100 columns, and its JSON. A sample is PART WORKLOAD ARM ROUND METRIC VALUE, with tabs; samples
# of one round are averaged (the two runs of each arm).

function sorted(v, n, i, k, x) {
	for (i = 2; i <= n; i++) {
		x = v[i]
		for (k = i - 1; k > 0 && v[k] > x; k--)
			v[k + 1] = v[k]
		v[k + 1] = x
	}
}

# Leaves the values of all rounds in V[1..N], divided by those of base (its same round, or its only one) where a base is
# given; sorted. 0: there are none.
function collect(part, w, arm, metric, base, i, key, by) {
	N = 0
	for (i = 1; i <= nround[part, w]; i++) {
		key = part SUBSEP w SUBSEP arm SUBSEP round_of[part, w, i] SUBSEP metric
		if (!(key in sum))
			continue
		V[N + 1] = sum[key] / count[key]
		if (base != "") {
			by = part SUBSEP w SUBSEP base SUBSEP round_of[part, w, i] SUBSEP metric
			if (!(by in sum))
				by = part SUBSEP w SUBSEP base SUBSEP 0 SUBSEP metric
			if (!(by in sum) || !sum[by])
				continue
			V[N + 1] /= sum[by] / count[by]
		}
		N++
	}
	sorted(V, N)
	return N
}

function median() {
	return N % 2 ? V[(N + 1) / 2] : (V[N / 2] + V[N / 2 + 1]) / 2
}

function time_text(ns) {
	return ns >= 1e9 ? sprintf("%.3f s", ns / 1e9) : ns >= 1e6 ? sprintf("%.1f ms", ns / 1e6) : \
		ns >= 1e3 ? sprintf("%.1f us", ns / 1e3) : sprintf("%.0f ns", ns)
}

function count_text(n, s, out) {
	s = sprintf("%.0f", n)
	while (length(s) > 3) {
		out = "," substr(s, length(s) - 2) out
		s = substr(s, 1, length(s) - 3)
	}
	return s out
}

function size_text(bytes) {
	return bytes >= 1e6 ? sprintf("%.2f MB", bytes / 1e6) : sprintf("%.1f kB", bytes / 1e3)
}

# An error as text; from ten times as much on, how many times.
function error_text(x, digits) {
	if (x >= 9)
		return x >= 999 ? sprintf("x%.0fk", (x + 1) / 1000) : sprintf("x%.0f", x + 1)
	if (x < 0 && x * 100 > -0.5 / 10 ^ digits)
		x = 0
	return sprintf("%+.*f", digits, x * 100)
}

function ratio_cell(w, arm, metric) {
	if (!collect("overhead", w, arm, metric, "bare"))
		return "-"
	return sprintf("%.3f (%.3f..%.3f)", median(), V[1], V[N])
}

function overhead_table(w, a, arm, i, k) {
	printf "OVERHEAD: time relative to the unrecorded runs of the same round; median (least..most) of %d rounds\n", rounds
	printf "%-10s %-24s %20s %20s %20s\n", "", "", "the workload itself", "until the file is", "CPU time, recorder"
	printf "%-10s %-24s %20s %20s %20s\n", "workload", "recorded by", "", "complete", "included"
	for (i = 1; i <= nworkloads; i++) {
		w = workloads[i]
		if (!collect("overhead", w, "bare", "own_ns", ""))
			continue
		printf "%-10s %-24s %20s %20s %20s\n", w, "nothing", short_time(w, "own_ns"), short_time(w, "all_ns"),
			short_time(w, "all_cpu_ns")
		for (a = 1; a <= narms; a++) {
			arm = arms[a]
			if (arm != "bare" && collect("overhead", w, arm, "own_ns", ""))
				printf "%-10s %-24s %20s %20s %20s\n", "", title[arm], ratio_cell(w, arm, "own_ns"),
					ratio_cell(w, arm, "all_ns"), ratio_cell(w, arm, "all_cpu_ns")
		}
	}
	printf "Start and end alone (`true`):"
	for (a = 4; a <= narms; a++)
		if (collect("overhead", "nothing", arms[a], "all_ns", "")) {
			printf "%s %s %s", k, arms[a], time_text(median())
			k = ","
		}
	print "\n"
}

# Least and most of the unrecorded runs beside the median, in seconds.
function short_time(w, metric) {
	collect("overhead", w, "bare", metric, "")
	return sprintf("%.2f s (%.2f..%.2f)", median() / 1e9, V[1] / 1e9, V[N] / 1e9)
}

# Sets EVENTS, LOST, BYTES, EACH, GROWTH of a recorder's files (medians; lost: the most).
function sizes(w, arm, i, r, e, b, n, each, growth, e0, b0) {
	if (!collect("overhead", w, arm, "events", ""))
		return 0
	EVENTS = median()
	LOST = collect("overhead", w, arm, "lost", "") ? V[N] : 0
	if (!collect("overhead", w, arm, "bytes", "")) {
		BYTES = EACH = GROWTH = ""
		return 1
	}
	BYTES = median()
	e0 = only["overhead", "nothing", arm, 0, "events"]
	b0 = only["overhead", "nothing", arm, 0, "bytes"]
	for (i = 1; i <= nround["overhead", w]; i++) {
		r = round_of["overhead", w, i]
		if (!(("overhead", w, arm, r, "bytes") in only))
			continue
		e = only["overhead", w, arm, r, "events"]
		b = only["overhead", w, arm, r, "bytes"]
		n++
		each[n] = b / e
		growth[n] = (b - b0) / (e - e0)
	}
	sorted(each, n)
	sorted(growth, n)
	EACH = each[int((n + 1) / 2)]
	GROWTH = growth[int((n + 1) / 2)]
	return 1
}

function size_table(k, w, a, arm) {
	print "FILES: a recording of nothing (`true`) is the fixed part, its events left out too"
	printf "%-10s %-24s %11s %9s %11s %14s %14s\n", "", "", "", "", "", "bytes an event", "without the"
	printf "%-10s %-24s %11s %9s %11s %14s %14s\n", "workload", "recorded by", "events", "lost", "file", "", "fixed part"
	for (k = 0; k <= nworkloads; k++) {
		w = k ? workloads[k] : "nothing"
		for (a = 1; a <= narms; a++) {
			arm = arms[a]
			if (!sizes(w, arm))
				continue
			printf "%-10s %-24s %11s %9s %11s %14s %14s\n", w == shown ? "" : w, title[arm], count_text(EVENTS),
				count_text(LOST), BYTES == "" ? "-" : size_text(BYTES), BYTES == "" ? "-" : sprintf("%.2f", EACH),
				BYTES == "" || !k ? "-" : sprintf("%.2f", GROWTH)
			shown = w
		}
	}
	print ""
}

function fidelity_row(w, arm, name, spread, m, line, range) {
	line = sprintf("%-22s", name)
	range = sprintf("%-22s", "    least, most")
	for (m = 1; m <= nmetrics; m++) {
		if (collect("fidelity", w, arm, metrics[m], "recorded")) {
			line = line sprintf(" %10s", error_text(median() - 1, 1) (median() < 10 ? "%" : ""))
			range = range sprintf(" %10s", error_text(V[1] - 1, 0) "," error_text(V[N] - 1, 0))
		} else {
			line = line sprintf(" %10s", "-")
			range = range sprintf(" %10s", "-")
		}
	}
	print line
	if (spread)
		print range
}

function fidelity_table(k, w, m, line) {
	printf "FIDELITY: errors against the recording (x20: twenty times as much); medians of %d runs each\n", repeats
	for (k = 1; k <= nworkloads; k++) {
		w = workloads[k]
		if (!collect("fidelity", w, "recorded", "cpu_time_ns", ""))
			continue
		line = sprintf("\n%-22s", w)
		for (m = 1; m <= nmetrics; m++)
			line = line sprintf(" %10s", heads[m])
		print line
		line = sprintf("%-22s", "recorded")
		for (m = 1; m <= nmetrics; m++) {
			if (!collect("fidelity", w, "recorded", metrics[m], ""))
				line = line sprintf(" %10s", "-")
			else
				line = line sprintf(" %10s", metrics[m] ~ /_ns/ ? time_text(median()) : count_text(median()))
		}
		print line
		fidelity_row(w, "rusage", "  by getrusage", 0)
		fidelity_row(w, "counted", "  by count.awk", 0)
		fidelity_row(w, "application", "the application again", 1)
		fidelity_row(w, "schedrec", "schedrec replay", 1)
		if (collect("fidelity", w, "perf", "cpu_time_ns", ""))
			fidelity_row(w, "perf", "perf sched replay", 1)
		if (collect("fidelity", w, "perf-wakeup", "cpu_time_ns", ""))
			fidelity_row(w, "perf-wakeup", "  with sched_wakeup", 1)
		if (collect("fidelity", w, "perf", "others_cpu_time_ns", ""))
			printf "perf's replay also burns %s of CPU time for what ran outside of the workload.\n", time_text(median())
	}
	print ""
}

function quoted(s) {
	gsub(/\\/, "\\\\", s)
	gsub(/"/, "\\\"", s)
	gsub(/[\001-\037]/, " ", s)
	return "\"" s "\""
}

function write_json(i, k, a, m, w, arm, sep, list, nlist, base) {
	printf "{\n\"rounds\": %d, \"repeats\": %d,\n\"host\": {", rounds, repeats >json
	for (i = 1; i <= nhost; i++)
		printf "%s%s: %s", (i > 1 ? ", " : ""), quoted(host_key[i]), quoted(host[host_key[i]]) >json
	printf "},\n\"notes\": [" >json
	for (i = 1; i <= nnotes; i++)
		printf "%s%s", (i > 1 ? ", " : ""), quoted(notes[i]) >json
	printf "],\n\"overhead\": [" >json
	nlist = split("own_ns all_ns own_cpu_ns all_cpu_ns switches_voluntary switches_involuntary", list, " ")
	for (k = 1; k <= nworkloads; k++)
		for (a = 1; a <= narms; a++)
			for (m = 1; m <= nlist; m++) {
				w = workloads[k]
				arm = arms[a]
				if (!collect("overhead", w, arm, list[m], "bare"))
					continue
				printf "%s\n{\"workload\": %s, \"arm\": %s, \"metric\": %s, \"ratio\": %.6g, \"least\": %.6g, \"most\": %.6g}",
					sep, quoted(w), quoted(arm), quoted(list[m]), median(), V[1], V[N] >json
				sep = ","
			}
	printf "],\n\"files\": [" >json
	sep = ""
	for (k = 0; k <= nworkloads; k++)
		for (a = 1; a <= narms; a++) {
			w = k ? workloads[k] : "nothing"
			if (!sizes(w, arms[a]) || BYTES == "")
				continue
			printf "%s\n{\"workload\": %s, \"arm\": %s, \"events\": %.0f, \"lost\": %.0f, \"bytes\": %.0f, \"bytes_per_event\": %.6g",
				sep, quoted(w), quoted(arms[a]), EVENTS, LOST, BYTES, EACH >json
			if (k)
				printf ", \"bytes_per_event_without_fixed\": %.6g", GROWTH >json
			printf "}" >json
			sep = ","
		}
	printf "],\n\"fidelity\": [" >json
	sep = ""
	nlist = split("application schedrec perf perf-wakeup rusage counted", list, " ")
	for (k = 1; k <= nworkloads; k++)
		for (a = 1; a <= nlist; a++)
			for (m = 1; m <= nmetrics; m++) {
				w = workloads[k]
				if (!collect("fidelity", w, list[a], metrics[m], "recorded"))
					continue
				printf "%s\n{\"workload\": %s, \"arm\": %s, \"metric\": %s, \"error\": %.6g, \"least\": %.6g, \"most\": %.6g}",
					sep, quoted(w), quoted(list[a]), quoted(metrics[m]), median() - 1, V[1] - 1, V[N] - 1 >json
				sep = ","
			}
	printf "],\n\"samples\": [" >json
	for (i = 1; i <= nsamples; i++)
		printf "%s\n%s", (i > 1 ? "," : ""), samples[i] >json
	print "\n]\n}" >json
}

BEGIN {
	FS = "\t"
	narms = split("bare again ring schedrec schedrec-a perf trace-cmd", arms, " ")
	title["again"] = "nothing, once more"
	title["ring"] = "ring buffer, no reader"
	title["schedrec"] = "schedrec record"
	title["schedrec-a"] = "schedrec record -a"
	title["perf"] = "perf sched record"
	title["trace-cmd"] = "trace-cmd record"
	nmetrics = split("cpu_time_ns makespan_ns switches_voluntary switches_involuntary wakeup_latency_ns.p50 " \
		"wakeup_latency_ns.p95 wakeup_latency_ns.p99", metrics, " ")
	split("CPU,makespan,voluntary,involunt.,wake p50,p95,p99", heads, ",")
}

FILENAME == ARGV[1] {
	host_key[++nhost] = substr($0, 1, index($0, " ") - 1)
	host[host_key[nhost]] = substr($0, index($0, " ") + 1)
	next
}

FILENAME == ARGV[2] {
	notes[++nnotes] = $0
	next
}

{
	if ($4 == "warm-up")
		next
	key = $1 SUBSEP $2 SUBSEP $3 SUBSEP $4 SUBSEP $5
	sum[key] += $6
	count[key]++
	only[key] = $6
	if (!(($1, $2, $4) in seen_round)) {
		seen_round[$1, $2, $4] = 1
		round_of[$1, $2, ++nround[$1, $2]] = $4
	}
	if ($2 != "nothing" && !($2 in seen_workload)) {
		seen_workload[$2] = 1
		workloads[++nworkloads] = $2
	}
	samples[++nsamples] = sprintf("{\"part\": %s, \"workload\": %s, \"arm\": %s, \"round\": %s, \"metric\": %s, \"value\": %s}",
		quoted($1), quoted($2), quoted($3), $4, quoted($5), $6)
	has[$1] = 1
}

END {
	printf "schedrec %s; Linux %s, %s CPUs", host["schedrec"], host["kernel"], host["cpus"]
	for (i = 1; i <= nhost; i++)
		if (host_key[i] ~ /^(perf|trace-cmd)$/)
			printf ", %s %s", host_key[i], host[host_key[i]]
	printf "; load %s, at the end %s\n\n", host["load_at_start"], host["load_at_end"]
	if (has["overhead"]) {
		overhead_table()
		size_table()
	}
	if (has["fidelity"])
		fidelity_table()
	for (i = 1; i <= nnotes; i++)
		print "note: " notes[i]
	write_json()
	print "every sample: " json
}
