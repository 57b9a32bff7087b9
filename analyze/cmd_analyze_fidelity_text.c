/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --view fidelity for people. */
#include "analyze/cmd_analyze.h"

#include <math.h>
#include <string.h>

#define BAR 25

static const char *measured(char *buf, size_t len, const struct ana_fidelity_row *r, double v)
{
	if (isnan(v))
		return "-";
	snprintf(buf, len, "%s%.*f", r->kind == ANA_MEASURE_ERROR && v >= 0 ? "+" : "", fabs(v) < 10 ? 1 : 0, v * 100);
	return buf;
}

static const char *spread(char *buf, size_t len, const struct ana_fidelity_row *r)
{
	char lo[32], hi[32];

	if (!r->recordings)
		return "-";
	snprintf(buf, len, "%s .. %s", measured(lo, sizeof(lo), r, r->spread_lo),
		 measured(hi, sizeof(hi), r, r->spread_hi));
	return buf;
}

static const char *metric(char *buf, size_t len, const struct ana_fidelity_row *r, double v)
{
	return isnan(v) ? "-" : format_metric(buf, len, r->metric, r->unit, v);
}

static void measures(const struct fidelity_view *v)
{
	char a[48], b[48], c[32], d[80], target[16];

	printf("%-24s %11s %11s %9s %18s %8s  %s\n", "measure", "recorded", "replayed", "error %", "own spread %",
	       "target %", "verdict");
	for (size_t i = 0; i < v->report.nrows; i++) {
		const struct ana_fidelity_row *r = &v->report.rows[i];

		snprintf(target, sizeof(target), "%.0f", r->target * 100);
		printf("%-24s %11s %11s %9s %18s %8s  %s\n", r->name, metric(a, sizeof(a), r, r->recorded),
		       metric(b, sizeof(b), r, r->replayed), measured(c, sizeof(c), r, r->value),
		       spread(d, sizeof(d), r), isnan(r->target) ? "-" : target, ana_close_name(r->verdict));
	}
	puts("\nErrors are parts of the recorded value; distances are best at 0 %, recall and precision at 100 %.");
	if (v->nfiles > 1)
		printf("Replayed and error: the median of %zu replays.\n", v->nfiles);
	if (v->nfurther)
		printf("Own spread: how far %zu further recording%s of the application, by the same measure.\n",
		       v->nfurther, v->nfurther == 1 ? " is" : "s are");
	else
		puts("Own spread: not known; further recordings of the application (--against) tell it.");
	puts("Verdict: no farther off than the farthest of these; else within the target; else outside.");
}

static const char *edge(char *buf, size_t len, double ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	size_t u = 0;

	for (; ns >= 1000 && u < 3; u++)
		ns /= 1000;
	snprintf(buf, len, "%.0f %s", ns, units[u]);
	return buf;
}

/* The last bar of a line is not filled up with blanks. */
static void bar(double share, double most, bool last)
{
	static const char full[] = "#########################";
	int n = most > 0 ? (int)lround(share / most * BAR) : 0;

	printf("  %5.1f %%%s%.*s", share * 100, last && share <= 0 ? "" : " ", share > 0 && n == 0 ? 1 : n,
	       share > 0 && n == 0 ? "." : full);
	if (!last)
		printf("%*s", BAR - (share > 0 && n == 0 ? 1 : n), "");
}

static void distribution(const struct ana_dist_pair *d)
{
	bool time = !strcmp(d->unit, "ns");
	char a[32], b[32], label[72];
	double most = 0;

	if (!d->nbins)
		return;
	for (size_t i = 0; i < d->nbins; i++)
		most = fmax(most, fmax(d->bins[i].recorded, d->bins[i].replayed));
	if (time) {
		snprintf(label, sizeof(label), "recorded (%s)", sr_format_count(a, sizeof(a), d->recorded));
		printf("\n%-22s %-*s", d->name, BAR + 10, label);
		printf("replayed (%s)\n", sr_format_count(b, sizeof(b), d->replayed));
	} else {
		printf("\n%-22s %-*sreplayed (of the time)\n", d->name, BAR + 10, "recorded (of the time)");
	}
	for (size_t i = 0; i < d->nbins; i++) {
		const struct ana_bin *bin = &d->bins[i];

		if (time)
			snprintf(label, sizeof(label), "%s - %s", edge(a, sizeof(a), bin->lo),
				 edge(b, sizeof(b), bin->hi));
		else if (bin->hi - bin->lo == 1)
			snprintf(label, sizeof(label), "%.0f", bin->lo);
		else
			snprintf(label, sizeof(label), "%.0f - %.0f", bin->lo, bin->hi - 1);
		printf("%20s", label);
		bar(bin->recorded, most, false);
		bar(bin->replayed, most, true);
		putchar('\n');
	}
}

/* A mean over replays. */
static const char *mean_count(char *buf, size_t len, double v)
{
	snprintf(buf, len, "%.*f", fabs(v - round(v)) < 0.05 ? 0 : 1, v);
	return buf;
}

static const char *worst_value(char *buf, size_t len, enum ana_worst w, double v)
{
	return w == ANA_WORST_CPU || w == ANA_WORST_LATENCY ? sr_format_time(buf, len, v) : mean_count(buf, len, v);
}

static void worst_task(const char *name, enum ana_worst w, const struct ana_worst_task *t)
{
	char comm[32], a[48], b[48], c[48], change[52];

	snprintf(change, sizeof(change), "%c%s", t->replayed < t->recorded ? '-' : '+',
		 worst_value(c, sizeof(c), w, fabs(t->replayed - t->recorded)));
	printf("%-22s %-16s %10d %12s %12s %13s\n", name, printable(comm, sizeof(comm), t->comm), t->tid,
	       worst_value(a, sizeof(a), w, t->recorded), worst_value(b, sizeof(b), w, t->replayed), change);
}

static void worst_tasks(const struct ana_fidelity_report *r)
{
	static const char *const names[ANA_WORSTS] = { "CPU time", "voluntary switches", "involuntary switches",
						       "mean wakeup latency" };
	bool begun = false;

	for (unsigned w = 0; w < ANA_WORSTS; w++)
		for (size_t i = 0; i < r->nworst[w]; i++) {
			if (!begun)
				printf("\n%-22s %-16s %10s %12s %12s %13s\n", "tasks farthest off", "task", "tid",
				       "recorded", "replayed", "difference");
			begun = true;
			worst_task(i ? "" : names[w], (enum ana_worst)w, &r->worst[w][i]);
		}
}

static void wrong_edges(const char *what, const struct ana_wrong_edge *v, size_t n, bool extra)
{
	char from[32], to[32], a[32], b[32], c[32];

	if (!n)
		return;
	printf("\n%-22s %-16s %-16s %12s %12s %13s\n", what, "waker", "wakee", "recorded", "replayed",
	       extra ? "too many" : "missing");
	for (size_t i = 0; i < n; i++)
		printf("%-22s %-16s %-16s %12s %12s %13s\n", "", printable(from, sizeof(from), v[i].from),
		       printable(to, sizeof(to), v[i].to), mean_count(a, sizeof(a), v[i].recorded),
		       mean_count(b, sizeof(b), v[i].replayed),
		       mean_count(c, sizeof(c), extra ? v[i].extra : v[i].missing));
}

static const char *count(char *buf, size_t len, double v)
{
	return isnan(v) ? "-" : sr_format_count(buf, len, (uint64_t)llround(v));
}

static void order(const struct ana_fidelity_report *r)
{
	char waits[32], time[32], blocked[32], expired[32];

	if (isnan(r->order_waits))
		return;
	printf("\norder waits: %s, %s in all; %s expired; %s blocked", count(waits, sizeof(waits), r->order_waits),
	       isnan(r->order_wait_ns) ? "-" : sr_format_time(time, sizeof(time), r->order_wait_ns),
	       count(expired, sizeof(expired), r->order_expired), count(blocked, sizeof(blocked), r->order_blocked));
	if (!isnan(r->order_share))
		printf(": %.1f %% of the replay's voluntary switches", r->order_share * 100);
	putchar('\n');
}

static void refusals(const struct fidelity_view *v)
{
	static const struct {
		const char *key, *text;
	} known[] = {
		{ "nice_refused", "negative nice values could not be set" },
		{ "policy_refused", "real-time or other classes ran as normal tasks" },
		{ "affinity_dropped", "recorded affinities were dropped" },
		{ "events_dropped", "of the replay's own events found no room" },
		{ "forced", "waits were ended by the watchdog" },
		{ "sleeps_late", "sleeps began after they should have ended" },
	};
	char n[32], key[64];
	bool some = false;

	for (size_t i = 0; i < v->ncounts; i++) {
		const struct fidelity_count *c = &v->counts[i];
		const char *text = NULL;

		if (c->sum == 0 || !fidelity_is_refusal(c->key))
			continue;
		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			if (!strcmp(known[k].key, c->key))
				text = known[k].text;
		some = true;
		printf("not as recorded: %s %s\n", sr_format_count(n, sizeof(n), (uint64_t)c->sum),
		       text ? text : printable(key, sizeof(key), c->key));
	}
	if (!some && v->ncounts)
		puts("nothing was refused or dropped");
	if (v->report.unmatched)
		printf("%zu tasks have no counterpart in the recording\n", v->report.unmatched);
}

void fidelity_text(const struct fidelity_view *v)
{
	char a[32], b[32], text[80];

	printf("\nrecording: %s", printable(text, sizeof(text), v->source));
	if (v->window.from_ns || v->window.to_ns)
		printf("; its part from %s to %s", sr_format_time(a, sizeof(a), (double)v->window.from_ns),
		       v->window.to_ns ? sr_format_time(b, sizeof(b), (double)v->window.to_ns) : "its end");
	if (v->task_glob)
		printf("; tasks '%s'", printable(text, sizeof(text), v->task_glob));
	fputs("\n\n", stdout);
	measures(v);
	order(&v->report);
	refusals(v);
	for (size_t d = 0; d < ANA_DISTS; d++)
		distribution(&v->report.dist[d]);
	worst_tasks(&v->report);
	wrong_edges("wakes missing", v->report.missing, v->report.nmissing, false);
	wrong_edges("wakes too many", v->report.extra, v->report.nextra, true);
}
