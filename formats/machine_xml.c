/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hwloc's XML (version 2), read without hwloc: a trace file's machine is hostile until checked, and hwloc 2.9
 * crashes on one of some hundred mutations of its own XML. What is kept of the text is an allow-list of elements,
 * attributes and infos, so that nothing else (host name, addresses, comments) can be passed on.
 */
#include "formats/machine.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_XML_BYTES (16u << 20) /* a machine of 4,096 CPUs takes about 2 MB */
#define MAX_DEPTH 64
#define MAX_ATTRS 32
#define MAX_NODES 1024 /* as the kernel's largest MAX_NUMNODES */

struct span {
	const char *p;
	size_t len;
};

struct attr {
	struct span name, value;
};

struct tag {
	struct span name;
	struct attr attr[MAX_ATTRS];
	unsigned nattrs;
	bool closes, empty;
};

enum type { T_SKIP, T_ELIDE, T_MACHINE, T_PACKAGE, T_DIE, T_CORE, T_PU, T_CACHE, T_GROUP, T_NODE, T_MEMCACHE };

static const struct {
	const char *name;
	enum type type;
} types[] = {
	{ "Machine", T_MACHINE }, { "Package", T_PACKAGE }, { "Die", T_DIE },        { "Core", T_CORE },
	{ "PU", T_PU },           { "L2Cache", T_CACHE },   { "L3Cache", T_CACHE },  { "L4Cache", T_CACHE },
	{ "L5Cache", T_CACHE },   { "Group", T_GROUP },     { "NUMANode", T_NODE },  { "MemCache", T_MEMCACHE },
	{ "L1Cache", T_ELIDE },   { "L1iCache", T_ELIDE },  { "L2iCache", T_ELIDE }, { "L3iCache", T_ELIDE },
	{ NULL, T_SKIP }, /* I/O, misc, and what is not known */
};

/* All that describe hardware, none that describes whose it is. */
static const char *const allowed_infos[] = {
	"Architecture", "CPUVendor",     "CPUModel",     "CPUModelNumber",  "CPUFamilyNumber",  "CPUStepping",
	"Inclusive",    "LinuxCapacity", "LinuxCPUType", "FrequencyMaxMHz", "FrequencyBaseMHz", "CoreType",
	NULL,
};
static const char *const object_attrs[] = {
	"type",
	"os_index",
	"cpuset",
	"complete_cpuset",
	"allowed_cpuset",
	"nodeset",
	"complete_nodeset",
	"allowed_nodeset",
	"gp_index",
	"subtype",
	"cache_size",
	"depth",
	"cache_linesize",
	"cache_associativity",
	"cache_type",
	"kind",
	"subkind",
	"dont_merge",
	"local_memory",
	NULL,
};
static const char *const kind_attrs[] = { "cpuset", "forced_efficiency", NULL };
static const char *const info_attrs[] = { "name", "value", NULL };

struct object {
	enum type type;
	uint32_t parent, npus;
	bool cluster;
};

struct node {
	uint32_t os;
	unsigned weight;
	int index; /* among the nodes that have CPUs, -1: not named by a cpu yet */
	struct sr_cpumask cpus;
};

enum element { E_TOPOLOGY, E_OBJECT, E_INFO, E_KIND, E_DISTANCES, E_INDEXES, E_VALUES, E_SKIP, E_ELIDE };

struct frame {
	struct span name;
	enum element element;
	uint32_t object;
};

struct reader {
	const char *in, *end;
	struct sr_error *err;
	FILE *out;
	struct frame stack[MAX_DEPTH];
	unsigned depth;
	bool seen_topology;

	struct object *objects;
	uint32_t nobjects, objects_cap;
	uint32_t pu[SR_MAX_CPUS];    /* os number -> object */
	uint16_t order[SR_MAX_CPUS]; /* os numbers in logical order */
	unsigned npus;
	struct node *nodes;
	unsigned nnodes;
	bool has_allowed;
	struct sr_cpumask allowed;

	uint64_t capacity[SR_MAX_CPUS];
	struct sr_cpumask kind_cpus; /* of the open cpukind */

	bool distances_done;
	unsigned nbobjs;
	uint64_t *index, *value; /* of the open or finished distances */
	size_t nindex, nvalue;
};

static int bad(struct reader *r, const char *what)
{
	return sr_fail(r->err, SR_DAMAGED, "the machine's XML: %s", what);
}

static int no_memory(struct reader *r)
{
	return sr_fail(r->err, SR_ENVIRONMENT, "out of memory for the machine description");
}

static bool is(struct span s, const char *text)
{
	return s.len == strlen(text) && !memcmp(s.p, text, s.len);
}

static bool listed(struct span s, const char *const *list)
{
	for (; *list; list++)
		if (is(s, *list))
			return true;
	return false;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static struct span take_name(struct reader *r)
{
	struct span s = { r->in, 0 };

	while (r->in < r->end && is_name(*r->in))
		r->in++;
	s.len = (size_t)(r->in - s.p);
	return s;
}

static void skip_space(struct reader *r)
{
	while (r->in < r->end && is_space(*r->in))
		r->in++;
}

/* Past the next occurrence of text. */
static int skip_past(struct reader *r, const char *text)
{
	const char *p = memmem(r->in, (size_t)(r->end - r->in), text, strlen(text));

	if (!p)
		return bad(r, "it ends in the middle");
	r->in = p + strlen(text);
	return 0;
}

static int take_attr(struct reader *r, struct tag *t)
{
	struct attr *a = &t->attr[t->nattrs];
	const char *close;
	char quote;

	if (t->nattrs == MAX_ATTRS)
		return bad(r, "an element has too many attributes");
	a->name = take_name(r);
	if (!a->name.len || r->end - r->in < 3 || r->in[0] != '=' || (r->in[1] != '"' && r->in[1] != '\''))
		return bad(r, "an attribute is malformed");
	quote = r->in[1];
	r->in += 2;
	close = memchr(r->in, quote, (size_t)(r->end - r->in));
	if (!close)
		return bad(r, "an attribute does not end");
	a->value = (struct span){ r->in, (size_t)(close - r->in) };
	if (memchr(r->in, '<', a->value.len) || memchr(r->in, '"', a->value.len))
		return bad(r, "an attribute holds what it must not");
	r->in = close + 1;
	t->nattrs++;
	return 0;
}

/* 1 a tag, 0 the end, -1. Text before it, comments and declarations are skipped. */
static int next_tag(struct reader *r, struct tag *t)
{
	memset(t, 0, sizeof(*t));
	for (;;) {
		const char *p = memchr(r->in, '<', (size_t)(r->end - r->in));

		if (!p)
			return 0;
		r->in = p + 1;
		if (r->end - r->in >= 3 && !memcmp(r->in, "!--", 3)) {
			if (skip_past(r, "-->"))
				return -1;
		} else if (r->in < r->end && (*r->in == '?' || *r->in == '!')) {
			if (r->depth)
				return bad(r, "a declaration inside the topology");
			if (skip_past(r, ">"))
				return -1;
		} else {
			break;
		}
	}
	if (r->in < r->end && *r->in == '/') {
		t->closes = true;
		r->in++;
	}
	t->name = take_name(r);
	if (!t->name.len)
		return bad(r, "a tag is malformed");
	for (;;) {
		skip_space(r);
		if (r->in == r->end)
			return bad(r, "it ends in the middle");
		if (*r->in == '>') {
			r->in++;
			return 1;
		}
		if (*r->in == '/' && r->end - r->in >= 2 && r->in[1] == '>' && !t->closes) {
			t->empty = true;
			r->in += 2;
			return 1;
		}
		if (t->closes)
			return bad(r, "a tag is malformed");
		if (take_attr(r, t))
			return -1;
	}
}

static struct span get(const struct tag *t, const char *name)
{
	for (unsigned i = 0; i < t->nattrs; i++)
		if (is(t->attr[i].name, name))
			return t->attr[i].value;
	return (struct span){ NULL, 0 };
}

/* A decimal number that fills the span; -1 when it is none or does not fit. */
static int number(struct span s, uint64_t max, uint64_t *v)
{
	*v = 0;
	if (!s.len)
		return -1;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || *v > max / 10)
			return -1;
		*v = *v * 10 + (uint64_t)(s.p[i] - '0');
		if (*v > max)
			return -1;
	}
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "0x00000001,,0x0000000f": 32-bit words, highest first, an empty one is 0; "0xf...f" in front: all above as well.
 * CPUs from SR_MAX_CPUS on are not kept. */
static int bitmap(struct span s, struct sr_cpumask *m)
{
	const char *end;
	unsigned word = 0;
	bool infinite = false;

	memset(m, 0, sizeof(*m));
	if (!s.len)
		return -1;
	end = s.p + s.len;
	if (s.len >= 7 && !memcmp(s.p, "0xf...f", 7)) {
		infinite = true;
		s.p += 7;
		if (s.p < end && *s.p++ != ',')
			return -1;
	}
	while (end > s.p) {
		const char *p = end;
		uint32_t v = 0;

		while (p > s.p && p[-1] != ',')
			p--;
		if (end != p) {
			if (end - p < 3 || end - p > 10 || p[0] != '0' || p[1] != 'x')
				return -1;
			for (const char *q = p + 2; q < end; q++) {
				if (hex_digit(*q) < 0)
					return -1;
				v = v << 4 | (uint32_t)hex_digit(*q);
			}
		}
		if (word < SR_MAX_CPUS / 32)
			m->w[word / 2] |= (uint64_t)v << (word % 2 * 32);
		word++;
		end = p > s.p ? p - 1 : p;
	}
	for (; infinite && word < SR_MAX_CPUS / 32; word++)
		m->w[word / 2] |= (uint64_t)UINT32_MAX << (word % 2 * 32);
	return 0;
}

static void emit(struct reader *r, const struct tag *t, const char *const *attrs)
{
	fprintf(r->out, "%*s<%.*s", (int)r->depth * 2, "", (int)t->name.len, t->name.p);
	for (unsigned i = 0; i < t->nattrs; i++)
		if (listed(t->attr[i].name, attrs))
			fprintf(r->out, " %.*s=\"%.*s\"", (int)t->attr[i].name.len, t->attr[i].name.p,
				(int)t->attr[i].value.len, t->attr[i].value.p);
	fputs(t->empty ? "/>\n" : ">\n", r->out);
}

static int open_node(struct reader *r, const struct tag *t)
{
	struct node *n;
	uint64_t os;

	if (number(get(t, "os_index"), UINT32_MAX, &os))
		return bad(r, "a NUMA node has no number");
	if (r->nnodes == MAX_NODES)
		return bad(r, "it has too many NUMA nodes");
	if (!r->nodes)
		r->nodes = calloc(MAX_NODES, sizeof(*r->nodes));
	if (!r->nodes)
		return no_memory(r);
	for (unsigned i = 0; i < r->nnodes; i++)
		if (r->nodes[i].os == os)
			return bad(r, "it has a NUMA node twice");
	n = &r->nodes[r->nnodes];
	if (bitmap(get(t, "cpuset"), &n->cpus))
		return bad(r, "a NUMA node has no cpuset");
	n->os = (uint32_t)os;
	n->index = -1;
	n->weight = sr_cpumask_count(&n->cpus);
	r->nnodes++;
	return 0;
}

static int open_pu(struct reader *r, const struct tag *t, uint32_t object)
{
	uint64_t os;

	if (number(get(t, "os_index"), UINT32_MAX, &os))
		return bad(r, "a CPU has no number");
	if (os >= SR_MAX_CPUS)
		return sr_fail(r->err, SR_DAMAGED, "the machine's XML: CPU %llu: the limit is %u",
			       (unsigned long long)os, SR_MAX_CPUS - 1);
	if (r->pu[os] != UINT32_MAX)
		return sr_fail(r->err, SR_DAMAGED, "the machine's XML: CPU %u is there twice", (unsigned)os);
	r->pu[os] = object;
	r->order[r->npus++] = (uint16_t)os;
	return 0;
}

static int open_object(struct reader *r, const struct tag *t, struct frame *f)
{
	const struct frame *parent = &r->stack[r->depth - 1];
	struct span type = get(t, "type");
	struct object *o;
	size_t i = 0;

	if (parent->element != E_TOPOLOGY && parent->element != E_OBJECT)
		return bad(r, "an object stands where none may");
	while (types[i].name && !is(type, types[i].name))
		i++;
	if (types[i].type == T_SKIP)
		return 0;
	f->object = parent->object;
	if (types[i].type == T_ELIDE) {
		f->element = E_ELIDE;
		return 0;
	}
	if (r->nobjects == r->objects_cap) {
		uint32_t cap = r->objects_cap ? r->objects_cap * 2 : 256;

		o = realloc(r->objects, cap * sizeof(*o));
		if (!o)
			return no_memory(r);
		r->objects = o;
		r->objects_cap = cap;
	}
	f->element = E_OBJECT;
	f->object = r->nobjects;
	o = &r->objects[r->nobjects++];
	*o = (struct object){ .type = types[i].type, .parent = parent->object };
	o->cluster = o->type == T_GROUP && is(get(t, "subtype"), "Cluster");
	o->npus = o->type == T_PU;
	if (get(t, "allowed_cpuset").p && !r->has_allowed) {
		if (bitmap(get(t, "allowed_cpuset"), &r->allowed))
			return bad(r, "allowed_cpuset is malformed");
		r->has_allowed = true;
	}
	if (o->type == T_NODE && open_node(r, t))
		return -1;
	if (o->type == T_PU && open_pu(r, t, f->object))
		return -1;
	emit(r, t, object_attrs);
	return 0;
}

static int open_info(struct reader *r, const struct tag *t)
{
	const struct frame *parent = &r->stack[r->depth - 1];
	uint64_t v;

	if (!listed(get(t, "name"), allowed_infos) || !t->empty ||
	    (parent->element != E_OBJECT && parent->element != E_KIND))
		return 0;
	emit(r, t, info_attrs);
	if (parent->element == E_KIND && is(get(t, "name"), "LinuxCapacity")) {
		if (number(get(t, "value"), 1u << 20, &v))
			return bad(r, "a LinuxCapacity is no number");
		for (unsigned i = 0; i < SR_MAX_CPUS; i++)
			if (sr_cpumask_isset(&r->kind_cpus, i))
				r->capacity[i] = v;
	}
	return 0;
}

/* Distances between NUMA nodes by latency, the first of them; others are left out. */
static int open_distances(struct reader *r, const struct tag *t, struct frame *f)
{
	uint64_t kind, n;

	if (r->distances_done || t->empty || !is(get(t, "type"), "NUMANode") || !is(get(t, "indexing"), "os") ||
	    number(get(t, "kind"), UINT32_MAX, &kind) || !(kind & 4))
		return 0;
	if (number(get(t, "nbobjs"), MAX_NODES, &n) || !n)
		return bad(r, "its distances are between too many objects");
	r->index = calloc(n, sizeof(*r->index));
	r->value = calloc(n * n, sizeof(*r->value));
	if (!r->index || !r->value)
		return no_memory(r);
	r->nbobjs = (unsigned)n;
	r->distances_done = true;
	f->element = E_DISTANCES;
	return 0;
}

static int take_numbers(struct reader *r, uint64_t *v, size_t *n, size_t cap)
{
	for (;;) {
		struct span s;

		skip_space(r);
		s = take_name(r);
		if (!s.len)
			return r->in < r->end && *r->in == '<' ? 0 : bad(r, "its distances are malformed");
		if (*n == cap || number(s, UINT32_MAX, &v[*n]))
			return bad(r, "its distances are malformed");
		++*n;
	}
}

static int open_tag(struct reader *r, const struct tag *t)
{
	const struct frame *parent = r->depth ? &r->stack[r->depth - 1] : NULL;
	struct frame f = { t->name, E_SKIP, UINT32_MAX };
	int rc = 0;

	if (!parent) {
		struct span version = get(t, "version");

		if (!is(t->name, "topology") || t->empty || r->seen_topology)
			return bad(r, "it is no hwloc topology");
		if (version.len < 2 || memcmp(version.p, "2.", 2))
			return bad(r, "it is not of hwloc's version 2 (lstopo of hwloc 2 writes that)");
		r->seen_topology = true;
		f.element = E_TOPOLOGY;
	} else if (parent->element == E_SKIP) {
		;
	} else if (is(t->name, "object")) {
		/* An elided object's children are its parent's. */
		struct frame *top = &r->stack[r->depth - 1];
		enum element was = top->element;

		if (was == E_ELIDE)
			top->element = E_OBJECT;
		rc = open_object(r, t, &f);
		top->element = was;
	} else if (is(t->name, "info")) {
		rc = open_info(r, t);
	} else if (is(t->name, "cpukind") && parent->element == E_TOPOLOGY && !t->empty) {
		f.element = E_KIND;
		if (bitmap(get(t, "cpuset"), &r->kind_cpus))
			return bad(r, "a cpukind has no cpuset");
		emit(r, t, kind_attrs);
	} else if (is(t->name, "distances2") && parent->element == E_TOPOLOGY) {
		rc = open_distances(r, t, &f);
	} else if (is(t->name, "indexes") && parent->element == E_DISTANCES && !t->empty) {
		rc = take_numbers(r, r->index, &r->nindex, r->nbobjs);
	} else if (is(t->name, "u64values") && parent->element == E_DISTANCES && !t->empty) {
		rc = take_numbers(r, r->value, &r->nvalue, (size_t)r->nbobjs * r->nbobjs);
	}
	if (rc || t->empty)
		return rc;
	if (r->depth == MAX_DEPTH)
		return bad(r, "it is nested too deeply");
	r->stack[r->depth++] = f;
	return 0;
}

static int close_tag(struct reader *r, const struct tag *t)
{
	const struct frame *f;

	if (!r->depth)
		return bad(r, "a tag closes that was not open");
	f = &r->stack[--r->depth];
	if (f->name.len != t->name.len || memcmp(f->name.p, t->name.p, t->name.len))
		return bad(r, "its tags do not match");
	if (f->element == E_OBJECT || f->element == E_KIND)
		fprintf(r->out, "%*s</%.*s>\n", (int)r->depth * 2, "", (int)t->name.len, t->name.p);
	return 0;
}

static int parse(struct reader *r)
{
	struct tag t;
	int rc;

	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n"
	      "<topology version=\"2.0\">\n",
	      r->out);
	while ((rc = next_tag(r, &t)) > 0)
		if (t.closes ? close_tag(r, &t) : open_tag(r, &t))
			return -1;
	if (rc)
		return -1;
	if (!r->seen_topology)
		return bad(r, "it is no hwloc topology");
	return r->depth ? bad(r, "it ends in the middle") : 0;
}

struct place {
	uint32_t core, llc, cluster, package;
};

static struct place place_of(const struct reader *r, uint32_t pu)
{
	const uint32_t none = UINT32_MAX;
	struct place p = { none, none, none, none };
	uint32_t below_llc = none, i;

	for (i = r->objects[pu].parent; i != none; i = r->objects[i].parent) {
		const struct object *o = &r->objects[i];

		if (o->type == T_CORE && p.core == none) {
			p.core = i;
		} else if (o->type == T_CACHE) {
			below_llc = p.llc;
			p.llc = i;
		} else if (o->type == T_PACKAGE) {
			p.package = i;
		} else if (o->cluster) {
			p.cluster = i;
		}
		if (o->type == T_CACHE && p.cluster == none && below_llc != none && p.core != none &&
		    r->objects[below_llc].npus > r->objects[p.core].npus)
			p.cluster = below_llc;
	}
	p.core = p.core == none ? pu : p.core;
	p.llc = p.llc == none ? p.core : p.llc;
	p.cluster = p.cluster == none ? p.llc : p.cluster;
	return p;
}

static struct node *node_of(struct reader *r, unsigned cpu)
{
	struct node *best = NULL;

	/* Of several (memory of several kinds) the most local one, then the first. */
	for (unsigned i = 0; i < r->nnodes; i++) {
		struct node *n = &r->nodes[i];

		if (sr_cpumask_isset(&n->cpus, cpu) && (!best || n->weight < best->weight))
			best = n;
	}
	return best;
}

static int build_cpus(struct reader *r, struct sr_machine *m)
{
	struct place last = { UINT32_MAX - 1, UINT32_MAX - 1, UINT32_MAX - 1, UINT32_MAX - 1 };
	uint64_t fastest = 0;
	bool all = true;

	if (!r->npus)
		return bad(r, "it has no CPU");
	for (unsigned i = 0; i < r->npus; i++) {
		unsigned cpu = r->order[i];

		m->ncpus = cpu >= m->ncpus ? cpu + 1 : m->ncpus;
		all = all && r->capacity[cpu];
		fastest = r->capacity[cpu] > fastest ? r->capacity[cpu] : fastest;
	}
	m->v = calloc(m->ncpus, sizeof(*m->v));
	if (!m->v)
		return no_memory(r);
	for (unsigned i = 0; i < m->ncpus; i++)
		m->v[i] = (struct sr_cpu){ .os = (uint16_t)i,
					   .core = SR_NO_CORE,
					   .llc = SR_NO_CORE,
					   .cluster = SR_NO_CORE,
					   .package = SR_NO_CORE,
					   .node = SR_NO_CORE,
					   .capacity = 1024 };
	for (uint32_t i = r->nobjects; i-- > 0;)
		if (r->objects[i].parent != UINT32_MAX)
			r->objects[r->objects[i].parent].npus += r->objects[i].npus;
	/* In logical order whatever CPUs share comes in one run, so a new object is a new index. */
	for (unsigned i = 0; i < r->npus; i++) {
		unsigned cpu = r->order[i];
		struct sr_cpu *c = &m->v[cpu];
		struct place p = place_of(r, r->pu[cpu]);
		struct node *n = node_of(r, cpu);

		if (!n)
			return sr_fail(r->err, SR_DAMAGED, "the machine's XML: CPU %u belongs to no NUMA node", cpu);
		if (n->index < 0)
			n->index = (int)m->nnodes++;
		m->ncores += p.core != last.core;
		m->nllcs += p.llc != last.llc;
		m->nclusters += p.cluster != last.cluster;
		m->npackages += p.package != last.package;
		last = p;
		c->core = (uint16_t)(m->ncores - 1);
		c->llc = (uint16_t)(m->nllcs - 1);
		c->cluster = (uint16_t)(m->nclusters - 1);
		c->package = (uint16_t)(m->npackages - 1);
		c->node = (uint16_t)n->index;
		c->online = !r->has_allowed || sr_cpumask_isset(&r->allowed, cpu);
		/* As the kernel has them, but relative to the fastest; known of a part only, they are not known. */
		if (all) {
			uint64_t v = (r->capacity[cpu] * 1024 + fastest / 2) / fastest;

			c->capacity = (uint16_t)(v ? v : 1);
		}
	}
	return 0;
}

static void emit_distances(struct reader *r, const struct sr_machine *m, const uint32_t *os)
{
	char text[32];
	size_t len = 0;

	fprintf(r->out,
		"  <distances2 type=\"NUMANode\" nbobjs=\"%u\" kind=\"5\" name=\"NUMALatency\" indexing=\"os\">\n",
		m->nnodes);
	for (unsigned i = 0; i < m->nnodes; i++)
		len += (size_t)snprintf(text, sizeof(text), "%u ", os[i]);
	fprintf(r->out, "    <indexes length=\"%zu\">", len);
	for (unsigned i = 0; i < m->nnodes; i++)
		fprintf(r->out, "%u ", os[i]);
	fputs("</indexes>\n", r->out);
	for (unsigned i = 0; i < m->nnodes; i++) {
		const uint32_t *row = &m->distance[(size_t)i * m->nnodes];

		len = 0;
		for (unsigned j = 0; j < m->nnodes; j++)
			len += (size_t)snprintf(text, sizeof(text), "%u ", row[j]);
		fprintf(r->out, "    <u64values length=\"%zu\">", len);
		for (unsigned j = 0; j < m->nnodes; j++)
			fprintf(r->out, "%u ", row[j]);
		fputs("</u64values>\n", r->out);
	}
	fputs("  </distances2>\n", r->out);
}

static int build_distances(struct reader *r, struct sr_machine *m)
{
	size_t n = m->nnodes, nb = r->nbobjs;
	uint32_t os[MAX_NODES] = { 0 };
	int of[MAX_NODES]; /* position in the XML's matrix -> our index, -1 */

	m->distance = calloc(n * n, sizeof(*m->distance));
	if (!m->distance)
		return no_memory(r);
	for (size_t i = 0; i < n * n; i++)
		m->distance[i] = i / n == i % n ? 10 : 20;
	if (!r->distances_done)
		return 0;
	if (r->nindex != nb || r->nvalue != nb * nb)
		return bad(r, "its distances are incomplete");
	if (n == 1)
		return 0; /* to itself: 10 */
	for (size_t i = 0; i < nb; i++) {
		of[i] = -1;
		for (unsigned k = 0; k < r->nnodes; k++)
			if (r->nodes[k].os == r->index[i])
				of[i] = r->nodes[k].index;
	}
	for (unsigned k = 0; k < r->nnodes; k++)
		if (r->nodes[k].index >= 0)
			os[r->nodes[k].index] = r->nodes[k].os;
	for (size_t i = 0; i < nb; i++)
		for (size_t j = 0; j < nb; j++)
			if (of[i] >= 0 && of[j] >= 0 && r->value[i * nb + j])
				m->distance[(size_t)of[i] * n + (size_t)of[j]] = (uint32_t)r->value[i * nb + j];
	emit_distances(r, m, os);
	return 0;
}

struct sr_machine *sr_machine_from_xml(const char *xml, size_t len, struct sr_error *err)
{
	struct reader *r = calloc(1, sizeof(*r));
	struct sr_machine *m = calloc(1, sizeof(*m));
	size_t out_len;
	int rc = -1;

	if (!r || !m) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory for the machine description");
		goto out;
	}
	r->in = xml;
	r->end = xml + len;
	r->err = err;
	if (len > MAX_XML_BYTES) {
		sr_fail(err, SR_DAMAGED, "the machine's XML is larger than %u MB", MAX_XML_BYTES >> 20);
		goto out;
	}
	memset(r->pu, 0xff, sizeof(r->pu));
	r->out = open_memstream(&m->xml, &out_len);
	if (!r->out) {
		no_memory(r);
		goto out;
	}
	rc = parse(r);
	rc = rc ? rc : build_cpus(r, m);
	rc = rc ? rc : build_distances(r, m);
	fputs("</topology>\n", r->out);
	if (fclose(r->out) && !rc)
		rc = no_memory(r);
	rc = rc ? rc : sr_machine_summarize(m, err);
out:
	if (r) {
		free(r->objects);
		free(r->nodes);
		free(r->index);
		free(r->value);
	}
	free(r);
	if (rc) {
		sr_machine_free(m);
		m = NULL;
	}
	return m;
}
