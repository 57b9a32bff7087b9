/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/export_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sr_export_format *const formats[] = { &sr_export_csv, &sr_export_ftrace, &sr_export_perfetto };

const struct sr_task *sr_export_task(struct sr_export *x, int32_t tid)
{
	size_t i = sr_task_of(&x->tasks, tid);

	return &x->tasks.v[i == SIZE_MAX ? 0 : i];
}

const char *sr_export_comm(struct sr_export *x, int32_t tid)
{
	return sr_export_task(x, tid)->comm;
}

const char *sr_export_kernel_comm(struct sr_export *x, int32_t tid, unsigned cpu, char *buf)
{
	if (tid)
		return sr_export_comm(x, tid);
	snprintf(buf, SR_COMM_LEN, "swapper/%u", cpu);
	return buf;
}

struct sr_export *sr_export_new(const char *format, struct srz_reader *r, const char *path, struct sr_error *err)
{
	struct sr_export *x = calloc(1, sizeof(*x));

	if (!x) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
		if (!strcmp(formats[i]->name, format))
			x->format = formats[i];
	x->r = r;
	if (!x->format) {
		sr_fail(err, SR_BUG, "no such format: %s", format);
		goto fail;
	}
	if (sr_task_table_init(&x->tasks, srz_get_tasks(r), err))
		goto fail;
	x->out = sr_outfile_create(path, err);
	if (!x->out || x->format->begin(x, err))
		goto fail;
	return x;
fail:
	sr_export_free(x);
	return NULL;
}

int sr_export_event(struct sr_export *x, const struct sr_event *ev, struct sr_error *err)
{
	x->counts.events++;
	if (ev->kind == SR_EV_RENAME)
		memcpy(x->old_comm, sr_export_comm(x, ev->u.rename.tid), sizeof(x->old_comm));
	if (sr_task_table_feed(&x->tasks, ev, srz_name_at, x->r, err) || x->format->event(x, ev, err))
		return -1;
	return sr_outfile_error(x->out, err);
}

int sr_export_end(struct sr_export *x, struct sr_error *err)
{
	struct sr_outfile *out = x->out;

	if (x->format->end && x->format->end(x, err))
		return -1;
	x->counts.bytes = sr_outfile_bytes(out);
	x->out = NULL;
	return sr_outfile_close(out, err);
}

const struct sr_export_counts *sr_export_counted(const struct sr_export *x)
{
	return &x->counts;
}

void sr_export_free(struct sr_export *x)
{
	if (!x)
		return;
	if (x->format && x->format->release)
		x->format->release(x);
	sr_outfile_abort(x->out);
	sr_task_table_release(&x->tasks);
	free(x);
}
