#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Who may include whom, who may print, and that libraries keep no state:
#   formats/                            includes formats
#   record/ replay/ analyze/ corpus/    include themselves and formats
#   FOLDER/cmd_*.c and .h, schedrec.c   (the command layer) include everything but the others' private headers
#   *internal.h                         is its own folder's
#   tests/                              is included by nobody
#   third-party headers                 only by their owners, named below, and by tests
# shellcheck source=tests/lib.sh
. tests/lib.sh

# header (as it is included), its owners
OWNERS='
tracefs/tracefs.h          record/session.c record/drain.c
traceevent/event-parse.h   record/layout.c record/session.c
traceevent/kbuffer.h       record/page.c record/layout.c
zlib.h                     formats/srz_internal.h
sqlite3.h                  analyze/db.c analyze/db_internal.h corpus/index.c
hwloc.h                    formats/machine_hwloc.c
Rmath.h                    analyze/stats.c
nettle/sha2.h              formats/digest.c
nettle/hmac.h              formats/digest.c
microhttpd.h               corpus/serve_http.c corpus/cmd_libraries.c
curl/curl.h                corpus/s3.c corpus/store_http.c corpus/cmd_libraries.c
schedrec-policy.h          replay/examples/policy-leastloaded.c
'

# The C library's and the kernel's own; any other is a third party's.
SYSTEM='arpa/inet|assert|ctype|dirent|dlfcn|elf|endian|errno|fcntl|float|fnmatch|glob|grp|inttypes|libgen|limits|locale|math|netdb|netinet/in|poll|pthread'
SYSTEM+='|pwd|sched|semaphore|setjmp|signal|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string'
SYSTEM+='|strings|termios|threads|time|unistd|(sys|linux|asm)/[a-z0-9_/-]+'

# A library's files are silent and never exit; these run what is another process already, behind a fork.
PROCESSES='corpus/serve_check.c record/child.c record/janitor.c replay/fork.c replay/groups.c replay/identity.c replay/lifetime.c'
# The option parser, and the command to run.
ARGV='formats/option.c formats/option.h record/child.c record/record.h'

is_command() {
	case $1 in
	schedrec.[ch] | */cmd_*.[ch]) return 0 ;;
	esac
	return 1
}

# Prints a line for each violation in the tree at $1.
violations() (
	cd "$1" || exit
	local file folder kind target words owners

	while IFS=: read -r file kind target; do
		folder=${file%%/*}
		[ "$folder" = "$file" ] && folder=.
		if [ "$kind" = '"' ]; then
			[ -f "$target" ] || echo "$file: includes $target, which is not a path from the root"
			case $target in
			tests/*) [ "$folder" = tests ] || echo "$file: includes $target: nothing includes tests" ;;
			"$folder"/*) ;;
			*internal.h) [ "$folder" = tests ] || echo "$file: includes $target: private to its folder" ;;
			formats/*) ;;
			*)
				[ "$folder" = tests ] || is_command "$file" ||
					echo "$file: includes $target: a library's file of $folder may not"
				;;
			esac
			if is_command "$target" && ! is_command "$file" && [ "$folder" != tests ]; then
				echo "$file: includes $target: a library's file includes the command layer"
			fi
		elif ! [[ $target =~ ^($SYSTEM)\.h$ ]]; then
			[ "$folder" = tests ] && continue
			owners=$(awk -v h="$target" '$1 == h { $1 = ""; print $0 " " }' <<<"$OWNERS")
			[[ $owners == *" $file "* ]] || echo "$file: includes <$target>: owned by${owners:- nobody}"
		fi
	done < <(grep -E '^[[:space:]]*#[[:space:]]*include' -r --include='*.[ch]' --exclude-dir=build --exclude-dir=.git . |
		sed -nE 's/^\.\/([^:]+):[[:space:]]*#[[:space:]]*include[[:space:]]*(["<])([^">]*)[">].*/\1:\2:\3/p')

	for file in formats/*.[ch] record/*.[ch] replay/*.[ch] analyze/*.[ch] corpus/*.[ch]; do
		[ -f "$file" ] || continue
		is_command "$file" && continue
		words='\<(v?printf|v?dprintf|puts|putchar|perror|exit|quick_exit|abort) *\(|\<(stdin|stdout|stderr)\>'
		[[ " $PROCESSES " == *" $file "* ]] || words+='|\<(_exit|signal|sigaction) *\('
		[[ " $ARGV " == *" $file "* ]] || words+='|\<arg[cv]\>'
		grep -Eq "$words" "$file" || continue
		# Comments and strings are not code.
		gcc -fpreprocessed -dD -E -P -x c "$file" 2>/dev/null | sed -E 's/"([^"\]|\\.)*"/""/g' | grep -E "$words" |
			sed "s|^|$file: a library's file prints, exits, handles signals or reads argv: |"
	done
)

t_case "the tree keeps its include directions"
violations . >"$T/found"
t_true "$(cat "$T/found")" [ ! -s "$T/found" ]
t_ok

# The checks above are worth something only if they fail: the same tree with one wrong line at a time.
mkdir "$T/tree"
find . \( -path ./build -o -path ./.git \) -prune -o -name '*.[ch]' -print0 | tar -c --null -T - | tar -x -C "$T/tree"

# wrong NAME FILE LINE: the line in that file must be found, and nothing else.
wrong() {
	t_case "found: $1"
	cp "$2" "$T/kept" 2>/dev/null || rm -f "$T/kept"
	printf '%s\n' "$3" >>"$T/tree/$2"
	violations "$T/tree" >"$T/found"
	t_match "^$2: " "$T/found" && t_true "more found: $(cat "$T/found")" [ "$(grep -vc "^$2: " "$T/found")" -eq 0 ]
	t_ok
	if [ -f "$T/kept" ]; then cp "$T/kept" "$T/tree/$2"; else rm "$T/tree/$2"; fi
}

if [ ! -s "$T/found" ]; then
	wrong "formats includes record" formats/error.c '#include "record/record.h"'
	wrong "replay includes analyze" replay/policy.h '#include "analyze/analyze.h"'
	wrong "analyze includes replay" analyze/analyze.h '	#  include "replay/policy.h"'
	wrong "record includes replay" record/record.h '#include "replay/policy.h"'
	wrong "a library's file includes the command layer" formats/error.c '#include "schedrec.h"'
	wrong "a command includes a private header" formats/cmd_new.c '#include "record/internal.h"'
	wrong "a command includes tests" analyze/cmd_new.c '#include "tests/unit/test_task.c"'
	wrong "a path that is not from the root" formats/error.c '#include "event.h"'
	wrong "sqlite3 outside its owner" analyze/analyze.h '#include <sqlite3.h>'
	wrong "a third party nobody has named" formats/error.c '#include <jansson.h>'
	wrong "a library's file prints" formats/error.c 'static void f(void) { printf("x"); }'
	wrong "a library's file exits" formats/error.c 'static void f(void) { exit(1); }'
	wrong "a library's file handles a signal" formats/error.c 'static void f(void) { signal(2, 0); }'
	wrong "a library's file reads argv" formats/error.c 'static int f(char **argv) { return argv[0][0]; }'
	t_case "not found: words in comments and strings"
	printf '%s\n' '/* exit(1); stderr */ static const char *f = "printf(x) stderr";' >>"$T/tree/formats/error.c"
	violations "$T/tree" >"$T/found"
	t_true "$(cat "$T/found")" [ ! -s "$T/found" ]
	t_ok
fi

# Prints everything writable in an archive, and every thread-local; constants with addresses in them lie in .data.rel.ro.
state() {
	objdump -t "$1" | awk '
		/file format/ { member = $1 }
		NF > 4 && $3 != "d" && $(NF - 2) ~ /^\.(data|bss|tdata|tbss)(\.|$)/ && $(NF - 2) !~ /rel\.ro/ { print member, $NF }
		NF > 4 && $(NF - 2) == "*COM*" { print member, $NF }' | grep -vE ' (__|\.)'
}

t_case "the library keeps no state"
state "$BUILD/libschedrec.a" >"$T/found" 2>"$T/err"
t_true "writable: $(tr '\n' ',' <"$T/found")" [ ! -s "$T/found" ] && t_true "$(cat "$T/err")" [ ! -s "$T/err" ]
t_ok

t_case "found: a library's file keeps state"
cat >"$T/state.c" <<'END'
int global_state;
const char *const constants[] = { "a", "b" };
int count(void);
int count(void)
{
	static int counter;
	static __thread int mine = 3;

	return ++counter + ++mine + global_state;
}
END
gcc -c -o "$T/state.o" "$T/state.c" && ar rcs "$T/state.a" "$T/state.o"
state "$T/state.a" | sed 's/.* //; s/\..*//' | sort | tr '\n' ' ' >"$T/found"
t_equal "counter global_state mine " "$(cat "$T/found")"
t_ok

t_done
