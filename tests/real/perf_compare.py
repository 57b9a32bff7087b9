# SPDX-License-Identifier: GPL-2.0-or-later
"""
perf_compare.py timehist EVENTS SCHEDREC.csv PERF.txt     events with sched_waking, schedrec's timehist, perf's
perf_compare.py latency EVENTS SCHEDREC.csv PERF.txt      events with sched_wakeup instead, schedrec's latency, perf's

The same events (the lines of tests/real/from_text) through schedrec and through perf sched: every row, every count and
every delay is the same, or there is a reason in the events themselves. Ends with status 1 where one has none.

Reasons:
  cut     a switch is missing in the events there, or they begin there: schedrec leaves the interval out, perf measures on
  early   the task was woken while still on its way to sleep: schedrec counts from its switch-out, perf not at all
  R+      perf sched latency of 6.1 does not know this state: it has no delay after a preemption
  exit    perf sched timehist has no row for the last stretch of a task that exits: its events have no tid any more
perf prints microseconds, cut off; what it does not print, delays to the nanosecond, is computed from the events here.
"""
import csv
import re
import sys
from collections import Counter, defaultdict

view, events, ours, theirs = sys.argv[1:5]
bad = []
count = Counter()


class Events:
    """What the events say by themselves, to the nanosecond."""

    def __init__(self, path):
        self.first = None
        self.delays = defaultdict(list)  # tid -> [(switch-in, since its wake-up)]
        self.born = {}  # (switch-in, tid) -> since sched_wakeup_new
        self.early = set()  # (switch-in, tid)
        self.unsure = set()  # tids with a switch missing
        self.seen_running = set()  # tids that the events first tell of by a switch to them
        self.preempted = defaultdict(list)  # tid -> waits after R+
        woken, fresh, out, asleep_early, known, running, current = {}, {}, {}, set(), set(), set(), {}
        for line in open(path):
            f = line.split()
            at = int(f[1])
            self.first = at if self.first is None else self.first
            if f[0] == "fork":
                known.add(int(f[4]))
            elif f[0] == "new":
                known.add(int(f[4]))
                fresh[int(f[4])] = at
            elif f[0] in ("waking", "wakeup"):
                tid = int(f[4])
                if tid not in known:
                    known.add(tid)
                if tid not in woken and int(f[3]) != tid:
                    woken[tid] = at
            elif f[0] == "switch":
                cpu, prev, state, nxt = int(f[2]), int(f[3]), f[5], int(f[6])
                if cpu in current and current[cpu] != prev:
                    self.unsure.update((prev, current[cpu]))
                current[cpu] = nxt
                if prev in woken and prev not in running:
                    self.unsure.add(prev)  # how it came there is not told
                known.add(prev)
                fresh.pop(prev, None)
                if nxt in out:
                    self.preempted[nxt].append(at - out.pop(nxt))
                out.pop(prev, None)
                if state == "R+":
                    out[prev] = at
                running.discard(prev)
                if woken.pop(prev, None) is not None and not state.startswith("R"):
                    asleep_early.add(prev)
                if nxt in running:
                    self.unsure.add(nxt)
                if nxt not in known:
                    self.seen_running.add(nxt)
                    known.add(nxt)
                if nxt in fresh:
                    self.born[at, nxt] = at - fresh.pop(nxt)
                if nxt in woken:
                    self.delays[nxt].append((at, at - woken.pop(nxt)))
                elif nxt in asleep_early:
                    self.early.add((at, nxt))
                asleep_early.discard(nxt)
                running.add(nxt)
        self.unsure.discard(0)


def number(text):
    return int(float(text)) if text else None


def us(text):
    return int(round(float(text) * 1000))


def rows_of_timehist(e):
    rows, latencies = defaultdict(list), defaultdict(list)
    for r in csv.DictReader(open(ours)):
        if r["event"] != "run":
            continue
        row = {k: number(r[k]) for k in ("run_ns", "slept_ns", "delay_ns", "latency_ns", "cpu", "tid", "cut")}
        row["start"] = e.first + number(r["time_ns"])
        row["left"] = r["left"]
        rows[(row["start"] + row["run_ns"]) // 1000, row["cpu"], row["tid"]].append(row)
        if row["latency_ns"] is not None and (row["start"], row["tid"]) not in e.early:
            latencies[row["tid"]].append((row["start"], row["latency_ns"]))
    return rows, latencies


def compare_row(e, row, wait, delay, run, line):
    at = row["start"], row["tid"]
    if run != row["run_ns"] // 1000:
        bad.append(f"run time {row['run_ns']} ns in schedrec: {line}")
    elif at in e.early:
        count["rows: woken early"] += 1
    elif delay != (row["latency_ns"] or e.born.get(at, 0)) // 1000:
        bad.append(f"latency {row['latency_ns']} ns in schedrec: {line}")
    elif row["slept_ns"] is not None and at not in e.born and wait != (
        row["slept_ns"] + (row["latency_ns"] if row["latency_ns"] is not None else row["delay_ns"])
    ) // 1000:
        bad.append(f"slept {row['slept_ns']}, waited {row['delay_ns']} ns in schedrec: {line}")
    else:
        count["rows: equal"] += 1


def timehist():
    e = Events(events)
    rows, latencies = rows_of_timehist(e)
    for tid, delays in e.delays.items():
        if tid == 0 or tid in e.unsure:
            count["wake-ups: of tasks with a missing switch"] += len(delays)
            continue
        if sorted(delays) != sorted(latencies[tid]):
            bad.append(f"task {tid}: delays {sorted(delays)[:4]} ns by the events, {sorted(latencies[tid])[:4]} in schedrec")
        count["wake-ups: latency equal to the ns"] += len(delays)
    for line in open(theirs):
        m = re.match(r" *(\d+)\.(\d+) \[(\d+)\]  (.*?) +([\d.]+) +([\d.]+) +([\d.]+) *$", line)
        name = m and re.match(r".*\[(\d+)(?:/\d+)?\]$", m[4].strip())
        if not name:
            continue
        found = rows.get((int(m[1]) * 1000000 + int(m[2]), int(m[3]), int(name[1])))
        if not found:
            bad.append(f"perf sched timehist alone has: {line.strip()}")
            continue
        row = found.pop(0)
        if row["cut"] or row["delay_ns"] is None or (row["slept_ns"] is None and row["tid"] in e.unsure):
            count["rows: cut by a missing switch or the beginning"] += 1
        else:
            compare_row(e, row, us(m[5]), us(m[6]), us(m[7]), line.strip())
    exits = {row["tid"]: row["start"] for found in rows.values() for row in found if row["left"] in ("X", "Z")}
    for found in rows.values():
        for row in found:
            # On its way out of the world a task may be preempted.
            if row["start"] <= exits.get(row["tid"], -1):
                count["rows: exit"] += 1
            elif row["cut"]:
                count["rows: cut by a missing switch or the end"] += 1
            else:
                bad.append(f"schedrec alone has: {row}")


def latency():
    e = Events(events)
    perf = {}
    for line in open(theirs):
        m = re.match(r" +(.*):(\d+) +\| +([\d.]+) ms \| +(\d+) \| avg: +([\d.]+) ms \| max: +([\d.]+) ms", line)
        if m:
            perf[int(m[2])] = int(m[4]), float(m[5]) * 1e6, us(m[6])
    for r in csv.DictReader(open(ours)):
        tid = int(r["tid"])
        if tid not in perf or tid in e.unsure or any(t == tid for _, t in e.early):
            count["tasks: with a missing switch or an early wake-up" if tid in perf else "tasks: perf has none"] += 1
            continue
        n, mean, longest = perf[tid]
        more = e.preempted[tid]
        waits = number(r["waits"]) + (tid in e.seen_running) - len(more)  # where first seen perf counts a delay of 0
        most = number(r["max_wait_ns"]) or 0
        count["waits: after R+"] += len(more)
        if n != waits:
            bad.append(f"task {tid}: {waits} waits in schedrec, {n} in perf sched latency")
        elif not most // 1000 <= longest <= (most + 500) // 1000 and most not in more:
            bad.append(f"task {tid}: longest wait {most} ns in schedrec, {longest} us in perf sched latency")
        elif abs(mean * n - (number(r["wait_ns"]) - sum(more))) > 501 * n + 1:  # the mean is in whole ns, cut off, then rounded to us
            bad.append(f"task {tid}: waited {r['wait_ns']} ns in schedrec, {n} times {mean} ns in perf sched latency")
        else:
            count["tasks: equal"] += 1
            count["waits: of these"] += n


{"timehist": timehist, "latency": latency}[view]()
for what in sorted(count):
    print(f"{count[what]:8} {what}")
for text in bad[:8]:
    print(f"DIFFERS {text}")
print(f"{len(bad)} differences without a reason")
sys.exit(bool(bad) or not any(what.endswith(("equal", "to the ns")) for what in count))
