// SPDX-License-Identifier: Apache-2.0
#include "crowd.h"

#include "bench/machine.h"

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

// Plays the nodes of a cluster and the readers of its streams against servers that come and go, and
// holds what each reader was sent against what was acknowledged. Other than loadgen it lives
// through anything: a report that was not answered with 200 is not acknowledged, and its end is
// sent again.

#define TICK_NS 2000000 // between two looks at the sockets
#define EVENTS 512

static struct crowd crowd = {.nodes = 100,
                             .pulls = 1,
                             .layers = 4,
                             .pull_seconds = 10,
                             .interval_ms = 1000,
                             .generations = 200};

bool crowd_fails(int node, int pull, int generation)
{
    return (node + 3 * pull + 5 * generation) % 8 == 0;
}

int64_t crowd_now_ns(void)
{
    return machine_ns(CLOCK_MONOTONIC);
}

int crowd_connect(const struct crowd *in, uint16_t port, void *data)
{
    int on = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = data};
    if ((connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) ||
        epoll_ctl(in->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void usage(FILE *out)
{
    fputs(
        "Usage: crowd --port PORT[,PORT...] [OPTION...]\n"
        "  --port LIST       ports on 127.0.0.1 over which connections are spread\n"
        "  --watch LIST      ports of single servers, each of which is read whole\n"
        "  --nodes N         that report (100)\n"
        "  --interval MS     between two reports of a node (1000)\n"
        "  --pulls N         of each node at once (1)\n"
        "  --layers N        of each pull (4)\n"
        "  --pull-seconds S  duration of a pull, after which another begins (10)\n"
        "  --generations N   of pulls that a node has at most (200)\n"
        "  --readers N       of the ends of pulls (0)\n"
        "Reads from stdin: after `strict`, as at first, ends of a node must come in their order,\n"
        "after `loose` in any; `update` lets the time of readers without a stream count by "
        "itself;\n"
        "`rest` lets all pulls end and begins no more, which is answered with `at rest`;\n"
        "`report` is answered with a JSON object of what was acknowledged and\n"
        "what of it was not read as it was, and ends the program.\n",
        out);
}

static int read_ports(const char *text, uint16_t *ports)
{
    int count = 0;
    char *end;
    for (; *text && count < CROWD_MAX_PORTS; text = *end == ',' ? end + 1 : end) {
        unsigned long port = strtoul(text, &end, 10);
        if (end == text || port == 0 || port > UINT16_MAX)
            break;
        ports[count++] = (uint16_t)port;
    }
    return count;
}

static void parse_options(int argc, char **argv)
{
    static const struct option known[] = {{"port", 1, NULL, 'p'},
                                          {"watch", 1, NULL, 'w'},
                                          {"nodes", 1, NULL, 'n'},
                                          {"interval", 1, NULL, 'i'},
                                          {"pulls", 1, NULL, 'u'},
                                          {"layers", 1, NULL, 'l'},
                                          {"pull-seconds", 1, NULL, 's'},
                                          {"generations", 1, NULL, 'g'},
                                          {"readers", 1, NULL, 'r'},
                                          {"help", 0, NULL, 'h'},
                                          {0}};
    int *const numbers[] = {
        ['n'] = &crowd.nodes,  ['i'] = &crowd.interval_ms, ['u'] = &crowd.pulls,
        ['l'] = &crowd.layers, ['r'] = &crowd.readers,     ['g'] = &crowd.generations};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) >= 0;) {
        if (c == 'h' || c == '?') {
            usage(c == 'h' ? stdout : stderr);
            exit(c == 'h' ? 0 : 2);
        }
        if (c == 'p')
            crowd.port_count = read_ports(optarg, crowd.ports);
        else if (c == 'w')
            crowd.watched_count = read_ports(optarg, crowd.watched);
        else if (c == 's')
            crowd.pull_seconds = strtod(optarg, NULL);
        else
            *numbers[c] = atoi(optarg);
    }
    if (crowd.port_count == 0 || crowd.nodes < 1 || crowd.pulls < 1 || crowd.generations < 1) {
        usage(stderr);
        exit(2);
    }
}

// Handles what there is, without waiting.
static void handle_events(struct nodes *nodes, struct readers *readers)
{
    struct epoll_event events[EVENTS];
    int count;
    do {
        count = epoll_wait(crowd.epoll_fd, events, EVENTS, 0);
        for (int i = 0; i < count; i++) {
            struct crowd_peer *peer = events[i].data.ptr;
            if (peer->fd < 0)
                continue; // closed since
            if (peer->kind == CROWD_NODES)
                nodes_on_event(nodes, peer, events[i].events);
            else
                readers_on_event(readers, peer, events[i].events);
        }
    } while (count == EVENTS);
}

enum order { NONE, LOOSE, STRICT, UPDATE, REST, REPORT };

// What stands on stdin now; its end is the order to report.
static enum order read_order(void)
{
    static const char *const names[] = {"", "loose", "strict", "update", "rest", "report"};
    static char line[64];
    static size_t length;
    char c;
    for (ssize_t n; (n = read(STDIN_FILENO, &c, 1)) >= 0;) {
        if (n == 0)
            return REPORT;
        if (c != '\n') {
            line[length] = c;
            length = (length + 1) % (sizeof(line) - 1);
            continue;
        }
        line[length] = '\0';
        length = 0;
        for (enum order order = LOOSE; order <= REPORT; order++)
            if (strcmp(line, names[order]) == 0)
                return order;
    }
    return NONE;
}

static void run(struct nodes *nodes, struct readers *readers)
{
    bool rests = false;
    for (enum order order; (order = read_order()) != REPORT;) {
        struct timespec pause = {.tv_nsec = TICK_NS - crowd_now_ns() % TICK_NS};
        nanosleep(&pause, NULL);
        handle_events(nodes, readers);
        nodes_run(nodes);
        readers_run(readers);
        if (order == LOOSE || order == STRICT) {
            readers_be_strict(readers, order == STRICT);
            nodes_be_calm(nodes, order == STRICT);
        }
        if (order == UPDATE)
            readers_begin_update(readers);
        if (order == REST) {
            nodes_rest(nodes);
            rests = true;
        }
        if (rests && nodes_are_at_rest(nodes) && readers_are_in_step(readers)) {
            puts("at rest");
            fflush(stdout);
            rests = false;
        }
    }
    printf("{");
    nodes_print(nodes);
    readers_print(readers, nodes);
    printf("}\n");
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    machine_raise_file_limit();
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    crowd.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct nodes *nodes = nodes_create(&crowd);
    struct readers *readers = readers_create(&crowd);
    if (crowd.epoll_fd < 0 || !nodes || !readers) {
        perror("crowd");
        return 1;
    }
    run(nodes, readers);
    readers_destroy(readers);
    nodes_destroy(nodes);
    close(crowd.epoll_fd);
    return 0;
}
