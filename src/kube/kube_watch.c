// SPDX-License-Identifier: Apache-2.0

// One request is under way, or the timer stands for the next one. A list comes in pages, each of
// which is one request; then the watch begins behind the list's resourceVersion, and behind that of
// each message from there on. A watch that ends by itself is followed by the next one at once, but
// not within SHORT_NS of its own beginning.
// After a failure the timer waits (watch_trouble.h), and the watch goes on where it was, or the
// list begins anew: where the API server has forgotten the version (410, in the answer or in the
// stream), where it refuses the request, or where what came cannot be read.

#include "kube/kube_watch.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "base/timer.h"
#include "base/warn_pace.h"
#include "kube/json_splitter.h"
#include "kube/kube_status.h"
#include "kube/object_fields.h"
#include "kube/watch_trouble.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PAGE_SIZE 500
#define LIST_TIMEOUT_MS (120 * 1000)
// The API server ends a watch itself when this is over, which is a sign of life: a proxy may hold a
// connection on which nothing comes any more, and collections without bookmarks are silent for
// long.
#define WATCH_MIN_S 60
#define WATCH_MAX_S 90
#define WATCH_GRACE_S 30 // after this we do
// The same of a watch that follows a request without an answer: whether there is one now.
#define DOUBTED_WATCH_S 10
#define DOUBTED_GRACE_S 10
#define SHORT_NS PT_NS_PER_S
#define MAX_LIST_NS (600 * PT_NS_PER_S) // all pages of one
#define MAX_QUIET_FAILURES 3            // watches that fail without a word before it lists again

struct pt_kube_watch {
    const struct pt_kube_client *client;
    struct pt_kube_watch_handler handler;
    struct pt_kube_watch_state state;
    char *collection;
    char *name_space;     // empty: all
    char *selector;       // escaped, empty: none
    char *version;        // resourceVersion to go on from
    char *continue_token; // of the next page, NULL: the list begins anew
    struct pt_json_splitter list_splitter;
    struct pt_json_splitter watch_splitter;
    struct pt_http_request *request;
    struct pt_timer *retry_timer;
    struct pt_watch_trouble trouble;
    int64_t list_began_at; // its first page, monotonic_ns
    struct pt_warn_pace skip_pace;
    bool lists_next;    // when the timer fires: list, or watch from `version`
    int64_t started_at; // of the request, monotonic_ns
    bool is_watch_request;
    bool got_object;      // from this request
    unsigned bad_objects; // likewise
    bool is_in_doubt;     // a request timed out, nothing has come since: no connection is reused
    bool has_expired;     // a 410 came within SHORT_NS, and no watch has lasted for longer since
    unsigned quiet_failures;
    int64_t retry_after_s;        // what the answer asked for
    struct pt_kube_status status; // in the body
};

static void on_watch_done(void *context, const struct pt_http_result *result);
static void start_list(struct pt_kube_watch *watch);
static void start_watch(struct pt_kube_watch *watch);

static int64_t now_ns(const struct pt_kube_watch *watch)
{
    return pt_clock_monotonic_ns(watch->client->clock);
}

// --- failing and trying again ---

static void on_retry_timer(void *context)
{
    struct pt_kube_watch *watch = context;
    if (watch->lists_next)
        start_list(watch);
    else
        start_watch(watch);
}

static void try_after(struct pt_kube_watch *watch, int64_t delay_ns, bool lists_next)
{
    watch->state.is_watching = false;
    watch->lists_next = lists_next;
    pt_timer_start(watch->retry_timer, delay_ns / PT_NS_PER_MS);
}

static void retry_later(struct pt_kube_watch *watch, const char *why, bool lists_next)
{
    int64_t delay_ns = pt_watch_trouble_failed(&watch->trouble, watch->client, watch->status.code,
                                               watch->retry_after_s, why);
    watch->state.failures++;
    try_after(watch, delay_ns, lists_next);
}

static bool is_short(const struct pt_kube_watch *watch)
{
    return now_ns(watch) - watch->started_at < SHORT_NS;
}

// The version is too old: a new list, at once unless the last one did not help.
static void list_again(struct pt_kube_watch *watch)
{
    free(watch->continue_token);
    watch->continue_token = NULL;
    watch->state.is_watching = false;
    if (watch->has_expired) {
        retry_later(watch, "the resourceVersion of a new list has expired already", true);
        return;
    }
    watch->has_expired = is_short(watch);
    start_list(watch);
}

// Nothing is wrong, but what ended is not asked for again as fast as it can end.
static void go_on(struct pt_kube_watch *watch, bool lists_next)
{
    int64_t early_ns = watch->started_at + SHORT_NS - now_ns(watch);
    if (early_ns > 0)
        try_after(watch, early_ns, lists_next);
    else if (lists_next)
        start_list(watch);
    else
        start_watch(watch);
}

static bool is_expired(const struct pt_kube_watch *watch, const struct pt_http_result *result)
{
    return result->status == 410 || watch->status.code == 410;
}

// --- what an answer holds ---

static void log_skipped(struct pt_kube_watch *watch, const char *why)
{
    if (!pt_warn_pace_admits(&watch->skip_pace, now_ns(watch)))
        return;
    pt_log_warn("kubernetes.object_skipped", pt_log_text("collection", watch->collection),
                pt_log_text("error", why),
                pt_log_int("tooLarge", (int64_t)watch->state.too_large_objects),
                pt_log_int("invalid", (int64_t)watch->state.bad_objects));
}

static void on_too_large(void *context)
{
    struct pt_kube_watch *watch = context;
    watch->state.too_large_objects++;
    log_skipped(watch, "it is too large");
}

// -EPROTO: there are too many of them. A turn of the loop could be full of objects of two bytes.
static int count_bad_object(struct pt_kube_watch *watch, const char *why)
{
    watch->state.bad_objects++;
    log_skipped(watch, why);
    return ++watch->bad_objects > PT_LIMIT_KUBE_BAD_OBJECTS ? -EPROTO : 0;
}

static int hand_over(struct pt_kube_watch *watch, enum pt_kube_change change, yyjson_val *object)
{
    if (watch->handler.on_object(watch->handler.context, change, object) < 0)
        return count_bad_object(watch, "it lacks what it must have, or that is too long");
    return 0;
}

// -ENOMEM ends the request: an object that is passed over would seem to be gone. So does -EPROTO.
static int read_object(struct pt_kube_watch *watch, const char *json, size_t length,
                       yyjson_doc **ret_doc)
{
    yyjson_read_err why;
    *ret_doc = yyjson_read_opts((char *)json, length, YYJSON_READ_NOFLAG, NULL, &why);
    if (!*ret_doc && why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return -ENOMEM;
    return *ret_doc ? 0 : count_bad_object(watch, "it is no valid JSON");
}

static int on_list_object(void *context, const char *json, size_t length)
{
    struct pt_kube_watch *watch = context;
    yyjson_doc *doc;
    int r = read_object(watch, json, length, &doc);
    if (doc)
        r = hand_over(watch, PT_KUBE_ADDED, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    watch->got_object = true;
    return r;
}

// One message of the watch: {"type": …, "object": …}. < 0 ends the watch.
static int handle_message(struct pt_kube_watch *watch, yyjson_val *message)
{
    static const struct {
        const char *type;
        enum pt_kube_change change;
    } types[] = {
        {"ADDED", PT_KUBE_ADDED}, {"MODIFIED", PT_KUBE_MODIFIED}, {"DELETED", PT_KUBE_DELETED}};
    const char *type = pt_kube_text(message, "type");
    yyjson_val *object = yyjson_obj_get(message, "object");
    if (pt_kube_status_read(object ? object : message, &watch->status))
        return -ESTALE;
    const char *version = pt_kube_text(yyjson_obj_get(object, "metadata"), "resourceVersion");
    if (!type || !version)
        return count_bad_object(watch, "it has no type or resourceVersion");
    int r = 0;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(type, types[i].type) == 0)
            r = hand_over(watch, types[i].change, object);
    }
    watch->got_object = true;
    watch->has_expired = watch->has_expired && is_short(watch);
    watch->quiet_failures = 0;
    pt_watch_trouble_over(&watch->trouble, now_ns(watch));
    return r < 0 ? r : pt_text_replace((const char **)&watch->version, version, NULL);
}

static int on_watch_object(void *context, const char *json, size_t length)
{
    struct pt_kube_watch *watch = context;
    yyjson_doc *doc;
    int r = read_object(watch, json, length, &doc);
    if (doc)
        r = handle_message(watch, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    return r;
}

// --- requests ---

static void on_header(void *context, const char *name, const char *value)
{
    struct pt_kube_watch *watch = context;
    watch->is_in_doubt = false;
    // The API server answers a watch at once. Were it an error, its end would follow at once too.
    watch->state.is_watching = watch->state.is_watching || watch->is_watch_request;
    if (strcasecmp(name, "Retry-After") == 0)
        watch->retry_after_s = pt_kube_retry_after_s(value);
}

// Starts the GET of the path, whose failure to be built counts like any other; frees the path.
static void start_request(struct pt_kube_watch *watch, struct pt_buffer *path,
                          struct pt_http_options options)
{
    struct pt_error err = {0};
    watch->started_at = now_ns(watch);
    watch->is_watch_request = options.on_done == on_watch_done;
    watch->got_object = false;
    watch->bad_objects = 0;
    watch->retry_after_s = 0;
    watch->status = (struct pt_kube_status){0};
    options.on_header = on_header;
    options.context = watch;
    options.fresh_connection = watch->is_in_doubt;
    int r = path->failure ? pt_error_set(&err, -path->failure, "the path is too long") : 0;
    if (r == 0)
        r = pt_kube_client_start(watch->client, path->data, options, &watch->request, &err);
    pt_buffer_finish(path);
    if (r < 0)
        retry_later(watch, err.message, true);
}

static void end_request(struct pt_kube_watch *watch, const struct pt_http_result *result)
{
    watch->request = NULL;
    watch->is_in_doubt = watch->is_in_doubt || result->error == -ETIMEDOUT;
}

// --- list ---

static int on_list_data(void *context, const char *data, size_t length)
{
    struct pt_kube_watch *watch = context;
    return pt_json_splitter_feed(&watch->list_splitter, data, length);
}

// Reads the list's metadata; NULL if it is as it should be, else what is wrong.
static const char *take_list_rest(struct pt_kube_watch *watch)
{
    const struct pt_buffer *rest = &watch->list_splitter.rest;
    yyjson_doc *doc = rest->length > 0 ? yyjson_read(rest->data, rest->length, 0) : NULL;
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *metadata = yyjson_obj_get(root, "metadata");
    const char *version = pt_kube_text(metadata, "resourceVersion");
    const char *next = pt_kube_text(metadata, "continue");
    const char *wrong = NULL;
    free(watch->continue_token);
    watch->continue_token = NULL;
    if (!pt_kube_status_read(root, &watch->status)) {
        if (!version)
            wrong = "a list without resourceVersion";
        else if (pt_text_replace((const char **)&watch->version, version, NULL) < 0 ||
                 (next && *next &&
                  pt_text_replace((const char **)&watch->continue_token, next, NULL) < 0))
            wrong = "out of memory";
    }
    yyjson_doc_free(doc);
    return wrong;
}

static void on_list_done(void *context, const struct pt_http_result *result)
{
    struct pt_kube_watch *watch = context;
    char text[400];
    end_request(watch, result);
    char *token = watch->continue_token;
    watch->continue_token = NULL;
    bool is_whole = pt_json_splitter_is_at_end(&watch->list_splitter);
    const char *wrong = is_whole ? take_list_rest(watch) : "a list that breaks off";
    if (is_expired(watch, result)) {
        free(token);
        list_again(watch);
        return;
    }
    const char *failure = pt_kube_failure_of(&watch->status, result, text, sizeof(text));
    if (failure) {
        // The page may be asked for again where it was merely not answered.
        free(watch->continue_token);
        watch->continue_token = token;
        if (watch->handler.is_optional && result->status == 403)
            try_after(watch, pt_watch_trouble_refused(&watch->trouble, failure), true);
        else
            retry_later(watch, failure, true);
        return;
    }
    free(token);
    if (wrong) {
        retry_later(watch, wrong, true);
        return;
    }
    if (watch->continue_token && now_ns(watch) - watch->list_began_at > MAX_LIST_NS) {
        free(watch->continue_token);
        watch->continue_token = NULL;
        retry_later(watch, "a list that does not end", true);
        return;
    }
    if (watch->continue_token) {
        if (watch->got_object)
            start_list(watch);
        else
            go_on(watch, true);
        return;
    }
    watch->state.lists++;
    watch->state.is_listed = true;
    watch->state.is_watching = true;
    pt_watch_trouble_over(&watch->trouble, now_ns(watch));
    watch->handler.on_list_end(watch->handler.context);
    start_watch(watch);
}

static void start_list(struct pt_kube_watch *watch)
{
    struct pt_buffer path;
    pt_buffer_init(&path, PT_LIMIT_KUBE_URL_BYTES);
    pt_kube_append_collection(&path, watch->collection, watch->name_space, watch->selector);
    pt_buffer_printf(&path, "limit=%d", PAGE_SIZE);
    if (watch->continue_token) {
        pt_buffer_append_text(&path, "&continue=");
        pt_kube_append_escaped(&path, watch->continue_token);
    } else {
        watch->list_began_at = now_ns(watch);
        watch->handler.on_list_begin(watch->handler.context);
    }
    pt_json_splitter_reset(&watch->list_splitter);
    start_request(watch, &path,
                  (struct pt_http_options){.timeout_ms = LIST_TIMEOUT_MS,
                                           .on_data = on_list_data,
                                           .on_done = on_list_done});
}

// --- watch ---

static int on_watch_data(void *context, const char *data, size_t length)
{
    struct pt_kube_watch *watch = context;
    return pt_json_splitter_feed(&watch->watch_splitter, data, length);
}

static void on_watch_done(void *context, const struct pt_http_result *result)
{
    struct pt_kube_watch *watch = context;
    char text[400];
    end_request(watch, result);
    if (is_expired(watch, result)) {
        list_again(watch);
        return;
    }
    const char *failure = pt_kube_failure_of(&watch->status, result, text, sizeof(text));
    if (!failure && !watch->got_object && is_short(watch))
        failure = "the watch ends at once";
    if (!failure) {
        watch->has_expired = watch->has_expired && is_short(watch);
        pt_backoff_good(&watch->trouble.backoff, watch->started_at);
        go_on(watch, false);
        return;
    }
    // What the API server refuses, and a stream that is no JSON, need a new beginning.
    bool refused = result->status >= 400 && result->status != 401 && result->status != 429;
    bool broken = watch->status.code || result->error == -EBADMSG || result->error == -EPROTO ||
                  result->error == -ENOMEM || result->error == -EMSGSIZE;
    watch->quiet_failures += !watch->got_object;
    retry_later(watch, failure, refused || broken || watch->quiet_failures > MAX_QUIET_FAILURES);
}

static void start_watch(struct pt_kube_watch *watch)
{
    uint32_t seconds = WATCH_MIN_S + watch->client->random() % (WATCH_MAX_S - WATCH_MIN_S + 1);
    uint32_t grace = WATCH_GRACE_S;
    if (watch->is_in_doubt) {
        seconds = DOUBTED_WATCH_S;
        grace = DOUBTED_GRACE_S;
    }
    struct pt_buffer path;
    pt_buffer_init(&path, PT_LIMIT_KUBE_URL_BYTES);
    pt_kube_append_collection(&path, watch->collection, watch->name_space, watch->selector);
    pt_buffer_printf(
        &path, "watch=1&allowWatchBookmarks=true&timeoutSeconds=%u&resourceVersion=", seconds);
    pt_kube_append_escaped(&path, watch->version);
    pt_json_splitter_reset(&watch->watch_splitter);
    start_request(watch, &path,
                  (struct pt_http_options){.timeout_ms = (seconds + grace) * 1000,
                                           .on_data = on_watch_data,
                                           .on_done = on_watch_done});
}

// --- what the header promises ---

int pt_kube_watch_create(const struct pt_kube_client *client, const char *collection,
                         const char *name_space, const char *field_selector,
                         const struct pt_kube_watch_handler *handler,
                         struct pt_kube_watch **ret_watch, struct pt_error *err)
{
    struct pt_kube_watch *watch = calloc(1, sizeof(*watch));
    struct pt_buffer selector;
    if (!watch)
        return pt_error_set(err, ENOMEM, "out of memory");
    watch->client = client;
    watch->handler = *handler;
    pt_json_splitter_init(&watch->list_splitter, true, PT_LIMIT_KUBE_OBJECT_BYTES,
                          PT_LIMIT_KUBE_LIST_BYTES);
    pt_json_splitter_init(&watch->watch_splitter, false, PT_LIMIT_KUBE_OBJECT_BYTES, 0);
    watch->list_splitter.on_object = on_list_object;
    watch->watch_splitter.on_object = on_watch_object;
    watch->list_splitter.on_too_large = watch->watch_splitter.on_too_large = on_too_large;
    watch->list_splitter.context = watch->watch_splitter.context = watch;
    pt_buffer_init(&selector, PT_LIMIT_KUBE_URL_BYTES);
    int r = pt_buffer_append_text(&selector, "");
    if (r == 0 && field_selector)
        r = pt_kube_append_escaped(&selector, field_selector);
    watch->selector = selector.data;
    watch->collection = strdup(collection);
    watch->name_space = strdup(name_space ? name_space : "");
    watch->version = strdup("");
    watch->trouble.collection = watch->collection;
    watch->trouble.name_space = watch->name_space;
    watch->retry_timer = pt_timer_create(client->base, client->clock, on_retry_timer, watch);
    if (r < 0 || !watch->selector || !watch->collection || !watch->name_space || !watch->version ||
        !watch->retry_timer) {
        pt_kube_watch_destroy(watch);
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    start_list(watch);
    *ret_watch = watch;
    return 0;
}

void pt_kube_watch_destroy(struct pt_kube_watch *watch)
{
    if (!watch)
        return;
    if (watch->request)
        pt_http_request_cancel(watch->request);
    pt_timer_destroy(watch->retry_timer);
    pt_json_splitter_finish(&watch->list_splitter);
    pt_json_splitter_finish(&watch->watch_splitter);
    free(watch->collection);
    free(watch->name_space);
    free(watch->selector);
    free(watch->version);
    free(watch->continue_token);
    free(watch);
}

const struct pt_kube_watch_state *pt_kube_watch_state(const struct pt_kube_watch *watch)
{
    return &watch->state;
}
