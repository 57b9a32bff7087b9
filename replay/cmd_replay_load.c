/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a replay is made from: the recording, its model, the machine. */
#include "replay/cmd_replay.h"

#include <stdlib.h>
#include <string.h>

#include "formats/machine.h"

/* What is doubtful about the recording is told with the results; one of which most is missing is refused. */
static int check_cost(struct replay_job *j, struct sr_error *err)
{
	struct sr_cost_count count = { 0 };
	struct sr_cost cost;
	char *doubt = j->series.doubt;

	if (sr_cost_count_file(&count, j->reader, err))
		return -1;
	sr_cost_of(j->reader, &count, &cost);
	if (!sr_cost_doubt(&cost, doubt, sizeof(j->series.doubt)))
		return 0;
	if (sr_cost_hopeless(&cost) && !j->o->force)
		return sr_fail(err, SR_DAMAGED, "%s: %s: what is left is no picture of the load (--force replays it)",
			       j->path, doubt);
	return 0;
}

/* A hostile file's costs are no machine's. */
static void load_wake_cost(struct replay_job *j)
{
	const char *local = srz_get_meta(j->reader, "record.wake_local_ns");
	const char *remote = srz_get_meta(j->reader, "record.wake_remote_ns");
	struct sr_wake_cost c = { local ? strtod(local, NULL) : 0, remote ? strtod(remote, NULL) : 0 };

	if (c.local_ns > 0 && c.local_ns <= c.remote_ns && c.remote_ns < 1e6)
		j->recorded_wake = c;
}

/* Was it recorded on this machine? Without a description of its own: no CPU is missing here. */
static bool same_machine(const struct replay_job *j)
{
	size_t len;
	const char *xml = srz_get_section(j->reader, SRZ_SEC_MACHINE, &len);
	struct sr_machine *m;
	struct sr_error ignored;
	bool same;

	if (!xml)
		return j->model->cpus <= j->machine->ncpus;
	m = sr_machine_from_xml(xml, len, &ignored);
	same = m && sr_machine_same(m, j->machine);
	sr_machine_free(m);
	return same;
}

/* Whether recorded affinities are to hold, and on which CPUs. */
static int settle_cpus(struct replay_job *j, struct sr_error *err)
{
	struct sr_cpu_map map;

	j->keep_affinity = !j->use_cpus && same_machine(j);
	if (!j->o->cpu_map)
		return 0;
	if (sr_cpu_map_parse(&map, j->o->cpu_map, err) < 0)
		return sr_fail_prefix(err, "--cpu-map");
	sr_model_map_cpus(j->model, &map);
	j->keep_affinity = true;
	return 0;
}

int replay_load(struct replay_job *j, struct sr_error *err)
{
	struct sr_model_options mo = { .from_ns = j->o->from, .to_ns = j->o->to, .task_glob = j->o->task };
	const char *cost, *slash;

	if (j->o->to && j->o->to <= j->o->from)
		return sr_fail(err, SR_USAGE, "--to must be later than --from");
	j->reader = srz_open(j->path, err);
	if (!j->reader)
		return -1;
	if (check_cost(j, err))
		return -1;
	slash = strrchr(j->path, '/');
	j->trace_name = slash ? slash + 1 : j->path;
	j->series.trace = j->trace_name;
	j->series.recording_lost = srz_get_info(j->reader)->lost_places;
	cost = srz_get_meta(j->reader, "record.tracepoint_ns");
	mo.tracepoint_ns = cost ? strtoull(cost, NULL, 10) : 0;
	if (mo.tracepoint_ns > 10000) /* no machine's tracepoint costs that: a hostile file's does */
		mo.tracepoint_ns = 0;
	load_wake_cost(j);
	if (sr_sha256_file(j->path, j->sha256, err) < 0)
		return -1;
	j->model = sr_model_build(j->reader, &mo, err);
	if (!j->model)
		return sr_fail_prefix(err, "%s", j->path);
	j->series.model = j->model;
	j->machine = sr_machine_load("this", err);
	if (!j->machine)
		return -1;
	if (j->o->cpus) {
		if (sr_cpumask_parse(&j->cpus, j->o->cpus, err) < 0)
			return -1;
		j->use_cpus = true;
	}
	if (settle_cpus(j, err) < 0)
		return -1;
	return ana_file(j->path, ANA_TREE, &j->series.recorded, err);
}
