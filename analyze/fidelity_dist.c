/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Distributions of a recording and its replays, in the same few bins. */
#include "analyze/fidelity_internal.h"

#include <stdlib.h>
#include <string.h>

/* Two bins a decade: 0, 100 ns, 300 ns, 1 us, ... */
#define TIME_BINS 36
static double time_edge(size_t i)
{
	double v = i % 2 ? 100 : 300;

	for (size_t k = 1; k + 2 <= i; k += 2)
		v *= 10;
	return i ? v : 0;
}

/* 0, 1, 2, 3, 4, 5-8, 9-16, 17-32, ... */
#define COUNT_BINS 40
static double count_edge(size_t i)
{
	double v = 4;

	if (i <= 5)
		return (double)i;
	for (; i > 5; i--)
		v *= 2;
	return v + 1;
}

static size_t bin_of(const struct ana_bin *bins, size_t n, double v)
{
	size_t i = 0;

	while (i + 1 < n && v >= bins[i].hi)
		i++;
	return i;
}

/* From the first bin that a side has something in to the last. */
static void trim(struct ana_dist_pair *d)
{
	size_t from = 0, to = d->nbins;

	while (from < to && d->bins[from].recorded == 0 && d->bins[from].replayed == 0)
		from++;
	while (to > from && d->bins[to - 1].recorded == 0 && d->bins[to - 1].replayed == 0)
		to--;
	memmove(d->bins, d->bins + from, (to - from) * sizeof(*d->bins));
	d->nbins = to - from;
}

static int make_bins(struct ana_dist_pair *d, size_t n, double (*edge)(size_t i), struct sr_error *err)
{
	d->bins = calloc(n, sizeof(*d->bins));
	if (!d->bins)
		return ana_no_memory(err);
	d->nbins = n;
	for (size_t i = 0; i < n; i++)
		d->bins[i] = (struct ana_bin){ .lo = edge(i), .hi = edge(i + 1) };
	return 0;
}

static void add_hist(struct ana_dist_pair *d, const struct ana_hist *h, bool replayed)
{
	uint64_t lo, hi;

	for (unsigned b = 0; b < ANA_HIST_BUCKETS; b++) {
		struct ana_bin *bin;

		if (!h->bucket[b])
			continue;
		ana_hist_bounds(b, &lo, &hi);
		bin = &d->bins[bin_of(d->bins, d->nbins, (double)hi)];
		*(replayed ? &bin->replayed : &bin->recorded) += (double)h->bucket[b];
	}
	*(replayed ? &d->replayed : &d->recorded) += h->n;
}

static void to_shares(struct ana_dist_pair *d)
{
	double recorded = 0, replayed = 0;

	for (size_t i = 0; i < d->nbins; i++) {
		recorded += d->bins[i].recorded;
		replayed += d->bins[i].replayed;
	}
	for (size_t i = 0; i < d->nbins; i++) {
		d->bins[i].recorded /= recorded > 0 ? recorded : 1;
		d->bins[i].replayed /= replayed > 0 ? replayed : 1;
	}
}

static const struct ana_hist *hist_of(const struct ana_result *r, enum ana_dist which)
{
	const struct ana_hist *const v[] = { r->wakeup_latency, r->run_delay, r->slice, r->sleep };

	return v[which];
}

static int hists(const struct ana_fidelity *replays, size_t n, enum ana_dist which, struct ana_dist_pair *d,
		 struct sr_error *err)
{
	const struct ana_hist *h = hist_of(replays[0].recorded, which);

	if (make_bins(d, TIME_BINS, time_edge, err) < 0)
		return -1;
	if (h)
		add_hist(d, h, false);
	for (size_t i = 0; i < n; i++) {
		h = hist_of(&replays[i].replayed, which);
		if (h)
			add_hist(d, h, true);
	}
	return 0;
}

static void add_runnable(struct ana_dist_pair *d, const struct ana_result *r, bool replayed)
{
	for (size_t i = 0; i < r->nrunnable; i++) {
		struct ana_bin *bin = &d->bins[bin_of(d->bins, d->nbins, (double)i)];

		*(replayed ? &bin->replayed : &bin->recorded) += (double)r->runnable_ns[i];
		*(replayed ? &d->replayed : &d->recorded) += r->runnable_ns[i];
	}
}

int ana_fidelity_dists(const struct ana_fidelity *replays, size_t n, struct ana_fidelity_report *out,
		       struct sr_error *err)
{
	static const char *const names[ANA_DISTS] = { "wakeup latency", "run delay", "slice", "sleep",
						      "runnable tasks" };

	for (unsigned which = 0; which < ANA_DISTS; which++) {
		struct ana_dist_pair *d = &out->dist[which];

		d->name = names[which];
		d->unit = which == ANA_DIST_RUNNABLE ? "tasks" : "ns";
		if (which != ANA_DIST_RUNNABLE) {
			if (hists(replays, n, (enum ana_dist)which, d, err) < 0)
				return -1;
		} else {
			if (make_bins(d, COUNT_BINS, count_edge, err) < 0)
				return -1;
			add_runnable(d, replays[0].recorded, false);
			for (size_t i = 0; i < n; i++)
				add_runnable(d, &replays[i].replayed, true);
		}
		to_shares(d);
		trim(d);
		if (!d->recorded || !d->replayed)
			d->nbins = 0;
	}
	return 0;
}
