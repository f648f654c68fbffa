// SPDX-License-Identifier: Apache-2.0
#include "agent/agent.h"
#include "agent/check.h"
#include "agent/confine.h"
#include "agent/readiness.h"
#include "base/clock.h"
#include "base/journal.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/revision.h"
#include "base/rhythm.h"
#include "base/secret_file.h"
#include "base/service_manager.h"
#include "base/settings.h"
#include "base/text.h"
#include "base/unknown_settings.h"
#include "containerd/places.h"
#include "containerd/socket_check.h"
#include "pull/report.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ; // POSIX leaves its declaration to the program

#define EXIT_USAGE 2
#define LARGE_ALLOCATION_BYTES (128 * 1024)

static struct settings {
    const char *node_name, *server_url, *ca_file;
    const char *containerd_socket, *socket_directories, *containerd_namespaces;
    enum pt_identity_kind agent_identity;
    const char *agent_identity_file;
    const char *agent_token, *agent_token_file;
    int64_t interval_ns;
    enum pt_log_level log_level;
} settings;

static const struct pt_setting table[] = {
    {"PULLTRACE_NODE_NAME", PT_SETTING_TEXT, &settings.node_name, "",
     "name of this node, in Kubernetes its spec.nodeName; empty: the host name, which in a pod is "
     "the pod's",
     0, 0},
    {"PULLTRACE_SERVER_URL", PT_SETTING_URL, &settings.server_url, "",
     "where pulltrace-server is; empty: pulls are only logged", 0, 0},
    {"PULLTRACE_CONTAINERD_SOCKET", PT_SETTING_TEXT, &settings.containerd_socket, "",
     "containerd's socket, owned and served by root; empty: that of k3s, RKE2, k0s, MicroK8s or "
     "the usual one, whichever has the namespace",
     0, 0},
    {"PULLTRACE_CONTAINERD_SOCKET_DIRS", PT_SETTING_FOLDERS, &settings.socket_directories, "",
     "directories that the socket may be in, after resolving links; empty: those of these", 0, 0},
    {"PULLTRACE_CONTAINERD_NAMESPACES", PT_SETTING_CONTAINERD_NAMESPACES,
     &settings.containerd_namespaces, "k8s.io",
     "containerd namespaces to watch, comma-separated, or * for all", 0,
     PT_LIMIT_CONTAINERD_NAMESPACES},
    {"PULLTRACE_REPORT_INTERVAL", PT_SETTING_DURATION, &settings.interval_ns, "1s",
     "how often to look and to report while something is pulled; a fast pull up to four times as "
     "often",
     PT_REPORT_NEWS_MS *PT_NS_PER_MS, 3600 * PT_NS_PER_S},
    {"PULLTRACE_AGENT_IDENTITY", PT_SETTING_IDENTITY, &settings.agent_identity, "token",
     "how it proves which node it is: token, one that all agents share, or kubernetes, by the "
     "token of its ServiceAccount; the shared one is then for a server that cannot look at that",
     0, 0},
    {"PULLTRACE_AGENT_IDENTITY_FILE", PT_SETTING_TEXT, &settings.agent_identity_file,
     "/var/run/secrets/pulltrace/token",
     "file with the token of its ServiceAccount, read again when the kubelet has changed it", 0, 0},
    {"PULLTRACE_AGENT_TOKEN", PT_SETTING_TEXT, &settings.agent_token, "",
     "bearer token for the server; empty: none", 0, 0},
    {"PULLTRACE_AGENT_TOKEN_FILE", PT_SETTING_TEXT, &settings.agent_token_file, "",
     "file with that token, of several lines the first; read again when it changes; goes before "
     "the variable",
     0, 0},
    {"PULLTRACE_CA_FILE", PT_SETTING_FILE, &settings.ca_file, "",
     "PEM file with the CAs for an https server; empty: the system's", 0, 0},
    {"PULLTRACE_LOG_LEVEL", PT_SETTING_LOG_LEVEL, &settings.log_level, "info",
     "debug, info, warn or error", 0, 0},
};

#define TABLE_COUNT (sizeof(table) / sizeof(table[0]))

static void print_help(void)
{
    puts(
        "Usage: pulltrace-agent [--watch | --check | --ready | --help | --version]\n"
        "\n"
        "Watches every image pull of this node's containerd, from which it only reads, and "
        "reports\n"
        "it to pulltrace-server. With --watch it draws live progress on the terminal instead of\n"
        "writing a log, or plain lines when standard output is no terminal, and reports to "
        "nobody:\n"
        "it may run beside an agent. With --check it says what it finds of all that it needs, and\n"
        "what to do, and ends. With --ready it says whether the agent that runs reaches "
        "containerd\n"
        "and the server, and ends: for a probe in the same container. It is configured by\n"
        "environment variables:\n");
    pt_settings_print(stdout, table, TABLE_COUNT);
    puts(
        "\n"
        "It logs one JSON object a line on standard output: pull.started, pull.completed and\n"
        "pull.failed, and pull.progress at level debug. SIGTERM or SIGINT ends it within 2 s.\n"
        "After its start it holds no capability, can gain no privilege, execute no program, reach\n"
        "no other process and write no file (seccomp); it keeps user root, to whom containerd's\n"
        "socket belongs.\n"
        "Exit status: 0 ended by a signal, or --check or --ready has found all well; 1 failed\n"
        "while running, or something is missing; 2 bad usage or setting.");
}

enum mode {
    MODE_AGENT,
    MODE_WATCH,
    MODE_CHECK,
    MODE_READY,
};

// Reads the command line; returns whether to go on, else *ret_status is the exit status.
static bool parse_arguments(int argc, char **argv, enum mode *ret_mode, int *ret_status)
{
    *ret_status = EXIT_SUCCESS;
    *ret_mode = MODE_AGENT;
    if (argc == 2 && strcmp(argv[1], "--watch") == 0)
        *ret_mode = MODE_WATCH;
    else if (argc == 2 && strcmp(argv[1], "--check") == 0)
        *ret_mode = MODE_CHECK;
    else if (argc == 2 && strcmp(argv[1], "--ready") == 0)
        *ret_mode = MODE_READY;
    if (argc == 1 || *ret_mode != MODE_AGENT)
        return true;
    if (argc == 2 && pt_text_is_either(argv[1], "-h", "--help")) {
        print_help();
    } else if (argc == 2 && pt_text_is_either(argv[1], "-V", "--version")) {
        puts("pulltrace-agent " PT_VERSION " (" PT_REVISION ")");
    } else {
        fprintf(stderr, "pulltrace-agent: unknown argument \"%s\"; see --help\n", argv[1]);
        *ret_status = EXIT_USAGE;
    }
    return false;
}

// --- settings ---

// The server refuses the reports of a node without such a name: better said here.
static int check_node_name(const char *name, struct pt_error *err)
{
    if (!pt_is_node_name(name) || strlen(name) > PT_LIMIT_NODE_NAME_BYTES)
        return pt_error_set(err, EINVAL,
                            "PULLTRACE_NODE_NAME=%s: expected the node's name, in Kubernetes its "
                            "spec.nodeName: at most %d letters, digits, - . and _, the first one a "
                            "letter or digit",
                            name, PT_LIMIT_NODE_NAME_BYTES);
    return 0;
}

static int load_settings(char node_name[static PT_LIMIT_NODE_NAME_BYTES + 1], enum mode mode,
                         struct pt_error *err)
{
    int r = pt_settings_load(table, TABLE_COUNT, getenv, err);
    if (r < 0)
        return r;
    if (mode == MODE_WATCH)
        settings.server_url = ""; // who watches is no second agent of the node
    pt_log_set_level(settings.log_level);
    pt_log_start();
    if (mode == MODE_AGENT) {
        const struct pt_setting_table tables[] = {{table, TABLE_COUNT}};
        pt_settings_warn_of_unknown(environ, tables, 1);
    }
    if (!settings.node_name[0]) {
        if (gethostname(node_name, PT_LIMIT_NODE_NAME_BYTES + 1) < 0)
            node_name[0] = '\0';
        settings.node_name = node_name;
    }
    r = check_node_name(settings.node_name, err);
    if (!settings.socket_directories[0])
        settings.socket_directories = pt_places_directories;
    if (r < 0 || mode == MODE_CHECK || mode == MODE_READY || !settings.containerd_socket[0])
        return r;
    r = pt_socket_check_path(settings.containerd_socket, settings.socket_directories, err);
    if (r < 0 && r != -ENOENT) // one that is not there yet is waited for
        return pt_error_prefix(err, "PULLTRACE_CONTAINERD_SOCKET");
    return 0;
}

// --- running ---

// What it shows the server.
struct tokens {
    struct pt_secret *identity; // NULL: none
    struct pt_secret *shared;
};

static int read_tokens(struct tokens *tokens, struct pt_error *err)
{
    int r = settings.agent_identity == PT_IDENTITY_BY_KUBERNETES
                ? pt_secret_create(NULL, settings.agent_identity_file, &tokens->identity, err)
                : 0;
    if (r < 0)
        return pt_error_prefix(err, "PULLTRACE_AGENT_IDENTITY_FILE");
    r = pt_secret_create_lines(settings.agent_token, settings.agent_token_file, &tokens->shared,
                               err);
    if (r < 0)
        pt_error_prefix(err, settings.agent_token_file[0] ? "PULLTRACE_AGENT_TOKEN_FILE"
                                                          : "PULLTRACE_AGENT_TOKEN");
    return r;
}

struct running {
    struct pt_agent *agent;
    struct pt_service_manager *manager; // NULL: nobody wants to be notified
};

static void on_stop(void *context)
{
    struct running *running = context;
    pt_service_manager_stopping(running->manager);
    pt_agent_stop(running->agent);
}

static int run_agent(struct pt_loop *loop, const struct tokens *tokens, int watch_fd,
                     struct pt_readiness *readiness, struct pt_service_manager *manager,
                     struct pt_error *err)
{
    const struct pt_agent_options options = {
        .loop = loop,
        .clock = pt_clock_system(),
        .node_name = settings.node_name,
        .server_url = settings.server_url,
        .containerd_socket = settings.containerd_socket,
        .containerd_socket_directories = settings.socket_directories,
        .containerd_namespaces = settings.containerd_namespaces,
        .ca_file = settings.ca_file,
        .identity = tokens->identity,
        .token = tokens->shared,
        .interval_ms = settings.interval_ns / PT_NS_PER_MS,
        .watch_fd = watch_fd,
        .readiness = readiness,
    };
    struct running running = {.manager = manager};
    int r = pt_agent_create(&options, &running.agent, err);
    if (r < 0)
        return r;
    r = pt_confine(err);
    if (r < 0) {
        pt_agent_destroy(running.agent);
        return r;
    }
    pt_log_info("agent.started", pt_log_text("version", PT_VERSION),
                pt_log_text("node", settings.node_name),
                pt_log_text("namespaces", settings.containerd_namespaces),
                pt_log_text("server", settings.server_url));
    pt_service_manager_ready(manager);
    r = pt_loop_run(loop, on_stop, &running, err);
    pt_agent_destroy(running.agent);
    if (r == 0)
        pt_log_info("agent.stopped");
    return r;
}

// Without memory to share, --ready finds no agent; the agent itself works.
static int run(struct pt_loop *loop, const struct tokens *tokens, enum mode mode,
               struct pt_error *err)
{
    struct pt_readiness *readiness = NULL;
    if (mode == MODE_WATCH)
        return run_agent(loop, tokens, STDOUT_FILENO, NULL, NULL, err);
    struct pt_service_manager *manager =
        pt_service_manager_create(pt_loop_base(loop), pt_clock_system(), getenv);
    if (pt_readiness_create(pt_loop_base(loop), pt_clock_system(), settings.node_name,
                            settings.server_url[0] != '\0', &readiness, err) < 0)
        pt_log_warn("agent.no_readiness", pt_log_text("error", err->message));
    int r = run_agent(loop, tokens, -1, readiness, manager, err);
    pt_service_manager_destroy(manager);
    pt_readiness_destroy(readiness);
    return r;
}

static int check(struct pt_loop *loop, const struct tokens *tokens, bool *ret_well,
                 struct pt_error *err)
{
    const struct pt_check_options options = {
        .loop = loop,
        .out = stdout,
        .containerd_socket = settings.containerd_socket,
        .containerd_socket_directories = settings.socket_directories,
        .containerd_namespaces = settings.containerd_namespaces,
        .server_url = settings.server_url,
        .ca_file = settings.ca_file,
        .identity = tokens->identity,
        .token = tokens->shared,
    };
    return pt_check_run(&options, ret_well, err);
}

static int fail(int status, const struct pt_error *err)
{
    pt_journal_complain("pulltrace-agent", err->message);
    return status;
}

int main(int argc, char **argv)
{
    char node_name[PT_LIMIT_NODE_NAME_BYTES + 1] = "";
    struct pt_error err;
    struct tokens tokens = {0};
    struct pt_loop *loop = NULL;
    enum mode mode;
    bool is_well = true;
    int status;
    // What was needed for a while goes back to the system: a node has memory for other things.
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, LARGE_ALLOCATION_BYTES);
    if (!parse_arguments(argc, argv, &mode, &status))
        return status;
    if (mode != MODE_AGENT)
        pt_log_set_descriptor(-1);
    if (load_settings(node_name, mode, &err) < 0)
        return fail(EXIT_USAGE, &err);
    if (mode == MODE_READY)
        return pt_readiness_probe(settings.node_name, pt_clock_system(), stdout) ? EXIT_SUCCESS
                                                                                 : EXIT_FAILURE;
    if (mode != MODE_WATCH && read_tokens(&tokens, &err) < 0)
        return fail(EXIT_USAGE, &err);
    int r = pt_loop_create(&loop, &err);
    if (r == 0)
        r = mode == MODE_CHECK ? check(loop, &tokens, &is_well, &err)
                               : run(loop, &tokens, mode, &err);
    pt_loop_destroy(loop);
    pt_secret_destroy(tokens.identity);
    pt_secret_destroy(tokens.shared);
    if (r < 0)
        return fail(EXIT_FAILURE, &err);
    return is_well ? EXIT_SUCCESS : EXIT_FAILURE;
}
