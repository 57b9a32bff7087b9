/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analyze/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ana_no_memory(struct sr_error *err)
{
	return sr_fail(err, SR_ENVIRONMENT, "out of memory");
}

int ana_reserve(void *array, size_t *cap, size_t n, size_t size, struct sr_error *err)
{
	size_t bigger = *cap ? *cap : 16;
	void **v = array, *p;

	if (n <= *cap)
		return 0;
	while (bigger < n)
		bigger = bigger > SIZE_MAX / 2 ? n : bigger * 2;
	p = bigger > SIZE_MAX / 2 / size ? NULL : realloc(*v, bigger * size);
	if (!p)
		return ana_no_memory(err);
	memset((char *)p + *cap * size, 0, (bigger - *cap) * size);
	*v = p;
	*cap = bigger;
	return 0;
}

static struct ana_metric *find(const struct ana_result *r, const char *name)
{
	size_t lo = 0, hi = r->nsorted;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(r->metrics[mid].name, name);

		if (c == 0)
			return &r->metrics[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (size_t i = r->nsorted; i < r->nmetrics; i++)
		if (!strcmp(r->metrics[i].name, name))
			return &r->metrics[i];
	return NULL;
}

bool ana_get(const struct ana_result *r, const char *name, double *value)
{
	const struct ana_metric *m = find(r, name);

	if (m)
		*value = m->value;
	return m != NULL;
}

int ana_set(struct ana_result *r, const char *name, const char *unit, double value, struct sr_error *err)
{
	struct ana_metric *m = find(r, name);

	if (strlen(name) >= sizeof(m->name) || strlen(unit) >= sizeof(m->unit))
		return sr_fail(err, SR_BUG, "metric '%s' [%s]: name or unit is too long", name, unit);
	if (!m) {
		if (ana_reserve(&r->metrics, &r->metrics_cap, r->nmetrics + 1, sizeof(*r->metrics), err) < 0)
			return -1;
		if (r->nsorted == r->nmetrics && (!r->nsorted || strcmp(r->metrics[r->nsorted - 1].name, name) < 0))
			r->nsorted++;
		m = &r->metrics[r->nmetrics++];
		strcpy(m->name, name);
	}
	strcpy(m->unit, unit);
	m->value = value;
	return 0;
}

int ana_set_hist(struct ana_result *r, const char *name, const struct ana_hist *h, struct sr_error *err)
{
	static const struct {
		const char *suffix;
		double q;
	} quantiles[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p95", 0.95 }, { "p99", 0.99 }, { "p999", 0.999 } };
	char full[sizeof(r->metrics->name)];

	if (h->n == 0)
		return 0;
	snprintf(full, sizeof(full), "%s.mean", name);
	if (ana_set(r, full, "ns", (double)h->sum / (double)h->n, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
		snprintf(full, sizeof(full), "%s.%s", name, quantiles[i].suffix);
		if (ana_set(r, full, "ns", ana_hist_quantile(h, quantiles[i].q), err) < 0)
			return -1;
	}
	snprintf(full, sizeof(full), "%s.max", name);
	return ana_set(r, full, "ns", (double)h->max, err);
}

void ana_result_release(struct ana_result *r)
{
	free(r->metrics);
	free(r->wakeup_latency);
	free(r->run_delay);
	free(r->slice);
	free(r->preempt_wait);
	free(r->sleep);
	free(r->runnable_ns);
	free(r->tasks);
	free(r->cpus);
	free(r->cpu_stats);
	memset(r, 0, sizeof(*r));
}
