/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Machines to try a policy on. Sizes of caches are those of such machines; a phone's capacities are a phone's. */
#include "formats/machine.h"

static const struct sr_machine_preset presets[] = {
	{ .name = "core-1", .help = "one core", .synthetic = "pack:1 l3:1(size=8MiB) l2:1(size=512kiB) core:1 pu:1" },
	{ .name = "core-4",
	  .help = "one package, 4 cores under one L3",
	  .synthetic = "pack:1 l3:1(size=8MiB) l2:4(size=512kiB) core:1 pu:1" },
	{ .name = "core-8",
	  .help = "one package, 8 cores under one L3",
	  .synthetic = "pack:1 l3:1(size=32MiB) l2:8(size=512kiB) core:1 pu:1" },
	{ .name = "smp-4",
	  .help = "4 packages of one core, nothing shared: a server of 2000",
	  .synthetic = "pack:4 l2:1(size=2MiB) core:1 pu:1" },
	{ .name = "smt-2x2",
	  .help = "2 packages of one core with 2 threads: two hyper-threading Xeons of 2004",
	  .synthetic = "pack:2 l2:1(size=512kiB) core:1 pu:2" },
	{ .name = "smt-8x2",
	  .help = "one package, 8 cores of 2 threads under one L3: a desktop",
	  .synthetic = "pack:1 l3:1(size=32MiB) l2:8(size=512kiB) core:1 pu:2" },
	{ .name = "ccx-2x4x2",
	  .help = "one package, two L3s with 4 cores of 2 threads each: an AMD desktop of 2017",
	  .synthetic = "pack:1 l3:2(size=8MiB) l2:4(size=512kiB) core:1 pu:2" },
	{ .name = "ccx-8x8x2",
	  .help = "one package and node, eight L3s with 8 cores of 2 threads each: an AMD server",
	  .synthetic = "pack:1 l3:8(size=32MiB) l2:8(size=1MiB) core:1 pu:2" },
	{ .name = "numa-2x8x2",
	  .help = "2 nodes of 8 cores of 2 threads, distance 21",
	  .synthetic = "pack:2 [numa] l3:1(size=20MiB) l2:8(size=1MiB) core:1 pu:2",
	  .distance = "10,21,21,10" },
	{ .name = "numa-4x4",
	  .help = "4 nodes of 4 cores in a ring: distances 16 and 22",
	  .synthetic = "pack:4 [numa] l3:1(size=8MiB) l2:4(size=512kiB) core:1 pu:1",
	  .distance = "10,16,22,16, 16,10,16,22, 22,16,10,16, 16,22,16,10" },
	{ .name = "numa-4x16x2",
	  .help = "4 nodes of 16 cores of 2 threads, each linked to each: distance 21",
	  .synthetic = "pack:4 [numa] l3:1(size=36MiB) l2:16(size=1MiB) core:1 pu:2",
	  .distance = "10,21,21,21, 21,10,21,21, 21,21,10,21, 21,21,21,10" },
	{ .name = "numa-8x64x2",
	  .help = "8 nodes of 64 cores of 2 threads, 1,024 CPUs: distance 21 within four nodes, 31 beyond",
	  .synthetic = "pack:8 [numa] l3:1(size=96MiB) l2:64(size=2MiB) core:1 pu:2",
	  .distance = "10,21,21,21,31,31,31,31, 21,10,21,21,31,31,31,31, 21,21,10,21,31,31,31,31,"
		      "21,21,21,10,31,31,31,31, 31,31,31,31,10,21,21,21, 31,31,31,31,21,10,21,21,"
		      "31,31,31,31,21,21,10,21, 31,31,31,31,21,21,21,10" },
	{ .name = "biglittle-4+4",
	  .help = "two clusters under an L2 each: 4 little cores (capacity 446), 4 big ones",
	  .synthetic = "pack:1 l2:2(size=2MiB) core:4 pu:1",
	  .kinds = "446x4:little,1024x4:big" },
	{ .name = "biglittle-1+3+4",
	  .help = "a phone: 4 little cores (capacity 250), 3 big ones (870), a prime one, under one L3",
	  .synthetic = "pack:1 l3:1(size=4MiB) l2:8(size=512kiB) core:1 pu:1",
	  .kinds = "250x4:little,870x3:big,1024x1:prime" },
	{ .name = "hybrid-4x2+4",
	  .help = "4 fast cores of 2 threads, 4 slow ones (capacity 640)",
	  .synthetic = "pack:1 l3:1(size=16MiB) l2:8(size=1280kiB) core:1 "
		       "pu:2(indexes=0,1,2,3,4,5,6,7,8,12,9,13,10,14,11,15)",
	  .kinds = "1024x8:P,640x4:E",
	  .cpus = 12 },
	/* 64 places of which 20 are there: one core of 2 threads under each of six L2s, four of one under the others. */
	{ .name = "hybrid-6x2+8",
	  .help = "a laptop: 6 fast cores of 2 threads, 8 slow ones (capacity 620) by four under an L2",
	  .synthetic = "pack:1 l3:1(size=24MiB) l2:8(size=2MiB) core:4 pu:2(indexes="
		       "0,1,20,21,22,23,24,25,2,3,26,27,28,29,30,31,4,5,32,33,34,35,36,37,"
		       "6,7,38,39,40,41,42,43,8,9,44,45,46,47,48,49,10,11,50,51,52,53,54,55,"
		       "12,56,13,57,14,58,15,59,16,60,17,61,18,62,19,63)",
	  .kinds = "1024x12:P,620x8:E",
	  .cpus = 20 },
	{ .name = NULL },
};

const struct sr_machine_preset *sr_machine_presets(void)
{
	return presets;
}
