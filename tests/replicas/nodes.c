// SPDX-License-Identifier: Apache-2.0
#include "crowd.h"

#include "bench/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define LAYER_BYTES INT64_C(50000000)
#define ANSWER_BYTES 2048
#define PATIENCE_NS (5 * CROWD_NS_PER_S) // for an answer; then another connection is tried
#define REPORT_BYTES (256 * 1024)
#define STATUSES 600

enum node_state { CLOSED, CONNECTING, IDLE, WAITING };

struct node {
    struct crowd_peer peer; // first, so that one is found by the other
    enum node_state state;
    int connections;  // made so far
    int generation;   // of its pulls; the ends of those before are acknowledged
    int64_t began_ns; // these pulls, by the wall clock
    int64_t ended_ns; // of those whose end is to be acknowledged
    int64_t sent_ns;
    uint64_t sequence;
    bool holds_end; // the report under way does
    bool rests;     // no pulls, and none will be
};

struct nodes {
    const struct crowd *crowd;
    struct node *all;
    char run[17]; // of the agents
    int64_t started_ns;
    uint64_t due; // reports that were due so far
    bool is_resting;
    char *body, *request;
    struct latency latency[2]; // of reports, by is_calm
    uint64_t acknowledged, broken, unanswered;
    bool is_calm;               // nothing is away that reports wait for
    uint64_t skipped[2];        // the one before was under way: by is_calm
    uint64_t refused[STATUSES]; // by HTTP status
};

struct nodes *nodes_create(const struct crowd *crowd)
{
    uint64_t random = 0;
    struct nodes *nodes = calloc(1, sizeof(*nodes));
    if (!nodes)
        return NULL;
    nodes->all = calloc((size_t)crowd->nodes, sizeof(*nodes->all));
    nodes->body = malloc(REPORT_BYTES);
    nodes->request = malloc(REPORT_BYTES + 512);
    if (!nodes->all || !nodes->body || !nodes->request ||
        getrandom(&random, sizeof(random), 0) != sizeof(random)) {
        nodes_destroy(nodes);
        return NULL;
    }
    nodes->crowd = crowd;
    snprintf(nodes->run, sizeof(nodes->run), "%016llx", (unsigned long long)random);
    nodes->started_ns = crowd_now_ns();
    nodes->is_calm = true;
    int64_t now = machine_ns(CLOCK_REALTIME);
    for (int i = 0; i < crowd->nodes; i++) // spread over the duration of a pull
        nodes->all[i] = (struct node){
            .peer = {CROWD_NODES, -1},
            .began_ns = now - (int64_t)(crowd->pull_seconds * 1e9 * i / crowd->nodes)};
    return nodes;
}

void nodes_destroy(struct nodes *nodes)
{
    for (int i = 0; nodes->all && nodes->crowd && i < nodes->crowd->nodes; i++)
        if (nodes->all[i].peer.fd >= 0)
            close(nodes->all[i].peer.fd);
    free(nodes->all);
    free(nodes->body);
    free(nodes->request);
    free(nodes);
}

// --- what is reported ---

static const char *phase_of(const struct node *node, int number, int pull)
{
    if (!node->holds_end)
        return "downloading";
    return crowd_fails(number, pull, node->generation) ? "failed" : "completed";
}

static char *write_layers(const struct crowd *crowd, int number, int pull, int generation,
                          double share, const char *began, const char *ended, char *at)
{
    for (int i = 0; i < crowd->layers; i++) {
        at += sprintf(at,
                      "%s{\"digest\":\"sha256:%016x%016x%016x%016x\",\"totalBytes\":%lld,"
                      "\"downloadedBytes\":%lld,\"totalKnown\":true,\"phase\":\"%s\","
                      "\"startedAt\":\"%s\"",
                      i ? "," : "", (unsigned)number, (unsigned)pull, (unsigned)generation,
                      (unsigned)i, (long long)LAYER_BYTES, (long long)(share * (double)LAYER_BYTES),
                      share < 1 ? "downloading" : "done", began);
        if (share >= 1)
            at += sprintf(at, ",\"completedAt\":\"%s\"", ended);
        at += sprintf(at, "}");
    }
    return at;
}

static char *write_pull(const struct crowd *crowd, const struct node *node, int number, int pull,
                        int64_t now_ns, char *at)
{
    char began[MACHINE_TIME_SIZE], ended[MACHINE_TIME_SIZE];
    const char *phase = phase_of(node, number, pull);
    bool fails = strcmp(phase, "failed") == 0;
    double share = (double)(now_ns - node->began_ns) / 1e9 / crowd->pull_seconds;
    share = node->holds_end && !fails ? 1 : share > 0.99 ? 0.99 : share;
    machine_write_time(began, node->began_ns);
    machine_write_time(ended, now_ns);
    at += sprintf(at,
                  "%s{\"id\":\"lease-%d-%d\",\"imageRef\":\"" CROWD_IMAGE "%d:g%d\","
                  "\"repository\":\"" CROWD_IMAGE "%d\",\"startedAt\":\"%s\",\"phase\":\"%s\","
                  "\"totalKnown\":true,\"imageRefExact\":true,",
                  pull ? "," : "", pull, node->generation, pull, node->generation, pull, began,
                  phase);
    if (node->holds_end)
        at += sprintf(at, "\"completedAt\":\"%s\",", ended);
    if (fails)
        at += sprintf(at, "\"error\":\"not found\",");
    at += sprintf(at, "\"layers\":[");
    at = write_layers(crowd, number, pull, node->generation, share, began, ended, at);
    return at + sprintf(at, "]}");
}

// Returns the length of the request.
static size_t write_report(struct nodes *nodes, struct node *node, int number)
{
    char time[MACHINE_TIME_SIZE];
    int64_t now = machine_ns(CLOCK_REALTIME);
    char *at = nodes->body;
    bool is_over = (double)(now - node->began_ns) / 1e9 >= nodes->crowd->pull_seconds;
    bool may_end = nodes->is_resting || is_over;
    if (!node->holds_end && !node->rests && may_end) {
        node->holds_end = true;
        node->ended_ns = now;
    }
    machine_write_time(time, now);
    at += sprintf(at,
                  "{\"nodeName\":\"" CROWD_NODE "%05d\",\"timestamp\":\"%s\",\"run\":\"%s\","
                  "\"sequence\":%llu,\"agentVersion\":\"0.1.0\",\"intervalMs\":%d,\"pulls\":[",
                  number, time, nodes->run, (unsigned long long)++node->sequence,
                  nodes->crowd->interval_ms);
    for (int i = 0; i < nodes->crowd->pulls && !node->rests; i++)
        at = write_pull(nodes->crowd, node, number, i, node->holds_end ? node->ended_ns : now, at);
    at += sprintf(at, "]}");
    int head = sprintf(nodes->request,
                       "POST /api/v1/report HTTP/1.1\r\nHost: pulltrace\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                       (size_t)(at - nodes->body));
    memcpy(nodes->request + head, nodes->body, (size_t)(at - nodes->body));
    return (size_t)head + (size_t)(at - nodes->body);
}

// --- connections ---

static void hang_up(struct node *node)
{
    close(node->peer.fd);
    node->peer.fd = -1;
    node->state = CLOSED;
}

static void begin_to_connect(struct nodes *nodes, struct node *node, int number)
{
    const struct crowd *crowd = nodes->crowd;
    uint16_t port = crowd->ports[(number + node->connections++) % crowd->port_count];
    node->peer.fd = crowd_connect(crowd, port, &node->peer);
    node->state = node->peer.fd < 0 ? CLOSED : CONNECTING;
    node->sent_ns = crowd_now_ns();
}

static void send_report(struct nodes *nodes, struct node *node)
{
    size_t length = write_report(nodes, node, (int)(node - nodes->all));
    node->sent_ns = crowd_now_ns();
    node->state = WAITING;
    if (send(node->peer.fd, nodes->request, length, MSG_NOSIGNAL) == (ssize_t)length)
        return;
    nodes->broken++;
    hang_up(node);
}

static void report_is_due(struct nodes *nodes, struct node *node)
{
    bool is_late = crowd_now_ns() - node->sent_ns > PATIENCE_NS;
    if ((node->state == WAITING || node->state == CONNECTING) && is_late) {
        nodes->unanswered++;
        hang_up(node);
    }
    if (node->state == CLOSED)
        begin_to_connect(nodes, node, (int)(node - nodes->all));
    else if (node->state == IDLE)
        send_report(nodes, node);
    else
        nodes->skipped[nodes->is_calm]++;
}

void nodes_run(struct nodes *nodes)
{
    int count = nodes->crowd->nodes;
    double step = (double)nodes->crowd->interval_ms * 1e6 / count;
    int64_t now = crowd_now_ns() - nodes->started_ns;
    for (; (int64_t)(step * (double)nodes->due) <= now; nodes->due++)
        report_is_due(nodes, &nodes->all[nodes->due % (uint64_t)count]);
}

static void on_acknowledged(struct nodes *nodes, struct node *node)
{
    nodes->acknowledged++;
    latency_add(&nodes->latency[nodes->is_calm], (double)(crowd_now_ns() - node->sent_ns) / 1000);
    if (!node->holds_end)
        return;
    node->holds_end = false;
    node->generation++;
    node->began_ns = machine_ns(CLOCK_REALTIME);
    node->rests = nodes->is_resting || node->generation >= nodes->crowd->generations;
}

static void on_answer(struct nodes *nodes, struct node *node)
{
    char answer[ANSWER_BYTES + 1];
    ssize_t n = recv(node->peer.fd, answer, ANSWER_BYTES, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        nodes->broken += node->state == WAITING;
        hang_up(node);
        return;
    }
    answer[n] = '\0';
    int status = strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
    if (node->state != WAITING || status < 100 || status >= STATUSES)
        return; // the rest of an answer
    node->state = IDLE;
    if (status == 200)
        on_acknowledged(nodes, node);
    else
        nodes->refused[status]++;
}

void nodes_on_event(struct nodes *nodes, struct crowd_peer *peer, uint32_t events)
{
    struct node *node = (struct node *)peer;
    if (node->state != CONNECTING) {
        on_answer(nodes, node);
        return;
    }
    if (events & (EPOLLERR | EPOLLHUP)) {
        hang_up(node);
        return;
    }
    struct epoll_event reads = {.events = EPOLLIN, .data.ptr = peer};
    epoll_ctl(nodes->crowd->epoll_fd, EPOLL_CTL_MOD, peer->fd, &reads);
    node->state = IDLE;
    send_report(nodes, node);
}

// --- the end ---

void nodes_be_calm(struct nodes *nodes, bool is_calm)
{
    nodes->is_calm = is_calm;
}

void nodes_rest(struct nodes *nodes)
{
    nodes->is_resting = true;
}

bool nodes_are_at_rest(const struct nodes *nodes)
{
    for (int i = 0; i < nodes->crowd->nodes; i++)
        if (!nodes->all[i].rests)
            return false;
    return true;
}

int nodes_acknowledged(const struct nodes *nodes, int node)
{
    return nodes->all[node].generation;
}

void nodes_print(struct nodes *nodes)
{
    printf("\"acknowledged\":%llu,\"broken\":%llu,\"unanswered\":%llu,"
           "\"skipped\":%llu,\"skippedInCalm\":%llu,\"postMsP50\":%.2f,\"postMsP99\":%.2f,"
           "\"postMsP99OutOfCalm\":%.2f,\"refused\":{",
           (unsigned long long)nodes->acknowledged, (unsigned long long)nodes->broken,
           (unsigned long long)nodes->unanswered,
           (unsigned long long)(nodes->skipped[0] + nodes->skipped[1]),
           (unsigned long long)nodes->skipped[1], latency_quantile_ms(&nodes->latency[1], 0.5),
           latency_quantile_ms(&nodes->latency[1], 0.99),
           latency_quantile_ms(&nodes->latency[0], 0.99));
    const char *comma = "";
    for (int i = 0; i < STATUSES; i++) {
        if (nodes->refused[i] == 0)
            continue;
        printf("%s\"%d\":%llu", comma, i, (unsigned long long)nodes->refused[i]);
        comma = ",";
    }
    printf("},\"pulls\":%d,\"generations\":[", nodes->crowd->pulls);
    for (int i = 0; i < nodes->crowd->nodes; i++)
        printf("%s%d", i ? "," : "", nodes->all[i].generation);
    printf("],");
}
