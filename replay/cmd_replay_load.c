/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a replay is made from: the recordings, their one model, the machine. */
#include "replay/cmd_replay.h"

#include <stdlib.h>
#include <string.h>

#include "formats/machine.h"

/* What is doubtful about a recording is told with the results; one of which most is missing is refused. */
static int check_cost(struct replay_job *j, const struct replay_source *src, struct sr_error *err)
{
	struct sr_cost_count count = { 0 };
	char text[sizeof(j->series.doubt)];
	struct sr_cost cost;

	if (sr_cost_count_file(&count, src->reader, err))
		return -1;
	sr_cost_of(src->reader, &count, &cost);
	if (!sr_cost_doubt(&cost, text, sizeof(text)))
		return 0;
	if (!j->series.doubt[0])
		memcpy(j->series.doubt, text, sizeof(text));
	if (sr_cost_hopeless(&cost) && !j->o->force)
		return sr_fail(err, SR_DAMAGED, "%s: %s: what is left is no picture of the load (--force replays it)",
			       src->path, text);
	return 0;
}

/* A hostile file's costs are no machine's. Of several recordings the first one's counts. */
static void load_wake_cost(struct replay_job *j)
{
	const char *local = srz_get_meta(j->sources[0].reader, "record.wake_local_ns");
	const char *remote = srz_get_meta(j->sources[0].reader, "record.wake_remote_ns");
	struct sr_wake_cost c = { local ? strtod(local, NULL) : 0, remote ? strtod(remote, NULL) : 0 };

	if (c.local_ns > 0 && c.local_ns <= c.remote_ns && c.remote_ns < 1e6)
		j->recorded_wake = c;
}

/* Was it recorded on this machine? Without a description of its own: no CPU is missing here. */
static bool same_machine(const struct replay_job *j, const struct replay_source *src)
{
	size_t len;
	const char *xml = srz_get_section(src->reader, SRZ_SEC_MACHINE, &len);
	struct sr_machine *m;
	struct sr_error ignored;
	bool same;

	if (!xml)
		return srz_get_info(src->reader)->cpus <= j->machine->ncpus;
	m = sr_machine_from_xml(xml, len, &ignored);
	same = m && sr_machine_same(m, j->machine);
	sr_machine_free(m);
	return same;
}

/* Which CPUs, and whether recorded affinities are to hold on them. */
static int settle_cpus(struct replay_job *j, struct sr_error *err)
{
	struct sr_cpu_map map;
	size_t i;

	if (j->o->cpus) {
		if (sr_cpumask_parse(&j->cpus, j->o->cpus, err) < 0)
			return -1;
		j->use_cpus = true;
	}
	j->keep_affinity = !j->use_cpus;
	for (i = 0; i < j->nsources; i++)
		j->keep_affinity &= same_machine(j, &j->sources[i]);
	if (!j->o->cpu_map)
		return 0;
	if (sr_cpu_map_parse(&map, j->o->cpu_map, err) < 0)
		return sr_fail_prefix(err, "--cpu-map");
	for (i = 0; i < j->nsources; i++)
		sr_model_map_cpus(j->sources[i].model, &map);
	j->keep_affinity = true;
	return 0;
}

static struct sr_model *build(struct replay_job *j, struct replay_source *src, struct sr_error *err)
{
	struct sr_model_options mo = { .from_ns = j->o->from, .to_ns = j->o->to, .tasks = j->o->task };
	const char *slash = strrchr(src->path, '/'), *cost;
	struct sr_model *m;

	src->name = slash ? slash + 1 : src->path;
	src->reader = srz_open(src->path, err);
	if (!src->reader || check_cost(j, src, err) || sr_sha256_file(src->path, src->sha256, err) < 0)
		return NULL;
	j->series.recording_lost += srz_get_info(src->reader)->lost_places;
	cost = srz_get_meta(src->reader, "record.tracepoint_ns");
	mo.tracepoint_ns = cost ? strtoull(cost, NULL, 10) : 0;
	if (mo.tracepoint_ns > 10000) /* no machine's tracepoint costs that: a hostile file's does */
		mo.tracepoint_ns = 0;
	m = sr_model_build(src->reader, &mo, err);
	if (!m)
		sr_fail_prefix(err, "%s", src->path);
	return m;
}

/* The recording's first event on the wall clock. */
static int began_ns(const struct replay_source *src, uint64_t *ns, struct sr_error *err)
{
	const char *real = srz_get_meta(src->reader, "start.realtime_ns"),
		   *mono = srz_get_meta(src->reader, "start.mono_ns");

	if (!real || !mono)
		return sr_fail(err, SR_USAGE, "--offset recorded: %s does not tell when it was recorded", src->path);
	*ns = strtoull(real, NULL, 10) - strtoull(mono, NULL, 10) + srz_get_info(src->reader)->first_ns;
	return 0;
}

/* --offset: a time for each recording after the first, or "recorded". */
static int parse_offsets(struct replay_job *j, struct sr_error *err)
{
	const char *list = j->o->offset;
	size_t i, len;
	uint64_t first = 0, began = 0;
	char text[64];

	if (!list)
		return 0;
	if (j->nsources == 1)
		return sr_fail(err, SR_USAGE, "--offset is for several recordings");
	for (i = 1; i < j->nsources && strcmp(j->o->offset, "recorded") && *list; i++) {
		len = strcspn(list, ",");
		snprintf(text, sizeof(text), "%.*s", (int)len, list);
		if (sr_parse_time(text, &j->sources[i].offset_ns, err) < 0)
			return sr_fail_prefix(err, "--offset");
		list += len + (list[len] == ',');
	}
	if (strcmp(j->o->offset, "recorded"))
		return *list ? sr_fail(err, SR_USAGE, "--offset: more times than recordings after the first") : 0;
	if (began_ns(&j->sources[0], &first, err) < 0)
		return -1;
	for (i = 1; i < j->nsources; i++) {
		if (began_ns(&j->sources[i], &began, err) < 0)
			return -1;
		if (began < first)
			return sr_fail(err, SR_USAGE, "--offset recorded: %s is older than %s: name the oldest first",
				       j->sources[i].path, j->sources[0].path);
		j->sources[i].offset_ns = began - first;
	}
	return 0;
}

/* One name, and one sha256, of all: "A+B". */
static char *together(const struct replay_job *j, bool sha256)
{
	char *text = NULL;
	size_t len, i;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (i = 0; i < j->nsources; i++)
		fprintf(f, "%s%s", i ? "+" : "", sha256 ? j->sources[i].sha256 : j->sources[i].name);
	return fclose(f) ? NULL : text;
}

static int load_all(struct replay_job *j, struct sr_error *err)
{
	size_t i;

	for (i = 0; i < j->nsources; i++) {
		j->sources[i].model = build(j, &j->sources[i], err);
		if (!j->sources[i].model)
			return -1;
	}
	if (parse_offsets(j, err) < 0 || settle_cpus(j, err) < 0)
		return -1;
	j->model = j->sources[0].model;
	j->sources[0].model = NULL;
	for (i = 1; i < j->nsources; i++) {
		j->sources[i].first = j->model->nsources;
		if (sr_model_join(j->model, j->sources[i].model, j->sources[i].offset_ns, j->sources[i].first, err) < 0)
			return -1;
		j->sources[i].model = NULL;
	}
	return sr_model_loop(j->model, j->o->loop, err);
}

int replay_load(struct replay_job *j, struct sr_error *err)
{
	const struct ana_window window = { .from_ns = j->o->from, .to_ns = j->o->to };

	if (j->o->to && j->o->to <= j->o->from)
		return sr_fail(err, SR_USAGE, "--to must be later than --from");
	j->machine = sr_machine_load("this", err);
	if (!j->machine || load_all(j, err) < 0)
		return -1;
	load_wake_cost(j);
	j->trace_name = together(j, false);
	j->sha256 = together(j, true);
	if (!j->trace_name || !j->sha256)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	j->series.trace = j->trace_name;
	j->series.model = j->model;
	j->series.compared = j->nsources == 1 && j->o->loop == 1;
	if (!j->series.compared)
		return 0;
	return ana_file_part(j->sources[0].path, ANA_REPLAYABLE, NULL, &window, &j->series.recorded, err);
}

void replay_unload(struct replay_job *j)
{
	size_t i;

	for (i = 0; j->sources && i < j->nsources; i++) {
		srz_reader_free(j->sources[i].reader);
		sr_model_free(j->sources[i].model);
	}
	free(j->sources);
	free(j->trace_name);
	free(j->sha256);
	sr_machine_free(j->machine);
	sr_model_free(j->model);
}
