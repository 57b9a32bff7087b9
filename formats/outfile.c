/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/outfile.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "formats/srz_internal.h"

#define BUFFER (256u << 10)

struct sr_outfile {
	struct srz_part part;
	uint64_t bytes;
	size_t n;
	bool failed;
	struct sr_error why;
	char buf[BUFFER];
};

struct sr_outfile *sr_outfile_create(const char *path, struct sr_error *err)
{
	struct sr_outfile *o = malloc(sizeof(*o));

	if (!o) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	o->bytes = o->n = 0;
	o->failed = false;
	if (srz_part_open(&o->part, path, err)) {
		srz_part_release(&o->part);
		free(o);
		return NULL;
	}
	return o;
}

static void flush(struct sr_outfile *o)
{
	struct iovec iov = { o->buf, o->n };
	size_t n = o->n;

	o->n = 0;
	if (!n || o->failed)
		return;
	if (srz_part_reserve(&o->part, n, &o->why) || srz_part_write(&o->part, &iov, 1, &o->why))
		o->failed = true;
}

void sr_out_bytes(struct sr_outfile *o, const void *data, size_t len)
{
	const char *p = data;

	o->bytes += len;
	while (len) {
		size_t n = len < BUFFER - o->n ? len : BUFFER - o->n;

		memcpy(o->buf + o->n, p, n);
		o->n += n;
		p += n;
		len -= n;
		if (o->n == BUFFER)
			flush(o);
	}
}

void sr_out_text(struct sr_outfile *o, const char *s)
{
	sr_out_bytes(o, s, strlen(s));
}

void sr_out_char(struct sr_outfile *o, char c)
{
	sr_out_bytes(o, &c, 1);
}

void sr_out_u64(struct sr_outfile *o, uint64_t v, unsigned digits)
{
	char buf[20];
	unsigned i = sizeof(buf);

	do {
		buf[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (i && (v || sizeof(buf) - i < digits));
	sr_out_bytes(o, buf + i, sizeof(buf) - i);
}

void sr_out_i64(struct sr_outfile *o, int64_t v)
{
	if (v < 0)
		sr_out_char(o, '-');
	sr_out_u64(o, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 1);
}

void sr_out_format(struct sr_outfile *o, const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0)
		sr_out_bytes(o, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

uint64_t sr_outfile_bytes(const struct sr_outfile *o)
{
	return o->bytes;
}

int sr_outfile_error(const struct sr_outfile *o, struct sr_error *err)
{
	if (!o->failed)
		return 0;
	*err = o->why;
	return -1;
}

int sr_outfile_close(struct sr_outfile *o, struct sr_error *err)
{
	int ret;

	flush(o);
	ret = sr_outfile_error(o, err);
	if (!ret)
		ret = srz_part_finish(&o->part, err);
	if (ret)
		srz_part_remove(&o->part);
	srz_part_release(&o->part);
	free(o);
	return ret;
}

void sr_outfile_abort(struct sr_outfile *o)
{
	if (!o)
		return;
	srz_part_remove(&o->part);
	srz_part_release(&o->part);
	free(o);
}

int sr_sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret;

	if (fd < 0)
		return -1;
	ret = fsync(fd);
	close(fd);
	return ret;
}
