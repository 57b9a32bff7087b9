/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pass: tasks whose own wake-ups have a period, and their frames. What counts stands at struct ana_frames. */
#include "analyze/pass_internal.h"

#include <stdlib.h>
#include <string.h>

struct frame {
	uint64_t start_ns;    /* the wake-up */
	uint64_t interval_ns; /* to the next one */
	uint64_t work_ns;     /* to the end of its work: its last sleep but those of work that began after the period */
	uint64_t wait_ns;     /* of that: waited for a cpu */
	bool fresh;           /* when it was due is not known: nothing, or a cut, came before it */
};

/* One kind of a task's wake-ups. */
struct detector {
	bool open;    /* now is the frame that has begun */
	uint64_t due; /* when its wake-up was due; 0: not known, or behind a pause */
	struct frame now;
	unsigned n; /* of window: frames that came before the period was known */
	struct frame window[ANA_PERIOD_WINDOW];
};

/* A timer's wake-ups come in hard interrupts. A task that others wake as well has its period in those alone. */
enum { OF_INTERRUPTS, OF_ALL, DETECTORS };

struct ana_watch {
	struct detector d[DETECTORS];
	int chosen; /* the one whose wake-ups have a period; -1: none (yet) */
	uint64_t period_ns, activated_ns;
	uint64_t waited_ns;     /* waits of the present activation */
	unsigned off;           /* intervals in a row that were far from the period, not for want of time */
	struct ana_frames undo; /* before them */
	struct ana_frames sum;
};

static bool near(uint64_t interval, uint64_t period)
{
	return (interval > period ? interval - period : period - interval) * ANA_PERIOD_NEAR <= period;
}

/* 0: these intervals have no period. */
static uint64_t period_of(const struct frame *f)
{
	uint64_t v[ANA_PERIOD_WINDOW] = { 0 }, middle, sum = 0;
	unsigned agree = 0, at;

	for (unsigned i = 0; i < ANA_PERIOD_WINDOW; i++)
		agree += f[i].interval_ns >= ANA_PERIOD_LEAST_NS / 2;
	if (agree < ANA_PERIOD_AGREE)
		return 0; /* most tasks that are woken often: without sorting */
	for (unsigned i = 0; i < ANA_PERIOD_WINDOW; i++) {
		for (at = i; at && v[at - 1] > f[i].interval_ns; at--)
			v[at] = v[at - 1];
		v[at] = f[i].interval_ns;
	}
	middle = v[ANA_PERIOD_WINDOW / 2];
	agree = 0;
	if (middle < ANA_PERIOD_LEAST_NS || middle > ANA_PERIOD_MOST_NS)
		return 0;
	for (unsigned i = 0; i < ANA_PERIOD_WINDOW; i++) {
		if (!near(v[i], middle))
			continue;
		agree++;
		sum += v[i];
	}
	return agree >= ANA_PERIOD_AGREE ? sum / agree : 0;
}

/* The interval is far from the period, though there was time: after a window of such frames the period is another one,
 * or none. What they seemed to miss is not counted then. True: it is so. */
static bool has_changed(struct ana_watch *w, struct detector *d, const struct frame *f, const struct ana_frames *before)
{
	uint64_t cut = w->sum.cut;

	if (near(f->interval_ns, w->period_ns))
		w->off = 0;
	if (f->work_ns > w->period_ns || near(f->interval_ns, w->period_ns))
		return false;
	if (w->off == 0)
		w->undo = *before;
	d->window[w->off++] = *f;
	if (w->off < ANA_PERIOD_WINDOW)
		return false;
	w->sum = w->undo;
	w->sum.cut = cut;
	return true;
}

/* True: it shows that the period is no longer this one; the detector's window is full. */
static bool count_frame(struct ana_watch *w, struct detector *d, const struct frame *f)
{
	struct ana_frames *s = &w->sum, before = *s;
	uint64_t period = w->period_ns, own = f->work_ns - (f->wait_ns < f->work_ns ? f->wait_ns : f->work_ns);
	bool overrun = f->work_ns > period, behind = false;

	if (f->fresh)
		d->due = 0;
	if (d->due && f->start_ns > d->due + period / 2 && f->start_ns - d->due < ANA_PERIOD_PAUSE * period) {
		behind = true;
		s->missed += (f->start_ns - d->due + period / 2) / period;
	}
	s->n++;
	if (overrun)
		s->missed += f->work_ns / period;
	if (overrun || behind) {
		s->late++;
		s->late_by_wait += !behind && own <= period;
		if (++s->run > s->run_max)
			s->run_max = s->run;
	} else {
		s->run = 0;
	}
	if (f->work_ns > s->worst_ns) {
		s->worst_ns = f->work_ns;
		s->worst_at_ns = f->start_ns;
	}
	d->due = f->start_ns + period * (1 + (overrun ? f->work_ns / period : 0));
	return has_changed(w, d, f, &before);
}

/* The window is full: is there a period in it? */
static void judge(struct ana_watch *w, int which)
{
	struct detector *d = &w->d[which];

	for (int i = 0; i < DETECTORS; i++)
		w->d[i].n = w->chosen == which ? 0 : w->d[i].n;
	w->off = 0;
	w->period_ns = period_of(d->window);
	w->chosen = w->period_ns ? which : -1;
	if (!w->period_ns) {
		d->n = ANA_PERIOD_WINDOW / 2;
		memmove(d->window, d->window + ANA_PERIOD_WINDOW - d->n, d->n * sizeof(*d->window));
		return;
	}
	d->n = 0;
	d->due = 0;
	w->sum.period_ns = w->period_ns;
	for (unsigned i = 0; i < ANA_PERIOD_WINDOW; i++)
		count_frame(w, d, &d->window[i]);
}

static void close_frame(struct ana_watch *w, int which)
{
	struct detector *d = &w->d[which];

	if (w->chosen == which) {
		if (count_frame(w, d, &d->now))
			judge(w, which);
		return;
	}
	d->window[d->n++] = d->now;
	if (d->n == ANA_PERIOD_WINDOW)
		judge(w, which);
}

/* s is woken, from its sleep. */
int ana_period_wake(struct ana_pass *p, struct subject *s, uint64_t now, bool interrupt, struct sr_error *err)
{
	struct ana_watch *w = s->watch;
	bool fresh;

	if (!s->in_scope || p->cfg.omit & ANA_OMIT_FELT || p->table.v[s->row.index].flags & SR_TASK_KTHREAD ||
	    (!w && s->row.wakeups < 2))
		return 0;
	if (!w) {
		w = s->watch = calloc(1, sizeof(*w));
		if (!w)
			return ana_no_memory(err);
		w->chosen = -1;
	}
	for (int i = interrupt ? OF_INTERRUPTS : OF_ALL; i < DETECTORS; i++) {
		struct detector *d = &w->d[i];

		if (w->chosen >= 0 && w->chosen != i)
			continue;
		fresh = !d->open;
		if (d->open) {
			d->now.interval_ns = after(now, d->now.start_ns);
			close_frame(w, i);
		}
		d->open = w->chosen < 0 || w->chosen == i;
		d->now = (struct frame){ .start_ns = now, .fresh = fresh };
	}
	w->activated_ns = now;
	w->waited_ns = 0;
	return 0;
}

void ana_period_waited(struct subject *s, uint64_t ns)
{
	if (s->watch)
		s->watch->waited_ns += ns;
}

/* s goes to sleep. */
void ana_period_sleep(struct subject *s, uint64_t now)
{
	struct ana_watch *w = s->watch;

	for (int i = 0; w && i < DETECTORS; i++) {
		struct frame *f = &w->d[i].now;

		if (!w->d[i].open)
			continue;
		if (w->chosen == i && w->activated_ns > f->start_ns + w->period_ns)
			continue;
		f->work_ns = after(now, f->start_ns);
		f->wait_ns += w->waited_ns;
	}
	if (w)
		w->waited_ns = 0;
}

/* What the task did in its present frame is not known to its end. */
void ana_period_cut(struct subject *s)
{
	struct ana_watch *w = s->watch;

	if (!w)
		return;
	if (w->chosen >= 0 && w->d[w->chosen].open)
		w->sum.cut++;
	for (int i = 0; i < DETECTORS; i++)
		w->d[i].open = false;
	w->off = 0;
}

/* Nothing so far counts; a period that is known stays so. */
void ana_period_restart(struct subject *s)
{
	if (!s->watch)
		return;
	ana_period_cut(s);
	for (int i = 0; i < DETECTORS; i++)
		s->watch->d[i].n = 0;
	s->watch->sum = (struct ana_frames){ .period_ns = s->watch->period_ns };
}

/* s ends, or the recording does. */
void ana_period_end(struct subject *s)
{
	if (!s->watch)
		return;
	s->row.frames = s->watch->sum;
	free(s->watch);
	s->watch = NULL;
}
