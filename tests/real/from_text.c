/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * from_text OUT.srz <LINES: a recording of the whole system out of events as text, one a line, for tests that put the
 * same events through schedrec and through another program. Times are ns, in order; states are letters as in R+.
 *
 *	switch TIME CPU PREV PRIO STATE NEXT PRIO      waking|wakeup|new TIME CPU CTX TID PRIO CPU
 *	fork TIME CPU PARENT CHILD                     migrate TIME CPU CTX TID PRIO FROM TO
 *	exit TIME CPU TID                              comm TIME TID NAME (to the end of the line)
 *	meta KEY VALUE (to the end of the line)
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/srz.h"

static int state_of(const char *s)
{
	static const char letters[] = "RRSDTtXZPI";
	const char *at;

	if (!strcmp(s, "R+"))
		return SR_STATE_PREEMPTED;
	at = strchr(letters, s[0]);
	if (!at || !s[0])
		return SR_STATE_OTHER;
	return s[0] == 'R' ? SR_STATE_RUNNING : (int)(at - letters);
}

static bool wake_kind(const char *kind, uint8_t *k)
{
	*k = !strcmp(kind, "waking") ? SR_EV_WAKING :
	     !strcmp(kind, "wakeup") ? SR_EV_WAKEUP :
	     !strcmp(kind, "new")    ? SR_EV_WAKEUP_NEW :
				       0;
	return *k != 0;
}

/* 1, or 0 where the line makes no sense. */
static int parse(struct srz_writer *w, const char *line, struct sr_event *ev, struct sr_error *err)
{
	char kind[16], state[8], name[64];
	int at = 0, prio[2], v[4];
	unsigned cpu, to, from;

	memset(ev, 0, sizeof(*ev));
	if (sscanf(line, "%15s %" SCNu64 " %n", kind, &ev->time_ns, &at) != 2)
		return 0;
	line += at;
	if (!strcmp(kind, "comm")) {
		ev->kind = SR_EV_COMM;
		if (sscanf(line, "%d %63[^\n]", &v[0], name) != 2)
			return 0;
		ev->u.rename.tid = v[0];
		ev->u.rename.name = srz_put_name(w, name, err);
		return 1;
	}
	if (!strcmp(kind, "switch")) {
		if (sscanf(line, "%u %d %d %7s %d %d", &cpu, &v[0], &prio[0], state, &v[1], &prio[1]) != 6)
			return 0;
		ev->kind = SR_EV_SWITCH;
		ev->ctx = v[0];
		ev->u.sw.prev = v[0];
		ev->u.sw.next = v[1];
		ev->u.sw.prev_prio = (int16_t)prio[0];
		ev->u.sw.next_prio = (int16_t)prio[1];
		ev->u.sw.prev_state = (uint8_t)state_of(state);
	} else if (wake_kind(kind, &ev->kind)) {
		if (sscanf(line, "%u %d %d %d %u", &cpu, &v[0], &v[1], &prio[0], &to) != 5)
			return 0;
		ev->ctx = v[0];
		ev->u.wake.tid = v[1];
		ev->u.wake.prio = (int16_t)prio[0];
		ev->u.wake.target_cpu = (uint16_t)to;
	} else if (!strcmp(kind, "migrate")) {
		if (sscanf(line, "%u %d %d %d %u %u", &cpu, &v[0], &v[1], &prio[0], &from, &to) != 6)
			return 0;
		ev->kind = SR_EV_MIGRATE;
		ev->ctx = v[0];
		ev->u.migrate.tid = v[1];
		ev->u.migrate.prio = (int16_t)prio[0];
		ev->u.migrate.from = (uint16_t)from;
		ev->u.migrate.to = (uint16_t)to;
	} else if (!strcmp(kind, "fork")) {
		if (sscanf(line, "%u %d %d", &cpu, &v[0], &v[1]) != 3)
			return 0;
		ev->kind = SR_EV_FORK;
		ev->ctx = v[0];
		ev->u.fork.parent = v[0];
		ev->u.fork.child = v[1];
	} else if (!strcmp(kind, "exit")) {
		if (sscanf(line, "%u %d", &cpu, &v[0]) != 2)
			return 0;
		ev->kind = SR_EV_EXIT;
		ev->ctx = v[0];
		ev->u.exit.tid = v[0];
		ev->u.exit.group_dead = 2;
	} else {
		return 0;
	}
	ev->cpu = (uint16_t)cpu;
	return 1;
}

int main(int argc, char **argv)
{
	struct sr_error err = { 0 };
	struct srz_writer *w = argc == 2 ? srz_create(argv[1], 0, &err) : NULL;
	struct sr_task_starts none = { 0 };
	struct sr_event ev;
	unsigned long n = 0;
	char line[512], key[64], value[256];

	if (!w || srz_put_meta(w, "scope", "system", &err) < 0)
		goto failed;
	while (fgets(line, sizeof(line), stdin)) {
		n++;
		if (sscanf(line, "meta %63s %255[^\n]", key, value) == 2) {
			if (srz_put_meta(w, key, value, &err) < 0)
				goto failed;
			continue;
		}
		if (!parse(w, line, &ev, &err)) {
			sr_fail(&err, SR_DAMAGED, "line %lu: %s", n, line);
			goto failed;
		}
		if (srz_put_events(w, SRZ_STREAM_KERNEL, &ev, 1, &err) < 0)
			goto failed;
	}
	if (srz_put_tasks(w, &none, &err) < 0 || srz_close(w, &err) < 0) {
		w = NULL;
		goto failed;
	}
	return 0;
failed:
	fprintf(stderr, "from_text: %s\n", argc == 2 ? err.text : "OUT.srz <LINES");
	srz_abort(w);
	return 1;
}
