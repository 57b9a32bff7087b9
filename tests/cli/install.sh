#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# make install and uninstall.
# shellcheck source=tests/lib.sh
. tests/lib.sh

t_case "make install puts program, man pages and completion below DESTDIR and PREFIX"
t_status 0 make --no-print-directory install DESTDIR="$T/root" PREFIX=/opt/s
t_true "no program" [ -x "$T/root/opt/s/bin/schedrec" ]
t_true "no man page" [ -s "$T/root/opt/s/share/man/man1/schedrec-record.1" ]
t_true "no completion" [ -s "$T/root/opt/s/share/bash-completion/completions/schedrec" ]
t_status 0 "$T/root/opt/s/bin/schedrec" --version
t_ok

t_case "make install puts the policies' header, their text and an example there too"
t_true "no header" [ -s "$T/root/opt/s/include/schedrec-policy.h" ]
t_true "no text" [ -s "$T/root/opt/s/share/doc/schedrec/POLICIES.md" ]
t_true "no example" [ -s "$T/root/opt/s/share/doc/schedrec/examples/policy-leastloaded.c" ]
t_ok

t_case "make install puts the unit of the corpus server there, with the path of the program in it"
unit=$T/root/opt/s/lib/systemd/system/schedrec-corpus.service
t_match '^ExecStart=/opt/s/bin/schedrec corpus serve ' "$unit" && t_no_match '/usr/local/bin' "$unit"
t_true "no text of the protocol" [ -s "$T/root/opt/s/share/doc/schedrec/PROTOCOL.md" ]
t_ok

# As a user would: the installed program, header and example, and an account without any privilege.
t_case "the installed example builds against the installed header and runs a replay without root"
user=
[ "$(id -u)" -eq 0 ] && user="setpriv --reuid=65534 --regid=65534 --clear-groups"
mkdir "$T/mine" && cp "$T/root/opt/s/share/doc/schedrec/examples/"* tests/golden/attributes.srz "$T/mine"
[ -z "$user" ] || { chmod 755 "$T" && chown -R 65534:65534 "$T/mine"; }
as_user() (
	cd "$T/mine" && $user env TMPDIR="$T/mine" PATH="$T/root/opt/s/bin:$PATH" "$@"
)
t_need make && { [ -z "$user" ] || t_need setpriv; } &&
	t_status 0 as_user make -s CPPFLAGS="-I$T/root/opt/s/include -Werror" policy-leastloaded.so &&
	t_status 0 as_user schedrec policies ./policy-leastloaded.so && t_match '^leastloaded: ' "$T/out" &&
	t_status 0 as_user schedrec replay -q --json --policy bld,./policy-leastloaded.so:stay=2 attributes.srz &&
	t_match '"policy": "leastloaded:stay=2"' "$T/out" && t_match '"decisions": [1-9]' "$T/out" &&
	t_status 2 as_user schedrec replay -q --policy ./policy-leastloaded.so:stay=x attributes.srz &&
	t_match 'policy leastloaded: stay=N' "$T/err"
t_ok

t_case "the example's own Makefile finds the header beside it"
t_status 0 make -s -C "$T/root/opt/s/share/doc/schedrec/examples" &&
	t_status 0 make -s -C "$T/root/opt/s/share/doc/schedrec/examples" all &&
	rm "$T/root/opt/s/share/doc/schedrec/examples/policy-leastloaded.so"
t_ok

t_case "make uninstall leaves nothing"
touch "$T/root/opt/s/bin/other"
t_status 0 make --no-print-directory uninstall DESTDIR="$T/root" PREFIX=/opt/s
t_equal "$T/root/opt/s/bin/other" "$(find "$T/root" -type f)"
t_true "its folder is left" [ ! -e "$T/root/opt/s/share/doc/schedrec" ]
t_ok

t_done
