/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/machine_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int sr_machine_summarize(struct sr_machine *m, struct sr_error *err)
{
	unsigned cpus = 0, online = 0, slowest = 1024;
	char usable[32] = "", capacities[64] = "";

	for (unsigned i = 0; i < m->ncpus; i++) {
		if (m->v[i].core == SR_NO_CORE)
			continue;
		cpus++;
		online += m->v[i].online;
		if (m->v[i].capacity < slowest)
			slowest = m->v[i].capacity;
	}
	if (online < cpus)
		snprintf(usable, sizeof(usable), " (%u usable)", online);
	if (slowest < 1024)
		snprintf(capacities, sizeof(capacities), ", %scapacities %u to 1024",
			 m->capacity_estimated ? "estimated " : "", slowest);
	free(m->summary);
	if (asprintf(&m->summary, "%u core%s, %u CPU%s%s, %u package%s, %u node%s%s", m->ncores,
		     m->ncores == 1 ? "" : "s", cpus, cpus == 1 ? "" : "s", usable, m->npackages,
		     m->npackages == 1 ? "" : "s", m->nnodes, m->nnodes == 1 ? "" : "s", capacities) < 0) {
		m->summary = NULL;
		return sr_fail(err, SR_ENVIRONMENT, "out of memory for the machine description");
	}
	return 0;
}

/* What the process's affinity leaves out is none of the machine's business, but of who runs on it. */
static struct sr_machine *load_this(struct sr_error *err)
{
	unsigned long mask[SR_MAX_CPUS * 2 / (8 * sizeof(long))] = { 0 };
	struct sr_machine *m = sr_machine_from_this(err);
	unsigned online = 0, isolated = 0;

	if (!m)
		return NULL;
	if (sched_getaffinity(0, sizeof(mask), (cpu_set_t *)mask)) {
		sr_fail_errno(err, SR_ENVIRONMENT, "the process's CPU affinity");
		sr_machine_free(m);
		return NULL;
	}
	for (unsigned i = 0; i < m->ncpus; i++) {
		struct sr_cpu *c = &m->v[i];

		if (c->core != SR_NO_CORE && !CPU_ISSET_S(i, sizeof(mask), (cpu_set_t *)mask)) {
			c->online = 0;
			c->barred |= SR_BARRED_CPUSET;
		}
		online += c->online;
		isolated += (c->barred & SR_BARRED_ISOLATED) != 0;
	}
	if (!online && !isolated)
		sr_fail(err, SR_ENVIRONMENT, "hwloc finds none of the CPUs that this process may use");
	if ((!online && !isolated) || sr_machine_summarize(m, err)) {
		sr_machine_free(m);
		return NULL;
	}
	return m;
}

static struct sr_machine *load_file(const char *path, struct sr_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct sr_machine *m = NULL;
	char *buf = NULL;
	size_t len = 0;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st)) {
		sr_fail_errno(err, SR_ENVIRONMENT, "machine %s", path);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		sr_fail(err, SR_USAGE, "machine %s: not a regular file", path);
		goto out;
	}
	if (st.st_size > SR_MAX_XML_BYTES) {
		sr_fail(err, SR_DAMAGED, "machine %s: larger than %u MB", path, SR_MAX_XML_BYTES >> 20);
		goto out;
	}
	buf = malloc((size_t)st.st_size + 1);
	if (!buf) {
		sr_fail(err, SR_ENVIRONMENT, "machine %s: out of memory", path);
		goto out;
	}
	while (len < (size_t)st.st_size && (n = read(fd, buf + len, (size_t)st.st_size - len)) != 0) {
		if (n > 0) {
			len += (size_t)n;
		} else if (errno != EINTR) {
			sr_fail_errno(err, SR_ENVIRONMENT, "machine %s", path);
			goto out;
		}
	}
	m = sr_machine_from_xml(buf, len, err);
	if (!m)
		sr_fail_prefix(err, "machine %s", path);
out:
	free(buf);
	if (fd >= 0)
		close(fd);
	return m;
}

struct sr_machine *sr_machine_load(const char *spec, struct sr_error *err)
{
	char names[512] = "";
	struct stat st;

	if (!spec || !strcmp(spec, "this"))
		return load_this(err);
	for (const struct sr_machine_preset *p = sr_machine_presets(); p->name; p++) {
		if (!strcmp(spec, p->name))
			return sr_machine_from_preset(p, err);
		strncat(names, " ", sizeof(names) - strlen(names) - 1);
		strncat(names, p->name, sizeof(names) - strlen(names) - 1);
	}
	if (!stat(spec, &st) || strchr(spec, '/') || (strlen(spec) > 4 && !strcmp(spec + strlen(spec) - 4, ".xml")))
		return load_file(spec, err);
	if (strchr(spec, ':'))
		return sr_machine_from_synthetic(spec, err);
	sr_fail(err, SR_USAGE,
		"no machine '%s': give 'this', a file of hwloc XML, an hwloc synthetic string such as "
		"'pack:2 core:4 pu:2', or one of:%s",
		spec, names);
	return NULL;
}

bool sr_machine_same(const struct sr_machine *a, const struct sr_machine *b)
{
	unsigned i;

	if (a->ncpus != b->ncpus)
		return false;
	for (i = 0; i < a->ncpus; i++) {
		const struct sr_cpu *x = &a->v[i], *y = &b->v[i];

		if (x->core != y->core || x->llc != y->llc || x->cluster != y->cluster || x->package != y->package ||
		    x->node != y->node || x->capacity != y->capacity)
			return false;
	}
	return true;
}

enum sr_level sr_machine_level(const struct sr_machine *m, unsigned cpu_a, unsigned cpu_b)
{
	const struct sr_cpu *a, *b;

	if (cpu_a == cpu_b)
		return SR_LEVEL_SELF;
	if (cpu_a >= m->ncpus || cpu_b >= m->ncpus)
		return SR_LEVEL_NODE;
	a = &m->v[cpu_a];
	b = &m->v[cpu_b];
	if (a->core == SR_NO_CORE || b->core == SR_NO_CORE)
		return SR_LEVEL_NODE;
	if (a->core == b->core)
		return SR_LEVEL_SMT;
	if (a->llc == b->llc)
		return SR_LEVEL_LLC;
	return a->node == b->node ? SR_LEVEL_PACKAGE : SR_LEVEL_NODE;
}

void sr_machine_free(struct sr_machine *m)
{
	if (!m)
		return;
	free(m->v);
	free(m->distance);
	free(m->caches);
	free(m->kinds);
	free(m->summary);
	free(m->xml);
	free(m);
}
