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

# The exact 95% interval of the median, whatever the distribution: the K-th least and the K-th most of V, K the greatest
# with 2 P(B(N, 1/2) < K) <= 0.05. Fewer than 6 values have none: the least and the most, which hold it with 1 - 2^(1-N).
function interval(k, p, term) {
	term = p = 0.5 ^ (N - 1)
	for (k = 1; p <= 0.05 && k < N; k++) {
		term *= (N - k + 1) / k
		p += term
	}
	K = k > 1 ? k - 1 : 1
	LO = V[K]
	HI = V[N + 1 - K]
}

function ratio_cell(w, arm, metric, base) {
	if (arm == base || !collect("overhead", w, arm, metric, base))
		return "-"
	interval()
	return sprintf("%.3f (%.3f..%.3f)", median(), LO, HI)
}

function overhead_table(i, a, w, arm) {
	print "OVERHEAD: median of the rounds' ratios, and its exact 95% interval (of order statistics; of fewer than"
	printf "6 rounds: least and most); %d round%s, two runs of each arm in a round\n", rounds, (rounds > 1 ? "s" : "")
	printf "%-16s %-20s %-20s %-20s %-20s\n", "", "the workload itself", "until the file is", "the same",
		"CPU time, recorder"
	printf "%-16s %-20s %-20s %-20s %-20s\n", "", "over the ring's", "complete, over", "over trace-cmd's",
		"included, over"
	printf "%-16s %-20s %-20s %-20s %-20s\n", "", "", "nothing's", "", "nothing's"
	for (i = 1; i <= nworkloads; i++) {
		w = workloads[i]
		if (!overhead_head(w))
			continue
		for (a = 1; a <= narms; a++) {
			arm = arms[a]
			if (collect("overhead", w, arm, "own_ns", ""))
				printf "  %-14s %-20s %-20s %-20s %s\n", title[arm], ratio_cell(w, arm, "own_ns", "ring"),
					ratio_cell(w, arm, "all_ns", "bare"), ratio_cell(w, arm, "all_ns", "trace-cmd"),
					ratio_cell(w, arm, "all_cpu_ns", "bare")
		}
	}
	printf "start and end alone (`true`):"
	for (a = 1; a <= narms; a++)
		if (arms[a] !~ /^(bare|again|ring.*)$/ && collect("overhead", "nothing", arms[a], "all_ns", ""))
			printf "  %s %s", arms[a], time_text(median())
	print "\n"
}

# The workload's name, how long it takes, how many events it makes, what was lost.
function overhead_head(w, a, ns, line, n, lost) {
	for (a = 1; a <= narms && !ns; a++)
		if (collect("overhead", w, arms[a], "own_ns", ""))
			ns = median()
	if (!ns)
		return 0
	line = sprintf("%s: %s", w, time_text(ns))
	for (a = 1; a <= narms; a++)
		if ((arms[a] ~ /^schedrec/) && collect("overhead", w, arms[a], "events", "")) {
			n = median()
			lost = collect("overhead", w, arms[a], "lost", "") ? V[N] : 0
			line = line sprintf("; %s: %s events, %s lost at most", arms[a], count_text(n), count_text(lost))
		}
	print line
	return 1
}

# Sets EVENTS, LOST, BYTES of a recorder's file, EACH and GROWTH: bytes an event, with and without a recording of nothing.
function sizes(w, arm, e0, b0) {
	if (!(("size", w, arm, 0, "bytes") in only))
		return 0
	EVENTS = only["size", w, arm, 0, "events"]
	LOST = only["size", w, arm, 0, "lost"]
	BYTES = only["size", w, arm, 0, "bytes"]
	e0 = only["size", "nothing", arm, 0, "events"]
	b0 = only["size", "nothing", arm, 0, "bytes"]
	EACH = BYTES / EVENTS
	GROWTH = EVENTS > e0 ? (BYTES - b0) / (EVENTS - e0) : EACH
	return 1
}

function size_table(k, w, a, arm) {
	print "FILES: a recording of nothing (`true`) is the fixed part, its events left out too; * of the same run"
	printf "%-10s %-24s %11s %9s %11s %14s %14s\n", "", "", "", "", "", "bytes an event", "without the"
	printf "%-10s %-24s %11s %9s %11s %14s %14s\n", "workload", "recorded by", "events", "lost", "file", "", "fixed part"
	for (k = 0; k <= nworkloads; k++) {
		w = k ? workloads[k] : "nothing"
		for (a = 1; a <= nfiles; a++) {
			arm = files[a]
			if (!sizes(w, arm))
				continue
			printf "%-10s %-24s %11s %9s %11s %14.2f %14s\n", w == shown ? "" : w, file_title[arm],
				count_text(EVENTS), count_text(LOST), size_text(BYTES), EACH, k ? sprintf("%.2f", GROWTH) : "-"
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
		if (collect("fidelity", w, "perf-sched", "cpu_time_ns", ""))
			fidelity_row(w, "perf-sched", "perf sched replay", 1)
		if (collect("fidelity", w, "perf-wakeup", "cpu_time_ns", ""))
			fidelity_row(w, "perf-wakeup", "  with sched_wakeup", 1)
		if (collect("fidelity", w, "perf-sched", "others_cpu_time_ns", ""))
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

function write_json(i, k, a, m, w, sep, list, nlist, over, nover) {
	printf "{\n\"rounds\": %d, \"repeats\": %d,\n\"host\": {", rounds, repeats >json
	for (i = 1; i <= nhost; i++)
		printf "%s%s: %s", (i > 1 ? ", " : ""), quoted(host_key[i]), quoted(host[host_key[i]]) >json
	printf "},\n\"notes\": [" >json
	for (i = 1; i <= nnotes; i++)
		printf "%s%s", (i > 1 ? ", " : ""), quoted(notes[i]) >json
	printf "],\n\"overhead\": [" >json
	nlist = split("own_ns all_ns own_cpu_ns all_cpu_ns switches_voluntary switches_involuntary", list, " ")
	nover = split("ring bare trace-cmd", over, " ")
	for (k = 1; k <= nworkloads; k++)
		for (a = 1; a <= narms; a++)
			for (m = 1; m <= nlist; m++)
				for (i = 1; i <= nover; i++) {
					w = workloads[k]
					if (arms[a] == over[i] || !collect("overhead", w, arms[a], list[m], over[i]))
						continue
					interval()
					printf "%s\n{\"workload\": %s, \"arm\": %s, \"metric\": %s, \"over\": %s, \"rounds\": %d, ",
						sep, quoted(w), quoted(arms[a]), quoted(list[m]), quoted(over[i]), N >json
					printf "\"ratio\": %.6g, \"lo\": %.6g, \"hi\": %.6g, \"least\": %.6g, \"most\": %.6g}",
						median(), LO, HI, V[1], V[N] >json
					sep = ","
				}
	printf "],\n\"files\": [" >json
	sep = ""
	for (k = 0; k <= nworkloads; k++)
		for (a = 1; a <= nfiles; a++) {
			w = k ? workloads[k] : "nothing"
			if (!sizes(w, files[a]))
				continue
			printf "%s\n{\"workload\": %s, \"recorder\": %s, \"events\": %.0f, \"lost\": %.0f, \"bytes\": %.0f, ",
				sep, quoted(w), quoted(files[a]), EVENTS, LOST, BYTES >json
			printf "\"bytes_per_event\": %.6g", EACH >json
			if (k)
				printf ", \"bytes_per_event_without_fixed\": %.6g", GROWTH >json
			printf "}" >json
			sep = ","
		}
	printf "],\n\"fidelity\": [" >json
	sep = ""
	nlist = split("application schedrec perf-sched perf-wakeup rusage counted", list, " ")
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
	narms = split("bare again ring ring-again ring-small schedrec schedrec-a perf trace-cmd", arms, " ")
	title["bare"] = "nothing"
	title["again"] = "nothing, again"
	title["ring"] = "ring, no reader"
	title["ring-again"] = "ring, again"
	title["ring-small"] = "ring, small"
	title["schedrec"] = "schedrec"
	title["schedrec-a"] = "schedrec -a"
	title["perf"] = "perf record"
	title["trace-cmd"] = "trace-cmd"
	nfiles = split("schedrec schedrec-a schedrec-same trace-cmd perf", files, " ")
	file_title["schedrec"] = "schedrec record"
	file_title["schedrec-a"] = "schedrec record -a"
	file_title["schedrec-same"] = "schedrec record -a *"
	file_title["trace-cmd"] = "trace-cmd record *"
	file_title["perf"] = "perf record"
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
	printf "; ring %s kB a CPU; load %s, at the end %s\n\n", host["buffer_kb"], host["load_at_start"], host["load_at_end"]
	if (has["overhead"])
		overhead_table()
	if (has["size"])
		size_table()
	if (has["fidelity"])
		fidelity_table()
	for (i = 1; i <= nnotes; i++)
		print "note: " notes[i]
	write_json()
	print "every sample: " json
}
