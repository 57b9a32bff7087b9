/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/srz_pack.h"

#include <stdlib.h>

#include "formats/srz_internal.h"

struct srz_packer {
	struct srz_codec *encoder, *decoder;
	struct srz_buf out;
};

struct srz_packer *srz_packer_new(struct sr_error *err)
{
	struct srz_packer *p = calloc(1, sizeof(*p));

	if (!p) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	p->encoder = srz_codec_new(SRZ_ENCODE, err);
	p->decoder = p->encoder ? srz_codec_new(SRZ_DECODE, err) : NULL;
	if (p->decoder)
		return p;
	srz_packer_free(p);
	return NULL;
}

void srz_packer_free(struct srz_packer *p)
{
	if (!p)
		return;
	srz_codec_free(p->encoder);
	srz_codec_free(p->decoder);
	srz_buf_release(&p->out);
	free(p);
}

int srz_pack(struct srz_packer *p, const struct sr_event *ev, size_t n, void **bytes, size_t *len, struct sr_error *err)
{
	struct srz_totals totals = { 0 };
	struct srz_chunk chunk = { .unit = 1 };

	p->out.n = 0;
	if (srz_chunk_encode(p->encoder, SRZ_STREAM_KERNEL, ev, n, &p->out, &chunk, &totals, err))
		return -1;
	*bytes = malloc(p->out.n);
	if (!*bytes)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	memcpy(*bytes, p->out.p, p->out.n);
	*len = p->out.n;
	return 0;
}

int srz_unpack(struct srz_packer *p, const void *bytes, size_t len, struct sr_event *ev, size_t n, struct sr_error *err)
{
	struct srz_totals head = { 0 }, totals = { 0 };
	struct srz_chunk chunk = { 0 };
	const char *bad = srz_chunk_head(bytes, len, &chunk, &head);

	if (!bad && chunk.events != n)
		bad = "has another number of events";
	if (!bad)
		bad = srz_chunk_decode(p->decoder, bytes, len, &chunk, ev, &n, &totals);
	if (!bad)
		return 0;
	return sr_fail(err, bad == SRZ_NO_MEMORY ? SR_ENVIRONMENT : SR_DAMAGED, "packed events: %s", bad);
}
