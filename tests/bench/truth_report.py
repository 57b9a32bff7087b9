#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# truth_report.py DIR [PROGRAM...]    the table of live and simulated runs, and DIR/result.json
#
# DIR/runs/PROGRAM/ has what `replay --json` said of the live runs (live-POLICY-N.json) and `simulate --json` of the simulated
# ones (sim-POLICY-N.json).
import os
import sys
from itertools import combinations

from study_report import (METRICS, SIGNIFICANT, finish, mann_whitney, median, notes, percent, read_runs, spread, value_text,
                          values)

# The simulation's error that a metric's column does not mark is as large as the study's target, or as the live runs' spread.
COLUMNS = METRICS[:4] + [('migrations', 'migrations', 0.10)] + METRICS[4:]
# What `schedrec compare` holds to be the same by default.
MARGIN = 0.02


def with_migrations(arms):
    """Migrations of all distances."""
    for runs in arms.values():
        for m, _ in runs:
            m['migrations'] = sum(v for k, v in m.items() if k.startswith('migrations.'))
    return arms


def table(program, arms, policies):
    rows = []
    print(f'\n{program}: {len(arms["live-" + policies[0]])} live runs and simulations of each policy')
    print(f'  {"":14}' + ''.join(f'{title.replace("wake ", ""):>12}' for _, title, _ in COLUMNS))
    for p in policies:
        live, sim = arms['live-' + p], arms['sim-' + p]
        lines = [f'  {p[:9]:10}live', f'  {"":10}sim ']
        for metric, _, aim in COLUMNS:
            a, b = values(live, metric), values(sim, metric)
            if not a or not b or not median(a):
                lines = [line + f'{"-":>12}' for line in lines]
                continue
            row = {'policy': p, 'metric': metric, 'live': median(a), 'simulated': median(b), 'error': median(b) / median(a) - 1,
                   'own_spread': spread(a)}
            row['hit'] = abs(row['error']) <= max(aim, row['own_spread'])
            rows.append(row)
            lines[0] += f'{value_text(metric, row["live"]):>12}'
            lines[1] += f'{percent(row["error"]):>11}{" " if row["hit"] else "*"}'
        print('\n'.join(line.rstrip() for line in lines))
    return rows


def pairs(arms, policies):
    """Pairs of policies that differ live, by metric, and whether the simulation has them in the same order."""
    found = []
    for metric, _, _ in COLUMNS:
        for p, q in combinations(policies, 2):
            a, b = values(arms['live-' + p], metric), values(arms['live-' + q], metric)
            c, d = values(arms['sim-' + p], metric), values(arms['sim-' + q], metric)
            if not (a and b and c and d and median(a)):
                continue
            real, said = median(b) / median(a) - 1, median(d) - median(c)
            if mann_whitney(a, b) < SIGNIFICANT and real:
                found.append({'metric': metric, 'policies': [p, q], 'live': real, 'agrees': said * real > 0,
                              'simulated': said / median(c) if median(c) else None})
    return found


def share_line(title, found):
    if found:
        right = sum(x['agrees'] for x in found)
        print(f'  {title:44}{len(found):6}{right:8} ({right / len(found):.0%})')


def main(folder, programs):
    result = {'programs': [], 'notes': notes(folder)}
    everything, cells = [], []
    print('Medians of live runs, and the error of the simulated ones; * is off by more than the study\'s target (2% of')
    print('CPU time and makespan, 5 and 10% of switches, 10% of migrations, 15, 15, 25% of wake-up latencies p50, p95, p99)')
    print('and than half the range of the live runs.')
    for program in programs:
        arms = with_migrations(read_runs(f'{folder}/runs/{program}'))
        policies = [a[5:] for a in arms if a.startswith('live-') and 'sim-' + a[5:] in arms]
        if not policies:
            continue
        rows, found = table(program, arms, policies), pairs(arms, policies)
        cells += rows
        everything += [x | {'program': program} for x in found]
        result['programs'].append({'program': program, 'rows': rows, 'pairs': found, 'samples': {
            arm: [m for m, _ in runs] for arm, runs in arms.items()}})
    print(f'\nPairs of policies that differ live (exact Mann-Whitney, p < {SIGNIFICANT:.2f}){"pairs":>9}{"same order":>14}')
    share_line('all', everything)
    share_line(f'by more than {MARGIN:.0%}', [x for x in everything if abs(x['live']) > MARGIN])
    for metric, title, _ in COLUMNS:
        share_line('  ' + title, [x for x in everything if abs(x['live']) > MARGIN and x['metric'] == metric])
    print('\nerrors, by metric: median of their sizes, and how many are within')
    for metric, title, _ in COLUMNS:
        of_metric = [r for r in cells if r['metric'] == metric]
        if of_metric:
            print(f'  {title:14}{percent(median([abs(r["error"]) for r in of_metric]), False):>8}'
                  f'{sum(r["hit"] for r in of_metric):6} of {len(of_metric)}')
    wrong = sorted((x for x in everything if not x['agrees']), key=lambda x: -abs(x['live']))
    if wrong:
        print('other order than live (the largest 30):')
    for x in wrong[:30]:
        said = '-' if x['simulated'] is None else percent(x['simulated'])
        print(f'  {x["program"]:14}{" against ".join(reversed(x["policies"])):28}{x["metric"]:24}'
              f'{percent(x["live"]):>9} simulated {said:>8}')
    finish(folder, result)


main(sys.argv[1], sys.argv[2:] or sorted(d for d in os.listdir(sys.argv[1] + '/runs') if os.path.isdir(sys.argv[1] + '/runs/' + d)))
