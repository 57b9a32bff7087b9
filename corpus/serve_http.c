/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP for the server: the one owner of libmicrohttpd. A thread a connection, and one that watches over their time:
 * libmicrohttpd ends a connection only when nothing moves, which a byte a second is not.
 *
 *	waiting    for a request's head: until header_ns after the connection, or the answer before
 *	reading    its body: min_rate on average after a grace
 *	working    nothing is waited for from the client
 *	sending    the answer: what the client's system has acknowledged must keep min_rate on average
 *
 * A connection that is late is shut down; its thread then ends by itself.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "corpus/serve_internal.h"

#define GRACE_NS (10ull * 1000000000)
#define TICK_NS 250000000ull
#define IDLE_S 60          /* nothing moves */
#define POOL (64u << 10)   /* of a connection: head and buffers */
#define STACK (512u << 10) /* of its thread; sanitizers need more than its frames do */
#define BACKLOG 256
#define TLS_BLOCK (64u << 10) /* what is read of a file at once, where the kernel cannot send it by itself */

enum phase { WAITING, READING, WORKING, SENDING };
static const char *const phase_names[] = { "waiting", "reading", "working", "sending" };

struct connection {
	struct connection *prev, *next;
	int fd;
	unsigned char address[CRP_ADDRESS];
	char remote[48];
	enum phase phase;
	uint64_t since_ns, base; /* when the phase began; bytes acknowledged by then */
	uint64_t got;            /* of the body */
	bool cut;
};

struct exchange {
	struct crp_request r;
	struct crp_answer a;
	bool begun, answered;
	uint64_t body; /* bytes of the answer's */
};

struct crp_http {
	struct crp_server *s;
	struct MHD_Daemon *daemon;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t watch;
	struct connection *first;
	unsigned n;
	bool end, watching;
	int listener;
	char url[160];
};

/* Addresses */

static void address_of(const struct sockaddr *sa, unsigned char out[CRP_ADDRESS], char text[48])
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *four = (const struct sockaddr_in *)sa;

	memset(out, 0, CRP_ADDRESS);
	*text = '\0';
	if (sa->sa_family == AF_INET) {
		out[10] = out[11] = 0xff;
		memcpy(out + 12, &four->sin_addr, 4);
		inet_ntop(AF_INET, &four->sin_addr, text, 48);
	} else if (sa->sa_family == AF_INET6) {
		bool mapped = IN6_IS_ADDR_V4MAPPED(&six->sin6_addr);

		memcpy(out, &six->sin6_addr, mapped ? 16 : 8);
		inet_ntop(AF_INET6, &six->sin6_addr, text, 48);
	}
}

static bool is_loopback(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)sa)->sin_addr.s_addr) >> 24 == 127;
	return sa->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)sa)->sin6_addr);
}

/* "HOST:PORT" or "[V6]:PORT" into its parts. */
static int split_address(const char *text, char host[128], char port[8], struct sr_error *err)
{
	const char *colon = strrchr(text, ':'), *start = text;
	size_t len = colon ? (size_t)(colon - text) : 0;

	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		start++;
		len -= 2;
	} else if (len && memchr(text, ':', len)) {
		len = 0;
	}
	if (!len || len >= 128 || strlen(colon + 1) > 5 || !colon[1] ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return sr_fail(err, SR_USAGE, "--listen %.100s: an address is HOST:PORT or [V6]:PORT", text);
	memcpy(host, start, len);
	host[len] = '\0';
	memcpy(port, colon + 1, strlen(colon + 1) + 1);
	return 0;
}

static int listen_on(const struct addrinfo *ai)
{
	int on = 1, saved, fd;

	fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, ai->ai_protocol);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!bind(fd, ai->ai_addr, ai->ai_addrlen) && !listen(fd, BACKLOG))
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static void make_url(struct crp_http *h, bool tls)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	char host[64] = "?", port[16] = "?";

	if (!getsockname(h->listener, (struct sockaddr *)&sa, &len))
		getnameinfo((struct sockaddr *)&sa, len, host, sizeof(host), port, sizeof(port),
			    NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(h->url, sizeof(h->url), strchr(host, ':') ? "%s://[%s]:%s" : "%s://%s:%s", tls ? "https" : "http",
		 host, port);
}

static int open_listener(struct crp_http *h, struct sr_error *err)
{
	const struct crp_serve_options *o = &h->s->o;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *all;
	char host[128], port[8];
	bool local = true;
	int why;

	if (split_address(o->listen, host, port, err))
		return -1;
	why = getaddrinfo(host, port, &hints, &all);
	if (why)
		return sr_fail(err, SR_USAGE, "--listen %.100s: %s", o->listen, gai_strerror(why));
	for (const struct addrinfo *ai = all; ai; ai = ai->ai_next)
		local &= is_loopback(ai->ai_addr);
	if (!o->cert_pem && !o->plain_anywhere && !local) {
		freeaddrinfo(all);
		return sr_fail(err, SR_USAGE,
			       "--listen %.100s: tokens would cross the network in the clear: give --tls-cert and "
			       "--tls-key, or --plain-http where something in front of the server does TLS",
			       o->listen);
	}
	for (struct addrinfo *ai = all; ai && h->listener < 0; ai = ai->ai_next)
		h->listener = listen_on(ai);
	freeaddrinfo(all);
	if (h->listener < 0)
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot listen on %.100s", o->listen);
	make_url(h, o->cert_pem != NULL);
	return 0;
}

/* Connections and their time */

static uint64_t acknowledged(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) ? 0 : info.tcpi_bytes_acked;
}

static void enter(struct crp_http *h, struct connection *c, enum phase phase)
{
	pthread_mutex_lock(&h->lock);
	c->phase = phase;
	c->since_ns = crp_now_ns();
	c->base = phase == SENDING ? acknowledged(c->fd) : 0;
	c->got = 0;
	pthread_mutex_unlock(&h->lock);
}

static bool is_late(const struct crp_http *h, const struct connection *c, uint64_t now)
{
	const struct crp_serve_options *o = &h->s->o;
	uint64_t took = now - c->since_ns, done;

	if (c->phase == WORKING)
		return false;
	if (c->phase == WAITING)
		return took > o->header_ns;
	if (took > o->transfer_ns)
		return true;
	if (took < GRACE_NS)
		return false;
	done = c->phase == READING ? c->got : acknowledged(c->fd) - c->base;
	return (double)done < (double)(took - GRACE_NS) / 1e9 * (double)o->min_rate;
}

static void *watch(void *arg)
{
	struct crp_http *h = arg;

	pthread_mutex_lock(&h->lock);
	while (!h->end) {
		uint64_t now = crp_now_ns(), until = now + TICK_NS;
		struct timespec t = { (time_t)(until / 1000000000), (long)(until % 1000000000) };

		for (struct connection *c = h->first; c; c = c->next) {
			if (c->cut || !is_late(h, c, now))
				continue;
			c->cut = true;
			shutdown(c->fd, SHUT_RDWR);
			/* An idle connection that ends is no news. */
			if (c->phase != WAITING)
				crp_log_event(h->s, "slow", c->remote, phase_names[c->phase]);
			atomic_fetch_add(&h->s->count[CRP_C_SLOW], 1);
		}
		if (h->first)
			pthread_cond_timedwait(&h->wake, &h->lock, &t);
		else
			pthread_cond_wait(&h->wake, &h->lock);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

static enum MHD_Result accept_policy(void *arg, const struct sockaddr *sa, socklen_t len)
{
	struct crp_http *h = arg;
	unsigned char address[CRP_ADDRESS];
	unsigned same = 0;
	char remote[48];

	address_of(sa, address, remote);
	pthread_mutex_lock(&h->lock);
	for (const struct connection *c = h->first; c; c = c->next)
		same += !memcmp(c->address, address, CRP_ADDRESS);
	pthread_mutex_unlock(&h->lock);
	if (same < h->s->o.address_connections)
		return MHD_YES;
	atomic_fetch_add(&h->s->count[CRP_C_TURNED_AWAY], 1);
	return MHD_NO;
}

static void connection_begins(struct crp_http *h, struct MHD_Connection *mc, void **context)
{
	const union MHD_ConnectionInfo *fd = MHD_get_connection_info(mc, MHD_CONNECTION_INFO_CONNECTION_FD);
	const union MHD_ConnectionInfo *sa = MHD_get_connection_info(mc, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct connection *c = fd && sa ? calloc(1, sizeof(*c)) : NULL;

	*context = c;
	if (!c)
		return;
	c->fd = fd->connect_fd;
	c->since_ns = crp_now_ns();
	address_of(sa->client_addr, c->address, c->remote);
	pthread_mutex_lock(&h->lock);
	c->next = h->first;
	if (c->next)
		c->next->prev = c;
	h->first = c;
	h->n++;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
}

/* Before libmicrohttpd closes the descriptor. */
static void connection_ends(struct crp_http *h, void **context)
{
	struct connection *c = *context;

	if (!c)
		return;
	*context = NULL;
	pthread_mutex_lock(&h->lock);
	if (c->next)
		c->next->prev = c->prev;
	if (c->prev)
		c->prev->next = c->next;
	else
		h->first = c->next;
	h->n--;
	pthread_mutex_unlock(&h->lock);
	free(c);
}

static void notify(void *arg, struct MHD_Connection *mc, void **context, enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		connection_begins(arg, mc, context);
	else
		connection_ends(arg, context);
}

static struct connection *connection_of(struct MHD_Connection *mc)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(mc, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return i ? i->socket_context : NULL;
}

/* Requests */

static enum MHD_Result take_header(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct crp_head *h = arg;
	const struct {
		const char *name;
		const char **into;
	} wanted[] = {
		{ "Authorization", &h->authorization },
		{ "Content-Encoding", &h->content_encoding },
		{ "Content-Length", &h->content_length },
		{ "If-Match", &h->if_match },
		{ "If-None-Match", &h->if_none_match },
		{ "If-Range", &h->if_range },
		{ "Range", &h->range },
		{ "Schedrec-Deletion-Token", &h->deletion_token },
		{ "Schedrec-Row", &h->row },
		{ "Transfer-Encoding", &h->transfer_encoding },
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (strcasecmp(key, wanted[i].name) != 0)
			continue;
		h->doubled |= *wanted[i].into != NULL;
		*wanted[i].into = value ? value : "";
		h->content_lengths += wanted[i].into == &h->content_length;
	}
	return MHD_YES;
}

static enum MHD_Result take_argument(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct crp_head *h = arg;
	const char **into;

	if (!strcmp(key, "q")) {
		into = &h->q;
	} else if (!strcmp(key, "after")) {
		into = &h->after;
	} else if (!strcmp(key, "limit")) {
		into = &h->limit;
	} else {
		h->others++;
		return MHD_YES;
	}
	if (*into)
		h->others++;
	*into = value ? value : "";
	return MHD_YES;
}

static void header(struct MHD_Response *m, const char *name, const char *value)
{
	MHD_add_response_header(m, name, value);
}

static void add_headers(const struct crp_http *h, struct MHD_Response *m, const struct crp_answer *a)
{
	char text[128];

	header(m, "X-Content-Type-Options", "nosniff");
	header(m, "Referrer-Policy", "no-referrer");
	header(m, "Cross-Origin-Resource-Policy", "same-origin");
	header(m, "Content-Security-Policy",
	       a->page ? "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors "
			 "'none'" :
			 "default-src 'none'; frame-ancestors 'none'");
	/* What may be removed must not live on in caches. */
	header(m, "Cache-Control", a->keep ? "no-cache" : "no-store");
	if (h->s->o.cert_pem)
		header(m, "Strict-Transport-Security", "max-age=31536000");
	if (a->type)
		header(m, "Content-Type", a->type);
	if (*a->etag) {
		snprintf(text, sizeof(text), "\"%s\"", a->etag);
		header(m, "ETag", text);
	}
	if (a->total)
		header(m, "Accept-Ranges", "bytes");
	if (a->status == 206 || a->status == 416) {
		if (a->status == 416)
			snprintf(text, sizeof(text), "bytes */%llu", (unsigned long long)a->total);
		else
			snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)a->offset,
				 (unsigned long long)(a->offset + a->length - 1), (unsigned long long)a->total);
		header(m, "Content-Range", text);
	}
	if (a->allow)
		header(m, "Allow", a->allow);
	if (a->auth)
		header(m, "WWW-Authenticate", a->auth);
	if (a->retry_s) {
		snprintf(text, sizeof(text), "%u", a->retry_s);
		header(m, "Retry-After", text);
	}
	if (a->more)
		header(m, "Schedrec-More", "1");
	if (a->close || atomic_load(&h->s->ending))
		header(m, "Connection", "close");
}

struct part {
	int fd;
	uint64_t offset;
};

static ssize_t read_part(void *arg, uint64_t at, char *buf, size_t max)
{
	const struct part *p = arg;
	ssize_t got;

	do
		got = pread(p->fd, buf, max, (off_t)(p->offset + at));
	while (got < 0 && errno == EINTR);
	/* The file has become shorter: what is missing cannot be made up. */
	return got > 0 ? got : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void close_part(void *arg)
{
	struct part *p = arg;

	close(p->fd);
	free(p);
}

/* Takes the descriptor in any case. */
static struct MHD_Response *file_response(const struct crp_http *h, const struct crp_answer *a)
{
	struct MHD_Response *m;
	struct part *p;

	if (!h->s->o.cert_pem) {
		m = MHD_create_response_from_fd_at_offset64(a->length, a->fd, a->offset);
		if (!m)
			close(a->fd);
		return m;
	}
	p = malloc(sizeof(*p));
	if (!p) {
		close(a->fd);
		return NULL;
	}
	*p = (struct part){ a->fd, a->offset };
	m = MHD_create_response_from_callback(a->length, TLS_BLOCK, read_part, p, close_part);
	if (!m)
		close_part(p);
	return m;
}

static ssize_t no_part(void *arg, uint64_t at, char *buf, size_t max)
{
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

static enum MHD_Result respond(struct crp_http *h, struct MHD_Connection *mc, struct connection *c, struct exchange *x)
{
	struct crp_answer *a = &x->a;
	struct MHD_Response *m;
	enum MHD_Result ret;

	if (a->fd >= 0) {
		m = file_response(h, a);
		x->body = a->length;
		a->fd = -1;
	} else if (a->status == 304) {
		/* It has the length of what is not sent: that of an empty one would say that the object is. */
		m = MHD_create_response_from_callback(a->length, 1, no_part, NULL, NULL);
	} else {
		m = MHD_create_response_from_buffer(a->size, a->body, MHD_RESPMEM_MUST_FREE);
		x->body = a->size;
		if (!m)
			free(a->body);
		a->body = NULL;
	}
	if (!m)
		return MHD_NO;
	x->answered = true;
	x->r.status = a->status;
	add_headers(h, m, a);
	enter(h, c, SENDING);
	ret = MHD_queue_response(mc, a->status, m);
	MHD_destroy_response(m);
	return ret;
}

static enum MHD_Result begin(struct crp_http *h, struct MHD_Connection *mc, struct connection *c, struct exchange *x,
			     const struct crp_head *head)
{
	int answered;

	x->begun = true;
	enter(h, c, WORKING);
	answered = crp_request_begin(&x->r, head, &x->a);
	if (answered)
		return respond(h, mc, c, x);
	enter(h, c, READING);
	return MHD_YES;
}

static bool wants_body(const struct crp_head *head)
{
	return head->transfer_encoding || (head->content_length && strcmp(head->content_length, "0") != 0);
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *mc, const char *url, const char *method,
			      const char *version, const char *data, size_t *size, void **context)
{
	struct crp_http *h = arg;
	struct connection *c = connection_of(mc);
	struct exchange *x = *context;
	struct crp_head head = { .method = method, .path = url };
	bool first = !x;

	if (!c)
		return MHD_NO;
	if (first) {
		x = calloc(1, sizeof(*x));
		if (!x)
			return MHD_NO;
		*context = x;
		x->a.fd = -1;
		x->r.s = h->s;
		x->r.start_ns = crp_now_ns();
		memcpy(x->r.address, c->address, CRP_ADDRESS);
		memcpy(x->r.remote, c->remote, sizeof(x->r.remote));
	}
	if (!x->begun) {
		MHD_get_connection_values(mc, MHD_HEADER_KIND, take_header, &head);
		MHD_get_connection_values(mc, MHD_GET_ARGUMENT_KIND, take_argument, &head);
		/* Without a body the answer has to wait for the second call, or the connection could not go on. */
		if (first && !wants_body(&head) && strcmp(method, "PUT") != 0)
			return MHD_YES;
		if (first)
			x->a.close = true; /* only an answer before the body is that soon */
		if (begin(h, mc, c, x, &head) != MHD_YES)
			return MHD_NO;
		if (!x->answered)
			x->a.close = false;
		return MHD_YES;
	}
	if (*size) {
		pthread_mutex_lock(&h->lock);
		c->got += *size;
		pthread_mutex_unlock(&h->lock);
		if (!x->answered)
			crp_request_data(&x->r, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (x->answered)
		return MHD_YES;
	enter(h, c, WORKING);
	crp_request_end(&x->r, &x->a);
	return respond(h, mc, c, x);
}

static void completed(void *arg, struct MHD_Connection *mc, void **context, enum MHD_RequestTerminationCode how)
{
	struct crp_http *h = arg;
	struct connection *c = connection_of(mc);
	struct exchange *x = *context;
	bool whole = how == MHD_REQUEST_TERMINATED_COMPLETED_OK;

	*context = NULL;
	if (!x)
		return;
	if (x->begun)
		crp_request_release(&x->r, whole && x->r.method != CRP_HEAD ? x->body : 0, whole);
	if (x->a.fd >= 0)
		close(x->a.fd);
	free(x->a.body);
	free(x);
	if (c)
		enter(h, c, WAITING);
}

/* Names are matched as they were sent: nothing is decoded. */
static size_t keep_escaped(void *arg, struct MHD_Connection *mc, char *s)
{
	return strlen(s);
}

/* What it says may hold a client's bytes; it is counted. */
static void count_error(void *arg, const char *fmt, va_list ap)
{
	struct crp_server *s = arg;

	atomic_fetch_add(&s->count[CRP_C_HTTP_ERRORS], 1);
}

/* Start and end */

static int start_daemon(struct crp_http *h, struct sr_error *err)
{
	const struct crp_serve_options *o = &h->s->o;
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC |
			 MHD_USE_ERROR_LOG;
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)o->cert_pem },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)o->key_pem },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)"SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" },
		{ MHD_OPTION_END, 0, NULL },
	};

	if (o->cert_pem)
		flags |= MHD_USE_TLS;
	else
		tls[0].option = MHD_OPTION_END;
	h->daemon = MHD_start_daemon(flags, 0, accept_policy, h, handle, h, MHD_OPTION_EXTERNAL_LOGGER, count_error,
				     h->s, MHD_OPTION_LISTEN_SOCKET, h->listener, MHD_OPTION_CONNECTION_LIMIT,
				     o->connections, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL, MHD_OPTION_THREAD_STACK_SIZE,
				     (size_t)STACK, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED,
				     completed, h, MHD_OPTION_NOTIFY_CONNECTION, notify, h,
				     MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL, MHD_OPTION_ARRAY, tls,
				     MHD_OPTION_END);
	if (h->daemon) {
		h->listener = -1;
		return 0;
	}
	return sr_fail(err, SR_ENVIRONMENT, "the HTTP server does not start%s",
		       o->cert_pem ? ": are certificate and key PEM files that belong together?" : "");
}

struct crp_http *crp_http_start(struct crp_server *s, struct sr_error *err)
{
	struct crp_http *h = calloc(1, sizeof(*h));
	pthread_condattr_t clock;

	if (!h) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	h->s = s;
	h->listener = -1;
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&h->wake, &clock);
	pthread_condattr_destroy(&clock);
	if (!open_listener(h, err)) {
		if (pthread_create(&h->watch, NULL, watch, h))
			sr_fail(err, SR_ENVIRONMENT, "cannot start a thread");
		else
			h->watching = true;
	}
	if (h->watching && !start_daemon(h, err))
		return h;
	crp_http_stop(h);
	return NULL;
}

const char *crp_http_url(const struct crp_http *h)
{
	return h->url;
}

unsigned crp_http_connections(struct crp_http *h)
{
	unsigned n;

	pthread_mutex_lock(&h->lock);
	n = h->n;
	pthread_mutex_unlock(&h->lock);
	return n;
}

unsigned crp_http_busy(struct crp_http *h)
{
	unsigned n = 0;

	pthread_mutex_lock(&h->lock);
	for (const struct connection *c = h->first; c; c = c->next)
		n += c->phase != WAITING;
	pthread_mutex_unlock(&h->lock);
	return n;
}

void crp_http_quiesce(struct crp_http *h)
{
	int fd = MHD_quiesce_daemon(h->daemon);

	if (fd >= 0)
		close(fd);
}

unsigned crp_http_stop(struct crp_http *h)
{
	unsigned cut = 0;

	pthread_mutex_lock(&h->lock);
	for (struct connection *c = h->first; c; c = c->next) {
		cut += c->phase != WAITING;
		c->cut = true;
		shutdown(c->fd, SHUT_RDWR);
	}
	h->end = true;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
	if (h->daemon)
		MHD_stop_daemon(h->daemon);
	if (h->watching)
		pthread_join(h->watch, NULL);
	if (h->listener >= 0)
		close(h->listener);
	pthread_cond_destroy(&h->wake);
	pthread_mutex_destroy(&h->lock);
	free(h);
	return cut;
}
