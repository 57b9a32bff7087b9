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

t_case "make uninstall leaves nothing"
touch "$T/root/opt/s/bin/other"
t_status 0 make --no-print-directory uninstall DESTDIR="$T/root" PREFIX=/opt/s
t_equal "$T/root/opt/s/bin/other" "$(find "$T/root" -type f)"
t_ok

t_done
