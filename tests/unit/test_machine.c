/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "formats/machine.h"

static struct sr_machine *load(const char *spec)
{
	struct sr_error err = { 0 };
	struct sr_machine *m = sr_machine_load(spec, &err);

	if (!m)
		fail_msg("%s: %s", spec ? spec : "this", err.text);
	return m;
}

static void assert_refused(const char *spec, enum sr_status status)
{
	struct sr_error err = { 0 };

	assert_null(sr_machine_load(spec, &err));
	assert_int_equal(err.status, status);
}

static void assert_xml_refused(const char *xml)
{
	struct sr_error err = { 0 };

	if (sr_machine_from_xml(xml, strlen(xml), &err))
		fail_msg("accepted: %s", xml);
	assert_int_equal(err.status, SR_DAMAGED);
	assert_non_null(strstr(err.text, "XML"));
}

static struct sr_machine *from_xml(const char *xml)
{
	struct sr_error err = { 0 };
	struct sr_machine *m = sr_machine_from_xml(xml, strlen(xml), &err);

	if (!m)
		fail_msg("%s", err.text);
	return m;
}

/* ---- what a machine is ---- */

static void this_machine_has_the_cpus_that_may_be_used(void **state)
{
	struct sr_machine *m = load(NULL);
	cpu_set_t set;
	unsigned online = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	for (unsigned i = 0; i < m->ncpus; i++) {
		assert_int_equal(m->v[i].os, i);
		assert_int_equal(m->v[i].online, CPU_ISSET(i, &set) != 0);
		online += m->v[i].online;
	}
	assert_int_equal(online, CPU_COUNT(&set));
	sr_machine_free(m);
}

static void affinity_narrows_this_machine(void **state)
{
	cpu_set_t all, one;
	struct sr_machine *m;
	unsigned online = 0;
	int cpu = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	m = load("this");
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	for (unsigned i = 0; i < m->ncpus; i++)
		online += m->v[i].online;
	assert_int_equal(online, 1);
	assert_true(m->v[cpu].online);
	sr_machine_free(m);
}

static void smt_2x2_has_two_packages_of_two_siblings(void **state)
{
	struct sr_machine *m = load("smt-2x2");

	assert_int_equal(m->ncpus, 4);
	assert_int_equal(m->ncores, 2);
	assert_int_equal(m->npackages, 2);
	assert_int_equal(m->nnodes, 1);
	assert_int_equal(m->v[0].core, m->v[1].core);
	assert_int_equal(m->v[2].package, 1);
	assert_string_equal(m->summary, "2 cores, 4 CPUs, 2 packages, 1 node");
	sr_machine_free(m);
}

static void big_little_has_capacities_and_clusters(void **state)
{
	struct sr_machine *m = load("biglittle-4+4");

	assert_int_equal(m->ncpus, 8);
	assert_int_equal(m->v[3].capacity, 446);
	assert_int_equal(m->v[4].capacity, 1024);
	assert_int_equal(m->v[3].cluster, 0);
	assert_int_equal(m->v[4].cluster, 1);
	sr_machine_free(m);
}

static void hybrid_has_two_threads_on_its_fast_cores_only(void **state)
{
	struct sr_machine *m = load("hybrid-4x2+4");

	assert_int_equal(m->ncpus, 12);
	assert_int_equal(m->ncores, 8);
	assert_int_equal(m->v[6].core, m->v[7].core);
	assert_int_not_equal(m->v[8].core, m->v[9].core);
	assert_int_equal(m->v[7].capacity, 1024);
	assert_int_equal(m->v[8].capacity, 640);
	sr_machine_free(m);
}

static void laptop_has_slow_cores_by_four_under_a_cache(void **state)
{
	struct sr_machine *m = load("hybrid-6x2+8");

	assert_int_equal(m->ncpus, 20);
	assert_int_equal(m->ncores, 14);
	assert_int_equal(m->v[10].core, m->v[11].core);
	assert_int_not_equal(m->v[12].core, m->v[13].core);
	assert_int_equal(m->v[12].cluster, m->v[15].cluster);
	assert_int_not_equal(m->v[15].cluster, m->v[16].cluster);
	assert_true(m->v[12].clustered);
	assert_false(m->v[0].clustered);
	assert_int_equal(m->v[12].cache[0], m->v[15].cache[0]);
	assert_int_equal(m->caches[m->v[12].cache[0]].ncpus, 4);
	assert_string_equal(m->kinds[m->v[0].kind].name, "P");
	assert_string_equal(m->kinds[m->v[19].kind].name, "E");
	sr_machine_free(m);
}

static void phone_has_three_kinds_of_core(void **state)
{
	struct sr_machine *m = load("biglittle-1+3+4");

	assert_int_equal(m->nkinds, 3);
	assert_int_equal(m->v[0].capacity, 250);
	assert_int_equal(m->v[6].capacity, 870);
	assert_int_equal(m->v[7].capacity, 1024);
	assert_string_equal(m->kinds[m->v[7].kind].name, "prime");
	assert_int_equal(m->nllcs, 1);
	sr_machine_free(m);
}

static void ring_of_nodes_has_its_distances(void **state)
{
	static const uint32_t want[] = { 10, 16, 22, 16, 16, 10, 16, 22, 22, 16, 10, 16, 16, 22, 16, 10 };
	struct sr_machine *m = load("numa-4x4");

	assert_int_equal(m->nnodes, 4);
	assert_memory_equal(m->distance, want, sizeof(want));
	sr_machine_free(m);
}

static void unknown_distances_are_10_and_20(void **state)
{
	static const uint32_t want[] = { 10, 20, 20, 10 };
	struct sr_machine *m = load("pack:2 [numa] core:2 pu:1");

	assert_memory_equal(m->distance, want, sizeof(want));
	sr_machine_free(m);
}

static void cache_between_core_and_llc_is_a_cluster(void **state)
{
	struct sr_machine *m = load("pack:1 l3:1 l2:2 core:2 pu:2");

	assert_int_equal(m->nllcs, 1);
	assert_int_equal(m->nclusters, 2);
	assert_int_equal(m->v[3].cluster, 0);
	assert_int_equal(m->v[4].cluster, 1);
	sr_machine_free(m);
}

static void without_shared_caches_each_core_is_its_own_llc(void **state)
{
	struct sr_machine *m = load("pack:1 core:2 pu:2");

	assert_int_equal(m->nllcs, 2);
	assert_int_equal(m->v[0].llc, m->v[1].llc);
	sr_machine_free(m);
}

static void caches_have_sizes_and_sharers(void **state)
{
	struct sr_machine *m = load("numa-2x8x2");
	const struct sr_cpu *c = &m->v[31];

	assert_int_equal(m->ncaches, 18);
	assert_int_equal(m->caches[c->cache[0]].kib, 1024);
	assert_int_equal(m->caches[c->cache[0]].ncpus, 2);
	assert_int_equal(m->caches[c->cache[1]].kib, 20 * 1024);
	assert_int_equal(m->caches[c->cache[1]].ncpus, 16);
	assert_int_equal(m->caches[c->cache[1]].level, 3);
	assert_int_equal(c->cache[2], SR_NO_CORE);
	assert_int_equal(m->v[30].cache[0], c->cache[0]);
	assert_int_not_equal(m->v[0].cache[1], c->cache[1]);
	sr_machine_free(m);
}

static void levels_tell_how_far_apart_cpus_are(void **state)
{
	struct sr_machine *m = load("pack:2 [numa] l3:2 core:2 pu:2");

	assert_int_equal(sr_machine_level(m, 1, 1), SR_LEVEL_SELF);
	assert_int_equal(sr_machine_level(m, 0, 1), SR_LEVEL_SMT);
	assert_int_equal(sr_machine_level(m, 0, 2), SR_LEVEL_LLC);
	assert_int_equal(sr_machine_level(m, 0, 4), SR_LEVEL_PACKAGE);
	assert_int_equal(sr_machine_level(m, 0, 8), SR_LEVEL_NODE);
	assert_int_equal(sr_machine_level(m, 0, 4000), SR_LEVEL_NODE);
	assert_int_equal(sr_machine_level(m, 4000, 4000), SR_LEVEL_SELF);
	sr_machine_free(m);
}

static void every_preset_loads_and_reads_back_the_same(void **state)
{
	size_t n = 0;

	for (const struct sr_machine_preset *p = sr_machine_presets(); p->name; p++, n++) {
		struct sr_machine *m = load(p->name), *back = from_xml(m->xml);

		assert_int_equal(m->ncpus, back->ncpus);
		assert_memory_equal(m->v, back->v, m->ncpus * sizeof(*m->v));
		assert_int_equal(m->ncaches, back->ncaches);
		assert_memory_equal(m->caches, back->caches, m->ncaches * sizeof(*m->caches));
		assert_int_equal(m->nkinds, back->nkinds);
		assert_memory_equal(m->kinds, back->kinds, m->nkinds * sizeof(*m->kinds));
		assert_int_equal(m->nnodes, back->nnodes);
		assert_memory_equal(m->distance, back->distance, m->nnodes * m->nnodes * sizeof(*m->distance));
		assert_string_equal(m->summary, back->summary);
		assert_string_equal(m->xml, back->xml);
		sr_machine_free(m);
		sr_machine_free(back);
	}
	assert_true(n >= 16);
}

/* ---- how it is named ---- */

static void wrong_specs_are_refused(void **state)
{
	assert_refused("smt-3x3", SR_USAGE);
	assert_refused("", SR_USAGE);
	assert_refused("pack:two", SR_USAGE);
	assert_refused("pack:64 core:64 pu:2", SR_USAGE);
	assert_refused("pu:4294967296", SR_USAGE);
	assert_refused("pack:18446744073709551615 pu:3", SR_USAGE);
	assert_refused("pack:2 pu:9223372036854775808", SR_USAGE);
	assert_refused("/tmp", SR_USAGE);
	assert_refused("/nowhere/machine.xml", SR_ENVIRONMENT);
	assert_refused("machine.xml", SR_ENVIRONMENT);
}

static void a_file_is_read_as_xml(void **state)
{
	struct sr_machine *m = load("smt-2x2"), *back;
	char path[] = "/tmp/schedrec-test-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, m->xml, strlen(m->xml)), strlen(m->xml));
	back = load(path);
	assert_string_equal(m->xml, back->xml);
	assert_int_equal(ftruncate(fd, (off_t)strlen(m->xml) / 2), 0);
	assert_refused(path, SR_DAMAGED);
	close(fd);
	unlink(path);
	sr_machine_free(m);
	sr_machine_free(back);
}

static void another_machine_in_the_environment_is_not_this_one(void **state)
{
	setenv("HWLOC_SYNTHETIC", "core:4 pu:2", 1);
	assert_refused("this", SR_ENVIRONMENT);
	unsetenv("HWLOC_SYNTHETIC");
}

/* ---- XML ---- */

#define HEAD "<?xml version=\"1.0\"?><!DOCTYPE topology SYSTEM \"hwloc2.dtd\"><topology version=\"2.0\">"
#define TAIL "</topology>"
#define NUMA(mask) "<object type=\"NUMANode\" os_index=\"0\" cpuset=\"" mask "\"/>"
#define PU(n) "<object type=\"PU\" os_index=\"" n "\"/>"
#define MACHINE(body) HEAD "<object type=\"Machine\" cpuset=\"0x3\" secret=\"a1\">" body "</object>" TAIL

static void xml_keeps_nothing_that_says_whose_machine_it_is(void **state)
{
	struct sr_machine *m = from_xml(MACHINE(
		"<!-- secret b2 --><info name=\"HostName\" value=\"secret c3\"/><info name=\"DMIBoardSerial\" "
		"value=\"secret d4\"/>"
		"<info name=\"CPUModel\" value=\"Fast CPU\"/><userdata name=\"x\">secret e5</userdata>"
		"<object type=\"Misc\" name=\"secret f6\"><info name=\"CPUModel\" value=\"secret g7\"/></object>"
		"<object type=\"Bridge\"><object type=\"PCIDev\"><object type=\"OSDev\" name=\"secret h8\">"
		"<info name=\"Address\" value=\"secret 00:11:22\"/></object></object></object>" NUMA("0x3")
			PU("0") "<object type=\"PU\" os_index=\"1\" name=\"secret i9\"/>"));

	assert_null(strstr(m->xml, "secret"));
	assert_non_null(strstr(m->xml, "Fast CPU"));
	assert_int_equal(m->ncpus, 2);
	sr_machine_free(m);
}

static void this_machines_xml_has_no_host_name_and_stays_small(void **state)
{
	struct sr_machine *m = load("this");
	unsigned char out[65536];
	uLongf len = sizeof(out);
	char host[256] = "";

	assert_null(strstr(m->xml, "HostName"));
	assert_null(strstr(m->xml, "ProcessName"));
	assert_null(strstr(m->xml, "Cgroup"));
	assert_null(strstr(m->xml, "DMI"));
	assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
	if (strlen(host) > 4)
		assert_null(strstr(m->xml, host));
	assert_int_equal(compress2(out, &len, (const unsigned char *)m->xml, strlen(m->xml), 6), Z_OK);
	assert_true(len < 8192);
	sr_machine_free(m);
}

static void allowed_cpuset_says_which_cpus_are_usable(void **state)
{
	struct sr_machine *m = from_xml(HEAD "<object type=\"Machine\" allowed_cpuset=\"0x00000002\">" NUMA("0xf...f")
						PU("0") PU("1") PU("35") "</object>" TAIL);

	assert_int_equal(m->ncpus, 36);
	assert_int_equal(m->v[0].online, 0);
	assert_int_equal(m->v[1].online, 1);
	assert_int_equal(m->v[34].core, SR_NO_CORE);
	assert_int_equal(m->v[34].online, 0);
	assert_int_equal(sr_machine_level(m, 0, 34), SR_LEVEL_NODE);
	assert_string_equal(m->summary, "3 cores, 3 CPUs (1 usable), 1 package, 1 node");
	sr_machine_free(m);
}

static void cpusets_are_read_by_words_of_32_from_the_top(void **state)
{
	struct sr_machine *m = from_xml(HEAD "<object type=\"Machine\" allowed_cpuset=\"0x00000008,,0x00000001\">" NUMA(
		"0xf...f,0x0000000f,0x0,0x1") PU("0") PU("67") PU("96") PU("4095") "</object>" TAIL);

	assert_int_equal(m->v[0].online, 1);
	assert_int_equal(m->v[67].online, 1);
	assert_int_equal(m->v[96].online, 0);
	assert_int_equal(m->v[4095].node, 0);
	sr_machine_free(m);
}

static void cpusets_take_both_cases_and_any_length(void **state)
{
	struct sr_machine *m = from_xml(HEAD "<object type=\"Machine\" allowed_cpuset=\"0xaF\">" NUMA("0xff") PU("0")
						PU("4") PU("5") PU("7") "</object>" TAIL);
	static const char head[] = HEAD "<object type=\"Machine\">" NUMA("0x1");
	char *xml = calloc(1, 100000),
	     *p = xml + sprintf(xml, "%s<object type=\"NUMANode\" os_index=\"1\" cpuset=\"", head);

	assert_int_equal(m->v[0].online, 1);
	assert_int_equal(m->v[4].online, 0);
	assert_int_equal(m->v[5].online, 1);
	assert_int_equal(m->v[7].online, 1);
	sr_machine_free(m);
	for (int i = 0; i < 5000; i++)
		p += sprintf(p, "0xffffffff,");
	sprintf(p, "0x0\"/>" PU("0") PU("32") "</object>" TAIL);
	m = from_xml(xml);
	assert_int_equal(m->v[0].node, 0);
	assert_int_equal(m->v[32].node, 1);
	sr_machine_free(m);
	free(xml);
}

static void smallest_node_around_a_cpu_is_its_own(void **state)
{
	struct sr_machine *m = from_xml(HEAD "<object type=\"Machine\">"
					     "<object type=\"NUMANode\" os_index=\"7\" cpuset=\"0x3\"/>"
					     "<object type=\"NUMANode\" os_index=\"3\" cpuset=\"0x0\"/>"
					     "<object type=\"NUMANode\" os_index=\"5\" cpuset=\"0x2\"/>" PU("0")
						     PU("1") "</object>" TAIL);

	assert_int_equal(m->nnodes, 2);
	assert_int_equal(m->v[0].node, 0);
	assert_int_equal(m->v[1].node, 1);
	sr_machine_free(m);
}

static void capacities_known_of_a_part_are_not_known(void **state)
{
	struct sr_machine *m = from_xml(HEAD "<object type=\"Machine\">" NUMA("0x3") PU("0") PU(
		"1") "</object>"
		     "<cpukind cpuset=\"0x1\"><info name=\"LinuxCapacity\" value=\"500\"/></cpukind>" TAIL);

	assert_int_equal(m->v[0].capacity, 1024);
	sr_machine_free(m);
}

static void capacities_are_relative_to_the_fastest(void **state)
{
	struct sr_machine *m = from_xml(HEAD "<object type=\"Machine\">" NUMA("0x3") PU("0") PU(
		"1") "</object>"
		     "<cpukind cpuset=\"0x1\"><info name=\"LinuxCapacity\" value=\"250\"/></cpukind>"
		     "<cpukind cpuset=\"0x2\"><info name=\"LinuxCapacity\" value=\"500\"/></cpukind>" TAIL);

	assert_int_equal(m->v[0].capacity, 512);
	assert_int_equal(m->v[1].capacity, 1024);
	sr_machine_free(m);
}

static void kind_frequencies_stand_in_for_capacities(void **state)
{
	static const char body[] = HEAD "<object type=\"Machine\">" NUMA("0x3") PU("0")
		PU("1") "</object>"
			"<cpukind cpuset=\"0x1\"><info name=\"FrequencyMaxMHz\" value=\"3300\"/>%s</cpukind>"
			"<cpukind cpuset=\"0x2\"><info name=\"FrequencyMaxMHz\" value=\"4400\"/></cpukind>" TAIL;
	struct sr_machine *m;
	char xml[2000];

	snprintf(xml, sizeof(xml), body, "<info name=\"CoreType\" value=\"IntelAtom\"/>");
	m = from_xml(xml);
	assert_int_equal(m->v[0].capacity, 768);
	assert_int_equal(m->v[1].capacity, 1024);
	assert_true(m->capacity_estimated);
	assert_non_null(strstr(m->summary, "estimated"));
	sr_machine_free(m);
	/* Of one kind they are a favoured core and another. */
	snprintf(xml, sizeof(xml), body, "");
	m = from_xml(xml);
	assert_int_equal(m->v[0].capacity, 1024);
	assert_false(m->capacity_estimated);
	sr_machine_free(m);
}

static void names_of_kinds_can_be_printed(void **state)
{
	struct sr_machine *m = from_xml(HEAD "<object type=\"Machine\">" NUMA("0x1") PU(
		"0") "</object>"
		     "<cpukind cpuset=\"0x1\"><info name=\"CoreType\" "
		     "value=\"\x1b[2J0123456789abcdefghijklmnopqrst\"/></cpukind>" TAIL);

	assert_string_equal(m->kinds[m->v[0].kind].name, "??2J0123456789abcdefghi");
	sr_machine_free(m);
}

static void isolated_cpus_are_there_but_not_used(void **state)
{
	struct sr_machine *m = from_xml(
		HEAD "<object type=\"Machine\"><info name=\"IsolatedCPUs\" value=\"1-2\"/>" NUMA("0xf...f") PU("0")
			PU("1") PU("2") "</object>" TAIL);

	assert_int_equal(m->v[0].online, 1);
	assert_int_equal(m->v[1].online, 0);
	assert_int_equal(m->v[1].barred, SR_BARRED_ISOLATED);
	assert_int_equal(m->v[2].barred, SR_BARRED_ISOLATED);
	assert_non_null(strstr(m->xml, "IsolatedCPUs"));
	assert_string_equal(m->summary, "3 cores, 3 CPUs (1 usable), 1 package, 1 node");
	sr_machine_free(m);
}

static void cpus_that_are_switched_off_are_told(void **state)
{
	struct sr_machine *m = from_xml(HEAD "<object type=\"Machine\" complete_cpuset=\"0x0000003b\">" NUMA("0xf...f")
						PU("0") PU("3") "</object>" TAIL);
	char list[64];

	assert_int_equal(m->ncpus, 4);
	sr_cpumask_format(&m->offline, list, sizeof(list));
	assert_string_equal(list, "1,4-5");
	sr_machine_free(m);
	m = from_xml(HEAD "<object type=\"Machine\" complete_cpuset=\"0xf...f\">" NUMA("0xf...f")
			     PU("0") "</object>" TAIL);
	assert_int_equal(sr_cpumask_count(&m->offline), 0);
	sr_machine_free(m);
}

static void cluster_group_is_a_cluster(void **state)
{
	struct sr_machine *m = from_xml(HEAD "<object type=\"Machine\">" NUMA(
		"0xf") "<object type=\"L3Cache\"><object type=\"Group\" subtype=\"Cluster\">" PU("0")
						PU("1") "</object>"
							"<object type=\"Group\" subtype=\"Cluster\">" PU("2")
								PU("3") "</object></object></object>" TAIL);

	assert_int_equal(m->nclusters, 2);
	assert_int_equal(m->nllcs, 1);
	assert_int_equal(m->v[2].cluster, 1);
	sr_machine_free(m);
}

#define DISTANCES(n, idx, val)                                                       \
	"<distances2 type=\"NUMANode\" nbobjs=\"" n "\" kind=\"5\" indexing=\"os\">" \
	"<indexes>" idx "</indexes><u64values>" val "</u64values></distances2>"

static void distances_are_written_as_hwloc_reads_them(void **state)
{
	struct sr_machine *m = load("numa-4x4");

	assert_non_null(strstr(m->xml, "<indexes length=\"8\">0 1 2 3 </indexes>"));
	assert_non_null(strstr(m->xml, "<u64values length=\"12\">16 10 16 22 </u64values>"));
	sr_machine_free(m);
}

#define TWO_NODES                                                                                 \
	HEAD "<object type=\"Machine\"><object type=\"NUMANode\" os_index=\"0\" cpuset=\"0x1\"/>" \
	     "<object type=\"NUMANode\" os_index=\"2\" cpuset=\"0x0\"/>"                          \
	     "<object type=\"NUMANode\" os_index=\"4\" cpuset=\"0x2\"/>" PU("0") PU("1") "</object>"

static void nodes_without_cpus_are_left_out_of_the_distances(void **state)
{
	static const uint32_t want[] = { 11, 13, 17, 19 };
	struct sr_machine *m = from_xml(TWO_NODES DISTANCES("3", "0 2 4", "11 12 13 14 15 16 17 18 19") TAIL);

	assert_int_equal(m->nnodes, 2);
	assert_memory_equal(m->distance, want, sizeof(want));
	sr_machine_free(m);
}

static void distances_that_are_none_of_nodes_by_latency_are_ignored(void **state)
{
	static const char *const others[] = {
		"<distances2 type=\"PU\" nbobjs=\"2\" kind=\"5\" indexing=\"os\">",
		"<distances2 type=\"NUMANode\" nbobjs=\"2\" kind=\"9\" indexing=\"os\">",
		"<distances2 type=\"NUMANode\" nbobjs=\"2\" kind=\"5\" indexing=\"gp\">",
		"<distances2hetero nbobjs=\"2\" kind=\"5\">",
	};
	static const uint32_t want[] = { 10, 20, 20, 10 };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct sr_machine *m;
		char xml[2000];

		snprintf(xml, sizeof(xml), "%s%s<indexes>0 4 </indexes><u64values>1 2 3 4 </u64values></%s>%s",
			 TWO_NODES, others[i], i == 3 ? "distances2hetero" : "distances2", TAIL);
		m = from_xml(xml);
		assert_memory_equal(m->distance, want, sizeof(want));
		sr_machine_free(m);
	}
}

static void damaged_xml_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"<",
		"<>",
		"</topology>",
		HEAD,
		HEAD TAIL,
		"<topology>" TAIL,
		"<topology version=\"1.0\">" TAIL,
		"<topology version=\"3.0\">" TAIL,
		"<html>"
		"</html>",
		HEAD "<object type=\"Machine\">" NUMA("0x1") PU("0") TAIL, /* not closed */
		HEAD "<object type=\"Machine\">" NUMA("0x1") PU("0") "</objekt>" TAIL,
		MACHINE(NUMA("0x3") PU("0")) "</topology>",
		MACHINE(NUMA("0x3") PU("0")) MACHINE(NUMA("0x3") PU("0")),
		MACHINE(PU("0")), /* no node */
		MACHINE(NUMA("0x2") PU("0")),
		MACHINE(NUMA("0x3")), /* no cpu */
		MACHINE(NUMA("0x3") PU("0") PU("0")),
		MACHINE(NUMA("0x3") PU("4096")),
		MACHINE(NUMA("0x3") PU("-1")),
		MACHINE(NUMA("0x3") PU("")),
		MACHINE(NUMA("0x3") PU("99999999999999999999")),
		MACHINE(NUMA("0x3") "<object type=\"PU\"/>"),
		MACHINE(NUMA("") PU("0")),
		MACHINE(NUMA("3") PU("0")),
		MACHINE(NUMA("0xg") PU("0")),
		MACHINE(NUMA("0x123456789") PU("0")),
		MACHINE(NUMA("0xf...fx") PU("0")),
		MACHINE(NUMA("0x3") NUMA("0x3") PU("0")),
		MACHINE(NUMA("0x3") "<object type=\"PU os_index=\"0\"/>"),
		MACHINE(NUMA("0x3") "<object type=\"PU\" os_index=0/>"),
		MACHINE(NUMA("0x3") "<object type=\"PU\" os_index=\"0"),
		MACHINE(NUMA("0x3") "<!ENTITY a \"b\">" PU("0")),
		MACHINE(NUMA("0x3") "<!-- " PU("0")),
		MACHINE("<info name=\"x\"><object type=\"PU\" os_index=\"0\"/>" NUMA("0x3")),
		HEAD "<object type=\"Machine\" allowed_cpuset=\"x\">" NUMA("0x1") PU("0") "</object>" TAIL,
		HEAD "<object type=\"Machine\">" NUMA("0x1") PU("0") "</object>" DISTANCES("2", "0 1", "10 20 20") TAIL,
		HEAD "<object type=\"Machine\">" NUMA("0x1") PU("0") "</object>" DISTANCES("1", "0", "10 20") TAIL,
		HEAD "<object type=\"Machine\">" NUMA("0x1") PU("0") "</object>" DISTANCES("9999999", "0", "1") TAIL,
		HEAD "<object type=\"Machine\">" NUMA("0x1") PU("0") "</object>" DISTANCES("1", "0", "ten") TAIL,
		HEAD "<object type=\"Machine\" complete_cpuset=\"x\">" NUMA("0x1") PU("0") "</object>" TAIL,
		HEAD "<object type=\"Machine\"><info name=\"IsolatedCPUs\" value=\"a\"/>" NUMA("0x1")
			PU("0") "</object>" TAIL,
		MACHINE(NUMA("0x3") "<object type=\"L2Cache\" cache_size=\"big\"/>" PU("0")),
		HEAD "<cpukind cpuset=\"0x1\"><info name=\"FrequencyMaxMHz\" value=\"fast\"/></cpukind>" TAIL,
		HEAD "<cpukind><info name=\"LinuxCapacity\" value=\"1\"/></cpukind>" TAIL,
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_xml_refused(bad[i]);
}

static void deep_nesting_is_refused(void **state)
{
	char *xml = calloc(1, 200000), *p = xml + sprintf(xml, "%s", HEAD);

	for (int i = 0; i < 5000; i++)
		p += sprintf(p, "<object type=\"Group\">");
	assert_xml_refused(xml);
	free(xml);
}

static void every_cut_of_an_xml_is_refused(void **state)
{
	struct sr_machine *m = load("numa-4x4");
	size_t len = strlen(m->xml);

	while (len && m->xml[len - 1] != '>')
		len--;
	for (size_t n = 0; n < len; n++) {
		struct sr_error err = { 0 };
		char *copy = malloc(n ? n : 1); /* so that a sanitizer sees a read beyond it */

		memcpy(copy, m->xml, n);
		assert_null(sr_machine_from_xml(copy, n, &err));
		assert_int_equal(err.status, SR_DAMAGED);
		free(copy);
	}
	sr_machine_free(m);
}

static void huge_xml_is_refused_unread(void **state)
{
	struct sr_error err = { 0 };

	assert_null(sr_machine_from_xml("", (16u << 20) + 1, &err));
	assert_int_equal(err.status, SR_DAMAGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_machine_has_the_cpus_that_may_be_used),
		cmocka_unit_test(affinity_narrows_this_machine),
		cmocka_unit_test(smt_2x2_has_two_packages_of_two_siblings),
		cmocka_unit_test(big_little_has_capacities_and_clusters),
		cmocka_unit_test(hybrid_has_two_threads_on_its_fast_cores_only),
		cmocka_unit_test(laptop_has_slow_cores_by_four_under_a_cache),
		cmocka_unit_test(phone_has_three_kinds_of_core),
		cmocka_unit_test(ring_of_nodes_has_its_distances),
		cmocka_unit_test(unknown_distances_are_10_and_20),
		cmocka_unit_test(cache_between_core_and_llc_is_a_cluster),
		cmocka_unit_test(without_shared_caches_each_core_is_its_own_llc),
		cmocka_unit_test(caches_have_sizes_and_sharers),
		cmocka_unit_test(levels_tell_how_far_apart_cpus_are),
		cmocka_unit_test(every_preset_loads_and_reads_back_the_same),
		cmocka_unit_test(wrong_specs_are_refused),
		cmocka_unit_test(a_file_is_read_as_xml),
		cmocka_unit_test(another_machine_in_the_environment_is_not_this_one),
		cmocka_unit_test(xml_keeps_nothing_that_says_whose_machine_it_is),
		cmocka_unit_test(this_machines_xml_has_no_host_name_and_stays_small),
		cmocka_unit_test(allowed_cpuset_says_which_cpus_are_usable),
		cmocka_unit_test(cpusets_are_read_by_words_of_32_from_the_top),
		cmocka_unit_test(cpusets_take_both_cases_and_any_length),
		cmocka_unit_test(smallest_node_around_a_cpu_is_its_own),
		cmocka_unit_test(capacities_known_of_a_part_are_not_known),
		cmocka_unit_test(capacities_are_relative_to_the_fastest),
		cmocka_unit_test(kind_frequencies_stand_in_for_capacities),
		cmocka_unit_test(names_of_kinds_can_be_printed),
		cmocka_unit_test(isolated_cpus_are_there_but_not_used),
		cmocka_unit_test(cpus_that_are_switched_off_are_told),
		cmocka_unit_test(cluster_group_is_a_cluster),
		cmocka_unit_test(distances_are_written_as_hwloc_reads_them),
		cmocka_unit_test(nodes_without_cpus_are_left_out_of_the_distances),
		cmocka_unit_test(distances_that_are_none_of_nodes_by_latency_are_ignored),
		cmocka_unit_test(damaged_xml_is_refused),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(every_cut_of_an_xml_is_refused),
		cmocka_unit_test(huge_xml_is_refused_unread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
