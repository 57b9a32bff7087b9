/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Importers on any bytes: what comes out is an error about the input, or a whole .srz file that holds as many events as
 * were counted, each CPU's in order of time. What the bytes are, their beginning says; else their number.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "formats/import.h"
#include "formats/srz.h"
#include "tests/fuzz/fuzz.h"

static void check_file(const char *path, const struct sr_import_counts *c)
{
	static uint64_t last[SR_MAX_CPUS];
	struct sr_error err;
	struct srz_reader *r = srz_open(path, &err);
	struct sr_event ev;
	uint64_t n = 0;
	int got;

	MUST_BE(r && srz_get_info(r)->complete);
	memset(last, 0, sizeof(last));
	while ((got = srz_next(r, &ev, &err)) == 1) {
		MUST_BE(ev.time_ns >= last[ev.cpu]);
		last[ev.cpu] = ev.time_ns;
		n += ev.kind != SR_EV_COMM;
	}
	MUST_BE(got == 0 && n == c->events);
	srz_reader_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum sr_import_format format = sr_import_guess(data, size < 4096 ? size : 4096);
	const char *dir = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
	char in[128], out[128];
	struct sr_import *im;
	struct srz_writer *w;
	struct sr_error err;
	int fd, ret;

	if (size > 1 << 20)
		return 0;
	snprintf(in, sizeof(in), "%s/schedrec-fuzz-%d.in", dir, getpid());
	snprintf(out, sizeof(out), "%s/schedrec-fuzz-%d.out", dir, getpid());
	fd = open(in, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	MUST_BE(fd >= 0 && write(fd, data, size) == (ssize_t)size && !lseek(fd, 0, SEEK_SET));
	w = srz_create(out, 64, &err);
	MUST_BE(w);
	im = sr_import_new(w, NULL, &err);
	MUST_BE(im);
	err.status = SR_OK;
	if (format == SR_IMPORT_UNKNOWN)
		format = size % 2 ? SR_IMPORT_PERFETTO : SR_IMPORT_TEXT;
	ret = format == SR_IMPORT_PERF     ? sr_import_perf(im, fd, &err) :
	      format == SR_IMPORT_PERFETTO ? sr_import_perfetto(im, fd, &err) :
					     sr_import_text(im, fd, size, &err);
	if (!ret)
		ret = sr_import_end(im, "system", &err);
	if (ret) {
		MUST_BE(err.status == SR_DAMAGED || err.status == SR_ENVIRONMENT);
		srz_abort(w);
	} else {
		MUST_BE(!srz_close(w, &err));
		check_file(out, sr_import_counted(im));
		unlink(out);
	}
	sr_import_free(im);
	close(fd);
	unlink(in);
	return 0;
}
