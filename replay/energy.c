/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/energy.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_BYTES (1u << 20)
#define MAX_OPPS 64
#define MAX_POWER_MW 1000000u
#define MAX_SLOTS (1u << 22)

/* A table that is being made. */
struct making {
	const char *path;
	const struct sr_machine *m;
	struct rpl_energy *t;
	unsigned line;
	struct sr_error *err;
};

static int no_memory(struct sr_error *err)
{
	return sr_fail(err, SR_ENVIRONMENT, "out of memory for the energy table");
}

static struct rpl_pd *add_domain(struct rpl_energy *t, const struct sr_cpumask *cpus)
{
	struct rpl_pd *d = realloc(t->pd, (t->npds + 1u) * sizeof(*d));

	if (!d)
		return NULL;
	t->pd = d;
	d = &t->pd[t->npds];
	*d = (struct rpl_pd){ .cpu = calloc(sr_cpumask_count(cpus) + 1u, sizeof(*d->cpu)),
			      .opp = calloc(MAX_OPPS, sizeof(*d->opp)) };
	t->npds++; /* from here on freed with the table */
	if (!d->cpu || !d->opp)
		return NULL;
	for (unsigned i = 0; i < t->ncpus; i++)
		if (sr_cpumask_isset(cpus, i)) {
			d->cpu[d->n++] = (uint16_t)i;
			t->pd_of[i] = (uint16_t)(t->npds - 1);
		}
	return d;
}

static struct rpl_energy *new_table(const struct sr_machine *m)
{
	struct rpl_energy *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->ncpus = m->ncpus;
	t->pd_of = malloc((m->ncpus + 1u) * sizeof(*t->pd_of));
	if (!t->pd_of) {
		rpl_energy_free(t);
		return NULL;
	}
	for (unsigned i = 0; i < m->ncpus; i++)
		t->pd_of[i] = RPL_NO_PD;
	return t;
}

void rpl_energy_free(struct rpl_energy *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->npds; i++) {
		free(t->pd[i].cpu);
		free(t->pd[i].opp);
	}
	free(t->pd);
	free(t->pd_of);
	free(t->source);
	free(t);
}

/* ---- the file ---- */

static int wrong(const struct making *k, const char *what)
{
	return sr_fail(k->err, SR_DAMAGED, "%s:%u: %s", k->path, k->line, what);
}

/* The domain that is complete: does it end where its CPUs do? */
static int end_domain(const struct making *k)
{
	const struct rpl_pd *d;
	unsigned top;

	if (!k->t->npds)
		return 0;
	d = &k->t->pd[k->t->npds - 1];
	if (!d->nopps)
		return wrong(k, "the domain before has no operating point: write 'opp CAPACITY MILLIWATTS'");
	top = d->opp[d->nopps - 1].capacity;
	for (unsigned i = 0; i < d->n; i++)
		if (k->m->v[d->cpu[i]].capacity != top)
			return sr_fail(
				k->err, SR_DAMAGED,
				"%s:%u: the highest capacity of the domain before is %u, but CPU %u of this machine "
				"has %u",
				k->path, k->line, top, d->cpu[i], k->m->v[d->cpu[i]].capacity);
	return 0;
}

static int take_cpus(const struct making *k, const char *list)
{
	struct sr_cpumask cpus;
	struct sr_error why;

	if (end_domain(k) < 0)
		return -1;
	if (sr_cpumask_parse(&cpus, list, &why) < 0)
		return wrong(k, why.text);
	for (unsigned i = 0; i < SR_MAX_CPUS; i++) {
		if (!sr_cpumask_isset(&cpus, i))
			continue;
		if (i >= k->m->ncpus || k->m->v[i].core == SR_NO_CORE)
			return sr_fail(k->err, SR_DAMAGED, "%s:%u: this machine has no CPU %u", k->path, k->line, i);
		if (k->t->pd_of[i] != RPL_NO_PD)
			return sr_fail(k->err, SR_DAMAGED, "%s:%u: CPU %u is in two domains", k->path, k->line, i);
	}
	return add_domain(k->t, &cpus) ? 0 : no_memory(k->err);
}

/* A decimal number of 1..max with nothing but blanks around it; *text goes on behind it. 0: it is none. */
static unsigned number(const char **text, unsigned max)
{
	const char *p = *text + strspn(*text, " \t");
	unsigned v = 0;

	while (*p >= '0' && *p <= '9') {
		v = v * 10 + (unsigned)(*p++ - '0');
		if (v > max)
			return 0;
	}
	if (*p && *p != ' ' && *p != '\t')
		return 0;
	*text = p;
	return v;
}

static int take_opp(const struct making *k, const char *text)
{
	struct rpl_opp o;
	struct rpl_pd *d;

	o.capacity = number(&text, 1024);
	o.power_mw = number(&text, MAX_POWER_MW);
	if (!o.capacity || !o.power_mw || text[strspn(text, " \t")])
		return wrong(k, "an operating point is 'opp CAPACITY MILLIWATTS', 1 to 1024 and 1 to 1000000");
	if (!k->t->npds)
		return wrong(k, "an operating point before the first 'cpus LIST'");
	d = &k->t->pd[k->t->npds - 1];
	if (d->nopps == MAX_OPPS)
		return wrong(k, "more than 64 operating points in a domain");
	if (d->nopps && (o.capacity <= d->opp[d->nopps - 1].capacity || o.power_mw < d->opp[d->nopps - 1].power_mw))
		return wrong(k, "operating points ascend: more capacity, and no less power, than the one before");
	d->opp[d->nopps++] = o;
	return 0;
}

static int take_line(const struct making *k, char *line)
{
	char *p = line + strspn(line, " \t"), *end = p + strcspn(p, "#\r");
	size_t word;

	*end = '\0';
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	word = strcspn(p, " \t");
	if (!*p)
		return 0;
	if (word == 4 && !strncmp(p, "cpus", 4))
		return take_cpus(k, p + word + strspn(p + word, " \t"));
	if (word == 3 && !strncmp(p, "opp", 3))
		return take_opp(k, p + word);
	return wrong(k, "a line is 'cpus LIST', 'opp CAPACITY MILLIWATTS', empty, or a comment after #");
}

static int parse(struct making *k, char *text, size_t len)
{
	char *end;

	if (memchr(text, '\0', len))
		return sr_fail(k->err, SR_DAMAGED, "%s: this is no text", k->path);
	for (char *p = text; *p; p = end) {
		end = p + strcspn(p, "\n");
		if (*end)
			*end++ = '\0';
		k->line++;
		if (take_line(k, p) < 0)
			return -1;
	}
	if (end_domain(k) < 0)
		return -1;
	for (unsigned i = 0; i < k->m->ncpus; i++)
		if (k->m->v[i].online && k->t->pd_of[i] == RPL_NO_PD)
			return sr_fail(k->err, SR_DAMAGED, "%s: CPU %u of this machine is in none of its domains",
				       k->path, i);
	return 0;
}

static char *read_text(const char *path, size_t *len, struct sr_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char *text = NULL;
	ssize_t got = 0;

	if (fd < 0) {
		sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
		return NULL;
	}
	*len = 0;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		sr_fail(err, SR_ENVIRONMENT, "%s: not a file", path);
	else if (st.st_size > MAX_BYTES)
		sr_fail(err, SR_DAMAGED, "%s: larger than 1 MiB: not an energy table", path);
	else if (!(text = malloc((size_t)st.st_size + 1)))
		no_memory(err);
	while (text && *len < (size_t)st.st_size && (got = read(fd, text + *len, (size_t)st.st_size - *len)) > 0)
		*len += (size_t)got;
	if (got < 0) {
		sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
		free(text);
		text = NULL;
	}
	if (text)
		text[*len] = '\0';
	close(fd);
	return text;
}

static int from_file(struct rpl_energy *t, const char *path, const struct sr_machine *m, struct sr_error *err)
{
	struct making k = { .path = path, .m = m, .t = t, .err = err };
	size_t len;
	char *text = read_text(path, &len, err);
	int rc = text ? parse(&k, text, len) : -1;

	free(text);
	return rc;
}

/* ---- the estimate ---- */

/*
 * A cpu of capacity C draws 1000 mW * (C / 1024)^2.5 at its highest point, and (c / C)^2 of that at a capacity of c: power
 * goes with clock and voltage squared, and the voltage falls more slowly than the clock; a small core needs less for the
 * same work. Four points at a quarter each. The shape is that of published models of big.LITTLE machines; the height is
 * anyone's guess, so only ratios mean something.
 */
static int add_estimate(struct rpl_energy *t, const struct sr_machine *m, const struct sr_cpumask *cpus)
{
	struct rpl_pd *d = add_domain(t, cpus);
	unsigned capacity, parts;

	if (!d)
		return -1;
	capacity = m->v[d->cpu[0]].capacity;
	parts = capacity < 4 ? 1 : 4;
	for (unsigned i = 1; i <= parts; i++) {
		double c = capacity / 1024.0, part = (double)i / parts;
		double mw = round(1000 * c * c * sqrt(c) * part * part);

		d->opp[d->nopps++] = (struct rpl_opp){ capacity * i / parts, mw < 1 ? 1 : (unsigned)mw };
	}
	return 0;
}

/* Domains: the CPUs of one package, cluster and capacity. */
static int estimate(struct rpl_energy *t, const struct sr_machine *m)
{
	for (unsigned i = 0; i < m->ncpus; i++) {
		struct sr_cpumask cpus = { { 0 } };

		if (m->v[i].core == SR_NO_CORE || t->pd_of[i] != RPL_NO_PD)
			continue;
		for (unsigned k = i; k < m->ncpus; k++)
			if (m->v[k].core != SR_NO_CORE && m->v[k].package == m->v[i].package &&
			    m->v[k].cluster == m->v[i].cluster && m->v[k].capacity == m->v[i].capacity)
				sr_cpumask_set(&cpus, k);
		if (add_estimate(t, m, &cpus) < 0)
			return -1;
	}
	return 0;
}

struct rpl_energy *rpl_energy_new(const char *path, const struct sr_machine *m, struct sr_error *err)
{
	struct rpl_energy *t = new_table(m);
	int rc;

	if (t && path)
		t->source = strdup(path);
	if (!t || (path && !t->source)) {
		rpl_energy_free(t);
		no_memory(err);
		return NULL;
	}
	rc = path ? from_file(t, path, m, err) : estimate(t, m) < 0 ? no_memory(err) : 0;
	if (rc < 0) {
		rpl_energy_free(t);
		return NULL;
	}
	return t;
}

const struct rpl_opp *rpl_energy_point(const struct rpl_pd *d, unsigned util, unsigned headroom_pct)
{
	unsigned need = util + util * headroom_pct / 100, i = 0;

	while (i + 1 < d->nopps && d->opp[i].capacity < need)
		i++;
	return &d->opp[i];
}

uint64_t rpl_energy_mw(const struct rpl_pd *d, unsigned max_util, uint64_t sum_util, unsigned headroom_pct)
{
	const struct rpl_opp *o = rpl_energy_point(d, max_util, headroom_pct);

	return o->power_mw * sum_util / o->capacity;
}

/* ---- the meter ---- */

struct slot { /* of a domain in a window */
	float max, sum;
};

struct meter_cpu {
	uint64_t window, busy_ns; /* busy_ns: so far in that window */
};

struct rpl_meter {
	const struct rpl_energy *t;
	uint64_t from_ns, to_ns, window_ns, nwindows;
	struct slot *slot; /* [window * npds + domain] */
	struct meter_cpu *cpu;
};

struct rpl_meter *rpl_meter_new(const struct rpl_energy *t, uint64_t from_ns, uint64_t to_ns, struct sr_error *err)
{
	struct rpl_meter *m = calloc(1, sizeof(*m));
	uint64_t span = to_ns > from_ns ? to_ns - from_ns : 0;

	if (m) {
		*m = (struct rpl_meter){ .t = t, .from_ns = from_ns, .to_ns = from_ns + span };
		m->window_ns = span / (MAX_SLOTS / (t->npds + 1u)) + 1;
		if (m->window_ns < RPL_WINDOW_NS)
			m->window_ns = RPL_WINDOW_NS;
		m->nwindows = span / m->window_ns + 1;
		m->slot = calloc(m->nwindows * (t->npds + 1u), sizeof(*m->slot));
		m->cpu = calloc(t->ncpus + 1u, sizeof(*m->cpu));
	}
	if (!m || !m->slot || !m->cpu) {
		rpl_meter_free(m);
		no_memory(err);
		return NULL;
	}
	return m;
}

static void close_window(struct rpl_meter *m, unsigned cpu)
{
	struct meter_cpu *c = &m->cpu[cpu];
	unsigned pd = m->t->pd_of[cpu];
	const struct rpl_pd *d = &m->t->pd[pd];
	struct slot *s = &m->slot[c->window * m->t->npds + pd];
	float util = (float)(d->opp[d->nopps - 1].capacity * ((double)c->busy_ns / (double)m->window_ns));

	s->sum += util;
	if (util > s->max)
		s->max = util;
	c->busy_ns = 0;
}

void rpl_meter_add(struct rpl_meter *m, unsigned cpu, uint64_t from_ns, uint64_t to_ns)
{
	if (cpu >= m->t->ncpus || m->t->pd_of[cpu] == RPL_NO_PD)
		return;
	if (from_ns < m->from_ns)
		from_ns = m->from_ns;
	if (to_ns > m->to_ns)
		to_ns = m->to_ns;
	while (from_ns < to_ns) {
		struct meter_cpu *c = &m->cpu[cpu];
		uint64_t window = (from_ns - m->from_ns) / m->window_ns;
		uint64_t end = m->from_ns + (window + 1) * m->window_ns;

		if (window != c->window) {
			close_window(m, cpu);
			c->window = window;
		}
		if (end > to_ns || end < from_ns) /* beyond the end, or of all time */
			end = to_ns;
		c->busy_ns += end - from_ns;
		from_ns = end;
	}
}

double rpl_meter_joules(struct rpl_meter *m)
{
	double mw = 0;

	for (unsigned i = 0; i < m->t->ncpus; i++)
		if (m->t->pd_of[i] != RPL_NO_PD)
			close_window(m, i);
	for (uint64_t w = 0; w < m->nwindows; w++)
		for (unsigned i = 0; i < m->t->npds; i++) {
			const struct slot *s = &m->slot[w * m->t->npds + i];
			const struct rpl_opp *o = rpl_energy_point(&m->t->pd[i], (unsigned)ceilf(s->max), RPL_HEADROOM);

			mw += o->power_mw * (double)s->sum / o->capacity;
		}
	return mw / 1e3 * ((double)m->window_ns / 1e9);
}

void rpl_meter_free(struct rpl_meter *m)
{
	if (!m)
		return;
	free(m->slot);
	free(m->cpu);
	free(m);
}
