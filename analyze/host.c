/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The conditions of a run: what of this machine changes figures without being part of what is compared. */
#include "analyze/internal.h"
#include "formats/digest.h"

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CPU "/sys/devices/system/cpu/"

/* The first len - 1 bytes of a small file, its last newlines cut off; false: it is not there, or is empty. */
static bool read_text(const char *root, const char *path, char *text, size_t len)
{
	char full[PATH_MAX];
	ssize_t n;
	int fd;

	text[0] = '\0';
	if (snprintf(full, sizeof(full), "%s%s", root, path) >= (int)sizeof(full))
		return false;
	fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return false;
	n = read(fd, text, len - 1);
	close(fd);
	if (n < 0)
		n = 0;
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	text[n] = '\0';
	return n > 0;
}

/* The folder of its ops may still be there while a scheduler is on its way out. */
const char *ana_file_sched_ext(const struct srz_reader *r)
{
	const char *state = srz_get_meta(r, "sched_ext.state");

	return state && !strcmp(state, "disabled") ? NULL : srz_get_meta(r, "sched_ext.ops");
}

static void hash_text(const char *salt, const char *text, char sha256[SR_SHA256_TEXT])
{
	struct sr_sha256 *d = sr_sha256_new();

	sha256[0] = '\0';
	if (!d)
		return;
	sr_sha256_add(d, salt, strlen(salt));
	sr_sha256_add(d, text, strlen(text));
	sr_sha256_end(d, sha256);
	sr_sha256_free(d);
}

/* The machine's own id is a secret of the machine: only a digest of it leaves this function. */
static void read_machine(const char *root, struct ana_host *h)
{
	char id[80], sha256[SR_SHA256_TEXT];

	if (!read_text(root, "/etc/machine-id", id, sizeof(id)))
		return;
	hash_text("schedrec machine ", id, sha256);
	snprintf(h->machine_key, sizeof(h->machine_key), "%.32s", sha256);
}

static void read_kernel(const char *root, struct ana_host *h)
{
	char line[4096];

	read_text(root, "/proc/sys/kernel/random/boot_id", h->boot_id, sizeof(h->boot_id));
	read_text(root, "/proc/sys/kernel/version", h->kernel_version, sizeof(h->kernel_version));
	if (read_text(root, "/proc/cmdline", line, sizeof(line)))
		hash_text("", line, h->cmdline_sha256);
	if (read_text(root, "/proc/sys/kernel/randomize_va_space", line, sizeof(line)))
		h->aslr = (int)strtol(line, NULL, 10);
	if (read_text(root, "/proc/loadavg", line, sizeof(line)))
		h->load1 = strtod(line, NULL);
}

static void read_sched_ext(const char *root, struct ana_host *h)
{
	char state[24];

	if (!read_text(root, "/sys/kernel/sched_ext/state", state, sizeof(state)) || strcmp(state, "disabled") != 0)
		read_text(root, "/sys/kernel/sched_ext/root/ops", h->sched_ext, sizeof(h->sched_ext));
	for (char *c = h->sched_ext; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = ' ';
}

/* "KEY : VALUE" of /proc/cpuinfo's first processor. */
static void cpuinfo_value(const char *text, const char *key, char *to, size_t len)
{
	const char *at = text;
	size_t n = strlen(key);

	for (; at; at = strchr(at, '\n'), at = at ? at + 1 : NULL)
		if (!strncmp(at, key, n) && strchr("\t :", at[n])) {
			at = strchr(at, ':');
			if (!at)
				return;
			at += strspn(at, ": \t");
			snprintf(to, len, "%.*s", (int)strcspn(at, "\n"), at);
			return;
		}
}

static void read_cpu(const char *root, struct ana_host *h)
{
	char text[4096];

	if (read_text(root, "/proc/cpuinfo", text, sizeof(text))) {
		cpuinfo_value(text, "model name", h->cpu_model, sizeof(h->cpu_model));
		cpuinfo_value(text, "microcode", h->microcode, sizeof(h->microcode));
	}
	if (read_text(root, CPU "smt/active", text, sizeof(text)))
		snprintf(h->smt, sizeof(h->smt), "%s", text[0] == '1' ? "on" : "off");
	if (read_text(root, CPU "intel_pstate/no_turbo", text, sizeof(text)))
		snprintf(h->turbo, sizeof(h->turbo), "%s", text[0] == '0' ? "on" : "off");
	else if (read_text(root, CPU "cpufreq/boost", text, sizeof(text)))
		snprintf(h->turbo, sizeof(h->turbo), "%s", text[0] == '1' ? "on" : "off");
}

typedef void (*each_fn)(struct ana_host *h, const char *text);

static void each_file(const char *root, const char *pattern, each_fn fn, struct ana_host *h)
{
	char full[PATH_MAX], text[64];
	glob_t g;

	if (snprintf(full, sizeof(full), "%s%s", root, pattern) >= (int)sizeof(full))
		return;
	if (glob(full, 0, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc; i++)
			if (read_text("", g.gl_pathv[i], text, sizeof(text)))
				fn(h, text);
		globfree(&g);
	}
}

/* The different ones of all CPUs. */
static void add_governor(struct ana_host *h, const char *text)
{
	size_t used = strlen(h->governor), len = strlen(text);

	for (const char *at = h->governor; (at = strstr(at, text)); at += len)
		if ((at == h->governor || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
			return;
	if (used + len + 2 < sizeof(h->governor))
		snprintf(h->governor + used, sizeof(h->governor) - used, "%s%s", used ? "," : "", text);
}

/* The hottest zone. */
static void add_temperature(struct ana_host *h, const char *text)
{
	char *end;
	double c = (double)strtol(text, &end, 10) / 1000;

	if (end != text && c > -100 && c < 200 && !(c <= h->temperature_c))
		h->temperature_c = c;
}

void ana_host_read(const char *root, struct ana_host *h)
{
	memset(h, 0, sizeof(*h));
	h->aslr = -1;
	h->load1 = h->temperature_c = NAN;
	read_machine(root, h);
	read_kernel(root, h);
	read_sched_ext(root, h);
	read_cpu(root, h);
	each_file(root, CPU "cpufreq/policy*/scaling_governor", add_governor, h);
	each_file(root, "/sys/class/thermal/thermal_zone*/temp", add_temperature, h);
}
