/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hwloc's XML (version 2), read without hwloc: a trace file's machine is hostile until checked, and hwloc 2.9
 * crashes on one of some hundred mutations of its own XML. What is kept of the text is an allow-list of elements,
 * attributes and infos, so that nothing else (host name, addresses, comments) can be passed on.
 */
#include "formats/machine_xml_internal.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ATTRS 32

struct attr {
	struct span name, value;
};

struct tag {
	struct span name;
	struct attr attr[MAX_ATTRS];
	unsigned nattrs;
	bool closes, empty;
};

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
	"Architecture",     "CPUVendor",
	"CPUModel",         "CPUModelNumber",
	"CPUFamilyNumber",  "CPUStepping",
	"Inclusive",        "LinuxCapacity",
	"LinuxCPUType",     "FrequencyMaxMHz",
	"FrequencyBaseMHz", "CoreType",
	"IsolatedCPUs",     NULL,
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

int sr_machine_bad_xml(struct reader *r, const char *what)
{
	return sr_fail(r->err, SR_DAMAGED, "the machine's XML: %s", what);
}

int sr_machine_no_memory(struct reader *r)
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
		return sr_machine_bad_xml(r, "it ends in the middle");
	r->in = p + strlen(text);
	return 0;
}

static int take_attr(struct reader *r, struct tag *t)
{
	struct attr *a = &t->attr[t->nattrs];
	const char *close;
	char quote;

	if (t->nattrs == MAX_ATTRS)
		return sr_machine_bad_xml(r, "an element has too many attributes");
	a->name = take_name(r);
	if (!a->name.len || r->end - r->in < 3 || r->in[0] != '=' || (r->in[1] != '"' && r->in[1] != '\''))
		return sr_machine_bad_xml(r, "an attribute is malformed");
	quote = r->in[1];
	r->in += 2;
	close = memchr(r->in, quote, (size_t)(r->end - r->in));
	if (!close)
		return sr_machine_bad_xml(r, "an attribute does not end");
	a->value = (struct span){ r->in, (size_t)(close - r->in) };
	if (memchr(r->in, '<', a->value.len) || memchr(r->in, '"', a->value.len))
		return sr_machine_bad_xml(r, "an attribute holds what it must not");
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
				return sr_machine_bad_xml(r, "a declaration inside the topology");
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
		return sr_machine_bad_xml(r, "a tag is malformed");
	for (;;) {
		skip_space(r);
		if (r->in == r->end)
			return sr_machine_bad_xml(r, "it ends in the middle");
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
			return sr_machine_bad_xml(r, "a tag is malformed");
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
		return sr_machine_bad_xml(r, "a NUMA node has no number");
	if (r->nnodes == SR_MAX_NODES)
		return sr_machine_bad_xml(r, "it has too many NUMA nodes");
	if (!r->nodes)
		r->nodes = calloc(SR_MAX_NODES, sizeof(*r->nodes));
	if (!r->nodes)
		return sr_machine_no_memory(r);
	for (unsigned i = 0; i < r->nnodes; i++)
		if (r->nodes[i].os == os)
			return sr_machine_bad_xml(r, "it has a NUMA node twice");
	n = &r->nodes[r->nnodes];
	if (bitmap(get(t, "cpuset"), &n->cpus))
		return sr_machine_bad_xml(r, "a NUMA node has no cpuset");
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
		return sr_machine_bad_xml(r, "a CPU has no number");
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
	struct span type = get(t, "type"), complete;
	struct object *o;
	size_t i = 0;

	if (parent->element != E_TOPOLOGY && parent->element != E_OBJECT)
		return sr_machine_bad_xml(r, "an object stands where none may");
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
			return sr_machine_no_memory(r);
		r->objects = o;
		r->objects_cap = cap;
	}
	f->element = E_OBJECT;
	f->object = r->nobjects;
	o = &r->objects[r->nobjects++];
	*o = (struct object){ .type = types[i].type, .parent = parent->object, .cache = SR_NO_CORE };
	o->cluster = o->type == T_GROUP && is(get(t, "subtype"), "Cluster");
	o->npus = o->type == T_PU;
	if (get(t, "allowed_cpuset").p && !r->has_allowed) {
		if (bitmap(get(t, "allowed_cpuset"), &r->allowed))
			return sr_machine_bad_xml(r, "allowed_cpuset is malformed");
		r->has_allowed = true;
	}
	complete = get(t, "complete_cpuset");
	/* An infinite one says nothing of which CPUs there are. */
	if (o->type == T_MACHINE && !r->has_complete && complete.len &&
	    (complete.len < 7 || memcmp(complete.p, "0xf...f", 7))) {
		if (bitmap(complete, &r->complete))
			return sr_machine_bad_xml(r, "complete_cpuset is malformed");
		r->has_complete = true;
	}
	if (o->type == T_CACHE) {
		uint64_t bytes = 0;

		if (get(t, "cache_size").p && number(get(t, "cache_size"), 1ull << 40, &bytes))
			return sr_machine_bad_xml(r, "a cache's size is no number");
		o->level = (uint8_t)(type.p[1] - '0'); /* "L2Cache" */
		o->kib = (uint32_t)(bytes >> 10);
	}
	if (o->type == T_NODE && open_node(r, t))
		return -1;
	if (o->type == T_PU && open_pu(r, t, f->object))
		return -1;
	emit(r, t, object_attrs);
	return 0;
}

static int open_isolated(struct reader *r, struct span list)
{
	char copy[SR_CPU_LIST_LEN];
	struct sr_error ignored;

	if (list.len >= sizeof(copy))
		return sr_machine_bad_xml(r, "IsolatedCPUs is too long");
	memcpy(copy, list.p, list.len);
	copy[list.len] = '\0';
	if (sr_cpumask_parse(&r->isolated, copy, &ignored))
		return sr_machine_bad_xml(r, "IsolatedCPUs is no list of CPUs");
	return 0;
}

static int open_kind_info(struct reader *r, const struct tag *t)
{
	struct sr_kind *k = &r->kind[r->nkinds - 1];
	struct span name = get(t, "name"), value = get(t, "value");
	uint64_t v;

	if (is(name, "LinuxCapacity")) {
		if (number(value, 1u << 20, &v))
			return sr_machine_bad_xml(r, "a LinuxCapacity is no number");
		for (unsigned i = 0; i < SR_MAX_CPUS; i++)
			if (sr_cpumask_isset(&r->kind_cpus, i))
				r->capacity[i] = v;
	} else if (is(name, "FrequencyMaxMHz")) {
		if (number(value, 1u << 20, &v))
			return sr_machine_bad_xml(r, "a FrequencyMaxMHz is no number");
		k->max_mhz = (uint32_t)v;
	} else if (is(name, "CoreType")) {
		size_t n = value.len < sizeof(k->name) - 1 ? value.len : sizeof(k->name) - 1;

		/* It is printed. */
		for (size_t i = 0; i < n; i++)
			k->name[i] = is_name(value.p[i]) ? value.p[i] : '?';
		k->name[n] = '\0';
	}
	return 0;
}

static int open_info(struct reader *r, const struct tag *t)
{
	const struct frame *parent = &r->stack[r->depth - 1];

	if (!listed(get(t, "name"), allowed_infos) || !t->empty ||
	    (parent->element != E_OBJECT && parent->element != E_KIND))
		return 0;
	emit(r, t, info_attrs);
	if (parent->element == E_KIND)
		return open_kind_info(r, t);
	return is(get(t, "name"), "IsolatedCPUs") ? open_isolated(r, get(t, "value")) : 0;
}

static int open_kind(struct reader *r, const struct tag *t)
{
	if (bitmap(get(t, "cpuset"), &r->kind_cpus))
		return sr_machine_bad_xml(r, "a cpukind has no cpuset");
	if (r->nkinds == SR_MAX_KINDS)
		return sr_machine_bad_xml(r, "it has too many kinds of CPUs");
	for (unsigned i = 0; i < SR_MAX_CPUS; i++)
		if (sr_cpumask_isset(&r->kind_cpus, i))
			r->kind_of[i] = (uint16_t)r->nkinds;
	r->nkinds++;
	emit(r, t, kind_attrs);
	return 0;
}

/* Distances between NUMA nodes by latency, the first of them; others are left out. */
static int open_distances(struct reader *r, const struct tag *t, struct frame *f)
{
	uint64_t kind, n;

	if (r->distances_done || t->empty || !is(get(t, "type"), "NUMANode") || !is(get(t, "indexing"), "os") ||
	    number(get(t, "kind"), UINT32_MAX, &kind) || !(kind & 4))
		return 0;
	if (number(get(t, "nbobjs"), SR_MAX_NODES, &n) || !n)
		return sr_machine_bad_xml(r, "its distances are between too many objects");
	r->index = calloc(n, sizeof(*r->index));
	r->value = calloc(n * n, sizeof(*r->value));
	if (!r->index || !r->value)
		return sr_machine_no_memory(r);
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
			return r->in < r->end && *r->in == '<' ? 0 :
								 sr_machine_bad_xml(r, "its distances are malformed");
		if (*n == cap || number(s, UINT32_MAX, &v[*n]))
			return sr_machine_bad_xml(r, "its distances are malformed");
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
			return sr_machine_bad_xml(r, "it is no hwloc topology");
		if (version.len < 2 || memcmp(version.p, "2.", 2))
			return sr_machine_bad_xml(r, "it is not of hwloc's version 2 (lstopo of hwloc 2 writes that)");
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
		rc = open_kind(r, t);
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
		return sr_machine_bad_xml(r, "it is nested too deeply");
	r->stack[r->depth++] = f;
	return 0;
}

static int close_tag(struct reader *r, const struct tag *t)
{
	const struct frame *f;

	if (!r->depth)
		return sr_machine_bad_xml(r, "a tag closes that was not open");
	f = &r->stack[--r->depth];
	if (f->name.len != t->name.len || memcmp(f->name.p, t->name.p, t->name.len))
		return sr_machine_bad_xml(r, "its tags do not match");
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
		return sr_machine_bad_xml(r, "it is no hwloc topology");
	return r->depth ? sr_machine_bad_xml(r, "it ends in the middle") : 0;
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
	if (len > SR_MAX_XML_BYTES) {
		sr_fail(err, SR_DAMAGED, "the machine's XML is larger than %u MB", SR_MAX_XML_BYTES >> 20);
		goto out;
	}
	memset(r->pu, 0xff, sizeof(r->pu));
	memset(r->kind_of, 0xff, sizeof(r->kind_of));
	r->out = open_memstream(&m->xml, &out_len);
	if (!r->out) {
		sr_machine_no_memory(r);
		goto out;
	}
	rc = parse(r);
	rc = rc ? rc : sr_machine_build(r, m);
	fputs("</topology>\n", r->out);
	if (fclose(r->out) && !rc)
		rc = sr_machine_no_memory(r);
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
