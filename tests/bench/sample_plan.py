#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""sample_plan.py SEED TRACES LEAST CONTRIBUTORS: which parts of recordings become traces of sample.sh's corpus.

Reads lines FILE DURATION_NS EVENTS; LEAST: events that a part should have. A recording of at most 5 s and 100,000 events
is a trace as it is; the others of TRACES are parts of all recordings in turn: three in four one part (cut), the fourth two
parts with a gap between them (merged). Prints lines CONTRIBUTOR KIND FILE [FROM_NS TO_NS]..., KIND real, cut or merged.
Of the recordings half belong to the first contributor, a quarter to the second, and so on, as far as there are
CONTRIBUTORS. The same SEED and lines give the same plan.
"""
import math
import random
import sys

LONGEST_NS = 5_000_000_000
MOST_EVENTS = 100_000
LONGEST_PART_NS = 1_000_000_000
MOST_EVENTS_OF_PART = 30_000


def part(draw, duration, events, share, fewest):
    """A part of at most this share, its length drawn evenly by its logarithm."""
    most = min(share * duration, LONGEST_PART_NS, duration * MOST_EVENTS_OF_PART / events)
    least = min(most, max(most / 20, duration * fewest / events))
    length = least * (most / least) ** draw.random()
    start = draw.random() * (duration * share - length)
    return int(start), int(start + length)


def main():
    draw, (traces, least, contributors) = random.Random(int(sys.argv[1])), map(int, sys.argv[2:])
    recordings = [line.rstrip("\n").rsplit(" ", 2) for line in sys.stdin]
    recordings = [
        (min(int(-math.log2(1 - (i + 0.5) / len(recordings))), contributors - 1), name, int(duration), int(events))
        for i, (name, duration, events) in enumerate(recordings)
    ]
    for who, name, duration, events in recordings:
        if duration <= LONGEST_NS and events <= MOST_EVENTS:
            traces -= 1
            print(who, "real", name)
    usable = [r for r in recordings if r[3] >= 2 * least]
    for i in range(traces if usable else 0):
        who, name, duration, events = usable[i % len(usable)]
        if i // len(usable) % 4 < 3:
            print(who, "cut", name, *part(draw, duration, events, 0.9, least))
        else:
            first, second = (part(draw, duration, events, 0.45, least) for _ in range(2))
            print(who, "merged", name, *first, *(int(t + 0.5 * duration) for t in second))


if __name__ == "__main__":
    main()
