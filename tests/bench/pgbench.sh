# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The pgbench workload's server: a PostgreSQL of its own in $TMP, reached by a unix socket there, started before the
# measurements and stopped after them. Sourced by run.sh.
#
# The server does most of the work and is no descendant of the recorded command: every arm records the whole system.

PG_USER=
PG_PID=

pg_bin() {
	local dir

	for dir in /usr/lib/postgresql/*/bin; do
		[ -x "$dir/initdb" ] && [ -x "$dir/pgbench" ] && echo "$dir"
	done | tail -n 1
}

# PostgreSQL refuses to run as root.
pg_run() {
	runuser -u "$PG_USER" -- env -C "$TMP" "$@"
}

pg_start() {
	local bin dir=$TMP/pg i

	bin=$(pg_bin)
	for PG_USER in ${SUDO_USER:-} postgres nobody; do
		id "$PG_USER" >/dev/null 2>&1 && [ "$(id -u "$PG_USER")" -ne 0 ] && break
	done
	install -d -m 700 -o "$PG_USER" "$dir" || return
	# The disk is not what is measured, and nothing is to run now and then in the background.
	{
		pg_run "$bin/initdb" -D "$dir/data" -U bench -A trust --no-sync &&
			cat >>"$dir/data/postgresql.conf" <<-CONF
				listen_addresses = ''
				unix_socket_directories = '$TMP'
				unix_socket_permissions = 0777
				fsync = off
				synchronous_commit = off
				full_page_writes = off
				autovacuum = off
				checkpoint_timeout = 1h
				max_wal_size = 8GB
				shared_buffers = 256MB
			CONF
	} >"$TMP/pg.log" 2>&1 || return
	pg_run "$bin/postgres" -D "$dir/data" >>"$TMP/pg.log" 2>&1 </dev/null 3>&- &
	PG_PID=$!
	for ((i = 0; i < 100; i++)); do
		"$bin/pg_isready" -q -h "$TMP" -U bench && break
		sleep 0.1
	done
	"$bin/createdb" -h "$TMP" -U bench bench >>"$TMP/pg.log" 2>&1 &&
		"$bin/pgbench" -h "$TMP" -U bench -i -s 8 -q bench >>"$TMP/pg.log" 2>&1
}

# PG_STOP: pg_ctl's way to stop it.
pg_stop() {
	[ -n "$PG_PID" ] || return 0
	pg_run "$(pg_bin)/pg_ctl" -D "$TMP/pg/data" -m "${PG_STOP:-immediate}" stop >/dev/null 2>&1 </dev/null
	wait "$PG_PID"
	PG_PID=
}
