#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""aa_report.py DIR SECONDS: what the comparisons of aa.sh add up to. Writes DIR/result.json, prints a table; status 1 when
false alarms are more than 5 % beyond doubt, or planted shifts of 5 % in makespan are found in less than 8 of 10."""
import glob
import json
import math
import os
import re
import statistics
import sys

ALARMS = ("regressed", "improved", "changed")
PLANTED = ("makespan_ns", "wakeup_latency_ns.mean", "wakeup_latency_ns.p50")


def at_most(k, n, p):
    """P(X <= k) of n tries with chance p, 0 < p < 1; by logarithms, for n may be thousands."""
    ways = math.lgamma(n + 1)
    log_p, log_q = math.log(p), math.log1p(-p)
    return math.fsum(
        math.exp(ways - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * log_p + (n - i) * log_q) for i in range(k + 1)
    )


def bisect(f):
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if f(middle) else (low, middle)
    return low


def interval(k, n):
    """Exact (Clopper-Pearson), 95 %."""
    low = 0.0 if k == 0 else bisect(lambda p: 1 - at_most(k - 1, n, p) < 0.025)
    high = 1.0 if k == n else bisect(lambda p: at_most(k, n, p) > 0.025)
    return low, high


def share(k, n):
    low, high = interval(k, n)
    return {"found": k, "of": n, "share": k / n, "lo": low, "hi": high}


def text(s):
    return f"{s['found']:4d} of {s['of']:4d}  {100 * s['share']:5.1f} %  ({100 * s['lo']:.1f}..{100 * s['hi']:.1f} %)"


def read(pattern):
    out = []
    for path in sorted(glob.glob(pattern)):
        with open(path, encoding="utf-8") as f:
            out.append([c for c in json.load(f) if c["trace"] is not None])
    return out


def series(directory, kind, suffix):
    return read(os.path.join(directory, f"{kind}-[0-9]*{suffix}.json"))


def identical_arms(directory, kind):
    """Alarms of comparisons of identical arms."""
    plain = [p for p in glob.glob(os.path.join(directory, f"{kind}-*.json")) if "no-margin" not in p]
    if not plain:
        return None
    usual = [c for p in plain for c in [json.load(open(p, encoding="utf-8"))]]
    bare = series(directory, kind, "-no-margin")
    makespans = [c for cells in bare for c in cells if c["metric"] == "makespan_ns"]
    return {
        "rounds": max(c["rounds"] for cells in usual for c in cells),
        "comparisons": share(sum(any(c["verdict"] in ALARMS for c in cells) for cells in usual), len(usual)),
        "comparisons_without_margin": share(
            sum(any(c["verdict"] in ALARMS for c in cells) for cells in bare), len(bare)
        ),
        "cells_without_margin": share(
            sum(c["verdict"] in ALARMS for cells in bare for c in cells), sum(len(cells) for cells in bare)
        ),
        "makespan_p_below_5_per_cent": share(sum(c["p"] <= 0.05 for c in makespans), len(makespans)),
        "told_the_same": share(
            sum(c["verdict"] in ("same", "identical") for cells in usual for c in cells),
            sum(len(cells) for cells in usual),
        ),
        "evidence": sorted({c["evidence"] for cells in usual for c in cells}),
    }


def planted(directory):
    out = []
    found = {}
    for path in glob.glob(os.path.join(directory, "planted-*.json")):
        shift, rounds, _ = re.fullmatch(r"planted-(\d+)-(\d+)-(\d+)\.json", os.path.basename(path)).groups()
        with open(path, encoding="utf-8") as f:
            for c in json.load(f):
                if c["metric"] in PLANTED:
                    found.setdefault((c["metric"], int(shift), int(rounds)), []).append(c)
    for (metric, shift, rounds), cells in sorted(found.items()):
        out.append(
            {
                "metric": metric,
                "planted": shift / 100,
                "rounds": rounds,
                "median_shift": statistics.median(c["shift"] for c in cells),
                "regressed": share(sum(c["verdict"] == "regressed" for c in cells), len(cells)),
                "improved": sum(c["verdict"] == "improved" for c in cells),
            }
        )
    return out


def blocked(directory):
    cells = [c for cells in series(directory, "blocked", "-no-margin") for c in cells]
    comparisons = series(directory, "blocked", "-no-margin")
    if not cells:
        return None
    makespans = [c for c in cells if c["metric"] == "makespan_ns"]
    return {
        "verdicts_but_unknown_or_identical": share(
            sum(any(c["verdict"] not in ("unknown", "identical") for c in cells) for cells in comparisons),
            len(comparisons),
        ),
        "makespan_intervals_without_0": share(
            sum(c["lo"] is not None and (c["lo"] > 0 or c["hi"] < 0) for c in makespans), len(makespans)
        ),
        "evidence": sorted({c["evidence"] for c in cells}),
    }


def print_identical(name, r):
    print(f"{name}, {r['rounds']} rounds; evidence: {', '.join(r['evidence'])}")
    print(f"  comparisons with a false alarm          {text(r['comparisons'])}")
    print(f"  the same, without a margin              {text(r['comparisons_without_margin'])}")
    print(f"  cells with one, without a margin        {text(r['cells_without_margin'])}")
    print(f"  makespan: p of one cell below 5 %       {text(r['makespan_p_below_5_per_cent'])}")
    print(f"  cells found to be the same              {text(r['told_the_same'])}")


def main():
    directory, seconds = sys.argv[1], int(sys.argv[2])
    result = {
        "seconds": seconds,
        "aa": identical_arms(directory, "aa"),
        "drift": identical_arms(directory, "drift"),
        "planted": planted(directory),
        "blocked": blocked(directory),
    }
    with open(os.path.join(directory, "result.json"), "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
    failed = []
    for kind, name in (("aa", "identical arms"), ("drift", "identical arms under drift")):
        if result[kind]:
            print_identical(name, result[kind])
            for which in ("comparisons", "comparisons_without_margin", "makespan_p_below_5_per_cent"):
                if result[kind][which]["lo"] > 0.05:
                    failed.append(f"{name}: more than 5 % false alarms ({which})")
    if result["planted"]:
        print("planted shifts                 planted  rounds  measured    found")
    for p in result["planted"]:
        print(
            f"  {p['metric']:28s} {100 * p['planted']:6.0f} %  {p['rounds']:6d}  {100 * p['median_shift']:+7.1f} %"
            f"  {text(p['regressed'])}"
        )
        if p["improved"]:
            failed.append(f"{p['metric']}: a planted regression was called an improvement")
    most = max((p["rounds"] for p in result["planted"]), default=0)
    for p in result["planted"]:
        if (p["metric"], p["planted"], p["rounds"]) == ("makespan_ns", 0.05, most) and p["regressed"]["share"] < 0.8:
            failed.append("the planted 5 % in makespan is found in less than 8 of 10")
    if result["blocked"]:
        b = result["blocked"]
        print(f"blocked order under drift; evidence: {', '.join(b['evidence'])}")
        print(f"  the test alone would have flagged makespan {text(b['makespan_intervals_without_0'])}")
        print(f"  comparisons with a verdict              {text(b['verdicts_but_unknown_or_identical'])}")
        if b["verdicts_but_unknown_or_identical"]["found"]:
            failed.append("blocked order was taken for evidence")
    print(f"{seconds} s in all")
    for f in failed:
        print(f"FAILED: {f}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
