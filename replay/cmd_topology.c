/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/cmd_topology.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "replay/arena.h"
#include "replay/policy.h"

struct topology_options {
	const char *machine, *policy, *cpu, *xml;
	bool json, presets;
};

static const struct sr_option rows[] = {
	{ .name = "machine",
	  .letter = 'm',
	  .type = SR_OPT_STRING,
	  .offset = offsetof(struct topology_options, machine),
	  .arg = "SPEC",
	  .deflt = "this",
	  .help = "this machine, a file of hwloc XML, an hwloc synthetic string, or a preset's name" },
	{ .name = "policy",
	  .letter = 'p',
	  .type = SR_OPT_STRING,
	  .offset = offsetof(struct topology_options, policy),
	  .arg = "domain[:OPTIONS]",
	  .deflt = "domain",
	  .help = "whose domains to draw, with options as replay and simulate take them" },
	{ .name = "cpu",
	  .type = SR_OPT_CPUS,
	  .offset = offsetof(struct topology_options, cpu),
	  .arg = "N",
	  .help = "only the domains of this CPU" },
	{ .name = "xml",
	  .type = SR_OPT_STRING,
	  .offset = offsetof(struct topology_options, xml),
	  .arg = "FILE",
	  .help = "write the machine as hwloc XML, without names and addresses, and draw nothing" },
	{ .name = "presets",
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct topology_options, presets),
	  .help = "list the presets" },
	{ .name = "json", .type = SR_OPT_FLAG, .offset = offsetof(struct topology_options, json), .help = "as JSON" },
	{ .name = NULL },
};

static const char *const examples[] = {
	"schedrec topology",
	"draw this machine, and the scheduling domains that the policy domain has on it",
	"schedrec topology --machine smt-2x2",
	"the same of two hyper-threading packages",
	"schedrec topology --machine numa-8x64x2 --policy domain:levels=full --cpu 700",
	"the domains of one CPU of 1,024, with one level a distance",
	"schedrec topology --xml laptop.xml",
	"save this machine, to simulate on it elsewhere with --machine laptop.xml",
	NULL,
};

/* ---- lists of CPUs ---- */

const char *topology_cpu_list(char *buf, size_t width, const uint16_t *cpu, unsigned n)
{
	size_t len = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < n;) {
		unsigned last = i;
		char item[24];
		size_t l;

		while (last + 1 < n && cpu[last + 1] == cpu[last] + 1)
			last++;
		snprintf(item, sizeof(item), last > i ? "%s%u-%u" : "%s%u", len ? "," : "", cpu[i], cpu[last]);
		l = strlen(item);
		if (len + l + (last + 1 < n ? 3 : 0) > width) {
			snprintf(buf + len, width + 1 - len, ",..");
			break;
		}
		memcpy(buf + len, item, l + 1);
		len += l;
		i = last + 1;
	}
	return buf;
}

void topology_print_sets(int column, struct topology_set (*set)(const void *arg, unsigned i), const void *arg,
			 unsigned n)
{
	size_t room = column + 24 < TOPOLOGY_WIDTH ? (size_t)(TOPOLOGY_WIDTH - column) : 24, end_len = 0;
	char text[TOPOLOGY_WIDTH + 1], end[TOPOLOGY_WIDTH + 1];
	struct topology_set last = set(arg, n - 1);

	if (n > 1)
		end_len = strlen(topology_cpu_list(end, room / 3, last.cpu, last.n)) + strlen("...; ");
	for (unsigned i = 0; i < n; i++) {
		struct topology_set s = set(arg, i);
		size_t len = strlen(topology_cpu_list(text, room, s.cpu, s.n)) + 2;

		if (i + 1 < n && len + end_len > room) {
			printf("...; %s", end);
			break;
		}
		printf("%s%s", text, i + 1 < n ? "; " : "");
		room -= len < room ? len : room;
	}
	putchar('\n');
}

/* ---- the machine ---- */

static void json_mask(struct cmd_json *j, const char *key, const struct sr_cpumask *mask)
{
	char list[SR_MAX_CPUS * 3];

	sr_cpumask_format(mask, list, sizeof(list));
	cmd_json_str(j, key, list);
}

static void json_machine(struct cmd_json *j, const struct sr_machine *m)
{
	struct sr_cpumask mask;

	cmd_json_str(j, "summary", m->summary);
	json_mask(j, "offline", &m->offline);
	topology_barred(m, SR_BARRED_ISOLATED, &mask);
	json_mask(j, "isolated", &mask);
	topology_barred(m, SR_BARRED_CPUSET, &mask);
	json_mask(j, "denied", &mask);
	cmd_json_open(j, "cpus", '[');
	for (unsigned i = 0; i < m->ncpus; i++) {
		const struct sr_cpu *c = &m->v[i];

		if (c->core == SR_NO_CORE)
			continue;
		cmd_json_open(j, NULL, '{');
		cmd_json_u64(j, "cpu", i);
		cmd_json_bool(j, "online", c->online);
		cmd_json_u64(j, "core", c->core);
		if (c->clustered)
			cmd_json_u64(j, "cluster", c->cluster);
		cmd_json_u64(j, "llc", c->llc);
		cmd_json_u64(j, "package", c->package);
		cmd_json_u64(j, "node", c->node);
		cmd_json_u64(j, "capacity", c->capacity);
		if (c->kind != SR_NO_CORE && m->kinds[c->kind].name[0])
			cmd_json_str(j, "kind", m->kinds[c->kind].name);
		for (unsigned l = 0; l < SR_CACHE_LEVELS; l++)
			if (c->cache[l] != SR_NO_CORE && m->caches[c->cache[l]].kib) {
				char key[16];

				snprintf(key, sizeof(key), "l%u_kib", l + 2);
				cmd_json_u64(j, key, m->caches[c->cache[l]].kib);
			}
		cmd_json_close(j, '}');
	}
	cmd_json_close(j, ']');
	cmd_json_bool(j, "capacity_estimated", m->capacity_estimated);
	cmd_json_open(j, "distances", '[');
	for (unsigned i = 0; i < m->nnodes; i++) {
		cmd_json_open(j, NULL, '[');
		for (unsigned k = 0; k < m->nnodes; k++)
			cmd_json_u64(j, NULL, m->distance[(size_t)i * m->nnodes + k]);
		cmd_json_close(j, ']');
	}
	cmd_json_close(j, ']');
}

/* ---- the command ---- */

static void list_presets(bool json)
{
	struct cmd_json j;

	cmd_json_init(&j, stdout);
	if (json)
		cmd_json_open(&j, NULL, '[');
	for (const struct sr_machine_preset *p = sr_machine_presets(); p->name; p++) {
		if (json) {
			cmd_json_open(&j, NULL, '{');
			cmd_json_str(&j, "name", p->name);
			cmd_json_str(&j, "help", p->help);
			cmd_json_str(&j, "synthetic", p->synthetic);
			cmd_json_close(&j, '}');
		} else {
			int n = printf("%-16s ", p->name);

			cmd_print_wrapped(stdout, p->help, n, n);
		}
	}
	if (json)
		cmd_json_close(&j, ']');
}

static int write_xml(const struct sr_machine *m, const char *path, struct sr_error *err)
{
	FILE *f = fopen(path, "we");
	int failed;

	if (!f)
		return sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
	fputs(m->xml, f);
	failed = ferror(f);
	if (fclose(f) || failed)
		return sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
	printf("%s: %s\n", path, m->summary);
	return 0;
}

/* The one cpu of --cpu, -1: none was named. */
static int parse_cpu(const char *text, const struct sr_machine *m, int *cpu, struct sr_error *err)
{
	struct sr_cpumask mask;
	unsigned n = 0;

	*cpu = -1;
	if (!text)
		return 0;
	if (sr_cpumask_parse(&mask, text, err))
		return -1;
	if (sr_cpumask_count(&mask) != 1)
		return sr_fail(err, SR_USAGE, "--cpu %s: one CPU at a time", text);
	while (!sr_cpumask_isset(&mask, n))
		n++;
	*cpu = (int)n;
	if (n < m->ncpus && m->v[n].online)
		return 0;
	if (sr_cpumask_isset(&m->offline, n))
		return sr_fail(err, SR_USAGE, "--cpu %u: it is switched off, and in no domain", n);
	if (n >= m->ncpus || m->v[n].core == SR_NO_CORE)
		return sr_fail(err, SR_USAGE, "--cpu %u: the machine has no such CPU: %s", n, m->summary);
	return sr_fail(err, SR_USAGE, "--cpu %u: it is %s, and in no domain", n,
		       m->v[n].barred & SR_BARRED_ISOLATED ? "isolated" : "not for this process");
}

static void *allocate(void *arg, size_t n, size_t size)
{
	return rpl_alloc(arg, n, size);
}

static int parse_policy(const char *spec, struct rpl_sd_config *cfg, struct sr_error *err)
{
	const char *options;
	const struct rpl_policy *p = rpl_policy_find(spec, &options, err);

	if (!p)
		return -1;
	if (p != &rpl_policy_domain)
		return sr_fail(err, SR_USAGE, "--policy %s: only domain has domains", p->name);
	return rpl_domains_config(options, cfg, err);
}

static int show(const struct topology_options *o, const struct sr_machine *m, const struct rpl_sd_config *cfg,
		struct sr_error *err)
{
	struct rpl_arena memory = { 0 };
	struct rpl_domains d;
	struct cmd_json j;
	int cpu, ret = -1;

	if (parse_cpu(o->cpu, m, &cpu, err) || rpl_domains_build(&d, m, cfg, allocate, &memory, err))
		goto out;
	ret = SR_OK;
	if (o->json) {
		cmd_json_init(&j, stdout);
		cmd_json_open(&j, NULL, '{');
		cmd_json_str(&j, "machine", o->machine);
		json_machine(&j, m);
		cmd_json_str(&j, "policy", o->policy);
		if (cpu >= 0)
			cmd_json_u64(&j, "cpu", (uint64_t)cpu);
		topology_json_domains(&j, &d, cpu);
		cmd_json_close(&j, '}');
		goto out;
	}
	printf("%s: %s\n", o->machine, m->summary);
	if (cpu < 0 && topology_draw_machine(m))
		ret = sr_fail(err, SR_ENVIRONMENT, "out of memory");
	topology_draw_domains(&d, cpu);
out:
	rpl_arena_release(&memory);
	return ret;
}

static int run(const void *options, int nargs, char **args, struct sr_error *err)
{
	const struct topology_options *o = options;
	struct rpl_sd_config cfg;
	struct sr_machine *m;
	int ret;

	if (nargs)
		return sr_fail(err, SR_USAGE, "it takes no operand: '%s' (a machine is named with --machine)", args[0]);
	if (o->presets) {
		list_presets(o->json);
		return SR_OK;
	}
	if (parse_policy(o->policy, &cfg, err))
		return -1;
	m = sr_machine_load(o->machine, err);
	if (!m)
		return -1;
	ret = o->xml ? write_xml(m, o->xml, err) : show(o, m, &cfg, err);
	sr_machine_free(m);
	return ret;
}

const struct cmd cmd_topology = {
	.name = "topology",
	.summary = "draw a machine and its scheduling domains",
	.operands = NULL,
	.description =
		"Draws a machine as a tree (packages, NUMA nodes, caches, clusters, cores; what is alike stands on one "
		"line) and the domains that the policy domain has on it: for each level, largest first, its spans, and "
		"in each span the groups between which tasks are balanced as boxes with their CPUs and their power "
		"(128 a full CPU). CPUs that are switched off, isolated, or not for this process are in no domain.\n\n"
		"The machine may be another one: an XML file that `lstopo --of xml` or --xml wrote there, a synthetic "
		"string as hwloc has them ('pack:2 [numa] l3:1 core:4 pu:2'), or one of the presets.",
	.examples = examples,
	.options = rows,
	.options_size = sizeof(struct topology_options),
	.run = run,
};
