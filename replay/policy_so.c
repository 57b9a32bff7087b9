/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A user's own policy (schedrec-policy.h) as one of ours (policy.h). In between stand copies of what is asked, in types
 * that stay as they are: our own may change. What it answers is checked here, once for all engines.
 */
#include "replay/policy_so.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replay/policy_util.h"

#define MIN_TICK_NS 100000u
#define MAX_TICK_NS 10000000000u
#define MAX_NAME 31

_Static_assert(SCHEDREC_MAX_CPUS == SR_MAX_CPUS, "masks are handed through");
_Static_assert((int)SCHEDREC_FORK == SR_CAUSE_FORK && (int)SCHEDREC_EXEC == SR_CAUSE_EXEC &&
		       (int)SCHEDREC_WAKE == SR_CAUSE_WAKE && (int)SCHEDREC_NEWIDLE == SR_CAUSE_NEWIDLE &&
		       (int)SCHEDREC_TICK == SR_CAUSE_TICK && (int)SCHEDREC_ACTIVE == SR_CAUSE_ACTIVE,
	       "causes are handed through");
_Static_assert((int)SCHEDREC_CAN_QUEUE == RPL_CAN_QUEUE && (int)SCHEDREC_CAN_PUSH == RPL_CAN_PUSH &&
		       (int)SCHEDREC_CAN_IDLE == RPL_CAN_IDLE,
	       "capabilities are handed through");

struct own {
	struct rpl_policy policy; /* what engines see */
	struct schedrec_policy table;
	struct rpl_policy_option *options;
	char *path;
	void *handle; /* of dlopen; NULL: the table is the caller's */
};

/* One a run, in the engine's memory. */
struct own_run {
	struct schedrec_engine pub;
	struct rpl_engine *e;
	const struct own *own;
	void *state;
	bool initializing;
	char text[256];
	uint64_t lacking, forbidden, refused, wrong;
};

static struct own_run *run_of(const struct schedrec_engine *pub)
{
	return pub->impl;
}

/* ---- what it may ask ---- */

static bool knows_cpu(const struct schedrec_engine *pub, uint32_t cpu)
{
	if (cpu < pub->ncpus)
		return true;
	run_of(pub)->wrong++;
	return false;
}

static bool knows_task(const struct schedrec_engine *pub, int32_t task)
{
	if (task >= 0 && (!pub->ntasks || (uint32_t)task < pub->ntasks))
		return true;
	run_of(pub)->wrong++;
	return false;
}

static void *q_alloc(struct schedrec_engine *pub, size_t n, size_t size)
{
	struct own_run *r = run_of(pub);

	return r->initializing ? r->e->alloc(r->e, n, size) : NULL;
}

static int q_refuse(struct schedrec_engine *pub, const char *text)
{
	struct own_run *r = run_of(pub);

	snprintf(r->text, sizeof(r->text), "%s", text ? text : "");
	r->text[strcspn(r->text, "\n")] = '\0';
	return -1;
}

static uint64_t q_now(const struct schedrec_engine *pub)
{
	return run_of(pub)->e->now_ns(run_of(pub)->e);
}

static uint64_t q_last_tick(const struct schedrec_engine *pub, uint32_t cpu)
{
	return knows_cpu(pub, cpu) ? run_of(pub)->e->last_tick_ns(run_of(pub)->e, cpu) : 0;
}

static uint32_t q_nr_running(const struct schedrec_engine *pub, uint32_t cpu)
{
	return knows_cpu(pub, cpu) ? run_of(pub)->e->nr_running(run_of(pub)->e, cpu) : 0;
}

static uint64_t q_load_weight(const struct schedrec_engine *pub, uint32_t cpu)
{
	return knows_cpu(pub, cpu) ? run_of(pub)->e->load_weight(run_of(pub)->e, cpu) : 0;
}

static int32_t q_rt_lowest(const struct schedrec_engine *pub, uint32_t cpu)
{
	return knows_cpu(pub, cpu) ? run_of(pub)->e->rt_lowest_prio(run_of(pub)->e, cpu) : 0;
}

static int32_t q_is_idle(const struct schedrec_engine *pub, uint32_t cpu)
{
	return knows_cpu(pub, cpu) ? run_of(pub)->e->is_idle(run_of(pub)->e, cpu) : 0;
}

static int32_t q_current(const struct schedrec_engine *pub, uint32_t cpu)
{
	return knows_cpu(pub, cpu) ? run_of(pub)->e->current(run_of(pub)->e, cpu) : -1;
}

static uint32_t q_queue(const struct schedrec_engine *pub, uint32_t cpu, int32_t *tasks, uint32_t max)
{
	return knows_cpu(pub, cpu) ? run_of(pub)->e->queue(run_of(pub)->e, cpu, tasks, max) : 0;
}

static void q_task(const struct schedrec_engine *pub, int32_t task, struct schedrec_task *view)
{
	struct rpl_task_view v;

	*view = (struct schedrec_task){ .cpu = -1, .recorded_cpu = -1 };
	if (!knows_task(pub, task))
		return;
	run_of(pub)->e->task(run_of(pub)->e, task, &v);
	*view = (struct schedrec_task){ .prio = v.prio,
					.sched_policy = v.sched_policy,
					.threads = v.threads,
					.util = v.util,
					.cpu = v.cpu,
					.recorded_cpu = v.recorded_cpu,
					.last_ran_ns = v.last_ran_ns,
					.last_queued_ns = v.last_queued_ns,
					.slice_left_ns = v.slice_left_ns,
					.running = v.running,
					.allowed = v.allowed ? v.allowed->w : NULL };
}

static uint32_t q_distance(const struct schedrec_engine *pub, uint32_t a, uint32_t b)
{
	const struct sr_machine *m = run_of(pub)->e->machine;

	if (!knows_cpu(pub, a) || !knows_cpu(pub, b) || m->v[a].core == SR_NO_CORE || m->v[b].core == SR_NO_CORE)
		return 0;
	return m->distance[m->v[a].node * m->nnodes + m->v[b].node];
}

/* ---- what it may do ---- */

static int refuse(const struct schedrec_engine *pub, int rc)
{
	run_of(pub)->refused += rc != 0;
	return rc ? -1 : 0;
}

static enum sr_cause cause_of(int32_t cause)
{
	return cause > SR_CAUSE_NONE && cause < SR_CAUSE_KERNEL ? (enum sr_cause)cause : SR_CAUSE_TICK;
}

static int q_migrate(struct schedrec_engine *pub, int32_t task, uint32_t to, int32_t cause)
{
	struct own_run *r = run_of(pub);

	if (!knows_cpu(pub, to) || !knows_task(pub, task))
		return -1;
	return refuse(pub, r->e->migrate(r->e, task, to, cause_of(cause)));
}

static int q_push(struct schedrec_engine *pub, int32_t task, uint32_t to, int32_t cause)
{
	struct own_run *r = run_of(pub);

	if (!knows_cpu(pub, to) || !knows_task(pub, task))
		return -1;
	return refuse(pub, r->e->push(r->e, task, to, cause_of(cause)));
}

static int q_idle(struct schedrec_engine *pub, uint32_t cpu, int32_t on)
{
	struct own_run *r = run_of(pub);

	return knows_cpu(pub, cpu) ? refuse(pub, r->e->idle(r->e, cpu, on)) : -1;
}

/* ---- what the engines call ---- */

static const struct schedrec_cpu *copy_cpus(struct rpl_engine *e)
{
	struct schedrec_cpu *v = e->alloc(e, e->ncpus, sizeof(*v));

	for (unsigned i = 0; v && i < e->ncpus; i++) {
		const struct sr_cpu *c = &e->machine->v[i];

		v[i] = (struct schedrec_cpu){ .core = c->core,
					      .llc = c->llc,
					      .cluster = c->cluster,
					      .package = c->package,
					      .node = c->node,
					      .capacity = c->capacity,
					      .online = c->online };
	}
	return v;
}

static int own_init(struct rpl_engine *e, const char *options, void **state, struct sr_error *err)
{
	const struct own *own = (const struct own *)e->policy;
	struct own_run *r = e->alloc(e, 1, sizeof(*r));
	int rc;

	if (!r)
		return sr_fail(err, SR_ENVIRONMENT, "policy %s: out of memory", own->policy.name);
	r->e = e;
	r->own = own;
	r->pub = (struct schedrec_engine){ .size = sizeof(r->pub),
					   .abi = SCHEDREC_POLICY_ABI,
					   .caps = e->caps,
					   .ncpus = e->ncpus,
					   .ntasks = e->ntasks,
					   .seed = e->seed,
					   .tick_ns = e->tick_ns,
					   .cpu = copy_cpus(e),
					   .impl = r,
					   .alloc = q_alloc,
					   .refuse = q_refuse,
					   .now_ns = q_now,
					   .last_tick_ns = q_last_tick,
					   .nr_running = q_nr_running,
					   .load_weight = q_load_weight,
					   .rt_lowest_prio = q_rt_lowest,
					   .is_idle = q_is_idle,
					   .current = q_current,
					   .queue = q_queue,
					   .task = q_task,
					   .distance = q_distance,
					   .migrate = q_migrate,
					   .push = q_push,
					   .idle = q_idle };
	if (!r->pub.cpu)
		return sr_fail(err, SR_ENVIRONMENT, "policy %s: out of memory", own->policy.name);
	r->initializing = true;
	rc = own->table.init ? own->table.init(&r->pub, options, &r->state) : 0;
	r->initializing = false;
	if (rc)
		return sr_fail(err, SR_USAGE, "policy %s: %s", own->policy.name,
			       *r->text ? r->text : "its init failed and does not say why");
	if (!own->table.init && options)
		return sr_fail(err, SR_USAGE, "policy %s takes no options: '%s'", own->policy.name, options);
	if (r->pub.tick_ns < MIN_TICK_NS || r->pub.tick_ns > MAX_TICK_NS)
		return sr_fail(err, SR_USAGE, "policy %s: its init asks for a tick of %llu ns: 100us to 10s",
			       own->policy.name, (unsigned long long)r->pub.tick_ns);
	e->tick_ns = r->pub.tick_ns;
	*state = r;
	return 0;
}

static void own_fini(struct rpl_engine *e, void *state)
{
	struct own_run *r = state;

	if (r->own->table.fini)
		r->own->table.fini(&r->pub, r->state);
}

static int own_place(struct rpl_engine *e, void *state, const struct rpl_place *p)
{
	struct own_run *r = state;
	struct schedrec_place place = { .why = p->why,
					.task = p->task,
					.waker = p->waker,
					.this_cpu = p->this_cpu,
					.prev_cpu = p->prev_cpu,
					.sync = p->sync,
					.thread = p->thread,
					.allowed = p->allowed ? p->allowed->w : NULL };
	int cpu = r->own->table.place(&r->pub, r->state, &place);

	if (cpu >= 0 && rpl_may_use(e, (unsigned)cpu, p->allowed))
		return cpu;
	if (cpu < -1 || (cpu >= 0 && !rpl_may_use(e, (unsigned)cpu, NULL)))
		r->lacking++;
	else if (cpu >= 0)
		r->forbidden++;
	return rpl_allowed_or(e, -1, p->prev_cpu, p->allowed);
}

static void own_enqueue(struct rpl_engine *e, void *state, unsigned cpu, int task)
{
	struct own_run *r = state;

	if (r->own->table.enqueue)
		r->own->table.enqueue(&r->pub, r->state, cpu, task);
}

static void own_dequeue(struct rpl_engine *e, void *state, unsigned cpu, int task)
{
	struct own_run *r = state;

	if (r->own->table.dequeue)
		r->own->table.dequeue(&r->pub, r->state, cpu, task);
}

static void own_tick(struct rpl_engine *e, void *state, unsigned cpu)
{
	struct own_run *r = state;

	r->own->table.tick(&r->pub, r->state, cpu);
}

static void own_newidle(struct rpl_engine *e, void *state, unsigned cpu)
{
	struct own_run *r = state;

	r->own->table.newidle(&r->pub, r->state, cpu);
}

static unsigned own_report(const struct rpl_engine *e, const void *state, struct rpl_policy_count *v)
{
	const struct own_run *r = state;

	v[0] = (struct rpl_policy_count){ "policy_cpu_lacking", "placements named a CPU that is not there: corrected",
					  r->lacking, true };
	v[1] = (struct rpl_policy_count){ "policy_cpu_forbidden",
					  "placements named a CPU that the task may not use: corrected", r->forbidden,
					  true };
	v[2] = (struct rpl_policy_count){ "policy_wrong_numbers",
					  "calls of the policy named a CPU or a task that is not there", r->wrong,
					  true };
	v[3] = (struct rpl_policy_count){ "policy_moves_refused", "moves that the policy asked for were refused",
					  r->refused, false };
	return 4;
}

/* ---- making one ---- */

static int check_name(const char *path, const char *name, struct sr_error *err)
{
	size_t len = name ? strnlen(name, MAX_NAME + 1) : 0;

	if (!len || len > MAX_NAME || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != len)
		return sr_fail(err, SR_DAMAGED, "%s: the policy's name is to be 1 to %d of a-z 0-9 - _", path,
			       MAX_NAME);
	for (size_t i = 0; rpl_policies[i]; i++)
		if (!strcmp(rpl_policies[i]->name, name))
			return sr_fail(err, SR_DAMAGED, "%s: the policy's name is that of schedrec's own '%s'", path,
				       name);
	return 0;
}

static int check(const struct schedrec_policy *p, const char *path, struct sr_error *err)
{
	if (p->abi != SCHEDREC_POLICY_ABI)
		return sr_fail(err, SR_DAMAGED,
			       "%s: built for version %u of the policy interface, and this is %d: build it with this "
			       "schedrec's schedrec-policy.h",
			       path, p->abi, SCHEDREC_POLICY_ABI);
	if (p->size > sizeof(*p))
		return sr_fail(err, SR_DAMAGED,
			       "%s: built with the schedrec-policy.h of a newer schedrec (its table has %u bytes, here "
			       "%zu)",
			       path, p->size, sizeof(*p));
	if (p->size < sizeof(*p)) /* so far there is one size; an older one will be complete as far as it goes */
		return sr_fail(err, SR_DAMAGED, "%s: its table says that it has %u bytes, and it is to have %zu", path,
			       p->size, sizeof(*p));
	if (check_name(path, p->name, err) < 0)
		return -1;
	if (!p->place)
		return sr_fail(err, SR_DAMAGED, "%s: policy %s has no place function", path, p->name);
	if (p->flags & ~(uint64_t)SCHEDREC_WANTS_UTIL)
		return sr_fail(err, SR_DAMAGED, "%s: policy %s has flags that this schedrec does not know", path,
			       p->name);
	if (p->tick_ns && (p->tick_ns < MIN_TICK_NS || p->tick_ns > MAX_TICK_NS))
		return sr_fail(err, SR_DAMAGED, "%s: policy %s asks for a tick of %llu ns: 100us to 10s", path, p->name,
			       (unsigned long long)p->tick_ns);
	return 0;
}

static struct rpl_policy_option *copy_options(const struct schedrec_option *from)
{
	struct rpl_policy_option *to;
	size_t n = 0;

	while (from && from[n].key)
		n++;
	to = calloc(n + 1, sizeof(*to));
	for (size_t i = 0; to && i < n; i++)
		to[i] = (struct rpl_policy_option){ .key = from[i].key,
						    .values = from[i].values ? from[i].values : "VALUE",
						    .deflt = from[i].deflt,
						    .help = from[i].help };
	return to;
}

static void own_free(struct own *own)
{
	void *handle = own->handle;

	free(own->options);
	free(own->path);
	free(own);
	if (handle)
		dlclose(handle);
}

const struct rpl_policy *rpl_policy_adopt(const struct schedrec_policy *table, const char *path, void *handle,
					  struct sr_error *err)
{
	struct own *own;

	if (check(table, path, err) < 0)
		goto fail;
	own = calloc(1, sizeof(*own));
	if (!own) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		goto fail;
	}
	own->table = *table;
	own->handle = handle;
	own->path = strdup(path);
	own->options = copy_options(table->options);
	if (!own->path || !own->options) {
		own_free(own);
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	own->policy = (struct rpl_policy){ .version = RPL_POLICY_VERSION,
					   .name = table->name,
					   .summary = table->summary ? table->summary : "a policy of the user's own",
					   .text = table->text ? table->text : "Its object says nothing of it.",
					   .sources = table->sources ? table->sources : own->path,
					   .cost = table->cost ? table->cost : "not told",
					   .options = own->options,
					   .pins = true,
					   .ticks = table->tick != NULL,
					   .util = table->flags & SCHEDREC_WANTS_UTIL,
					   .tick_ns = table->tick_ns ? table->tick_ns : 1000000,
					   .init = own_init,
					   .fini = own_fini,
					   .place = own_place,
					   .enqueue = own_enqueue,
					   .dequeue = own_dequeue,
					   .tick = table->tick ? own_tick : NULL,
					   .newidle = table->newidle ? own_newidle : NULL,
					   .report = own_report };
	return &own->policy;
fail:
	if (handle)
		dlclose(handle);
	return NULL;
}

/* ---- the file ---- */

size_t rpl_policy_file_len(const char *spec)
{
	size_t name = strcspn(spec, ":");

	/* "eas:energy=/some/table.so" names eas. */
	if (spec[name] && !memchr(spec, '/', name))
		return name >= 3 && !strncmp(spec + name - 3, ".so", 3) ? name : 0;
	for (const char *p = strstr(spec, ".so"); p; p = strstr(p + 1, ".so"))
		if (!p[3] || p[3] == ':')
			return (size_t)(p + 3 - spec);
	return 0;
}

struct elf_head {
	unsigned char ident[EI_NIDENT];
	uint16_t type, machine;
};

static bool read_head(const char *path, struct elf_head *h)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool got = fd >= 0 && pread(fd, h, sizeof(*h), 0) == sizeof(*h);

	if (fd >= 0)
		close(fd);
	return got && !memcmp(h->ident, ELFMAG, SELFMAG);
}

/* Before dlopen, whose own words for these are unclear. */
static int check_file(const char *path, struct sr_error *err)
{
	struct elf_head h, self;
	struct stat st;

	if (stat(path, &st) || access(path, R_OK))
		return sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
	if (!S_ISREG(st.st_mode))
		return sr_fail(err, SR_ENVIRONMENT, "%s: not a file", path);
	if (!read_head(path, &h))
		return sr_fail(err, SR_DAMAGED, "%s: not a shared object", path);
	if (read_head("/proc/self/exe", &self) &&
	    (memcmp(h.ident, self.ident, EI_DATA + 1) != 0 || h.machine != self.machine))
		return sr_fail(err, SR_DAMAGED, "%s: a shared object for another kind of machine", path);
	return 0;
}

const struct rpl_policy *rpl_policy_open(const char *spec, const char **options, struct sr_error *err)
{
	size_t len = rpl_policy_file_len(spec);
	const char *here = memchr(spec, '/', len) ? "" : "./"; /* dlopen searches for names without one */
	const struct rpl_policy *p = NULL;
	const struct schedrec_policy *table;
	void *handle;
	char *path;

	if (!len)
		return rpl_policy_find(spec, options, err);
	if (asprintf(&path, "%s%.*s", here, (int)len, spec) < 0) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	/* Whatever it gave up since: what it holds open, or keeps, is more than its user has. */
	if (getauxval(AT_SECURE)) {
		sr_fail(err, SR_ENVIRONMENT,
			"%s: this schedrec has privileges from its file (setuid, setgid or capabilities) and loads no "
			"policies: use a copy of it without",
			path);
		goto out;
	}
	if (check_file(path, err) < 0)
		goto out;
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		const char *why = dlerror();
		bool lacks = why && strstr(why, "cannot open shared object file"); /* a library that it needs */

		sr_fail(err, lacks ? SR_ENVIRONMENT : SR_DAMAGED, "%s: cannot be loaded: %s", path, why ? why : "?");
		goto out;
	}
	table = dlsym(handle, "schedrec_policy");
	if (table) {
		p = rpl_policy_adopt(table, path, handle, err);
		*options = spec[len] && spec[len + 1] ? spec + len + 1 : NULL;
	} else {
		sr_fail(err, SR_DAMAGED, "%s: it has no symbol schedrec_policy: not a policy for schedrec", path);
		dlclose(handle);
	}
out:
	free(path);
	return p;
}

void rpl_policy_close(const struct rpl_policy *p)
{
	if (p && p->init == own_init)
		own_free((struct own *)p);
}
