/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/hmac.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct sr_sha256 {
	struct sha256_ctx ctx;
};

static void end(struct sha256_ctx *ctx, char text[SR_SHA256_TEXT])
{
	uint8_t sum[SHA256_DIGEST_SIZE];
	int i;

	sha256_digest(ctx, sizeof(sum), sum);
	for (i = 0; i < SHA256_DIGEST_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", sum[i]);
}

struct sr_sha256 *sr_sha256_new(void)
{
	struct sr_sha256 *d = malloc(sizeof(*d));

	if (d)
		sha256_init(&d->ctx);
	return d;
}

void sr_sha256_add(struct sr_sha256 *d, const void *data, size_t len)
{
	sha256_update(&d->ctx, len, data);
}

void sr_sha256_end(struct sr_sha256 *d, char text[SR_SHA256_TEXT])
{
	end(&d->ctx, text);
}

void sr_sha256_free(struct sr_sha256 *d)
{
	free(d);
}

int sr_sha256_file(const char *path, char text[SR_SHA256_TEXT], struct sr_error *err)
{
	uint8_t buf[65536];
	struct sha256_ctx ctx;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
	sha256_init(&ctx);
	while ((got = read(fd, buf, sizeof(buf))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
			close(fd);
			return -1;
		}
		sha256_update(&ctx, got, buf);
	}
	close(fd);
	end(&ctx, text);
	return 0;
}

void sr_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, unsigned char out[SR_HMAC_BYTES])
{
	struct hmac_sha256_ctx ctx;

	hmac_sha256_set_key(&ctx, key_len, key);
	hmac_sha256_update(&ctx, len, data);
	hmac_sha256_digest(&ctx, SR_HMAC_BYTES, out);
}
