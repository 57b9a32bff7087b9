/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/closer.h"

#include <errno.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "record/internal.h"

static void close_file(struct rec_closer *c, struct srz_writer *w)
{
	errno = 0;
	c->rc = srz_close(w, &c->err);
	c->error = c->rc ? errno : 0;
}

static void *closer_main(void *arg)
{
	struct rec_closer *c = arg;

	prctl(PR_SET_NAME, "schedrec-close");
	pthread_mutex_lock(&c->lock);
	while (c->w || !c->quit) {
		struct srz_writer *w = c->w;

		if (!w) {
			pthread_cond_wait(&c->changed, &c->lock);
			continue;
		}
		pthread_mutex_unlock(&c->lock);
		close_file(c, w);
		pthread_mutex_lock(&c->lock);
		c->w = NULL;
		pthread_cond_broadcast(&c->changed);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

void rec_closer_start(struct rec_closer *c)
{
	struct sr_error ignored;

	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	c->alive = !rec_thread_create(&c->thread, closer_main, c, &ignored);
}

void rec_closer_give(struct rec_closer *c, struct srz_writer *w)
{
	if (!c->alive) {
		close_file(c, w);
		return;
	}
	pthread_mutex_lock(&c->lock);
	c->w = w;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

bool rec_closer_done(struct rec_closer *c)
{
	bool done;

	if (!c->alive)
		return true;
	pthread_mutex_lock(&c->lock);
	done = !c->w;
	pthread_mutex_unlock(&c->lock);
	return done;
}

int rec_closer_wait(struct rec_closer *c, int *error, struct sr_error *err)
{
	if (c->alive) {
		pthread_mutex_lock(&c->lock);
		while (c->w)
			pthread_cond_wait(&c->changed, &c->lock);
		pthread_mutex_unlock(&c->lock);
	}
	*error = c->error;
	if (c->rc)
		*err = c->err;
	return c->rc;
}

void rec_closer_release(struct rec_closer *c)
{
	if (!c->alive)
		return;
	pthread_mutex_lock(&c->lock);
	c->quit = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->changed);
	c->alive = false;
}
