// SPDX-License-Identifier: Apache-2.0
#include "base/journal.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/revision.h"
#include "base/service_manager.h"
#include "base/text.h"
#include "base/timer.h"
#include "server/api/api.h"
#include "server/api/long_answer.h"
#include "server/cluster/kube_feed.h"
#include "server/file_limit.h"
#include "server/holdup/hold_ups.h"
#include "server/http/tls.h"
#include "server/identity/identity.h"
#include "server/ingest/report_queue.h"
#include "server/memory_budget.h"
#include "server/outcome.h"
#include "server/secrets/make_secrets.h"
#include "server/server_settings.h"
#include "server/share/share.h"
#include "server/stream/event_feed.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2
#define PACE_US 20000 // a thousand reports a second are then no thousand awakenings
#define SWEEP_MS 1000
#define HOLD_UP_MS 1000
#define DRAIN_LOOK_MS 20
#define DRAIN_SECONDS 4
#define RESERVED_FILES 160 // all but connections to the public address

static struct pt_server_settings settings;

// The whole server.
struct server {
    struct pt_loop *loop;
    struct pt_pull_store *store;
    struct pt_memory_budget memory;
    struct pt_metrics metrics;
    struct pt_api api;
    struct pt_tls *tls;
    struct pt_kube_feed *kube;
    struct pt_service_manager *manager;            // NULL: nobody wants to be notified
    size_t max_connections, max_agent_connections; // the latter where agents have their own address
    struct pt_timer *sweep;
    struct pt_hold_ups *hold_ups;
    struct pt_timer *hold_up_round;
    struct pt_timer *drain;
    int64_t drain_until_ns;
};

// Reads the command line; returns whether to go on, else *ret_status is the exit status.
static bool parse_arguments(int argc, char **argv, bool *ret_make_secrets, int *ret_status)
{
    *ret_status = EXIT_SUCCESS;
    *ret_make_secrets = argc == 2 && strcmp(argv[1], "--make-secrets") == 0;
    if (argc == 1 || *ret_make_secrets)
        return true;
    if (argc == 2 && pt_text_is_either(argv[1], "-h", "--help"))
        pt_server_settings_print_help();
    else if (argc == 2 && pt_text_is_either(argv[1], "-V", "--version"))
        puts("pulltrace-server " PT_VERSION " (" PT_REVISION ")");
    else {
        fprintf(stderr, "pulltrace-server: unknown argument \"%s\"; see --help\n", argv[1]);
        *ret_status = EXIT_USAGE;
    }
    return false;
}

// --- what the store reports ---

static void on_event(void *context, enum pt_event_type type, const struct pt_stored_pull *stored)
{
    struct server *server = context;
    pt_outcome_note(&server->api, type, stored);
}

static void on_change(void *context)
{
    struct server *server = context;
    pt_event_feed_wake(server->api.feed);
}

static void on_row_ended(void *context, const struct pt_stored_pull *stored)
{
    const struct server *server = context;
    if (server->api.share)
        pt_share_keep_row(server->api.share, stored);
}

static void on_sweep(void *context)
{
    struct server *server = context;
    pt_log_flush();
    bool more;
    do
        more = pt_store_sweep(server->store);
    while (more && !pt_loop_turn_is_over(server->loop));
    pt_timer_start(server->sweep, more ? 0 : SWEEP_MS);
}

static void on_hold_up_round(void *context)
{
    struct server *server = context;
    bool more = pt_hold_ups_turn(server->hold_ups);
    pt_timer_start(server->hold_up_round, more ? 0 : HOLD_UP_MS);
}

// --- the end ---

static void on_drain(void *context)
{
    struct server *server = context;
    size_t left = pt_http_server_close_idle(server->api.server);
    left += pt_http_server_close_idle(server->api.metrics_server);
    if (server->api.agent_server)
        left += pt_http_server_close_idle(server->api.agent_server);
    if (left == 0 || pt_clock_monotonic_ns(server->api.clock) >= server->drain_until_ns)
        pt_loop_stop(server->loop);
    else
        pt_timer_start(server->drain, DRAIN_LOOK_MS);
}

static void on_stop(void *context)
{
    struct server *server = context;
    pt_log_info("server.stopping");
    pt_service_manager_stopping(server->manager);
    server->drain_until_ns = pt_clock_monotonic_ns(server->api.clock) + DRAIN_SECONDS * PT_NS_PER_S;
    pt_http_server_begin_drain(server->api.server);
    pt_http_server_begin_drain(server->api.metrics_server);
    if (server->api.agent_server)
        pt_http_server_begin_drain(server->api.agent_server);
    pt_event_feed_end(server->api.feed);
    on_drain(server);
}

// --- the start ---

static void on_libevent_message(int severity, const char *message)
{
    if (severity >= EVENT_LOG_WARN)
        pt_log_warn("server.libevent", pt_log_text("message", message));
    else
        pt_log_debug("server.libevent", pt_log_text("message", message));
}

static bool has_agent_address(void)
{
    return settings.agent_address.port != 0;
}

static int listen_on(struct server *server, struct pt_http_server_options *options,
                     struct pt_http_server **ret_server, struct pt_error *err)
{
    options->memory = &server->memory.shares[PT_MEMORY_CONNECTIONS];
    options->answers = &server->memory.shares[PT_MEMORY_ANSWERS];
    options->context = &server->api;
    return pt_http_server_create(server->loop, server->api.clock, options, ret_server, err);
}

// Where agents have an address of their own, TLS is theirs and the page is plain.
static int listen_on_all(struct server *server, struct pt_error *err)
{
    struct pt_http_server_options public_options = {
        .address = &settings.http_address,
        .tls = has_agent_address() ? NULL : server->tls,
        .max_connections = server->max_connections,
        .on_request = pt_api_handle,
        .wants_body = pt_api_wants_body,
    };
    struct pt_http_server_options agent_options = {
        .address = &settings.agent_address,
        .tls = server->tls,
        .max_connections = server->max_agent_connections,
        .on_request = pt_api_handle_agents,
        .wants_body = pt_api_wants_report,
    };
    struct pt_http_server_options metrics_options = {
        .address = &settings.metrics_address,
        .max_connections = PT_LIMIT_METRICS_CONNECTIONS,
        .on_request = pt_api_handle_metrics,
        .wants_body = pt_api_wants_no_body,
    };
    int r = listen_on(server, &public_options, &server->api.server, err);
    if (r == 0 && has_agent_address())
        r = listen_on(server, &agent_options, &server->api.agent_server, err);
    if (r == 0)
        r = listen_on(server, &metrics_options, &server->api.metrics_server, err);
    return r;
}

static int open_servers(struct server *server, struct pt_error *err)
{
    struct event_base *base = pt_loop_base(server->loop);
    int r = 0;
    if (!*settings.tls_cert_file != !*settings.tls_key_file)
        return pt_error_set(err, EINVAL,
                            "PULLTRACE_TLS_CERT_FILE and PULLTRACE_TLS_KEY_FILE go together");
    if (has_agent_address() && !*settings.tls_cert_file)
        return pt_error_set(err, EINVAL,
                            "PULLTRACE_AGENT_ADDR needs PULLTRACE_TLS_CERT_FILE and "
                            "PULLTRACE_TLS_KEY_FILE");
    if (*settings.tls_cert_file)
        r = pt_tls_create(base, server->api.clock, settings.tls_cert_file, settings.tls_key_file,
                          &server->tls, err);
    if (r == 0) {
        r = pt_secret_create_lines(settings.agent_token, settings.agent_token_file,
                                   &server->api.agent_token.secret, err);
        if (r < 0)
            pt_error_prefix(err, *settings.agent_token_file ? "PULLTRACE_AGENT_TOKEN_FILE"
                                                            : "PULLTRACE_AGENT_TOKEN");
    }
    if (r == 0)
        r = listen_on_all(server, err);
    return r;
}

// Every node keeps one connection, as does every stream.
static void set_max_connections(struct server *server)
{
    size_t wanted =
        (size_t)(settings.max_nodes + settings.max_sse_clients) + PT_LIMIT_SPARE_CONNECTIONS;
    size_t files = pt_file_limit_raise(wanted + RESERVED_FILES);
    size_t possible = files > 2 * RESERVED_FILES ? files - RESERVED_FILES : files / 2;
    server->max_connections = possible < wanted ? possible : wanted;
    if (has_agent_address()) { // nodes and half of the spare ones
        size_t of_agents = (size_t)settings.max_nodes + PT_LIMIT_SPARE_CONNECTIONS / 2;
        server->max_agent_connections = server->max_connections * of_agents / wanted;
        server->max_connections -= server->max_agent_connections;
    }
    if (possible < wanted)
        pt_log_warn("files.limit_low",
                    pt_log_text("text", "fewer connections than nodes and streams may need"),
                    pt_log_int("limit", (int64_t)files),
                    pt_log_int("wanted", (int64_t)(wanted + RESERVED_FILES)));
}

static int open_feed(struct server *server, struct pt_error *err)
{
    int r = pt_event_feed_create(server->loop, server->api.clock, server->store,
                                 (size_t)settings.max_sse_clients,
                                 &server->memory.shares[PT_MEMORY_STREAMS], &server->api.feed, err);
    if (r == 0)
        pt_event_stream_name_cluster(pt_event_feed_stream(server->api.feed), settings.cluster_name);
    return r;
}

static int open_identity(struct server *server, struct pt_error *err)
{
    const struct pt_kube_client *client = pt_kube_feed_client(server->kube);
    const struct pt_identity_settings wanted = {
        .audience = settings.agent_audience,
        .service_accounts = settings.agent_accounts,
        .max_nodes = (size_t)settings.max_nodes,
    };
    if (settings.agent_identity == PT_IDENTITY_BY_TOKEN)
        return 0;
    if (!client)
        return pt_error_set(err, EINVAL,
                            "PULLTRACE_AGENT_IDENTITY=kubernetes needs a Kubernetes API: see "
                            "PULLTRACE_KUBE_URL");
    return pt_identity_create(client, &wanted, &server->api.agent_token.identity, err);
}

// What is kept of pods that no longer wait, in a fixed proportion to the pulls' share.
static size_t gone_pods_bytes(int64_t store_bytes)
{
    int64_t share = store_bytes / 16;
    return (size_t)(share < PT_LIMIT_GONE_POD_BYTES ? share : PT_LIMIT_GONE_POD_BYTES);
}

static int open_store(struct server *server, const struct pt_clock *clock, struct pt_error *err)
{
    struct pt_store_settings limits = {
        .max_pulls = (size_t)settings.max_pulls,
        .max_nodes = (size_t)settings.max_nodes,
        .history_ttl_ns = settings.history_ttl_ns,
        .stale_timeout_ns = settings.stale_timeout_ns,
    };
    const struct pt_store_output output = {.on_event = on_event,
                                           .on_change = on_change,
                                           .on_row_ended = on_row_ended,
                                           .context = server};
    pt_memory_budget_init(&server->memory, settings.max_memory, limits.max_pulls, "", clock);
    server->metrics.revision = PT_REVISION;
    server->metrics.memory = server->memory.shares;
    server->metrics.memory_parts = PT_MEMORY_PART_COUNT;
    limits.memory = &server->memory.shares[PT_MEMORY_STORE];
    server->store = pt_store_create(&limits, clock, &output);
    settings.kube.max_nodes = limits.max_nodes;
    settings.kube.gone_pods_ttl_ns = settings.history_ttl_ns;
    settings.kube.gone_pods_max_bytes = gone_pods_bytes(limits.memory->max_bytes);
    return server->store ? 0 : pt_error_set(err, ENOMEM, "out of memory");
}

// What goes on by itself, and what answers are made with.
static int open_rounds(struct server *server, const struct pt_clock *clock, struct pt_error *err)
{
    struct event_base *base = pt_loop_base(server->loop);
    int r = pt_long_answers_create(server->loop, clock, &server->api.long_answers, err);
    if (r < 0)
        return r;
    server->api.reports = pt_report_queue_create(server->loop, clock, server->store,
                                                 pt_api_report_done, &server->api);
    server->sweep = pt_timer_create(base, clock, on_sweep, server);
    server->drain = pt_timer_create(base, clock, on_drain, server);
    server->hold_up_round = pt_timer_create(base, clock, on_hold_up_round, server);
    server->hold_ups = pt_hold_ups_create(server->store, clock);
    server->api.hold_ups = server->hold_ups;
    if (!server->api.reports || !server->sweep || !server->drain || !server->hold_up_round ||
        !server->hold_ups)
        return pt_error_set(err, ENOMEM, "out of memory");
    return open_feed(server, err);
}

static int open_share(struct server *server, struct pt_error *err)
{
    const struct pt_share_output output = {
        .on_taken = pt_api_report_shared, .on_won = pt_outcome_note_won, .context = &server->api};
    settings.share.max_finished = settings.max_pulls;
    settings.share.finished_ttl_ns = settings.history_ttl_ns;
    if (!*settings.share.url)
        return 0;
    int r = pt_share_create(server->loop, server->api.clock, server->store, &settings.share,
                            pt_event_stream_run(pt_event_feed_stream(server->api.feed)), &output,
                            &server->api.share, err);
    if (r == 0)
        pt_store_set_shared(server->store);
    return r;
}

static int start(struct server *server, struct pt_error *err)
{
    const struct pt_clock *clock = pt_clock_system();
    int r = open_store(server, clock, err);
    if (r == 0)
        r = pt_loop_create(&server->loop, err);
    if (r < 0)
        return r;
    pt_loop_set_pace(server->loop, PACE_US);
    server->manager = pt_service_manager_create(pt_loop_base(server->loop), clock, getenv);
    server->api = (struct pt_api){.base = pt_loop_base(server->loop),
                                  .clock = clock,
                                  .store = server->store,
                                  .metrics = &server->metrics,
                                  .loop = server->loop,
                                  .lists = {.memory = &server->memory.shares[PT_MEMORY_ANSWERS]},
                                  .allowed_hosts = settings.allowed_hosts,
                                  .cluster_name = settings.cluster_name,
                                  .started_wall_ns = pt_clock_wall_ns(clock),
                                  .started_ns = pt_clock_monotonic_ns(clock)};
    set_max_connections(server);
    r = open_rounds(server, clock, err);
    if (r == 0)
        r = open_servers(server, err);
    if (r == 0)
        r = pt_kube_feed_create(server->loop, clock, &settings.kube, server->store, &server->kube,
                                err);
    server->api.kube = server->kube;
    if (r == 0)
        r = open_identity(server, err);
    if (r == 0)
        r = open_share(server, err);
    if (r == 0) {
        on_sweep(server);
        on_hold_up_round(server);
    }
    return r;
}

// For the log: 0 when there is no maximum.
static int64_t known_bytes(int64_t bytes)
{
    return bytes == PT_MEMORY_WITHOUT_END ? 0 : bytes;
}

static void log_start(const struct server *server)
{
    pt_log_info(
        "server.listening", pt_log_text("host", settings.http_address.host),
        pt_log_int("port", settings.http_address.port),
        pt_log_int("agentPort",
                   has_agent_address() ? settings.agent_address.port : settings.http_address.port),
        pt_log_int("metricsPort", settings.metrics_address.port),
        pt_log_text("scheme", server->tls && !has_agent_address() ? "https" : "http"),
        pt_log_text("version", PT_VERSION), pt_log_int("maxPulls", settings.max_pulls),
        pt_log_int("maxNodes", settings.max_nodes),
        pt_log_int("maxStreams", settings.max_sse_clients),
        pt_log_int("maxMemory", known_bytes(server->memory.max_bytes)),
        pt_log_int("maxStoreBytes", known_bytes(server->memory.shares[PT_MEMORY_STORE].max_bytes)),
        pt_log_text("memoryFrom", server->memory.source),
        pt_log_int("maxConnections", (int64_t)server->max_connections));
}

static void finish(struct server *server)
{
    pt_identity_destroy(server->api.agent_token.identity); // asks as the feed does
    pt_kube_feed_destroy(server->kube);
    pt_event_feed_destroy(server->api.feed);
    pt_http_server_destroy(server->api.server);
    pt_http_server_destroy(server->api.agent_server);
    pt_http_server_destroy(server->api.metrics_server);
    pt_share_destroy(server->api.share);
    pt_long_answers_destroy(server->api.long_answers);
    pt_report_queue_destroy(server->api.reports);
    pt_secret_destroy(server->api.agent_token.secret);
    pt_tls_destroy(server->tls);
    pt_timer_destroy(server->sweep);
    pt_timer_destroy(server->drain);
    pt_timer_destroy(server->hold_up_round);
    pt_hold_ups_destroy(server->hold_ups);
    pt_service_manager_destroy(server->manager);
    pt_store_destroy(server->store);
    pt_loop_destroy(server->loop);
    libevent_global_shutdown();
}

static void complain(const struct pt_error *err)
{
    pt_journal_complain("pulltrace-server", err->message);
}

// Whether a start that has failed may do better later, as with a port that another still has, so
// that a supervisor shall try again. A wrong setting stays wrong.
static bool may_be_tried_again(int r)
{
    return r == -EADDRINUSE || r == -EADDRNOTAVAIL || r == -ENOMEM || r == -EMFILE ||
           r == -ENFILE || r == -ENOBUFS;
}

static int make_secrets(struct pt_error *err)
{
    int r = pt_make_secrets(&settings.kube.kube, err);
    pt_log_flush();
    if (r < 0)
        complain(err);
    return r == 0 ? EXIT_SUCCESS : r == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static struct server server;
    struct pt_error err;
    bool makes_secrets;
    int status;
    if (!parse_arguments(argc, argv, &makes_secrets, &status))
        return status;
    int r = pt_server_settings_load(makes_secrets, &settings, &err);
    if (r < 0) {
        complain(&err);
        return EXIT_USAGE;
    }
    pt_log_set_level(settings.log_level);
    pt_log_start();
    event_set_log_callback(on_libevent_message);
    pt_server_settings_warn_of_unknown();
    if (makes_secrets)
        return make_secrets(&err);
    status = EXIT_SUCCESS;
    r = start(&server, &err);
    if (r < 0) {
        complain(&err);
        status = may_be_tried_again(r) ? EXIT_FAILURE : EXIT_USAGE;
    } else {
        log_start(&server);
        pt_service_manager_ready(server.manager);
        if (pt_loop_run(server.loop, on_stop, &server, &err) < 0) {
            pt_log_error("server.stopped", pt_log_text("error", err.message));
            status = EXIT_FAILURE;
        } else {
            pt_log_info("server.stopped");
        }
    }
    finish(&server);
    return status;
}
