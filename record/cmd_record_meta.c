/* SPDX-License-Identifier: GPL-2.0-or-later */
/* schedrec record: what stands in a recording beside its events */
#include "record/cmd_record.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "formats/machine.h"
#include "formats/srz.h"

/* The first line of a small file, or of the line in it that begins with key; false: not there. */
static bool read_line(const char *path, const char *key, char *buf, int size)
{
	FILE *f = fopen(path, "re");
	bool found = false;

	while (f && !found && fgets(buf, size, f)) {
		char *colon = key ? strchr(buf, ':') : NULL;

		if (key && (strncmp(buf, key, strlen(key)) || !colon))
			continue;
		if (colon)
			memmove(buf, colon + 1 + strspn(colon + 1, " \t"),
				strlen(colon + 1 + strspn(colon + 1, " \t")) + 1);
		buf[strcspn(buf, "\n")] = '\0';
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}

static char *join(char **argv)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; f && argv[i]; i++)
		fprintf(f, "%s%s", i ? " " : "", argv[i]);
	return f && !fclose(f) ? text : NULL;
}

void record_meta_load_machine(struct job *j)
{
	struct sr_error why;
	struct sr_machine *m = sr_machine_load("this", &why);

	if (!m)
		cmd_warn("the machine is not described in the file: %s", why.text);
	else if (m->xml)
		j->machine = strdup(m->xml);
	sr_machine_free(m);
}

int record_meta_load(struct job *j, struct sr_error *err)
{
	unsigned char id[16];

	if (getrandom(id, sizeof(id), 0) != sizeof(id))
		return sr_fail_errno(err, SR_ENVIRONMENT, "getrandom");
	for (size_t i = 0; i < sizeof(id); i++)
		snprintf(j->id + 2 * i, 3, "%02x", id[i]);
	return rec_tunables_read(&j->tunables, "", err);
}

void record_meta_release(struct job *j)
{
	free(j->machine);
	rec_attrs_free(j->attrs);
	j->attrs = NULL;
	j->machine = NULL;
	rec_tunables_release(&j->tunables);
}

static int put_facts(const struct job *j, struct srz_writer *w, struct sr_error *err)
{
	const struct record_options *o = j->o;
	char online[4096] = "", model[256] = "";
	struct utsname uts;
	char *command = j->argv ? join(j->argv) : NULL;
	const struct {
		const char *key, *value;
	} text[] = {
		{ "schedrec.version", SCHEDREC_VERSION },
		{ "record.id", j->id },
		{ "clock", "mono" },
		{ "source", "kernel" },
		{ "engine", "recorded" },
		{ "scope", o->all ? "system" :
			   o->pid ? "pid" :
				    "tree" },
		{ "label", o->label },
		{ "command", command },
		{ "kernel.release", uts.release },
		{ "kernel.version", uts.version },
		{ "kernel.machine", uts.machine },
		{ "cpus.online",
		  read_line("/sys/devices/system/cpu/online", NULL, online, sizeof(online)) ? online : NULL },
		{ "host.cpu_model", read_line("/proc/cpuinfo", "model name", model, sizeof(model)) ? model : NULL },
	};
	int rc = 0;

	if (uname(&uts))
		rc = sr_fail_errno(err, SR_BUG, "uname");
	for (size_t i = 0; !rc && i < sizeof(text) / sizeof(*text); i++)
		if (text[i].value)
			rc = srz_put_meta(w, text[i].key, text[i].value, err);
	for (size_t i = 0; !rc && i < j->tunables.n; i++)
		rc = srz_put_meta(w, j->tunables.v[i].key, j->tunables.v[i].value, err);
	free(command);
	return rc;
}

static int put_slice(const struct job *j, struct srz_writer *w, const struct rec_part *part, struct sr_error *err)
{
	if (j->o->ring_ns && srz_put_meta_u64(w, "ring.span_ns", j->o->ring_ns, err))
		return -1;
	if (!j->o->slice_ns)
		return 0;
	return srz_put_meta_u64(w, "slice.number", part->number, err) ||
			       srz_put_meta_u64(w, "slice.first_ns", part->first_ns, err) ||
			       srz_put_meta_u64(w, "slice.removed", part->removed, err) ?
		       -1 :
		       0;
}

int record_meta_head(void *arg, struct srz_writer *w, const struct rec_part *part, struct sr_error *err)
{
	const struct job *j = arg;

	if (j->o->time_unit_ns > 1 && srz_set_time_unit(w, (uint32_t)j->o->time_unit_ns, err))
		return -1;
	if (j->machine && srz_put_section(w, SRZ_SEC_MACHINE, j->machine, strlen(j->machine), err))
		return -1;
	return put_facts(j, w, err) || put_slice(j, w, part, err) ||
			       srz_put_meta_u64(w, "start.mono_ns", part->first_ns, err) ||
			       srz_put_meta_u64(w, "start.realtime_ns",
						j->start_real_ns + (part->first_ns - j->start_ns), err) ||
			       srz_put_meta_u64(w, "record.tracepoint_ns", j->tracepoint_ns, err) ||
			       srz_put_meta_u64(w, "record.wake_local_ns", (uint64_t)j->wake_cost.local_ns, err) ||
			       srz_put_meta_u64(w, "record.wake_remote_ns", (uint64_t)j->wake_cost.remote_ns, err) ||
			       srz_put_meta_u64(w, "record.buffer_kb", rec_buffer_bytes(j->session) >> 10, err) ?
		       -1 :
		       0;
}

int record_shell_status(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

static const char *end_of(const struct job *j, const struct rec_part *part)
{
	static const char *const ends[] = { "", "exit", "duration", "signal", "child-signal" };
	const struct rec_output_stats *out = rec_output_get_stats(j->out);

	if (!part->last)
		return j->o->ring_ns ? "dump" : "slice";
	return out->full        ? "max-size" :
	       out->no_room     ? "disk-full" :
	       out->write_error ? "write-error" :
	       j->sink_failed   ? "read-error" :
				  ends[j->end];
}

/* The recorder's CPU time for what this file covers. */
static uint64_t cpu_of(struct job *j, const struct rec_part *part, uint64_t span_ns)
{
	uint64_t cpu_ns = record_clock_ns(CLOCK_PROCESS_CPUTIME_ID), since = j->cpu_part_ns;

	/* A ring's files overlap, and its work is the same all the time: a share of all. */
	if (j->o->ring_ns && part->last_ns > j->start_ns)
		return (uint64_t)((double)(cpu_ns - j->cpu_start_ns) * (double)span_ns /
				  (double)(part->last_ns - j->start_ns));
	j->cpu_part_ns = cpu_ns;
	return cpu_ns - since;
}

/* Of it what went into draining while the recorded ran. */
static uint64_t drain_of(struct job *j, const struct rec_part *part)
{
	uint64_t before = j->drain_part_ns;

	j->drain_part_ns = part->last ? j->drain_cpu_ns : rec_get_stats(j->session)->cpu_ns;
	return j->drain_part_ns > before ? j->drain_part_ns - before : 0;
}

int record_meta_tail(void *arg, struct srz_writer *w, const struct rec_part *part, struct sr_error *err)
{
	struct job *j = arg;
	const struct rec_stats *st = rec_get_stats(j->session);
	uint64_t span_ns = part->last_ns > part->first_ns ? part->last_ns - part->first_ns : 0;

	if (part->last && j->reaped &&
	    srz_put_meta_u64(w, "command.status", (uint64_t)record_shell_status(j->wait_status), err))
		return -1;
	if (j->attrs && sr_attrs_put(w, rec_attrs_get(j->attrs), err))
		return -1;
	if (*j->cpu_changes && srz_put_meta(w, "cpus.changes", j->cpu_changes, err))
		return -1;
	if (st->late && srz_put_meta_u64(w, "record.late", st->late, err))
		return -1;
	if (!j->o->ring_ns && srz_put_meta_u64(w, "record.drain_cpu_ns", drain_of(j, part), err))
		return -1;
	return srz_put_meta(w, "record.end", end_of(j, part), err) ||
			       srz_put_meta_u64(w, "duration_ns", span_ns, err) ||
			       srz_put_meta_u64(w, "record.cpu_ns", cpu_of(j, part, span_ns), err) ?
		       -1 :
		       0;
}
