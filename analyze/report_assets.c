/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a report is made of, taken in by the assembler: this folder's own page, style and script, and the charts'
 * libraries, which web/fetch.sh brings into build/web (empty files where it could not).
 */
#include "analyze/report_internal.h"

#define ASSET(name, path)                                                    \
	__asm__(".pushsection .rodata.ana_asset_" #name ",\"a\",%progbits\n" \
		".global ana_asset_" #name ", ana_asset_" #name "_end\n"     \
		"ana_asset_" #name ":\n"                                     \
		".incbin \"" path "\"\n"                                     \
		"ana_asset_" #name "_end:\n"                                 \
		".byte 0\n"                                                  \
		".popsection\n");                                            \
	extern const char ana_asset_##name[], ana_asset_##name##_end[]

ASSET(page, "analyze/web/report.html");
ASSET(style, "analyze/web/report.css");
ASSET(script, "analyze/web/report.js");
ASSET(lib_style, "build/web/charts.css");
ASSET(lib, "build/web/charts.js");

struct ana_asset ana_report_asset(enum ana_asset_id id)
{
	const struct {
		const char *text, *end;
	} all[ANA_ASSETS] = {
		[ANA_ASSET_PAGE] = { ana_asset_page, ana_asset_page_end },
		[ANA_ASSET_STYLE] = { ana_asset_style, ana_asset_style_end },
		[ANA_ASSET_SCRIPT] = { ana_asset_script, ana_asset_script_end },
		[ANA_ASSET_LIB_STYLE] = { ana_asset_lib_style, ana_asset_lib_style_end },
		[ANA_ASSET_LIB] = { ana_asset_lib, ana_asset_lib_end },
	};

	return (struct ana_asset){ all[id].text, (size_t)(all[id].end - all[id].text) };
}

bool ana_report_can(void)
{
	return ana_report_asset(ANA_ASSET_LIB).len > 0;
}
