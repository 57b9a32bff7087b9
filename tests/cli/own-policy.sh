#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A policy of the user's own: schedrec-policy.h, what is refused, what is corrected, and with whose rights it is loaded.
# shellcheck source=tests/lib.sh
. tests/lib.sh

CC=${CC:-cc}
HEADER=$PWD/replay
LOAD=$PWD/tests/golden/attributes.srz # one task

# so NAME [FIELDS] [CODE]: $T/NAME.so, whose table has these fields beside the usual; CODE comes before it.
so() {
	local fields=${2:-'.name = "x", .place = stay'}

	cat >"$T/$1.c" <<-END
		#include <schedrec-policy.h>
		static int32_t stay(struct schedrec_engine *e, void *s, const struct schedrec_place *p)
		{
			(void)e; (void)s; (void)p;
			return -1;
		}
		${3:-}
		const struct schedrec_policy schedrec_policy = {
			.abi = SCHEDREC_POLICY_ABI, .size = sizeof(struct schedrec_policy), $fields
		};
	END
	$CC -I"$HEADER" -shared -fPIC -o "$T/$1.so" "$T/$1.c"
}

t_case "the header stands alone in C"
echo '#include "replay/schedrec-policy.h"' >"$T/h.c"
t_need "$CC" && for std in c99 c11; do
	t_status 0 "$CC" -std=$std -pedantic -Wall -Wextra -Werror -fsyntax-only -I. "$T/h.c"
done
t_ok
t_case "the header stands alone in C++, and a policy may be written in it"
cat >"$T/cxx.cc" <<'END'
#include "replay/schedrec-policy.h"
static int32_t place(schedrec_engine *e, void *, const struct schedrec_place *p)
{
	return schedrec_may_use(e, 0, p->allowed) ? 0 : -1;
}
static struct schedrec_policy make()
{
	struct schedrec_policy p = {};
	p.abi = SCHEDREC_POLICY_ABI;
	p.size = sizeof(p);
	p.name = "cxx";
	p.place = place;
	return p;
}
const struct schedrec_policy schedrec_policy = make();
END
t_need c++ && t_status 0 c++ -std=c++11 -pedantic -Wall -Wextra -Werror -I. -shared -fPIC -o "$T/cxx.so" "$T/cxx.cc" &&
	t_status 0 "$SCHEDREC" policies "$T/cxx.so" && t_match '^cxx: a policy of the user' "$T/out"
t_ok

# refused STATUS TEXT NAME: neither command takes $T/NAME.so.
refused() {
	t_status "$1" "$SCHEDREC" policies "$T/$3.so" && t_one_line "$T/err" && t_match "$2" "$T/err" &&
		t_status "$1" "$SCHEDREC" replay -q --self "$LOAD" --policy "bld,$T/$3.so" && t_one_line "$T/err" &&
		t_match "$2" "$T/err"
}

t_case "a file that is not there, a directory, a file that is no object"
mkdir "$T/dir.so"
echo "int main;" >"$T/text.so"
: >"$T/empty.so"
refused 3 'none.so: No such file' none && refused 3 'dir.so: not a file' dir &&
	refused 4 'text.so: not a shared object' text && refused 4 'empty.so: not a shared object' empty
t_ok

t_case "an object for another kind of machine"
so foreign && printf '\x12\x34' | dd of="$T/foreign.so" bs=1 seek=18 conv=notrunc status=none
refused 4 'another kind of machine' foreign
t_ok

t_case "an object without the symbol, and one that needs what there is not"
$CC -shared -fPIC -o "$T/nosymbol.so" -x c - <<<'int schedrec_police;'
so undefined '.name = "x", .place = nowhere' \
	'extern int32_t nowhere(struct schedrec_engine *, void *, const struct schedrec_place *);'
$CC -shared -fPIC -o "$T/libgone.so" -x c - <<<'int gone(void) { return 1; }'
$CC -shared -fPIC -o "$T/needy.so" -x c -Wl,--no-as-needed "-L$T" -lgone -x c - <<<'int schedrec_police;'
rm "$T/libgone.so"
refused 4 'no symbol schedrec_policy' nosymbol && refused 4 'undefined symbol: nowhere' undefined &&
	refused 3 'libgone.so: cannot open' needy
t_ok

t_case "a table of another version or size, without its function, with a wrong name"
so version '.abi = 7, .name = "x", .place = stay'
so newer '.size = 4096, .name = "x", .place = stay'
so noplace '.name = "x"'
so ours '.name = "kernel", .place = stay'
so noname '.place = stay'
refused 4 'version 7 of the policy interface, and this is 1' version && refused 4 'a newer schedrec' newer &&
	refused 4 'has no place function' noplace && refused 4 "schedrec's own 'kernel'" ours &&
	refused 4 "the policy's name is to be" noname
t_ok

t_case "an option that its init refuses is a usage error in its words"
so picky '.name = "picky", .place = stay, .init = init' 'static int init(struct schedrec_engine *e, const char *o, void **s)
	{ (void)s; return o ? e->refuse(e, "no option pleases me") : 0; }'
t_status 2 "$SCHEDREC" replay -q --self "$LOAD" --policy "$T/picky.so:a=b" && t_one_line "$T/err" &&
	t_match 'policy picky: no option pleases me$' "$T/err" &&
	t_status 0 "$SCHEDREC" replay -q --self "$LOAD" --policy "$T/picky.so"
t_ok

t_case "a policy runs beside schedrec's, by its own name, in a file without a slash"
so plain '.name = "plain", .place = stay, .options = rows' 'static const struct schedrec_option rows[] =
	{ { "depth", "N", "4", "how deep" }, { 0 } };'
beside() (
	cd "$T" && "$SCHEDREC" replay -q --self --json -o 'run-%p.srz' --policy bld,plain.so "$LOAD"
)
t_status 0 beside && t_match '"policy": "plain"' "$T/out" && t_match '"policy_cpu_lacking": 0' "$T/out" &&
	"$SCHEDREC" info --json "$T/run-plain.srz" >"$T/info" && t_match '"replay.policy": "plain"' "$T/info" &&
	t_match "\"replay.policy_sha256\": \"$(sha256sum <"$T/plain.so" | cut -d' ' -f1)\"" "$T/info"
t_ok

t_case "what it says of itself is told, and as JSON"
t_status 0 "$SCHEDREC" policies "$T/plain.so" && t_match '^  depth=N \(default: 4\)$' "$T/out" &&
	t_status 0 "$SCHEDREC" policies --json "$T/plain.so" && t_match '"key": "depth"' "$T/out"
t_ok

t_case "a CPU that does not exist is corrected, counted and told"
so wild '.name = "wild", .place = beyond' 'static int32_t beyond(struct schedrec_engine *e, void *s,
	const struct schedrec_place *p) { (void)s; (void)p; return (int32_t)e->ncpus; }'
t_status 0 "$SCHEDREC" replay -q --self --json --policy "$T/wild.so" "$LOAD" &&
	t_match '"policy_cpu_lacking": [1-9]' "$T/out" &&
	t_match 'warning: wild: [0-9]+ placements named a CPU that is not there' "$T/err"
t_ok

t_case "a CPU that the replay may not use is corrected, counted and told"
so other '.name = "other", .place = last' 'static int32_t last(struct schedrec_engine *e, void *s,
	const struct schedrec_place *p) { (void)s; (void)p; return (int32_t)e->ncpus - 1; }'
if [ "$(nproc)" -lt 2 ]; then
	t_skip "one CPU"
else
	t_status 0 "$SCHEDREC" replay -q --self --json --cpus 0 --policy "$T/other.so" "$LOAD" &&
		t_match '"policy_cpu_lacking": [1-9]' "$T/out"
fi
t_ok

t_case "it runs in a replay with processes"
t_status 0 "$SCHEDREC" replay -q --self --processes --policy "$T/plain.so" "$LOAD"
t_ok

# The constructor tells who loads it, in the file that the environment names.
so who '.name = "who", .place = stay' '#include <stdio.h>
	#include <stdlib.h>
	#include <unistd.h>
	__attribute__((constructor)) static void tell(void)
	{ FILE *f = fopen(getenv("WHO"), "w"); if (f) { fprintf(f, "%d\n", (int)geteuid()); fclose(f); } }'

t_case "under sudo it is loaded as the user who called it"
mkdir "$T/theirs"
t_need_root && chmod 755 "$T" && chown 65534:65534 "$T/theirs" &&
	t_status 0 env SUDO_UID=65534 SUDO_GID=65534 "WHO=$T/theirs/1" \
		"$SCHEDREC" replay -q --self --policy "$T/who.so" "$LOAD" && t_equal 65534 "$(<"$T/theirs/1")" &&
	t_status 0 env SUDO_UID=65534 SUDO_GID=65534 "WHO=$T/theirs/2" "$SCHEDREC" policies "$T/who.so" &&
	t_equal 65534 "$(<"$T/theirs/2")"
t_ok

t_case "a setuid schedrec loads none"
if t_need_root && t_need setpriv && cp "$SCHEDREC" "$T/setuid" && chmod 4755 "$T/setuid"; then
	as_user="setpriv --reuid=65534 --regid=65534 --clear-groups"
	if [ "$($as_user "$T/setuid" --version 2>&1)" != "$("$SCHEDREC" --version)" ] ||
		findmnt -nT "$T" -o OPTIONS | grep -q nosuid; then
		t_skip "no setuid programs in $T"
	else
		# shellcheck disable=SC2086
		t_status 3 $as_user env "WHO=$T/theirs/3" "$T/setuid" policies "$T/who.so" && t_one_line "$T/err" &&
			t_match 'loads no policies' "$T/err" &&
			t_status 3 $as_user env "WHO=$T/theirs/3" "$T/setuid" replay -q --self --policy "$T/who.so" "$LOAD" &&
			t_match 'loads no policies' "$T/err" && t_true "it was loaded" [ ! -e "$T/theirs/3" ]
	fi
fi
t_ok

t_done
