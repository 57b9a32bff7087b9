/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/event_digest.h"

#include <string.h>

#define MAX_BYTES 64 /* of an event, its name left out */

int sr_event_digest_init(struct sr_event_digest *d)
{
	d->n = 0;
	d->sha = sr_sha256_new();
	return d->sha ? 0 : -1;
}

void sr_event_digest_release(struct sr_event_digest *d)
{
	sr_sha256_free(d->sha);
	d->sha = NULL;
}

static void flush(struct sr_event_digest *d)
{
	sr_sha256_add(d->sha, d->buf, d->n);
	d->n = 0;
}

static void put(struct sr_event_digest *d, uint64_t v, unsigned bytes)
{
	while (bytes--) {
		d->buf[d->n++] = (uint8_t)v;
		v >>= 8;
	}
}

static void put_name(struct sr_event_digest *d, const char *name)
{
	flush(d);
	sr_sha256_add(d->sha, name ? name : "", name ? strlen(name) + 1 : 1);
}

static void put_members(struct sr_event_digest *d, const struct sr_event *ev, const char *name)
{
	switch (ev->kind) {
	case SR_EV_SWITCH:
		put(d, (uint32_t)ev->u.sw.prev, 4);
		put(d, (uint32_t)ev->u.sw.next, 4);
		put(d, (uint16_t)ev->u.sw.prev_prio, 2);
		put(d, (uint16_t)ev->u.sw.next_prio, 2);
		put(d, ev->u.sw.prev_state, 1);
		break;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		put(d, (uint32_t)ev->u.wake.tid, 4);
		put(d, (uint16_t)ev->u.wake.prio, 2);
		put(d, ev->u.wake.target_cpu, 2);
		break;
	case SR_EV_MIGRATE:
		put(d, (uint32_t)ev->u.migrate.tid, 4);
		put(d, (uint16_t)ev->u.migrate.prio, 2);
		put(d, ev->u.migrate.from, 2);
		put(d, ev->u.migrate.to, 2);
		break;
	case SR_EV_FORK:
		put(d, (uint32_t)ev->u.fork.parent, 4);
		put(d, (uint32_t)ev->u.fork.child, 4);
		break;
	case SR_EV_EXEC:
		put(d, (uint32_t)ev->u.exec.tid, 4);
		put(d, (uint32_t)ev->u.exec.old_tid, 4);
		put_name(d, name);
		break;
	case SR_EV_EXIT:
		put(d, (uint32_t)ev->u.exit.tid, 4);
		put(d, (uint16_t)ev->u.exit.prio, 2);
		put(d, ev->u.exit.group_dead, 1);
		break;
	case SR_EV_RENAME:
	case SR_EV_COMM:
		put(d, (uint32_t)ev->u.rename.tid, 4);
		put_name(d, name);
		break;
	case SR_EV_NEWTASK:
		put(d, (uint32_t)ev->u.newtask.tid, 4);
		put(d, ev->u.newtask.clone_flags, 8);
		break;
	case SR_EV_LOST:
		put(d, ev->u.lost.count, 8);
		put(d, ev->u.lost.span_us, 4);
		break;
	case SR_EV_DECISION:
		put(d, (uint32_t)ev->u.decision.tid, 4);
		put(d, (uint16_t)ev->u.decision.from, 2);
		put(d, (uint16_t)ev->u.decision.to, 2);
		put(d, ev->u.decision.cause, 1);
		put(d, ev->u.decision.cost_ns, 4);
		break;
	case SR_EV_BIND:
		put(d, (uint32_t)ev->u.bind.tid, 4);
		put(d, ev->u.bind.source, 4);
		break;
	case SR_EV_FREQUENCY:
		put(d, ev->u.frequency.khz, 4);
		put(d, ev->u.frequency.target_cpu, 2);
		break;
	case SR_EV_IDLE:
		put(d, ev->u.idle.state, 4);
		put(d, ev->u.idle.target_cpu, 2);
		break;
	default:
		break;
	}
}

void sr_event_digest_add(struct sr_event_digest *d, enum srz_stream stream, const struct sr_event *ev, const char *name)
{
	if (d->n > sizeof(d->buf) - MAX_BYTES)
		flush(d);
	put(d, ev->time_ns, 8);
	put(d, stream, 1);
	put(d, ev->kind, 1);
	put(d, ev->flags, 1);
	put(d, ev->cpu, 2);
	put(d, (uint32_t)ev->ctx, 4);
	put_members(d, ev, name);
}

void sr_event_digest_end(struct sr_event_digest *d, char text[SR_SHA256_TEXT])
{
	flush(d);
	sr_sha256_end(d->sha, text);
}

int sr_event_digest_file(struct srz_reader *r, char text[SR_SHA256_TEXT], struct sr_error *err)
{
	struct sr_event_digest d;
	struct sr_event ev;
	int ret = srz_rewind(r, err);

	if (ret < 0)
		return -1;
	if (sr_event_digest_init(&d) < 0)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	while ((ret = srz_next(r, &ev, err)) > 0) {
		const char *name = NULL;

		if (ev.kind == SR_EV_EXEC)
			name = srz_name_at(r, ev.u.exec.name);
		else if (ev.kind == SR_EV_RENAME || ev.kind == SR_EV_COMM)
			name = srz_name_at(r, ev.u.rename.name);
		sr_event_digest_add(&d, srz_stream_of_last(r), &ev, name);
	}
	if (ret == 0)
		sr_event_digest_end(&d, text);
	sr_event_digest_release(&d);
	return ret;
}
