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
CHANGES = ['plain', 'one-cpu', 'hog', 'hog-cpu0', 'nice', 'batch']


def median(values):
    v = sorted(values)
    n = len(v)
    return v[n // 2] if n % 2 else (v[n // 2 - 1] + v[n // 2]) / 2


def spread(values):
    """Half the range, relative to the median."""
    m = median(values)
    return (max(values) - min(values)) / 2 / m if m else 0


def deviation(values):
    """The median absolute deviation, relative to the median."""
    m = median(values)
    return median([abs(v - m) for v in values]) / m if m else 0


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
    metrics, counts = (j[0]['metrics'], {}) if isinstance(j, list) else (j['runs'][0]['metrics'], j['runs'][0]['counts'])
    # What a fixed piece of work took before and after the run.
    speed = numbers(path, 'speed')
    if speed:
        metrics['speed_ns'] = sum(speed) / len(speed)
    hog = numbers(path, 'hog')
    if len(hog) == 2 and hog[0]:
        metrics['hog_share'] = hog[1] / hog[0]
    return metrics, counts


def numbers(path, kind):
    try:
        with open(re.sub('json$', kind, path), encoding='utf-8') as f:
            return [float(x) for x in f.read().split()]
    except FileNotFoundError:
        return []


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


def speed_line(arms):
    """How the machine's speed moved between the runs of each arm."""
    parts = []
    for arm, runs in arms.items():
        v = values(runs, 'speed_ns')
        if v:
            parts.append(f'{arm} {min(v) / 1e6:.1f}-{max(v) / 1e6:.1f} ms')
    if parts:
        print('  a fixed piece of work took: ' + ', '.join(parts))


def hog_line(conditions, modes):
    """What the program that computes beside the others got: the same beside the application and beside its replays?"""
    parts = []
    for c, arms in conditions.items():
        shares = [(a, values(arms.get(a, []), 'hog_share')) for a in ['app', *modes]]
        if shares[0][1]:
            parts.append(c + ''.join(f' {a} {median(v):.2f}' for a, v in shares if v))
    if parts:
        print('  of a CPU the hog got: ' + '; '.join(parts))


def replayed_modes(path):
    """The name of the run that was replayed, and the modes in their order; None where there was no replay."""
    try:
        with open(path + '/replayed', encoding='utf-8') as f:
            name, *modes = f.read().split()
    except FileNotFoundError:
        return None, []
    return name, modes


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
        strict = max(aim, deviation(values(app, metric)))
        errors = {m: median(values(arms[m], metric)) / recorded - 1 for m in modes if values(arms[m], metric)}
        row = study_row(metric, own, max(aim, own), errors)
        row['recorded'] = recorded
        row['strict_target'] = strict
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
    print(f'  {"":16}{"recorded":>11}{"own":>8}{"target":>8}' + ''.join(f'{m:>18}' for m in modes))
    for r in rows:
        edges = 'found' in r
        line = f'  {titles[r["metric"]]:16}' + (f'{"":11}{"":8}{EDGES_TARGET:>8.0%}' if edges else
            f'{value_text(r["metric"], r["recorded"]):>11}{percent(r["own_spread"], False):>8}'
            f'{percent(r["target"], False):>8}')
        for m in modes:
            if m not in r['error']:
                line += f'{"-":>18}'
                continue
            error = f'{r["found"][m]:.1%}' if edges else percent(r['error'][m])
            off = '' if edges else '+-' + percent(r['replay_spread'][m], False)
            line += f'{error:>8} {off:<8}{" " if r["hit"][m] else "*"}'
        print(line.rstrip())
    for m in modes:
        print(count_line(m, arms[m]))
    speed_line({a: arms[a] for a in ['app', *modes]})


def study(folder, programs):
    result = {'programs': [], 'notes': notes(folder)}
    misses = []
    hits, strict = {}, {}
    print('Error of the median replay against the recording that was replayed, +- half the range of the replays;')
    print('own: half the range of the recordings. A metric\'s target is never below own; * misses it.')
    for program in programs:
        path = f'{folder}/runs/{program}'
        arms = read_runs(path)
        name, modes = replayed_modes(path)
        modes = [m for m in modes if m in arms]
        if not modes:
            continue
        replayed, _ = metrics_of(f'{path}/{name}.json')
        rows = study_program(arms, replayed, modes)
        study_table(program, arms, rows, modes, name)
        for r in rows:
            for m, hit in r['hit'].items():
                hits.setdefault(m, []).append(hit)
                strict.setdefault(m, []).append(abs(r['error'][m]) <= r.get('strict_target', r['target']))
                if not hit:
                    misses.append((abs(r['error'][m]) / r['target'], program, r['metric'], m, r['error'][m]))
        result['programs'].append({'program': program, 'replayed': name, 'rows': rows, 'samples': {
            arm: [m | {'counts': c} for m, c in runs] for arm, runs in arms.items()}})
    print()
    for m, h in hits.items():
        print(f'{m}: {sum(h)} of {len(h)} targets met; {sum(strict[m])} with the median absolute deviation as own spread')
    if misses:
        print('misses, by how many times the target:')
    for size, program, metric, m, error in sorted(misses, reverse=True):
        print(f'  {size:8.1f}  {program:14}{metric:32}{percent(error):>9}  {m}')
    finish(folder, result)


# ---- predictions ----

# "switches" are the voluntary and the involuntary ones.
PREDICTED = [
    ('makespan_ns', 'makespan'),
    ('cpu_time_ns', 'CPU time'),
    ('switches', 'switches'),
    ('wakeup_latency_ns.p50', 'wake p50'),
    ('wakeup_latency_ns.p95', 'wake p95'),
]
SIGNIFICANT = 0.05
ALLOWED = 0.15  # of the real change


def mann_whitney(a, b):
    """The exact two-sided p of the rank sum, ties with their mean rank."""
    ranked = sorted(a + b)
    rank = {v: ranked.index(v) + (ranked.count(v) + 1) / 2 for v in ranked}
    all_ranks = [rank[v] for v in a + b]
    expected = len(a) * (len(ranked) + 1) / 2
    off = abs(sum(all_ranks[:len(a)]) - expected)
    as_far = [abs(sum(c) - expected) >= off - 1e-9 for c in combinations(all_ranks, len(a))]
    return sum(as_far) / len(as_far)


def with_switches(arms):
    for runs in arms.values():
        for m, _ in runs:
            if 'switches_voluntary' in m and 'switches_involuntary' in m:
                m['switches'] = m['switches_voluntary'] + m['switches_involuntary']
    return arms


def change_of(plain, changed, metric):
    """Relative change of the median; None where it is not known."""
    a, b = values(plain, metric), values(changed, metric)
    return median(b) / median(a) - 1 if a and b and median(a) else None


def judge(predicted, real, allowed):
    return {'change': predicted, 'sign_right': (predicted > 0) == (real > 0),
            'error_in_allowed': abs(predicted - real) / allowed if allowed else 0}


def predict_row(change, metric, plain, changed, modes, recorded):
    """plain, changed: the runs by arm; recorded: the metrics of the run that was replayed."""
    real = change_of(plain['app'], changed['app'], metric)
    if real is None:
        return None
    a, b = values(plain['app'], metric), values(changed['app'], metric)
    p = mann_whitney(a, b)
    row = {'change': change, 'metric': metric, 'real': real, 'p': p, 'significant': p < SIGNIFICANT,
           'own_spread': max(spread(a), spread(b)), 'predicted': {}}
    row['allowed'] = max(ALLOWED * abs(real), row['own_spread'])
    for m in modes:
        # The replays' own baseline: what a replay does wrong whatever happens is not part of its answer.
        predicted = change_of(plain.get(m, []), changed.get(m, []), metric)
        if predicted is None:
            continue
        row['predicted'][m] = judge(predicted, real, row['allowed'])
        if recorded.get(metric):
            from_recording = median(values(changed[m], metric)) / recorded[metric] - 1
            row['predicted'][m]['from_recording'] = judge(from_recording, real, row['allowed'])
    return row


def predict_table(program, conditions, rows, modes):
    titles = dict(PREDICTED)
    plain = conditions['plain']
    print(f'\n{program}: {len(plain["app"])} runs; ' + ', '.join(f'{len(plain.get(m, []))} replays {m}' for m in modes))
    print(f'  {"":10}{"":10}{"real":>9}{"":2}{"p":>6}{"allowed":>9}' + ''.join(f'{m:>17}' for m in modes))
    last = None
    for r in rows:
        line = (f'  {"" if r["change"] == last else r["change"]:10}{titles[r["metric"]]:10}{percent(r["real"]):>9}'
                f'{" *" if r["significant"] else "  "}{r["p"]:6.3f}{percent(r["allowed"], False):>9}')
        last = r['change']
        for m in modes:
            x = r['predicted'].get(m)
            sign = '' if not x or x['sign_right'] or not r['significant'] else '!'
            line += f'{percent(x["change"]):>10}{sign:1}{x["error_in_allowed"]:6.1f}' if x else f'{"-":>17}'
        print(line)
    speed_line({a: [r for arms in conditions.values() for r in arms.get(a, [])] for a in ['app', *modes]})
    hog_line(conditions, modes)


def predict_summary(title, rows, modes, recording=False):
    for m in modes:
        judged = [r['predicted'][m] for r in rows if r['significant'] and m in r['predicted']]
        if recording:
            judged = [x['from_recording'] for x in judged if 'from_recording' in x]
        if judged:
            right = sum(x['sign_right'] for x in judged)
            within = sum(x['error_in_allowed'] <= 1 for x in judged)
            print(f'  {title:14}{m:14}{len(judged):5}{right:6} ({right / len(judged):4.0%})'
                  f'{median([x["error_in_allowed"] for x in judged]):10.2f}{within:8} ({within / len(judged):4.0%})')


def predict(folder, programs):
    result = {'programs': [], 'notes': notes(folder)}
    everything = []
    all_modes = []
    print('Real and predicted change of the median. *: significant (exact Mann-Whitney, p < 0.05); !: the sign is wrong.')
    print('allowed: 15% of the real change, or the program\'s own spread (half the range) where that is more. Behind a')
    print('prediction: its error in parts of the allowed one.')
    for program in programs:
        path = f'{folder}/runs/{program}'
        name, modes = replayed_modes(path)
        conditions = {c: with_switches(read_runs(f'{path}/{c}')) for c in CHANGES if os.path.isdir(f'{path}/{c}')}
        plain = conditions.pop('plain', {})
        if 'app' not in plain or not modes:
            continue
        recorded = next(iter(with_switches({'': [metrics_of(f'{path}/plain/{name}.json')]}).values()))[0][0]
        rows = [predict_row(c, metric, plain, arms, modes, recorded)
                for c, arms in conditions.items() if 'app' in arms for metric, _ in PREDICTED]
        rows = [r for r in rows if r]
        predict_table(program, {'plain': plain} | conditions, rows, modes)
        everything += [(program, r) for r in rows]
        all_modes += [m for m in modes if m not in all_modes]
        result['programs'].append({'program': program, 'replayed': name, 'rows': rows, 'samples': {
            c: {arm: [m | {'counts': k} for m, k in runs] for arm, runs in arms.items()}
            for c, arms in ({'plain': plain} | conditions).items()}})
    print(f'\n  {"significant":14}{"":14}{"":>5}{"sign right":>13}{"median err":>10}{"within":>8}')
    predict_summary('all', [r for _, r in everything], all_modes)
    predict_summary('  against A*', [r for _, r in everything], all_modes, True)
    for c in CHANGES:
        predict_summary(c, [r for _, r in everything if r['change'] == c], all_modes)
    for metric, title in PREDICTED:
        predict_summary(title, [r for _, r in everything if r['metric'] == metric], all_modes)
    print('  * the replays under the change against the recording instead of against their own replays as it was')
    misses = [(x['error_in_allowed'], program, r, m) for program, r in everything if r['significant']
              for m, x in r['predicted'].items() if x['error_in_allowed'] > 1]
    if misses:
        print('misses, by how many times what is allowed (the largest 30):')
    for size, program, r, m in sorted(misses, key=lambda x: -x[0])[:30]:
        print(f'  {size:8.1f}  {program:13}{r["change"]:10}{r["metric"]:22}{percent(r["real"]):>9}'
              f'{percent(r["predicted"][m]["change"]):>9}  {m}')
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
        {'study': study, 'predict': predict}[argv[1]](argv[2], programs)
    else:
        sys.exit('usage: study_report.py typical FILE... | study|predict DIR [PROGRAM...]')


if __name__ == '__main__':
    main(sys.argv)
