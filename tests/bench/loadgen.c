// SPDX-License-Identifier: Apache-2.0
#include "agents.h"
#include "base/rhythm.h"
#include "latency.h"
#include "machine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// Plays the agents of a cluster and the readers of its event stream against one server, and prints
// what that cost and how long it took, as one JSON object.

#define READ_BYTES (256 * 1024)
#define TAIL_BYTES 512 // of a stream's text, kept because a message may be split
#define TIMED_STREAMS 100
#define TICK_NS 1000000 // between two looks at the sockets

struct options {
    struct sockaddr_in address;
    int connections;
    int streams;
    const char *query; // of the streams
    int warm_up_seconds;
    int seconds;
    int settle_seconds; // after the last report, for streams to get all
    int server_pid;
    bool beats; // the agents report as often as the server asks for
} options = {.query = "", .warm_up_seconds = 3, .seconds = 10, .settle_seconds = 2};

struct connection {
    int fd;
    bool is_stream;
    bool busy; // a report is under way
    bool open;
    int first_node; // it serves this node and every options.connections-th after it
    int waiting;    // reports that were due meanwhile
    int next_node;
    const char *unsent;
    size_t unsent_length;
    int64_t sent_at;
    uint64_t completions; // that a stream has announced
    uint64_t bytes;
    char tail[TAIL_BYTES]; // of a stream
    size_t tail_length;
    int index;
};

static struct agents agents = {
    .count = 1000, .pulls = 2, .layers = 8, .pull_seconds = 20, .interval_ms = 1000};
static struct connection *connections;
static int epoll_fd;
static int64_t started_wall_ns;
static bool measuring;
static struct latency post_latency, event_latency;
static uint64_t reports, errors, dropped_streams, stream_bytes, events_timed;
static char *reading;

static void die(const char *what)
{
    fprintf(stderr, "loadgen: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void connect_to_server(struct connection *connection)
{
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (connection->fd < 0)
        die("socket");
    // One address has too few ports for all, and is served no more than its share.
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (unsigned)connection->index % 4);
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(connection->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(connection->fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
        connect(connection->fd, (struct sockaddr *)&options.address, sizeof(options.address)) < 0)
        die("connect");
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) < 0)
        die("epoll_ctl");
    connection->open = true;
}

static void watch(struct connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
}

// --- reports ---

static void send_rest(struct connection *connection)
{
    ssize_t n = send(connection->fd, connection->unsent, connection->unsent_length, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        die("send");
    if (n > 0) {
        connection->unsent += n;
        connection->unsent_length -= (size_t)n;
    }
    if (connection->unsent_length > 0)
        watch(connection, EPOLLIN | EPOLLOUT);
}

static void send_report(struct connection *connection)
{
    int node = connection->next_node;
    connection->next_node += options.connections;
    if (connection->next_node >= agents.count)
        connection->next_node = connection->first_node;
    agents_refresh(&agents, node, machine_ns(CLOCK_REALTIME), started_wall_ns);
    connection->busy = true;
    connection->sent_at = machine_ns(CLOCK_MONOTONIC);
    connection->unsent = agents.requests[node];
    connection->unsent_length = agents.lengths[node];
    send_rest(connection);
}

// As an agent with nothing to report does.
static void note_heartbeat(const char *answer)
{
    static const char name[] = "\r\n" PT_REPORT_HEARTBEAT_HEADER ": ";
    const char *asked = strstr(answer, name);
    agents.interval_ms = asked ? 1000 * atoi(asked + sizeof(name) - 1) : PT_REPORT_HEARTBEAT_MS;
}

static void on_answer(struct connection *connection)
{
    ssize_t n = recv(connection->fd, reading, READ_BYTES, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        fprintf(stderr, "loadgen: the server closed an agent's connection\n");
        exit(1);
    }
    reading[n] = '\0';
    if (measuring) {
        latency_add(&post_latency,
                    (double)(machine_ns(CLOCK_MONOTONIC) - connection->sent_at) / 1000);
        reports++;
    }
    if (options.beats)
        note_heartbeat(reading);
    if (strncmp(reading, "HTTP/1.1 200 ", 13) != 0 && errors++ < 3)
        fprintf(stderr, "loadgen: %.*s\n", (int)strcspn(reading, "\r"), reading);
    connection->busy = false;
    if (connection->waiting > 0) {
        connection->waiting--;
        send_report(connection);
    }
}

static void report_is_due(struct connection *connection)
{
    if (connection->busy)
        connection->waiting++;
    else
        send_report(connection);
}

// --- streams ---

static void open_stream(struct connection *connection)
{
    char request[512];
    int length =
        snprintf(request, sizeof(request),
                 "GET /api/v1/events?%s HTTP/1.1\r\nHost: pulltrace\r\n\r\n", options.query);
    if (send(connection->fd, request, (size_t)length, MSG_NOSIGNAL) != length)
        die("send");
}

static int64_t parse_time(const char *text)
{
    struct tm parts = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (!rest || *rest != '.')
        return 0;
    return timegm(&parts) * INT64_C(1000000000) + atoi(rest + 1) * INT64_C(1000000);
}

// Looks at the messages' heads. All of the text was read into `reading`, behind the tail of what
// came before.
static void read_messages(struct connection *connection, char *text, size_t length)
{
    static const char mark[] = "\"schemaVersion\":\"v1\",\"timestamp\":\"";
    static const char type_mark[] = "\"type\":\"";
    const size_t needed = sizeof(mark) + 80;
    char *end = text + length;
    char *at = text;
    char *seen = text;
    int64_t now = machine_ns(CLOCK_REALTIME);
    while ((at = memmem(at, (size_t)(end - at), mark, sizeof(mark) - 1)) &&
           (size_t)(end - at) >= needed) {
        char *time = at + sizeof(mark) - 1;
        char *type = time + 26 + sizeof(type_mark) - 1;
        if (memcmp(type, "pull.completed", 14) == 0)
            connection->completions++;
        if (measuring && connection->index % (options.streams / TIMED_STREAMS + 1) == 0) {
            int64_t sent_at = parse_time(time);
            latency_add(&event_latency, (double)(now - sent_at) / 1000);
            events_timed++;
        }
        at = seen = type;
    }
    size_t keep = (size_t)(end - seen) < TAIL_BYTES ? (size_t)(end - seen) : TAIL_BYTES;
    if (keep > needed + 40 && (!at || at == seen))
        keep = needed + 40;
    memcpy(connection->tail, end - keep, keep);
    connection->tail_length = keep;
}

static void on_stream(struct connection *connection)
{
    memcpy(reading, connection->tail, connection->tail_length);
    ssize_t n = recv(connection->fd, reading + connection->tail_length,
                     READ_BYTES - connection->tail_length, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        dropped_streams++;
        connection->open = false;
        close(connection->fd);
        return;
    }
    connection->bytes += (uint64_t)n;
    if (measuring)
        stream_bytes += (uint64_t)n;
    read_messages(connection, reading, connection->tail_length + (size_t)n);
}

// --- the server's cost ---

// The scheduler's own count, which is exact; /proc/PID/stat only samples.
static double server_cpu_seconds(void)
{
    char path[64];
    unsigned long long running_ns = 0;
    snprintf(path, sizeof(path), "/proc/%d/schedstat", options.server_pid);
    FILE *file = fopen(path, "re");
    if (file) {
        if (fscanf(file, "%llu", &running_ns) != 1)
            running_ns = 0;
        fclose(file);
    }
    return (double)running_ns / 1e9;
}

static double server_resident_kb(void)
{
    char path[64];
    long pages = 0;
    snprintf(path, sizeof(path), "/proc/%d/statm", options.server_pid);
    FILE *file = fopen(path, "re");
    if (file) {
        if (fscanf(file, "%*d %ld", &pages) != 1)
            pages = 0;
        fclose(file);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

// --- the run ---

// Handles what there is, without waiting; returns whether there may be more.
static bool handle_events(void)
{
    struct epoll_event events[512];
    int count = epoll_wait(epoll_fd, events, 512, 0);
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (connection->is_stream) {
            if (connection->open)
                on_stream(connection);
            continue;
        }
        if (events[i].events & EPOLLOUT) {
            watch(connection, EPOLLIN);
            send_rest(connection);
        }
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            on_answer(connection);
    }
    return count == 512;
}

// Sleeps to the next tick, then handles what has come. Were it woken by each answer, the server
// would pay for that: in a cluster those who wait for an answer are other machines.
static void tick(void)
{
    struct timespec pause = {.tv_nsec = TICK_NS - machine_ns(CLOCK_MONOTONIC) % TICK_NS};
    nanosleep(&pause, NULL);
    while (handle_events())
        continue;
}

// Reports are spread evenly over the interval.
static void run_agents(double seconds, double *next_due, uint64_t *sent)
{
    int64_t end = machine_ns(CLOCK_MONOTONIC) + (int64_t)(seconds * 1e9);
    for (;;) {
        int64_t now = machine_ns(CLOCK_MONOTONIC);
        if (now >= end)
            return;
        for (; *next_due <= (double)now; (*sent)++) {
            int node = (int)(*sent % (uint64_t)agents.count);
            report_is_due(&connections[node % options.connections]);
            *next_due += (double)agents.interval_ms * 1e6 / agents.count;
        }
        tick();
    }
}

static void drain(double seconds)
{
    int64_t end = machine_ns(CLOCK_MONOTONIC) + (int64_t)(seconds * 1e9);
    while (machine_ns(CLOCK_MONOTONIC) < end)
        tick();
}

static void open_connections(void)
{
    int count = options.connections + options.streams;
    connections = calloc((size_t)count, sizeof(*connections));
    if (!connections)
        die("memory");
    for (int i = 0; i < count; i++) {
        struct connection *connection = &connections[i];
        connection->index = i;
        connection->is_stream = i >= options.connections;
        connection->first_node = connection->next_node = i;
        connect_to_server(connection);
        if (connection->is_stream)
            open_stream(connection);
        if (i % 64 == 0)
            (void)handle_events();
    }
}

static void print_result(double cpu_seconds, double wall_seconds, double own_cpu_seconds)
{
    uint64_t incomplete = 0, fewest = UINT64_MAX;
    for (int i = 0; i < options.streams; i++) {
        uint64_t completions = connections[options.connections + i].completions;
        incomplete += completions != agents.completions;
        fewest = completions < fewest ? completions : fewest;
    }
    printf("{\"nodes\":%d,\"pulls\":%d,\"layers\":%d,\"intervalMs\":%d,\"streams\":%d,",
           agents.count, agents.pulls, agents.layers, agents.interval_ms, options.streams);
    printf("\"reports\":%llu,\"errors\":%llu,\"cpuMicrosPerReport\":%.1f,\"cpuPercent\":%.1f,",
           (unsigned long long)reports, (unsigned long long)errors,
           reports ? cpu_seconds * 1e6 / (double)reports : 0, 100 * cpu_seconds / wall_seconds);
    printf("\"postMsP50\":%.2f,\"postMsP99\":%.2f,\"postMsMax\":%.2f,",
           latency_quantile_ms(&post_latency, 0.5), latency_quantile_ms(&post_latency, 0.99),
           post_latency.largest_us / 1000);
    printf("\"eventMsP50\":%.1f,\"eventMsP99\":%.1f,\"eventsTimed\":%llu,\"streamMBPerSec\":%.1f,",
           latency_quantile_ms(&event_latency, 0.5), latency_quantile_ms(&event_latency, 0.99),
           (unsigned long long)events_timed, (double)stream_bytes / 1e6 / wall_seconds);
    printf("\"droppedStreams\":%llu,\"completions\":%llu,\"streamsMissingCompletions\":%llu,",
           (unsigned long long)dropped_streams, (unsigned long long)agents.completions,
           (unsigned long long)incomplete);
    printf("\"fewestCompletions\":%llu,\"residentKB\":%.0f,\"loadgenCpuPercent\":%.0f}\n",
           (unsigned long long)(options.streams ? fewest : 0), server_resident_kb(),
           100 * own_cpu_seconds / wall_seconds);
}

static double own_cpu_seconds(void)
{
    return (double)machine_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e9;
}

static void usage(FILE *out)
{
    fputs("Usage: loadgen --port PORT --pid PID [OPTION...]\n"
          "  --port N          port of the server on 127.0.0.1\n"
          "  --pid N           the server's process, for its CPU time and memory\n"
          "  --nodes N         agents that report (1000)\n"
          "  --first N         number in the first one's name, beside another loadgen (0)\n"
          "  --connections N   that they share (as many as nodes)\n"
          "  --interval MS     between two reports of one agent (1000)\n"
          "  --heartbeats      instead: as agents with nothing to report, as the server asks for\n"
          "  --pulls N         of each node at once (2)\n"
          "  --layers N        of each pull (8)\n"
          "  --pull-seconds S  duration of a pull, after which another begins (20)\n"
          "  --v1              reports of the established format's fields only, as other agents'\n"
          "  --streams N       readers of /api/v1/events (0)\n"
          "  --query TEXT      what they ask for, as layers=0\n"
          "  --warm-up S       before measuring (3)\n"
          "  --seconds S       of measuring (10)\n"
          "  --settle S        afterwards, for the streams to get everything (2)\n"
          "Prints one JSON object. Exit status: 0 done, 1 the server could not be used.\n",
          out);
}

static void parse_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"port", 1, NULL, 'p'},    {"pid", 1, NULL, 'P'},         {"nodes", 1, NULL, 'n'},
        {"pulls", 1, NULL, 'u'},   {"layers", 1, NULL, 'l'},      {"interval", 1, NULL, 'i'},
        {"streams", 1, NULL, 's'}, {"query", 1, NULL, 'q'},       {"warm-up", 1, NULL, 'w'},
        {"seconds", 1, NULL, 't'}, {"settle", 1, NULL, 'S'},      {"pull-seconds", 1, NULL, 'd'},
        {"help", 0, NULL, 'h'},    {"connections", 1, NULL, 'c'}, {"v1", 0, NULL, 'v'},
        {"first", 1, NULL, 'f'},   {"heartbeats", 0, NULL, 'b'},  {NULL, 0, NULL, 0}};
    int port = 0;
    int *const numbers[] = {
        ['p'] = &port,
        ['P'] = &options.server_pid,
        ['n'] = &agents.count,
        ['f'] = &agents.first,
        ['u'] = &agents.pulls,
        ['l'] = &agents.layers,
        ['i'] = &agents.interval_ms,
        ['s'] = &options.streams,
        ['w'] = &options.warm_up_seconds,
        ['t'] = &options.seconds,
        ['S'] = &options.settle_seconds,
        ['c'] = &options.connections,
    };
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) >= 0;) {
        if (c == 'h' || c == '?') {
            usage(c == 'h' ? stdout : stderr);
            exit(c == 'h' ? 0 : 2);
        }
        if (c == 'd')
            agents.pull_seconds = strtod(optarg, NULL);
        else if (c == 'q')
            options.query = optarg;
        else if (c == 'v')
            agents.v1 = true;
        else if (c == 'b')
            options.beats = true;
        else
            *numbers[c] = atoi(optarg);
    }
    if (options.beats)
        agents.interval_ms = PT_REPORT_HEARTBEAT_MS;
    if (port < 1 || port > UINT16_MAX || !options.server_pid || agents.count < 1) {
        usage(stderr);
        exit(2);
    }
    options.address.sin_family = AF_INET;
    options.address.sin_port = htons((uint16_t)port);
    options.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (options.connections < 1 || options.connections > agents.count)
        options.connections = agents.count;
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    machine_raise_file_limit();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    reading = malloc(READ_BYTES + 1);
    if (epoll_fd < 0 || !reading || agents_create(&agents) < 0)
        die("memory");
    open_connections();
    drain(0.5);
    started_wall_ns = machine_ns(CLOCK_REALTIME);
    double next_due = (double)machine_ns(CLOCK_MONOTONIC);
    uint64_t sent = 0;
    run_agents(options.warm_up_seconds, &next_due, &sent);
    double cpu = server_cpu_seconds(), own_cpu = own_cpu_seconds();
    int64_t began = machine_ns(CLOCK_MONOTONIC);
    measuring = true;
    run_agents(options.seconds, &next_due, &sent);
    measuring = false;
    double seconds = (double)(machine_ns(CLOCK_MONOTONIC) - began) / 1e9;
    cpu = server_cpu_seconds() - cpu;
    own_cpu = own_cpu_seconds() - own_cpu;
    drain(options.settle_seconds);
    print_result(cpu, seconds, own_cpu);
    agents_destroy(&agents);
    return 0;
}
