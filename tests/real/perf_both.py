# SPDX-License-Identifier: GPL-2.0-or-later
"""
perf_both.py EVENTS DUMP: perf's events (lines of tests/real/from_text) and a `schedrec dump` of the same time. Of tasks that
were born and died in both: as many switches to each and wake-ups of each, at the same times but for what the two tracers'
own time stamps differ by. Ends with status 1 where they differ.
"""
import re
import sys
from collections import defaultdict
from statistics import median

perf, own = defaultdict(list), defaultdict(list)
born, gone, times = {}, {}, []
for line in open(sys.argv[1]):
    f = line.split()
    times.append(int(f[1]))
    if f[0] == "switch":
        perf["switch", int(f[6])].append(int(f[1]))
        if f[5] in ("X", "Z"):
            gone[int(f[3])] = int(f[1])
    elif f[0] == "waking":
        perf["waking", int(f[4])].append(int(f[1]))
    elif f[0] == "new":
        born[int(f[4])] = int(f[1])
for line in open(sys.argv[2]):
    m = re.match(r"(\d+)\.(\d+) .* (sched_switch|sched_waking) (.*)$", line)
    if not m:
        continue
    at = int(m[1]) * 1000000000 + int(m[2])
    if m[3] == "sched_switch":
        own["switch", int(re.search(r":(\d+) next_prio=", m[4])[1])].append(at)
    else:
        own["waking", int(re.search(r":(\d+) prio=", m[4])[1])].append(at)

# perf begins and ends on one CPU after the other.
EDGE = 5000000
dropped = 0


def perf_may_have_dropped(more):
    """perf drops an event that comes while it handles another one in the same context (its wake-up of the reader): a few."""
    global dropped
    dropped += more
    return dropped <= 4


tids = sorted(t for t in born.keys() & gone.keys() if born[t] > min(times) + EDGE and gone[t] < max(times) - EDGE)
bad, apart, n = [], [], 0
for tid in tids:
    for kind in ("switch", "waking"):
        a, b = perf[kind, tid], own[kind, tid]
        n += len(a)
        if len(a) < len(b) and perf_may_have_dropped(len(b) - len(a)):
            continue
        if len(a) != len(b):
            bad.append(f"task {tid}: {len(a)} {kind} in perf, {len(b)} in schedrec")
        else:
            apart += [x - y for x, y in zip(a, b)]
offset = median(apart) if apart else 0
apart = sorted(abs(x - offset) for x in apart)
if apart:
    print(f"{len(tids)} tasks, {n} events; apart {apart[len(apart) // 2]:.0f} ns at the median, {apart[-1]:.0f} ns at most")
    # Half of the events are stamped within 20 us; an interrupt or the hypervisor may come between any two stamps.
    if apart[len(apart) // 2] > 20000:
        bad.append(f"half of the events are {apart[len(apart) // 2]} ns apart and more")
if dropped:
    print(f"{dropped} events that perf dropped")
for text in bad[:8]:
    print(f"DIFFERS {text}")
sys.exit(bool(bad) or len(tids) < 10 or n < 1000)
