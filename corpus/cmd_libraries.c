/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libcurl and libmicrohttpd, loaded when they are first used. With what they bring along they are most of the libraries
 * of the program, and loading those was most of the time of a short command; only a corpus elsewhere needs them. The
 * functions here stand in the program for the libraries' own and hand on to them. libschedrec.a knows nothing of it:
 * whoever else links that links the libraries, too.
 */
#include <curl/curl.h>
#include <dlfcn.h>
#include <microhttpd.h>
#include <pthread.h>
#include <string.h>

#include "schedrec.h"

#define CURL_FUNCTIONS(X)      \
	X(curl_global_init)    \
	X(curl_global_cleanup) \
	X(curl_easy_init)      \
	X(curl_easy_cleanup)   \
	X(curl_easy_reset)     \
	X(curl_easy_setopt)    \
	X(curl_easy_perform)   \
	X(curl_easy_getinfo)   \
	X(curl_easy_strerror)  \
	X(curl_slist_append)   \
	X(curl_slist_free_all) \
	X(curl_url)            \
	X(curl_url_get)        \
	X(curl_url_set)        \
	X(curl_url_cleanup)    \
	X(curl_free)

#define MHD_FUNCTIONS(X)                           \
	X(MHD_start_daemon_va)                     \
	X(MHD_quiesce_daemon)                      \
	X(MHD_stop_daemon)                         \
	X(MHD_get_connection_info)                 \
	X(MHD_get_connection_values)               \
	X(MHD_create_response_from_buffer)         \
	X(MHD_create_response_from_callback)       \
	X(MHD_create_response_from_fd_at_offset64) \
	X(MHD_add_response_header)                 \
	X(MHD_queue_response)                      \
	X(MHD_destroy_response)

#define MEMBER(name) __typeof__(name) *(name);
#define NAME(name) #name,

static struct {
	CURL_FUNCTIONS(MEMBER)
} curl;
static const char *const curl_names[] = { CURL_FUNCTIONS(NAME) };
static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static bool curl_is_there;

static struct {
	MHD_FUNCTIONS(MEMBER)
} mhd;
static const char *const mhd_names[] = { MHD_FUNCTIONS(NAME) };
static pthread_once_t mhd_once = PTHREAD_ONCE_INIT;
static bool mhd_is_there;

/* It stays loaded: such libraries are not made to go. */
static bool load(const char *library, const char *const *names, size_t n, void *functions)
{
	void *handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL), *f;

	for (size_t i = 0; handle && i < n; i++) {
		f = dlsym(handle, names[i]);
		if (!f)
			handle = NULL;
		memcpy((char *)functions + i * sizeof(f), &f, sizeof(f));
	}
	if (!handle)
		cmd_warn("%s", dlerror());
	return handle != NULL;
}

static void load_curl(void)
{
	curl_is_there = load("libcurl.so.4", curl_names, sizeof(curl_names) / sizeof(*curl_names), &curl);
}

static void load_mhd(void)
{
	mhd_is_there = load("libmicrohttpd.so.12", mhd_names, sizeof(mhd_names) / sizeof(*mhd_names), &mhd);
}

/* Whoever uses libcurl begins here; names in parentheses are functions where the header has macros. */
CURLcode curl_global_init(long flags)
{
	pthread_once(&curl_once, load_curl);
	return curl_is_there ? curl.curl_global_init(flags) : CURLE_FAILED_INIT;
}

void curl_global_cleanup(void)
{
	curl.curl_global_cleanup();
}

CURL *curl_easy_init(void)
{
	return curl.curl_easy_init();
}

void curl_easy_cleanup(CURL *c)
{
	curl.curl_easy_cleanup(c);
}

void curl_easy_reset(CURL *c)
{
	curl.curl_easy_reset(c);
}

CURLcode(curl_easy_setopt)(CURL *c, CURLoption option, ...)
{
	CURLcode code;
	va_list ap;

	va_start(ap, option);
	if (option < CURLOPTTYPE_OBJECTPOINT)
		code = (curl.curl_easy_setopt)(c, option, va_arg(ap, long));
	else if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB)
		code = (curl.curl_easy_setopt)(c, option, va_arg(ap, curl_off_t));
	else
		code = (curl.curl_easy_setopt)(c, option, va_arg(ap, void *));
	va_end(ap);
	return code;
}

CURLcode curl_easy_perform(CURL *c)
{
	return curl.curl_easy_perform(c);
}

CURLcode(curl_easy_getinfo)(CURL *c, CURLINFO info, ...)
{
	CURLcode code;
	va_list ap;

	va_start(ap, info);
	code = (curl.curl_easy_getinfo)(c, info, va_arg(ap, void *));
	va_end(ap);
	return code;
}

const char *curl_easy_strerror(CURLcode code)
{
	return curl.curl_easy_strerror(code);
}

struct curl_slist *curl_slist_append(struct curl_slist *list, const char *data)
{
	return curl.curl_slist_append(list, data);
}

void curl_slist_free_all(struct curl_slist *list)
{
	curl.curl_slist_free_all(list);
}

CURLU *curl_url(void)
{
	return curl.curl_url();
}

CURLUcode curl_url_get(CURLU *handle, CURLUPart what, char **part, unsigned flags)
{
	return curl.curl_url_get(handle, what, part, flags);
}

CURLUcode curl_url_set(CURLU *handle, CURLUPart what, const char *part, unsigned flags)
{
	return curl.curl_url_set(handle, what, part, flags);
}

void curl_url_cleanup(CURLU *handle)
{
	curl.curl_url_cleanup(handle);
}

void curl_free(void *p)
{
	curl.curl_free(p);
}

/* Whoever uses libmicrohttpd begins here. */
struct MHD_Daemon *MHD_start_daemon(unsigned flags, uint16_t port, MHD_AcceptPolicyCallback accept, void *accept_arg,
				    MHD_AccessHandlerCallback handle, void *handle_arg, ...)
{
	struct MHD_Daemon *d;
	va_list ap;

	pthread_once(&mhd_once, load_mhd);
	if (!mhd_is_there)
		return NULL;
	va_start(ap, handle_arg);
	d = mhd.MHD_start_daemon_va(flags, port, accept, accept_arg, handle, handle_arg, ap);
	va_end(ap);
	return d;
}

MHD_socket MHD_quiesce_daemon(struct MHD_Daemon *d)
{
	return mhd.MHD_quiesce_daemon(d);
}

void MHD_stop_daemon(struct MHD_Daemon *d)
{
	mhd.MHD_stop_daemon(d);
}

/* Nothing that is asked for takes a further argument. */
const union MHD_ConnectionInfo *MHD_get_connection_info(struct MHD_Connection *c, enum MHD_ConnectionInfoType type, ...)
{
	return mhd.MHD_get_connection_info(c, type);
}

int MHD_get_connection_values(struct MHD_Connection *c, enum MHD_ValueKind kind, MHD_KeyValueIterator each, void *arg)
{
	return mhd.MHD_get_connection_values(c, kind, each, arg);
}

struct MHD_Response *MHD_create_response_from_buffer(size_t size, void *buffer, enum MHD_ResponseMemoryMode mode)
{
	return mhd.MHD_create_response_from_buffer(size, buffer, mode);
}

struct MHD_Response *MHD_create_response_from_callback(uint64_t size, size_t block, MHD_ContentReaderCallback read,
						       void *arg, MHD_ContentReaderFreeCallback end)
{
	return mhd.MHD_create_response_from_callback(size, block, read, arg, end);
}

struct MHD_Response *MHD_create_response_from_fd_at_offset64(uint64_t size, int fd, uint64_t offset)
{
	return mhd.MHD_create_response_from_fd_at_offset64(size, fd, offset);
}

enum MHD_Result MHD_add_response_header(struct MHD_Response *r, const char *name, const char *value)
{
	return mhd.MHD_add_response_header(r, name, value);
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *c, unsigned status, struct MHD_Response *r)
{
	return mhd.MHD_queue_response(c, status, r);
}

void MHD_destroy_response(struct MHD_Response *r)
{
	mhd.MHD_destroy_response(r);
}
