#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""sample_report.py DIR: what the nights of sample.sh say of each other. Writes DIR/result.json, prints tables; status 1 when
intervals hold the corpus's value less often than 95 % beyond doubt, 3 when something is missing or does not agree.

DIR has full.json and sample-N.json (`nightly --json`), *.seconds, pushed-CONTRIBUTOR.json (`corpus push --json`), and
picks.txt: lines DIGITS N SHA256 WEIGHT... of what is picked of the objects whose names begin with one of these digits; all
of them, where N is as many as a sample can have.
"""
import glob
import json
import math
import os
import random
import re
import statistics
import subprocess
import sys

from aa_report import share, text

CONFIDENCE = 0.95
KINDS = ("real", "cut", "merged")
SHOWN = (20, 40)
SEED = 1
METHODS = {"picks": "picks", "weighted": "by weight", "random": "random"}
INTERVAL_TRACES = 6  # below, nightly gives none


class Disagree(Exception):
    pass


def read(directory, name):
    with open(os.path.join(directory, name), encoding="utf-8") as f:
        return json.load(f)


def seconds(directory, name):
    with open(os.path.join(directory, name + ".seconds"), encoding="utf-8") as f:
        return float(f.read())


def shifts(night):
    """{(policy, metric): {sha256: shift}}; without a number it is either from 0 to more (infinite) or not known."""
    out = {}
    for v in night["verdicts"]:
        s = v["shift"]
        if s is None and v["base"] == 0 and v["candidate"] > 0:
            s = math.inf
        if s is not None:
            out.setdefault((v["policy"], v["metric"]), {})[v["sha256"]] = s
    return out


def over_traces(bench, samples):
    """What nightly's own function makes of lists of (shift, weight)."""
    lines = "".join(" ".join(f"{s!r} {w!r}" for s, w in sample) + "\n" for sample in samples)
    done = subprocess.run([bench], input=lines, capture_output=True, text=True, check=True)
    return [tuple(float(x) for x in line.split()) for line in done.stdout.splitlines()]


def infinite(v):
    """What JSON has no number for."""
    return math.inf if v is None else v


def overall(night):
    """{(policy, metric): (shift, lo, hi, traces in effect)}, as nightly has printed it."""
    out = {}
    for o in night["over_traces"]:
        none = o["traces_in_effect"] < INTERVAL_TRACES - 1e-9
        out[o["policy"], o["metric"]] = (
            infinite(o["shift"]),
            math.nan if none else infinite(o["lo"]),
            math.nan if none else infinite(o["hi"]),
            o["traces_in_effect"],
        )
    return out


def check(bench, name, night, cells):
    """That the program beside us does what nightly does."""
    said = overall(night)
    weights = read_weights(night)
    keys = [k for k in said if k in cells]
    again = over_traces(bench, [[(s, weights.get(sha, 0)) for sha, s in sorted(cells[k].items())] for k in keys])
    for key, (shift, *_) in zip(keys, again):
        a, b = said[key][0], shift
        if a != b and abs(a - b) > 1e-9 * max(1, abs(a)):
            raise Disagree(f"{name}: {' '.join(key)}: nightly says {a}, its shifts make {b}")


def read_weights(night):
    return {t["sha256"]: t["weight"] for t in night["traces"] if t.get("weight")}


def held(estimates, truths):
    """Of pairs of (shift, lo, hi, effective) and the corpus's value."""
    have = [(e, t) for e, t in zip(estimates, truths) if not math.isnan(e[1])]
    if not have:
        return None
    finite = [(e, t) for e, t in have if math.isfinite(e[2]) and math.isfinite(t)]
    errors = [e[0] - t for e, t in finite if math.isfinite(e[0])]
    halves = [(e[2] - e[1]) / 2 for e, _ in finite]
    return {
        "intervals": share(sum(e[1] <= t <= e[2] for e, t in have), len(have)),
        "none": len(estimates) - len(have),
        "median_half_width": statistics.median(halves) if halves else None,
        "median_error": statistics.median(abs(x) for x in errors) if errors else None,
        "mean_error": statistics.mean(errors) if errors else None,
        "median_traces_in_effect": statistics.median(e[3] for e, _ in have),
    }


def kinds(directory):
    """Of traces by how they were made, and what kind each object is."""
    found = {}
    contributors = []
    for path in sorted(glob.glob(os.path.join(directory, "pushed-*.json"))):
        pushed = read(directory, os.path.basename(path))
        contributors.append(len(pushed))
        for p in pushed:
            found[p["sha256"]] = re.match(r"\d+-([a-z]+)-", os.path.basename(p["file"])).group(1)
    counts = {k: sum(v == k for v in found.values()) for k in KINDS}
    return counts, found, contributors


def per_cent(v):
    if not math.isfinite(v):
        return "inf" if v > 0 else "-"
    return f"{100 * v:+.{0 if abs(v) >= 1 else 1}f}"


def cell(e, truth):
    if e is None or math.isnan(e[1]):
        return f"{per_cent(e[0]) if e else '-':>7} {'no interval':<17} "
    return f"{per_cent(e[0]):>7} {per_cent(e[1]) + '..' + per_cent(e[2]):<17}" + (" " if e[1] <= truth <= e[2] else "*")


def print_cells(full, samples):
    sizes = [n for n in SHOWN if n in samples] or sorted(samples)[:2]
    print("\nshift against the base, per cent; * the interval does not hold the corpus's value")
    head = "".join(f"  {f'sample of {n}':>14} {'95 %':<11} " for n in sizes)
    print(f"{'policy':9} {'metric':22} {'corpus':>7}{head}".rstrip())
    for key, (truth, *_) in full.items():
        line = "".join(f"  {cell(samples[n].get(key), truth)}" for n in sizes)
        print(f"{key[0][:9]:9} {key[1][:22]:22} {per_cent(truth):>7}{line}".rstrip())


def points(v):
    return "-" if v is None else f"{100 * v:.1f}"


def held_text(h):
    if not h:
        return "no intervals"
    return (
        f"({h['median_traces_in_effect']:4.1f} in effect) {text(h['intervals']):42} {points(h['median_half_width']):>7}"
        f" {points(h['median_error']):>7}"
    )


def print_nights(rows, full_seconds, moves):
    print("\nsamples of the corpus      hold the corpus's value              half width   error       time")
    for n, r in rows.items():
        print(f"  {n:4d} {held_text(r['held'])} {r['seconds']:6.1f} s ({100 * r['seconds'] / full_seconds:.0f} %)")
    if moves:
        print("  and its value when each trace of the corpus has its weight")
        for n, r in rows.items():
            print(f"  {n:4d} {held_text(r['held_weighted'])}")
        move, key = max(moves)
        print(
            f"  by weight the corpus's own value is another one by {points(statistics.median(m for m, _ in moves))} points,"
            f" at most {points(move)} ({' '.join(key)})"
        )
    print("  (medians over policies and metrics, in points of per cent)")


def read_picks(directory):
    """{digits: {N: {sha256: weight}}}; in each the greatest N has every trace."""
    out = {}
    with open(os.path.join(directory, "picks.txt"), encoding="utf-8") as f:
        for digits, n, *rest in map(str.split, f):
            out.setdefault(digits, {})[int(n)] = dict(zip(rest[::2], map(float, rest[1::2])))
    return out


def weighted_truth(bench, cells, weights):
    """{(policy, metric): shift over the corpus}, each trace with its weight."""
    keys = list(cells)
    known = [[(shift, weights[sha]) for sha, shift in cells[k].items()] for k in keys]
    return {k: r[0] for k, r in zip(keys, over_traces(bench, known))}


def halves(bench, cells, picks):
    """Picks of random halves of the corpus, and random traces in place of the picks. {(N, method): [(key, estimate, the
    half's own value)]}; method "weighted" is the picks beside the half's value by the weights of its traces."""
    draw = random.Random(SEED)
    jobs = []  # (n, method, key, digits), and what is estimated from
    for digits, sizes in picks.items():
        everything = sizes[max(sizes)]
        members = sorted(everything)
        if not all(sha[0] in digits for sha in members):
            raise Disagree(f"half {digits}: a trace that is not in it was picked")
        for n, picked in sizes.items():
            if n == max(sizes):
                methods = {"true": dict.fromkeys(members, 0), "true by weight": everything}
            elif n >= len(members):
                continue
            elif len(picked) == n:
                methods = {"picks": picked, "random": dict.fromkeys(draw.sample(members, n), 0)}
            else:
                raise Disagree(f"half {digits}: {len(picked)} picks of {len(members)} traces, not {n}")
            for method, weights in methods.items():
                for key, known in cells.items():
                    of = [(known[sha], w) for sha, w in weights.items() if sha in known]
                    if of:
                        jobs.append(((n, method, key, digits), of))
    done = {job: r for (job, _), r in zip(jobs, over_traces(bench, [of for _, of in jobs]))}
    found = {}
    for (n, method, key, digits), r in done.items():
        most = max(picks[digits])
        if n < most:
            found.setdefault((n, method), []).append((key, r, done[most, "true", key, digits][0]))
        if method == "picks":
            found.setdefault((n, "weighted"), []).append((key, r, done[most, "true by weight", key, digits][0]))
    return found


def print_halves(count, rows, weighted):
    print(f"\nsamples of {count:3d} halves       hold the half's value                half width   error")
    for r in rows:
        if weighted or r["method"] != "weighted":
            print(f"  {r['traces']:4d} {held_text(r['held'])}  {METHODS[r['method']]}")


def worst(found):
    """Of the picks: by policy and metric, over all sizes."""
    by_key = {}
    for (_, method), cells in found.items():
        if method == "picks":
            for key, r, truth in cells:
                by_key.setdefault(key, []).append((r, truth))
    rows = []
    for key, pairs in by_key.items():
        h = held([r for r, _ in pairs], [t for _, t in pairs])
        if h:
            rows.append({"policy": key[0], "metric": key[1], "held": h})
    return sorted(rows, key=lambda r: r["held"]["intervals"]["share"])


def numbers(v):
    """JSON has none that is infinite or not known."""
    if isinstance(v, dict):
        return {k: numbers(x) for k, x in v.items()}
    if isinstance(v, (list, tuple)):
        return [numbers(x) for x in v]
    return None if isinstance(v, float) and not math.isfinite(v) else v


def same_simulations(cells, name, night):
    """The same trace is simulated alike in any night, or the halves would tell nothing."""
    for key, known in shifts(night).items():
        for sha, s in known.items():
            if cells[key].get(sha) != s:
                raise Disagree(f"{name}: {sha[:16]} is {s} in {' '.join(key)}, and was {cells[key].get(sha)}")


def by_sample(directory, nights, samples, truth, weighted, kind_of):
    rows = {}
    for n, found in samples.items():
        keys = [k for k in truth if k in found]
        estimates = [found[k] for k in keys]
        rows[n] = {
            "held": held(estimates, [truth[k][0] for k in keys]),
            "held_weighted": held(estimates, [weighted[k] for k in keys]),
            "seconds": seconds(directory, f"sample-{n}"),
            "kinds": {k: sum(kind_of[t["sha256"]] == k for t in nights[n]["traces"]) for k in KINDS},
        }
    return rows


def together(rows, which):
    hits = [r[which]["intervals"] for r in rows if r[which]]
    if not hits:
        raise Disagree("no sample has an interval")
    return share(sum(h["found"] for h in hits), sum(h["of"] for h in hits))


def print_corpus(directory, full, counts, contributors, recordings):
    with open(os.path.join(directory, "unusable.txt"), encoding="utf-8") as f:
        unusable = int(f.read())
    print(
        f"corpus: {sum(counts.values())} traces of {recordings} recordings: {counts['real']} as recorded,"
        f" {counts['cut']} parts cut out,"
        f"\n  {counts['merged']} merged of two parts. Parts of one recording are like each other and no independent"
        f"\n  recordings. Contributors' traces: {', '.join(map(str, contributors))}. {unusable} parts could not be used."
    )
    c = full["counts"]
    print(
        f"  {c['rounds_done']} rounds of {len({v['policy'] for v in full['verdicts']}) + 1} policies simulated in"
        f" {seconds(directory, 'full'):.1f} s; {c['traces_failed']} traces failed"
    )


def report(directory):
    bench = os.path.join(os.path.dirname(directory), "tests", "bench", "sample_bench")
    full = read(directory, "full.json")
    nights = {}
    for path in glob.glob(os.path.join(directory, "sample-*.json")):
        nights[int(re.search(r"-(\d+)\.json$", path).group(1))] = read(directory, os.path.basename(path))
    cells, truth = shifts(full), overall(full)
    counts, kind_of, contributors = kinds(directory)
    many = len(contributors) > 1
    with open(os.path.join(directory, "recordings.txt"), encoding="utf-8") as f:
        recordings = sum(1 for _ in f)
    check(bench, "the corpus", full, cells)
    for n, night in nights.items():
        same_simulations(cells, f"sample of {n}", night)
        check(bench, f"sample of {n}", night, shifts(night))
    picks = read_picks(directory)
    whole = picks.pop("0123456789abcdef")
    weighted = weighted_truth(bench, cells, whole[max(whole)])
    samples = {n: overall(nights[n]) for n in sorted(nights)}
    rows = by_sample(directory, nights, samples, truth, weighted, kind_of)
    print_corpus(directory, full, counts, contributors, recordings)
    print_cells(truth, samples)
    moves = [(abs(weighted[k] - truth[k][0]), k) for k in truth if math.isfinite(weighted[k] + truth[k][0])]
    print_nights(rows, seconds(directory, "full"), moves if many else None)
    found = halves(bench, cells, picks)
    half_rows = [
        {"traces": n, "method": m, "held": held([r for _, r, _ in found[n, m]], [t for _, _, t in found[n, m]])}
        for n in sorted(nights)
        for m in METHODS
        if (n, m) in found
    ]
    print_halves(len(picks), half_rows, many)
    by_key = worst(found)
    print("  least often held by picks:                                          mean error, points")
    for r in by_key[:4]:
        h = r["held"]
        print(f"    {r['policy'][:9]:9} {r['metric'][:22]:22} {text(h['intervals'])} {points(h['mean_error']):>7}")
    print("  (in brackets: exact intervals of shares that take all as independent; halves of one corpus and")
    print("  metrics of one run are not, and say less)")
    failed = []
    all_samples = {which: together(rows.values(), which) for which in ("held", "held_weighted")}
    print(f"\nall samples of the corpus       {text(all_samples['held'])}")
    if many:
        print(f"  and its value by weight       {text(all_samples['held_weighted'])}")
    if all_samples["held"]["hi"] < CONFIDENCE:
        failed.append("samples of the corpus hold its value less often than they say")
    for r in half_rows:
        if r["method"] == "picks" and r["held"] and r["held"]["intervals"]["hi"] < CONFIDENCE:
            failed.append(f"samples of {r['traces']} of halves hold their value less often than they say")
    result = {
        "traces": counts,
        "contributors": contributors,
        "recordings": recordings,
        "traces_failed": full["counts"]["traces_failed"],
        "seconds": seconds(directory, "full"),
        "over_traces": [
            {
                "policy": key[0],
                "metric": key[1],
                "corpus": truth[key][0],
                "corpus_by_weight": weighted[key],
                "samples": {n: samples[n][key] for n in samples if key in samples[n]},
            }
            for key in truth
        ],
        "samples": rows,
        "together": all_samples,
        "halves": {"number": len(picks), "seed": SEED, "samples": half_rows, "by_metric": by_key},
        "failed": failed,
    }
    with open(os.path.join(directory, "result.json"), "w", encoding="utf-8") as f:
        json.dump(numbers(result), f, indent=1)
    for f in failed:
        print(f"FAILED: {f}")
    return 1 if failed else 0


def main():
    try:
        return report(os.path.abspath(sys.argv[1]))
    except (Disagree, KeyError, OSError, ValueError, subprocess.CalledProcessError) as e:
        print(f"sample: {type(e).__name__}: {e}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
