#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# study_report.py typical FILE.json...         prints the run that is nearest to the medians of all
# study_report.py study DIR [PROGRAM...]       the study's table, and DIR/result.json
# study_report.py predict DIR [PROGRAM...]     the predictions' table, and DIR/result.json
#
# DIR/runs/PROGRAM/ has what `analyze --json` said of the application's runs (app-N.json) and `replay --json` of the replays
# (MODE-N.json); for predict, in a folder for each change.
import glob
import json
import os
import re
import sys
from itertools import combinations

# What is measured, its name in the table, the target of the study.
METRICS = [
    ('cpu_time_ns', 'CPU time', 0.02),
    ('makespan_ns', 'makespan', 0.02),
    ('switches_voluntary', 'voluntary', 0.05),
    ('switches_involuntary', 'involuntary', 0.10),
    ('wakeup_latency_ns.p50', 'wake p50', 0.15),
    ('wakeup_latency_ns.p95', 'wake p95', 0.15),
    ('wakeup_latency_ns.p99', 'wake p99', 0.25),
]
EDGES = [
    ('fidelity.wake_edges_recall', 'edges recall'),
    ('fidelity.wake_edges_precision', 'edges precision'),
]
EDGES_TARGET = 0.95


def median(values):
    v = sorted(values)
    n = len(v)
    return v[n // 2] if n % 2 else (v[n // 2 - 1] + v[n // 2]) / 2


def spread(values):
    """Half the range, relative to the median."""
    m = median(values)
    return (max(values) - min(values)) / 2 / m if m else 0


def value_text(metric, value):
    if '_ns' not in metric:
        return f'{value:,.0f}'
    for unit, size in (('s', 1e9), ('ms', 1e6), ('us', 1e3)):
        if value >= size:
            return f'{value / size:.{3 if unit == "s" else 1}f} {unit}'
    return f'{value:.0f} ns'


def percent(x, signed=True):
    if abs(x) >= 9.995:
        return f'x{x + 1:.1f}' if abs(x) < 999 else f'x{(x + 1) / 1000:.0f}k'
    return f'{x * 100:{"+" if signed else ""}.1f}%'


def read_json(path):
    with open(path, encoding='utf-8') as f:
        return json.load(f)


def metrics_of(path):
    """The metrics of a run of the application, or of a replay; with the counts of a replay."""
    j = read_json(path)
    if isinstance(j, list):
        return j[0]['metrics'], {}
    return j['runs'][0]['metrics'], j['runs'][0]['counts']


def read_runs(folder):
    """By arm, "app" or a replay's mode, the runs in their order: (metrics, counts)."""
    arms = {}
    for path in sorted(glob.glob(folder + '/*-*.json'), key=lambda p: int(re.search(r'-(\d+)\.json$', p)[1])):
        arm = re.sub(r'-\d+\.json$', '', os.path.basename(path))
        arms.setdefault(arm, []).append(metrics_of(path))
    return arms


def values(runs, metric):
    return [m[metric] for m, _ in runs if metric in m]


def typical(paths):
    runs = [metrics_of(p) for p in paths]

    def distance(run):
        off = 0
        for name, _, _ in METRICS:
            all_values = values(runs, name)
            scale = max(all_values) - min(all_values) if all_values else 0
            if name in run[0] and scale:
                off += abs(run[0][name] - median(all_values)) / scale
        return off

    print(paths[min(range(len(paths)), key=lambda i: distance(runs[i]))])


# ---- the study ----

def study_row(name, own, target, errors):
    """errors: by mode the error of the median replay; a higher one than target is a miss."""
    return {'metric': name, 'own_spread': own, 'target': target, 'error': errors,
            'hit': {mode: abs(e) <= target for mode, e in errors.items()}}


def study_program(arms, replayed, modes):
    """The rows of a program's table."""
    app = arms['app']
    rows = []
    for metric, _, aim in METRICS:
        recorded = replayed.get(metric)
        if not recorded:
            continue
        own = spread(values(app, metric))
        errors = {m: median(values(arms[m], metric)) / recorded - 1 for m in modes if values(arms[m], metric)}
        row = study_row(metric, own, max(aim, own), errors)
        row['recorded'] = recorded
        row['replay_spread'] = {m: spread(values(arms[m], metric)) for m in errors}
        rows.append(row)
    for metric, _ in EDGES:
        found = {m: median(values(arms[m], metric)) for m in modes if values(arms[m], metric)}
        row = study_row(metric, None, 1 - EDGES_TARGET, {m: x - 1 for m, x in found.items()})
        row['found'] = found
        rows.append(row)
    return rows


def count_line(mode, runs):
    def count(key):
        return median([c.get(key, 0) for _, c in runs])

    return (f'  {mode}: {count("wakes"):,.0f} wakes, {count("waits_passed"):,.0f} waits passed; order waits '
            f'{count("order_waits"):,.0f}, {count("order_wait_ns") / 1e6:,.0f} ms, expired '
            f'{count("order_expired"):,.0f}; forced {count("forced"):,.0f}')


def study_table(program, arms, rows, modes, replayed_name):
    titles = {m: t for m, t, _ in METRICS} | dict(EDGES)
    print(f'\n{program}: {len(arms["app"])} recordings; of {replayed_name} ' +
          ', '.join(f'{len(arms[m])} replays {m}' for m in modes))
    print(f'  {"":16}{"recorded":>11}{"own":>8}{"target":>8}' + ''.join(f'{m:>19}' for m in modes))
    for r in rows:
        edges = 'found' in r
        line = f'  {titles[r["metric"]]:16}' + (f'{"":11}{"":8}{EDGES_TARGET:>8.0%}' if edges else
            f'{value_text(r["metric"], r["recorded"]):>11}{percent(r["own_spread"], False):>8}'
            f'{percent(r["target"], False):>8}')
        for m in modes:
            if m not in r['error']:
                line += f'{"-":>19}'
                continue
            error = f'{r["found"][m]:.1%}' if edges else percent(r['error'][m])
            off = '' if edges else '+-' + percent(r['replay_spread'][m], False)
            line += f'{error:>9} {off:<8}{" " if r["hit"][m] else "*"}'
        print(line.rstrip())
    for m in modes:
        print(count_line(m, arms[m]))


def study(folder, programs):
    result = {'programs': [], 'notes': notes(folder)}
    misses = []
    hits = {}
    print('Error of the median replay against the recording that was replayed, +- half the range of the replays;')
    print('own: half the range of the recordings. A metric\'s target is never below own; * misses it.')
    for program in programs:
        path = f'{folder}/runs/{program}'
        arms = read_runs(path)
        try:
            with open(path + '/replayed', encoding='utf-8') as f:
                name, *modes = f.read().split()
        except FileNotFoundError:
            continue
        modes = [m for m in modes if m in arms]
        replayed, _ = metrics_of(f'{path}/{name}.json')
        rows = study_program(arms, replayed, modes)
        study_table(program, arms, rows, modes, name)
        for r in rows:
            for m, hit in r['hit'].items():
                hits.setdefault(m, []).append(hit)
                if not hit:
                    misses.append((abs(r['error'][m]) / r['target'], program, r['metric'], m, r['error'][m]))
        result['programs'].append({'program': program, 'replayed': name, 'rows': rows, 'samples': {
            arm: [m | {'counts': c} for m, c in runs] for arm, runs in arms.items()}})
    print()
    for m, h in hits.items():
        print(f'{m}: {sum(h)} of {len(h)} targets met')
    if misses:
        print('misses, by how many times the target:')
    for size, program, metric, m, error in sorted(misses, reverse=True):
        print(f'  {size:8.1f}  {program:14}{metric:32}{percent(error):>9}  {m}')
    finish(folder, result)


def notes(folder):
    try:
        with open(folder + '/notes', encoding='utf-8') as f:
            return f.read().splitlines()
    except FileNotFoundError:
        return []


def finish(folder, result):
    for n in result['notes']:
        print('note:', n)
    with open(folder + '/result.json', 'w', encoding='utf-8') as f:
        json.dump(result, f, indent=1)
    print(f'every sample: {os.path.relpath(folder)}/result.json')


def main(argv):
    if len(argv) >= 3 and argv[1] == 'typical':
        typical(argv[2:])
    elif len(argv) >= 3 and argv[1] in ('study', 'predict'):
        programs = argv[3:] or sorted(os.listdir(argv[2] + '/runs'))
        {'study': study}[argv[1]](argv[2], programs)
    else:
        sys.exit('usage: study_report.py typical FILE... | study|predict DIR [PROGRAM...]')


main(sys.argv)
