/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "formats/tidmap.h"
#include "replay/sim_calibrate.h"

#define SAMPLES 65536u
#define ENOUGH 20u          /* of fewer nothing is said */
#define SOON_NS 50000u      /* longer than a preemption that begins at once takes on the own CPU */
#define AT_ONCE_NS 1000000u /* longer than the way to a CPU takes: the task had to wait */

struct samples {
	uint32_t *v;
	size_t n;
};

/* A wake under way. */
struct wake {
	uint64_t time_ns;
	int from;   /* cpu, -1: an interrupt on the cpu that it goes to */
	int target; /* -1: not known yet */
	bool idle, interrupt;
	uint64_t idled_ns; /* its cpu, as it was woken */
};

/* From a wake to the switch: */
enum {
	OWN,      /* to a CPU that idled, by its own interrupt */
	REMOTE,   /* by another CPU, where it idled lightly */
	DEEP,     /* where it idled deeply */
	BUSY,     /* to a CPU whose task is preempted, by another CPU */
	BY_WAKER, /* by that task */
	BY_TIMER, /* by its own interrupt */
	KINDS
};

struct calibration {
	struct sr_tidmap map; /* tid -> index of its wake + 1 */
	struct wake *wake;
	size_t n, cap;
	int32_t current[SR_MAX_CPUS]; /* tid; -1: not known */
	uint64_t idle_since[SR_MAX_CPUS];
	struct samples of[KINDS];
};

static void add(struct samples *s, uint64_t ns)
{
	if (s->n < SAMPLES && ns < AT_ONCE_NS)
		s->v[s->n++] = (uint32_t)ns;
}

static int u32_cmp(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void median_of(struct samples *s, struct sim_params *p, struct sim_known *known, enum sim_param which)
{
	if (s->n < ENOUGH)
		return;
	qsort(s->v, s->n, sizeof(*s->v), u32_cmp);
	p->v[which] = s->v[s->n / 2] ? s->v[s->n / 2] : 1;
	known->v[which] = true;
}

/* The half of them in the middle lies within so many per cent of the median: of an even spread so far reach all to either side. */
static void spread_of(const struct samples *s, struct sim_params *p, struct sim_known *known, enum sim_param of,
		      enum sim_param which)
{
	uint64_t spread;

	if (!known->v[of] || s->n < ENOUGH)
		return;
	spread = 100 * (uint64_t)(s->v[s->n * 3 / 4] - s->v[s->n / 4]) / p->v[of];
	p->v[which] = spread < 100 ? spread : 100;
	known->v[which] = true;
}

static struct wake *wake_of(struct calibration *c, int32_t tid)
{
	uint32_t i = sr_tidmap_get(&c->map, tid);

	if (i)
		return &c->wake[i - 1];
	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 256;
		struct wake *bigger = reallocarray(c->wake, cap, sizeof(*bigger));

		if (!bigger)
			return NULL;
		c->wake = bigger;
		c->cap = cap;
	}
	if (sr_tidmap_put(&c->map, tid, (uint32_t)c->n + 1) < 0)
		return NULL;
	c->wake[c->n] = (struct wake){ .target = -1 };
	return &c->wake[c->n++];
}

static void switched_in(struct calibration *c, const struct sr_event *ev)
{
	uint32_t i = sr_tidmap_get(&c->map, ev->u.sw.next);
	struct wake *w = i ? &c->wake[i - 1] : NULL;
	bool preempted;
	uint64_t ns;

	if (!w || !w->time_ns)
		return;
	ns = ev->time_ns - w->time_ns;
	w->time_ns = 0;
	if (w->target != ev->cpu)
		return;
	/* On its way back to the program a task that is preempted stands as running. */
	preempted = !w->idle && ev->u.sw.prev &&
		    (ev->u.sw.prev_state == SR_STATE_PREEMPTED || ev->u.sw.prev_state == SR_STATE_RUNNING);
	if (w->idle && !ev->u.sw.prev && w->interrupt && w->from == ev->cpu)
		add(&c->of[OWN], ns);
	else if (w->idle && !ev->u.sw.prev && w->idled_ns <= SIM_IDLE_LIGHT_NS)
		add(&c->of[REMOTE], ns);
	else if (w->idle && !ev->u.sw.prev && w->idled_ns >= SIM_IDLE_DEEP_NS)
		add(&c->of[DEEP], ns);
	else if (preempted && w->from != ev->cpu)
		add(&c->of[BUSY], ns);
	else if (preempted && ns < SOON_NS)
		add(&c->of[w->interrupt ? BY_TIMER : BY_WAKER], ns);
}

static int on_event(struct calibration *c, const struct sr_event *ev)
{
	struct wake *w;

	if (ev->cpu >= SR_MAX_CPUS)
		return 0;
	switch (ev->kind) {
	case SR_EV_SWITCH:
		if (ev->u.sw.next > 0)
			switched_in(c, ev);
		else
			c->idle_since[ev->cpu] = ev->time_ns;
		c->current[ev->cpu] = ev->u.sw.next;
		return 0;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
		if (ev->u.wake.tid <= 0 || ev->u.wake.target_cpu >= SR_MAX_CPUS)
			return 0;
		w = wake_of(c, ev->u.wake.tid);
		if (!w)
			return -1;
		if (ev->kind == SR_EV_WAKING)
			*w = (struct wake){ .time_ns = ev->time_ns,
					    .from = ev->cpu,
					    .target = -1,
					    .interrupt = ev->flags & SR_EV_INTERRUPT || !ev->ctx };
		w->target = ev->u.wake.target_cpu;
		w->idle = c->current[w->target] == 0;
		w->idled_ns = ev->time_ns - c->idle_since[w->target];
		return 0;
	default:
		return 0;
	}
}

static void wake_costs(struct sim_params *p, struct srz_reader *r, struct sim_known *known)
{
	const char *local = srz_get_meta(r, "record.wake_local_ns"), *remote = srz_get_meta(r, "record.wake_remote_ns");
	uint64_t l = local ? strtoull(local, NULL, 10) : 0, far = remote ? strtoull(remote, NULL, 10) : 0;
	uint64_t sw = p->v[SIM_SWITCH_VOLUNTARY];

	if (!l || l > far || far >= 1000000)
		return;
	p->v[SIM_WAKE_LOCAL] = l > sw ? l - sw : 0;
	p->v[SIM_WAKE_REMOTE] = far > sw ? far - sw : 0;
	known->v[SIM_WAKE_LOCAL] = known->v[SIM_WAKE_REMOTE] = true;
}

int sim_calibrate_file(struct sim_params *p, struct srz_reader *r, struct sim_known *known, struct sr_error *err)
{
	struct calibration *c = calloc(1, sizeof(*c));
	const char *hz = srz_get_meta(r, "kernel.hz");
	unsigned long rate = hz ? strtoul(hz, NULL, 10) : 0;
	struct sr_event ev;
	int ret = -1, i;

	if (!c)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	for (i = 0; i < SR_MAX_CPUS; i++)
		c->current[i] = -1;
	for (i = 0; i < KINDS; i++) {
		c->of[i].v = calloc(SAMPLES, sizeof(*c->of[i].v));
		if (!c->of[i].v) {
			sr_fail(err, SR_ENVIRONMENT, "out of memory");
			goto out;
		}
	}
	ret = srz_rewind(r, err);
	while (ret == 0 && (ret = srz_next(r, &ev, err)) > 0) {
		ret = on_event(c, &ev);
		if (ret < 0)
			sr_fail(err, SR_ENVIRONMENT, "out of memory");
	}
	if (ret < 0)
		goto out;
	median_of(&c->of[OWN], p, known, SIM_IDLE_SWITCH);
	median_of(&c->of[REMOTE], p, known, SIM_IDLE_EXIT);
	spread_of(&c->of[REMOTE], p, known, SIM_IDLE_EXIT, SIM_IDLE_EXIT_SPREAD);
	median_of(&c->of[DEEP], p, known, SIM_IDLE_EXIT_DEEP);
	median_of(&c->of[BUSY], p, known, SIM_IPI);
	median_of(&c->of[BY_WAKER], p, known, SIM_PREEMPT_WAKE);
	spread_of(&c->of[BY_WAKER], p, known, SIM_PREEMPT_WAKE, SIM_WAY_SPREAD);
	median_of(&c->of[BY_TIMER], p, known, SIM_PREEMPT_TIMER);
	wake_costs(p, r, known);
	if (rate >= 24 && rate <= 10000) {
		p->v[SIM_TICK] = 1000000000 / rate;
		known->v[SIM_TICK] = true;
	}
out:
	sr_tidmap_release(&c->map);
	for (i = 0; i < KINDS; i++)
		free(c->of[i].v);
	free(c->wake);
	free(c);
	return ret;
}
