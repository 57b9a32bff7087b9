/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <unistd.h>

int sr_sha256_file(const char *path, char text[SR_SHA256_TEXT], struct sr_error *err)
{
	uint8_t buf[65536], sum[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC), i;

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
	sha256_digest(&ctx, sizeof(sum), sum);
	for (i = 0; i < SHA256_DIGEST_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", sum[i]);
	return 0;
}
