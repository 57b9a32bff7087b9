/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a replay is made from: the recordings, their one model, the machine. */
#include "replay/cmd_replay.h"

#include <stdlib.h>
#include <string.h>

#include "formats/machine.h"
#include "replay/sim.h"

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

/* The machine that a recording was made on; NULL: it does not say. */
static struct sr_machine *machine_of(const struct replay_source *src)
{
	struct sr_error ignored;
	size_t len;
	const char *xml = srz_get_section(src->reader, SRZ_SEC_MACHINE, &len);

	return xml ? sr_machine_from_xml(xml, len, &ignored) : NULL;
}

/* Was it recorded on this machine? Without a description of its own: no CPU is missing here. */
static bool same_machine(const struct replay_job *j, const struct replay_source *src)
{
	struct sr_machine *m = machine_of(src);
	size_t len;
	bool same;

	if (!srz_get_section(src->reader, SRZ_SEC_MACHINE, &len))
		return srz_get_info(src->reader)->cpus <= j->machine->ncpus;
	same = m && sr_machine_same(m, j->machine);
	sr_machine_free(m);
	return same;
}

/* This one; of a simulation the one asked for, else the first recording's own. On one that has none it depends where it is
 * simulated: that is told, and stands in what comes of it. */
static int load_machine(struct replay_job *j, struct sr_error *err)
{
	const struct replay_source *first = &j->sources[0];
	const char *xml = NULL;
	size_t len;

	if (j->simulates && !j->machine_spec) {
		xml = srz_get_section(first->reader, SRZ_SEC_MACHINE, &len);
		if (!xml) {
			cmd_warn("%s does not say on which machine it was recorded: this one is simulated (--machine "
				 "names another)",
				 first->path);
			j->machine_spec = "this";
		}
	}
	if (xml) {
		j->machine = sr_machine_from_xml(xml, len, err);
		return j->machine ? 0 : sr_fail_prefix(err, "%s", first->path);
	}
	j->machine = sr_machine_load(j->machine_spec ? j->machine_spec : "this", err);
	return j->machine ? 0 : -1;
}

/* Which CPUs, and whether recorded affinities are to hold on them. */
static int settle_cpus(struct replay_job *j, struct sr_error *err)
{
	struct sr_cpu_map map;
	size_t i;

	j->keep_affinity = true;
	for (i = 0; i < j->nsources; i++)
		j->keep_affinity &= same_machine(j, &j->sources[i]);
	if (!j->o->cpu_map)
		return 0;
	if (sr_cpu_map_parse(&map, j->o->cpu_map, err) < 0)
		return sr_fail_prefix(err, "--cpu-map");
	for (i = 0; i < j->nsources; i++)
		sr_model_map_cpus(j->sources[i].model, &map);
	j->keep_affinity = true;
	j->cpu_map = true;
	return 0;
}

/* What a slower CPU, or a thread of a busy core, did in its time is less work. */
static int scale_work(const struct replay_job *j, const struct replay_source *src, struct sr_model *m,
		      struct sr_error *err)
{
	struct sr_machine *recorded = machine_of(src);
	uint32_t *per_mille = recorded ? calloc(recorded->ncpus, sizeof(*per_mille)) : NULL;
	int ret = 0;

	if (recorded && !per_mille)
		ret = sr_fail(err, SR_ENVIRONMENT, "out of memory");
	else if (recorded)
		ret = sim_recorded_speed(src->reader, recorded, j->engine_arg, per_mille, err);
	if (recorded && ret == 0)
		sim_scale_work(m, recorded, per_mille);
	free(per_mille);
	sr_machine_free(recorded);
	return ret;
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
	if (!m) {
		sr_fail_prefix(err, "%s", src->path);
	} else if (j->simulates && scale_work(j, src, m, err) < 0) {
		sr_model_free(m);
		return NULL;
	}
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

/* --copies: of each recording, with a seed of its own. */
static int copy_all(struct replay_job *j, struct sr_error *err)
{
	size_t i;

	if (j->o->copy_spread && j->o->copies < 2)
		return sr_fail(err, SR_USAGE, "--copy-spread is for --copies");
	for (i = 0; i < j->nsources; i++) {
		struct sr_model *m = j->sources[i].model;
		uint64_t spread = j->o->copy_spread ? j->o->copy_spread : (m->end_ns - m->start_ns) / 10;

		if (sr_model_copies(m, j->o->copies, spread, j->o->seed + i, err) < 0)
			return -1;
	}
	return 0;
}

static int load_all(struct replay_job *j, struct sr_error *err)
{
	size_t i;

	for (i = 0; i < j->nsources; i++) {
		j->sources[i].model = build(j, &j->sources[i], err);
		if (!j->sources[i].model)
			return -1;
	}
	if (load_machine(j, err) < 0 || parse_offsets(j, err) < 0 || settle_cpus(j, err) < 0 || copy_all(j, err) < 0)
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

/* The recording's own metrics: of the part, and the tasks, that are replayed. */
static int measure_recorded(struct replay_job *j, struct sr_error *err)
{
	const struct ana_window window = { .from_ns = j->o->from, .to_ns = j->o->to };
	const char *path = j->sources[0].path;
	uint8_t *members;
	size_t i;
	int ret;

	if (!j->o->task)
		return ana_file_part(path, ANA_REPLAYABLE, NULL, &window, &j->series.recorded, err);
	members = calloc(j->model->nsources + 1u, sizeof(*members));
	if (!members)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	for (i = 0; i < j->model->ntasks; i++)
		members[j->model->tasks[i].source] = 1;
	ret = ana_file_members(path, members, j->model->nsources, &window, &j->series.recorded, err);
	free(members);
	return ret;
}

int replay_load(struct replay_job *j, struct sr_error *err)
{
	if (j->o->to && j->o->to <= j->o->from)
		return sr_fail(err, SR_USAGE, "--to must be later than --from");
	if (load_all(j, err) < 0)
		return -1;
	if (sr_model_wake_bound(j->model, &j->wake_bound, err) < 0)
		return -1;
	load_wake_cost(j);
	j->trace_name = together(j, false);
	j->sha256 = together(j, true);
	if (!j->trace_name || !j->sha256)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	j->series.trace = j->trace_name;
	j->series.model = j->model;
	j->series.compared = j->nsources == 1 && j->o->loop == 1 && j->o->copies == 1;
	return j->series.compared ? measure_recorded(j, err) : 0;
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
