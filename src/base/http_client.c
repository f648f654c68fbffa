// SPDX-License-Identifier: Apache-2.0
#include "base/http_client.h"

#include "base/curl_tls.h"
#include "base/limits.h"
#include "base/timer.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

struct pt_http_client {
    struct event_base *base;
    CURLM *multi;
    struct pt_timer *timer;
    TAILQ_HEAD(, pt_http_request) requests;
    TAILQ_HEAD(, pt_http_request) cancelled; // by a callback that runs inside libcurl
    int inside_curl;                         // libcurl forbids removing a handle from its callbacks
};

struct pt_http_request {
    TAILQ_ENTRY(pt_http_request) link;
    struct pt_http_client *client;
    CURL *easy;
    struct curl_slist *headers;
    curl_socket_t opened_fd; // of a new connection, where the peer has to be checked
    size_t received_bytes;
    size_t max_response_bytes;
    bool is_cancelled;
    struct pt_error failure; // set by our own callbacks; code 0 if it was libcurl that failed
    char curl_message[CURL_ERROR_SIZE];
    int (*check_peer)(void *context, int fd, struct pt_error *err);
    void (*on_header)(void *context, const char *name, const char *value);
    int (*on_data)(void *context, const char *data, size_t length);
    void (*on_connected)(void *context, int fd); // NULL: it is one of HTTP
    void (*on_done)(void *context, const struct pt_http_result *result);
    void *context;
};

static void free_request(struct pt_http_request *request)
{
    if (request->easy)
        curl_easy_cleanup(request->easy);
    curl_slist_free_all(request->headers);
    free(request);
}

static void drop_request(struct pt_http_request *request)
{
    TAILQ_REMOVE(&request->client->requests, request, link);
    curl_multi_remove_handle(request->client->multi, request->easy);
    free_request(request);
}

// --- callbacks from libcurl: one request's data ---

static int on_curl_prerequest(void *data, char *remote_ip, char *local_ip, int remote_port,
                              int local_port)
{
    (void)remote_ip;
    (void)local_ip;
    (void)remote_port;
    (void)local_port;
    struct pt_http_request *request = data;
    if (request->opened_fd == CURL_SOCKET_BAD)
        return CURL_PREREQFUNC_OK; // a connection that was looked at when it was opened
    int r = request->check_peer(request->context, request->opened_fd, &request->failure);
    return r < 0 ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static curl_socket_t on_curl_open_socket(void *data, curlsocktype purpose,
                                         struct curl_sockaddr *address)
{
    (void)purpose;
    struct pt_http_request *request = data;
    request->opened_fd =
        socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    return request->opened_fd;
}

static size_t on_curl_header(char *line, size_t size, size_t count, void *data)
{
    struct pt_http_request *request = data;
    size_t length = size * count;
    if (request->is_cancelled)
        return 0;
    char text[PT_LIMIT_HEADER_BYTES];
    const char *colon = memchr(line, ':', length);
    if (!colon || length >= sizeof(text) || !request->on_header)
        return length; // a status line, the empty line, or longer than any header we read
    memcpy(text, line, length);
    text[length] = '\0';
    text[colon - line] = '\0';
    char *value = text + (colon - line) + 1;
    value += strspn(value, " \t");
    value[strcspn(value, "\r\n")] = '\0';
    request->on_header(request->context, text, value);
    return request->is_cancelled ? 0 : length;
}

static size_t on_curl_data(char *bytes, size_t size, size_t count, void *data)
{
    struct pt_http_request *request = data;
    size_t length = size * count;
    if (request->is_cancelled)
        return 0;
    request->received_bytes += length;
    if (request->max_response_bytes && request->received_bytes > request->max_response_bytes) {
        pt_error_set(&request->failure, EMSGSIZE, "the answer is larger than %zu bytes",
                     request->max_response_bytes);
        return 0;
    }
    if (!request->on_data)
        return length;
    int r = request->on_data(request->context, bytes, length);
    if (r < 0 && request->failure.code == 0)
        pt_error_set(&request->failure, -r, "the answer was refused: %s", strerror(-r));
    return r < 0 || request->is_cancelled ? 0 : length;
}

// --- the end of requests ---

static int error_of(CURLcode code)
{
    if (code == CURLE_OPERATION_TIMEDOUT)
        return ETIMEDOUT;
    if (code == CURLE_COULDNT_CONNECT)
        return ECONNREFUSED;
    if (code == CURLE_COULDNT_RESOLVE_HOST)
        return EHOSTUNREACH;
    if (code == CURLE_OUT_OF_MEMORY)
        return ENOMEM;
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
        return EPERM;
    return EIO;
}

// A connection of another protocol stays with its easy handle, which finds it again.
static bool hand_over(struct pt_http_request *request)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    curl_easy_getinfo(request->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (fd == CURL_SOCKET_BAD)
        return false;
    request->on_connected(request->context, fd);
    return true;
}

static void finish_request(struct pt_http_request *request, CURLcode code)
{
    if (code == CURLE_OK && request->on_connected && hand_over(request))
        return;
    struct pt_http_result result = {.message = ""};
    long status = 0;
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    result.status = (int)status;
    if (request->failure.code) {
        result.error = -request->failure.code;
        result.message = request->failure.message;
    } else if (code != CURLE_OK) {
        result.error = -error_of(code);
        result.message =
            request->curl_message[0] ? request->curl_message : curl_easy_strerror(code);
    }
    // Unlink before calling out: on_done may start, cancel and destroy others.
    TAILQ_REMOVE(&request->client->requests, request, link);
    curl_multi_remove_handle(request->client->multi, request->easy);
    if (request->on_done)
        request->on_done(request->context, &result);
    free_request(request);
}

// Hands over what libcurl has finished. Called when libcurl is not on the stack.
static void finish_requests(struct pt_http_client *client)
{
    struct pt_http_request *request;
    while ((request = TAILQ_FIRST(&client->cancelled))) {
        TAILQ_REMOVE(&client->cancelled, request, link);
        curl_multi_remove_handle(client->multi, request->easy);
        free_request(request);
    }
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(client->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
        finish_request(request, code);
    }
}

static void drive(struct pt_http_client *client, curl_socket_t fd, int events)
{
    int running;
    client->inside_curl++;
    curl_multi_socket_action(client->multi, fd, events, &running);
    client->inside_curl--;
    finish_requests(client);
}

// --- sockets and timer of libcurl on the loop ---

static void on_socket_event(evutil_socket_t fd, short what, void *context)
{
    int events = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
    drive(context, fd, events);
}

static void on_timer(void *context)
{
    drive(context, CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
    (void)easy;
    struct pt_http_client *client = data;
    struct event *event = socket_data;
    if (event)
        event_free(event);
    event = NULL;
    if (what != CURL_POLL_REMOVE) {
        short wanted = EV_PERSIST;
        if (what & CURL_POLL_IN)
            wanted |= EV_READ;
        if (what & CURL_POLL_OUT)
            wanted |= EV_WRITE;
        event = event_new(client->base, fd, wanted, on_socket_event, client);
        if (!event || event_add(event, NULL) < 0)
            return -1;
    }
    curl_multi_assign(client->multi, fd, event);
    return 0;
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *data)
{
    (void)multi;
    struct pt_http_client *client = data;
    if (timeout_ms < 0)
        pt_timer_stop(client->timer);
    else
        pt_timer_start(client->timer, timeout_ms);
    return 0;
}

// --- what the header promises ---

int pt_http_client_create(struct event_base *base, struct pt_http_client **ret_client,
                          struct pt_error *err)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct pt_http_client *client = calloc(1, sizeof(*client));
    if (!client)
        return pt_error_set(err, ENOMEM, "out of memory");
    TAILQ_INIT(&client->requests);
    TAILQ_INIT(&client->cancelled);
    client->base = base;
    client->multi = curl_multi_init();
    client->timer = pt_timer_create(base, pt_clock_system(), on_timer, client); // as libcurl's own
    if (!client->multi || !client->timer) {
        pt_http_client_destroy(client);
        return pt_error_set(err, ENOMEM, "the HTTP client cannot be set up");
    }
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)PT_LIMIT_IDLE_CONNECTIONS);
    *ret_client = client;
    return 0;
}

void pt_http_client_keep(struct pt_http_client *client, size_t connections)
{
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)connections);
}

void pt_http_client_destroy(struct pt_http_client *client)
{
    if (!client)
        return;
    assert(client->inside_curl == 0);
    struct pt_http_request *request = TAILQ_FIRST(&client->requests);
    while (request) {
        struct pt_http_request *next = TAILQ_NEXT(request, link);
        drop_request(request);
        request = next;
    }
    if (client->multi)
        curl_multi_cleanup(client->multi);
    pt_timer_destroy(client->timer);
    free(client);
    curl_global_cleanup();
}

// libcurl before 8.0 fails to reuse a connection with prior knowledge, yet reuses it when just
// asked for HTTP/2 (https://github.com/curl/curl/pull/10643).
static long http2_version(const struct pt_http_options *options)
{
    bool is_broken = curl_version_info(CURLVERSION_NOW)->version_num < 0x080000;
    return options->http2_connected && is_broken ? CURL_HTTP_VERSION_2_0
                                                 : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
}

static void set_version(CURL *easy, const struct pt_http_options *options)
{
    if (options->http2) {
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, http2_version(options));
        curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
        // libcurl before 8.0 stalls, or loses trailers, when an answer does not fit its buffer.
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)PT_LIMIT_HTTP2_BUFFER_BYTES);
    } else {
        // A TLS peer may offer HTTP/2, of which libcurl 7.88 leaves the end of an answer that does
        // not fit its buffer until a timer runs out, seconds later.
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
        // libcurl empties a hundred of them in one turn of the loop, in which nobody else is
        // served.
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)PT_LIMIT_HTTP_BUFFER_BYTES);
    }
}

static void set_files(CURL *easy, const struct pt_http_options *options)
{
    if (options->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file);
        // By default libcurl reads the file once a day; each connection takes it as it is then.
        curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    }
    if (options->client_cert_file)
        curl_easy_setopt(easy, CURLOPT_SSLCERT, options->client_cert_file);
    if (options->client_key_file)
        curl_easy_setopt(easy, CURLOPT_SSLKEY, options->client_key_file);
}

static void set_options(struct pt_http_request *request, const struct pt_http_options *options)
{
    CURL *easy = request->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->curl_message);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_curl_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_curl_data);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(options->connect_timeout_ms ? options->connect_timeout_ms : 5000));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
    // A peer that vanishes without a word is given up after half a minute (nine probes).
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 10L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 2L);
    if (options->unix_socket) {
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, options->unix_socket);
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    }
    set_version(easy, options);
    if (options->on_connected) {
        curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
        curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
        // No more is received in one call than this buffer holds, and each turn has few calls.
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)PT_LIMIT_SOCKET_BUFFER_BYTES);
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    }
    if (options->fresh_connection)
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    if (options->max_age_s)
        curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, (long)options->max_age_s);
    set_files(easy, options);
    pt_curl_tls_bound(easy);
    if (options->check_peer) {
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_curl_open_socket);
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, request);
        curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_curl_prerequest);
        curl_easy_setopt(easy, CURLOPT_PREREQDATA, request);
    }
    if (options->method)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, options->method);
}

// The options that copy text, where memory can run out. Returns false then.
static bool set_copied_options(struct pt_http_request *request,
                               const struct pt_http_options *options)
{
    for (const char *const *header = options->headers; header && *header; header++) {
        struct curl_slist *longer = curl_slist_append(request->headers, *header);
        if (!longer)
            return false;
        request->headers = longer;
    }
    if (curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers) != CURLE_OK ||
        curl_easy_setopt(request->easy, CURLOPT_URL, options->url) != CURLE_OK)
        return false;
    if (!options->body)
        return true;
    curl_easy_setopt(request->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)options->body_length);
    return curl_easy_setopt(request->easy, CURLOPT_COPYPOSTFIELDS, options->body) == CURLE_OK;
}

int pt_http_client_start(struct pt_http_client *client, const struct pt_http_options *options,
                         struct pt_http_request **ret_request, struct pt_error *err)
{
    struct pt_http_request *request = calloc(1, sizeof(*request));
    if (!request)
        return pt_error_set(err, ENOMEM, "out of memory");
    request->client = client;
    request->opened_fd = CURL_SOCKET_BAD;
    request->easy = curl_easy_init();
    request->max_response_bytes = options->max_response_bytes;
    request->check_peer = options->check_peer;
    request->on_header = options->on_header;
    request->on_data = options->on_data;
    request->on_connected = options->on_connected;
    request->on_done = options->on_done;
    request->context = options->context;
    if (!request->easy || !set_copied_options(request, options)) {
        free_request(request);
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    set_options(request, options);
    CURLMcode code = curl_multi_add_handle(client->multi, request->easy);
    if (code != CURLM_OK) {
        free_request(request);
        return pt_error_set(err, EIO, "%s", curl_multi_strerror(code));
    }
    TAILQ_INSERT_TAIL(&client->requests, request, link);
    if (ret_request)
        *ret_request = request;
    return 0;
}

void pt_http_request_cancel(struct pt_http_request *request)
{
    struct pt_http_client *client = request->client;
    if (client->inside_curl == 0) {
        drop_request(request);
        return;
    }
    request->is_cancelled = true;
    request->on_done = NULL;
    TAILQ_REMOVE(&client->requests, request, link);
    TAILQ_INSERT_TAIL(&client->cancelled, request, link);
    // The timer runs finish_requests even if nothing happens on a socket any more.
    pt_timer_start(client->timer, 0);
}

static ssize_t transferred(CURLcode code, size_t bytes)
{
    if (code == CURLE_OK)
        return bytes > 0 ? (ssize_t)bytes : -ECONNRESET;
    return code == CURLE_AGAIN ? 0 : -ECONNRESET;
}

ssize_t pt_http_request_send(struct pt_http_request *request, const void *data, size_t length)
{
    size_t sent = 0;
    CURLcode code = curl_easy_send(request->easy, data, length, &sent);
    return transferred(code, sent);
}

ssize_t pt_http_request_receive(struct pt_http_request *request, void *data, size_t size)
{
    size_t received = 0;
    CURLcode code = curl_easy_recv(request->easy, data, size, &received);
    return transferred(code, received);
}
