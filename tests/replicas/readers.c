// SPDX-License-Identifier: Apache-2.0
#include "crowd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES (128 * 1024)        // holds the longest message
#define SILENCE_NS (20 * CROWD_NS_PER_S) // the server says something each 15 s
#define RETRY_NS (CROWD_NS_PER_S / 2)
#define SHOWN_PROBLEMS 5 // of each kind
#define ID_SIZE 80

// What the reader of one server was sent last of a pull.
struct shown {
    int64_t bytes;
    bool is_over;
};

struct reader {
    struct crowd_peer peer; // first, so that one is found by the other
    bool is_asked;          // whether the server is ready
    bool is_open;           // the request is sent
    bool has_data;          // something has come
    bool is_synced;
    uint16_t watched; // the port of the one server that it reads whole; 0: it reads ends
    unsigned connections;
    int64_t heard_ns, retry_ns;
    int64_t lost_ns;   // when something came from a stream last that broke
    int64_t behind_ns; // when it was in step last
    char last_id[ID_SIZE], message_id[ID_SIZE];
    char event[16];
    char *buffer;
    size_t length;
    uint16_t *heard; // for each end, by which connection it came last; 0: not yet
    // Of who reads one server whole, on this connection.
    struct shown *shown; // each pull
    int *newest;         // the newest generation of each node's pulls
};

enum problem { MISSED, DOUBLED, WRONG, TURNED_BACK, REORDERED, UNREAD, PROBLEMS };
static const char *const problem_names[] = {"missed",     "doubled",   "wrong",
                                            "turnedBack", "reordered", "unread"};

struct readers {
    const struct crowd *crowd;
    struct reader *all;
    int count;
    uint64_t problems[PROBLEMS];
    uint64_t events, connections;
    // Of a reader by way of the proxy; before the update, and in it: until something comes again,
    // and until it is in step again.
    int64_t longest_away_ns[2], longest_behind_ns[2];
    int64_t update_began_ns; // 0: not yet
    int64_t started_ns;
    bool is_strict; // no server reads anew what it has missed: ends come in their order
    char samples[PROBLEMS * SHOWN_PROBLEMS * 160];
    size_t samples_length;
};

static size_t end_count(const struct crowd *crowd)
{
    return (size_t)crowd->nodes * (size_t)crowd->pulls * (size_t)crowd->generations;
}

// How many pulls there are at once.
static size_t place_count(const struct crowd *crowd)
{
    return (size_t)crowd->nodes * (size_t)crowd->pulls;
}

struct readers *readers_create(const struct crowd *crowd)
{
    struct readers *readers = calloc(1, sizeof(*readers));
    int count = crowd->readers + crowd->watched_count;
    if (!readers)
        return NULL;
    readers->crowd = crowd;
    readers->started_ns = crowd_now_ns();
    readers->is_strict = true;
    readers->all = calloc((size_t)count + 1, sizeof(*readers->all));
    if (!readers->all) {
        readers_destroy(readers);
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        struct reader *reader = &readers->all[readers->count++];
        *reader = (struct reader){.peer = {CROWD_READERS, -1}};
        if (i >= crowd->readers)
            reader->watched = crowd->watched[i - crowd->readers];
        reader->buffer = malloc(BUFFER_BYTES);
        reader->heard = calloc(end_count(crowd), sizeof(*reader->heard));
        reader->shown = reader->watched ? calloc(end_count(crowd), sizeof(struct shown)) : NULL;
        reader->newest = reader->watched ? calloc(place_count(crowd), sizeof(int)) : NULL;
        bool is_whole = !reader->watched || (reader->shown && reader->newest);
        if (!reader->buffer || !reader->heard || !is_whole) {
            readers_destroy(readers);
            return NULL;
        }
    }
    return readers;
}

void readers_destroy(struct readers *readers)
{
    for (int i = 0; i < readers->count; i++) {
        struct reader *reader = &readers->all[i];
        if (reader->peer.fd >= 0)
            close(reader->peer.fd);
        free(reader->buffer);
        free(reader->heard);
        free(reader->shown);
        free(reader->newest);
    }
    free(readers->all);
    free(readers);
}

static void note(struct readers *readers, enum problem problem, const struct reader *reader,
                 int node, int pull, int generation)
{
    char *at = readers->samples + readers->samples_length;
    if (readers->problems[problem]++ >= SHOWN_PROBLEMS)
        return;
    readers->samples_length += (size_t)sprintf(
        at,
        "%s{\"what\":\"%s\",\"atS\":%.1f,\"reader\":%d,\"port\":%d,\"pull\":\"" CROWD_NODE
        "%05d " CROWD_IMAGE "%d:g%d\"}",
        readers->samples_length ? "," : "", problem_names[problem],
        (double)(crowd_now_ns() - readers->started_ns) / CROWD_NS_PER_S,
        (int)(reader - readers->all), reader->watched, node, pull, generation);
}

// --- connections ---

static void hang_up(struct readers *readers, struct reader *reader)
{
    int64_t now = crowd_now_ns();
    close(reader->peer.fd);
    reader->peer.fd = -1;
    if (reader->has_data)
        reader->lost_ns = now;
    if (reader->is_synced)
        reader->behind_ns = now;
    reader->is_asked = reader->is_open = reader->has_data = reader->is_synced = false;
    // Not all at once.
    reader->retry_ns = now + RETRY_NS * (64 + (reader - readers->all) % 64) / 128;
}

static void begin_to_connect(struct readers *readers, struct reader *reader)
{
    const struct crowd *crowd = readers->crowd;
    unsigned turn = (unsigned)(reader - readers->all) + reader->connections++;
    uint16_t port =
        reader->watched ? reader->watched : crowd->ports[turn % (unsigned)crowd->port_count];
    reader->peer.fd = crowd_connect(crowd, port, &reader->peer);
    reader->heard_ns = crowd_now_ns();
    reader->retry_ns = reader->heard_ns + RETRY_NS;
    reader->length = 0;
    *reader->event = *reader->message_id = '\0';
    readers->connections++;
}

// As HTTP/1.0, whose answer has no chunks. Who watches a server begins anew each time.
static void open_stream(struct readers *readers, struct reader *reader)
{
    char request[512];
    const char *query = reader->watched ? "" : "&status=completed";
    const char *from = reader->watched ? "" : reader->last_id;
    int length = snprintf(request, sizeof(request),
                          "GET /api/v1/events?layers=0&hello=1%s HTTP/1.0\r\nHost: pulltrace\r\n"
                          "%s%s%s\r\n",
                          query, *from ? "Last-Event-ID: " : "", from, *from ? "\r\n" : "");
    if (reader->watched) {
        memset(reader->shown, 0, end_count(readers->crowd) * sizeof(*reader->shown));
        memset(reader->newest, 0, place_count(readers->crowd) * sizeof(*reader->newest));
    }
    reader->is_open = true;
    if (send(reader->peer.fd, request, (size_t)length, MSG_NOSIGNAL) != length)
        hang_up(readers, reader);
}

// A server that is not ready reads what the others know, in any order, and nobody is sent to it.
static void ask_whether_ready(struct readers *readers, struct reader *reader)
{
    static const char request[] = "GET /readyz HTTP/1.1\r\nHost: pulltrace\r\n\r\n";
    struct epoll_event reads = {.events = EPOLLIN, .data.ptr = &reader->peer};
    epoll_ctl(readers->crowd->epoll_fd, EPOLL_CTL_MOD, reader->peer.fd, &reads);
    reader->is_asked = true;
    if (!reader->watched)
        open_stream(readers, reader);
    else if (send(reader->peer.fd, request, strlen(request), MSG_NOSIGNAL) < 0)
        hang_up(readers, reader);
}

static void on_readiness(struct readers *readers, struct reader *reader)
{
    char answer[4096];
    ssize_t n = recv(reader->peer.fd, answer, sizeof(answer), 0);
    if (n >= 12 && memcmp(answer, "HTTP/1.1 200", 12) == 0)
        open_stream(readers, reader);
    else if (n >= 0 || errno != EAGAIN)
        hang_up(readers, reader);
}

void readers_run(struct readers *readers)
{
    int64_t now = crowd_now_ns();
    for (int i = 0; i < readers->count; i++) {
        struct reader *reader = &readers->all[i];
        if (reader->peer.fd >= 0 && now - reader->heard_ns > SILENCE_NS)
            hang_up(readers, reader);
        if (reader->peer.fd < 0 && now >= reader->retry_ns)
            begin_to_connect(readers, reader);
    }
}

// --- messages ---

struct pull_event {
    int node, pull, generation;
    int64_t bytes;
    bool is_over;
    bool ends; // it is the message of the end
    bool failed;
};

static const char *find(const char *text, const char *mark)
{
    const char *at = strstr(text, mark);
    return at ? at + strlen(mark) : NULL;
}

static bool read_event(const struct crowd *crowd, const char *text, struct pull_event *event)
{
    const char *type = find(text, "\"type\":\"pull.");
    const char *node = find(text, "\"nodeName\":\"" CROWD_NODE);
    const char *image = find(text, "\"imageRef\":\"" CROWD_IMAGE);
    const char *phase = find(text, "\"phase\":\"");
    const char *bytes = find(text, "\"downloadedBytes\":");
    if (!type || !node || !image || !phase || !bytes)
        return false;
    char *end;
    event->node = atoi(node);
    event->pull = (int)strtol(image, &end, 10);
    event->generation = strncmp(end, ":g", 2) == 0 ? atoi(end + 2) : -1;
    event->bytes = strtoll(bytes, NULL, 10);
    event->failed = strncmp(phase, "failed", 6) == 0;
    event->is_over = event->failed || strncmp(phase, "completed", 9) == 0;
    event->ends = strncmp(type, "completed", 9) == 0 || strncmp(type, "failed", 6) == 0;
    return event->node < crowd->nodes && event->pull < crowd->pulls && event->generation >= 0 &&
           event->generation < crowd->generations;
}

static size_t end_index(const struct crowd *crowd, int node, int pull, int generation)
{
    return ((size_t)generation * (size_t)crowd->nodes + (size_t)node) * (size_t)crowd->pulls +
           (size_t)pull;
}

static void take_end(struct readers *readers, struct reader *reader, const struct pull_event *event)
{
    size_t index = end_index(readers->crowd, event->node, event->pull, event->generation);
    uint16_t by = (uint16_t)reader->connections;
    if (event->failed != crowd_fails(event->node, event->pull, event->generation))
        note(readers, WRONG, reader, event->node, event->pull, event->generation);
    if (event->ends && reader->is_synced && reader->heard[index] == by)
        note(readers, DOUBLED, reader, event->node, event->pull, event->generation);
    reader->heard[index] = by;
}

// One server's stream goes on only: each pull, and, unless servers read anew what they have missed,
// from one pull to the next. Of one before, only what is learned of it later may come.
static void compare_with_before(struct readers *readers, struct reader *reader,
                                const struct pull_event *event)
{
    const struct crowd *crowd = readers->crowd;
    struct shown *shown =
        &reader->shown[end_index(crowd, event->node, event->pull, event->generation)];
    int *newest = &reader->newest[event->node * crowd->pulls + event->pull];
    bool is_turned_back = event->bytes < shown->bytes || (shown->is_over && !event->is_over);
    bool is_behind = event->generation < *newest && readers->is_strict;
    if (is_turned_back || (is_behind && !event->is_over))
        note(readers, TURNED_BACK, reader, event->node, event->pull, event->generation);
    else if (is_behind && event->ends && reader->is_synced)
        note(readers, REORDERED, reader, event->node, event->pull, event->generation);
    *shown = (struct shown){event->bytes, event->is_over};
    if (event->generation > *newest)
        *newest = event->generation;
}

// Of what has lasted since then, and is over now.
static void note_longest(const struct readers *readers, const struct reader *reader,
                         int64_t since_ns, int64_t longest_ns[static 2])
{
    bool is_update = readers->update_began_ns && since_ns >= readers->update_began_ns;
    int64_t lasted_ns = crowd_now_ns() - since_ns;
    if (since_ns && !reader->watched && lasted_ns > longest_ns[is_update])
        longest_ns[is_update] = lasted_ns;
}

static void take_data(struct readers *readers, struct reader *reader, const char *text)
{
    struct pull_event event;
    if (!reader->has_data)
        note_longest(readers, reader, reader->lost_ns, readers->longest_away_ns);
    reader->has_data = true;
    if (strcmp(reader->event, "synced") == 0) {
        note_longest(readers, reader, reader->behind_ns, readers->longest_behind_ns);
        reader->is_synced = true;
    }
    if (*reader->event || strstr(text, "\"nodeName\":\"" CROWD_NODE) == NULL)
        return;
    readers->events++;
    if (!read_event(readers->crowd, text, &event)) {
        note(readers, UNREAD, reader, 0, 0, 0);
        return;
    }
    if (reader->watched)
        compare_with_before(readers, reader, &event);
    if (event.is_over)
        take_end(readers, reader, &event);
}

static void take_line(struct readers *readers, struct reader *reader, char *line)
{
    if (strncmp(line, "id: ", 4) == 0)
        snprintf(reader->message_id, ID_SIZE, "%s", line + 4);
    else if (strncmp(line, "event: ", 7) == 0)
        snprintf(reader->event, sizeof(reader->event), "%s", line + 7);
    else if (strncmp(line, "data: ", 6) == 0)
        take_data(readers, reader, line + 6);
    else if (*line == '\0') {
        if (*reader->message_id)
            memcpy(reader->last_id, reader->message_id, ID_SIZE);
        *reader->event = '\0';
    }
}

static void take_lines(struct readers *readers, struct reader *reader)
{
    char *at = reader->buffer;
    char *end = reader->buffer + reader->length;
    for (char *stop; (stop = memchr(at, '\n', (size_t)(end - at))); at = stop + 1) {
        *stop = '\0';
        if (stop > at && stop[-1] == '\r')
            stop[-1] = '\0'; // of the head
        take_line(readers, reader, at);
    }
    reader->length = (size_t)(end - at);
    memmove(reader->buffer, at, reader->length);
}

void readers_on_event(struct readers *readers, struct crowd_peer *peer, uint32_t events)
{
    struct reader *reader = (struct reader *)peer;
    if (!reader->is_open) {
        if (events & (EPOLLERR | EPOLLHUP))
            hang_up(readers, reader);
        else if (reader->is_asked)
            on_readiness(readers, reader);
        else
            ask_whether_ready(readers, reader);
        return;
    }
    ssize_t n = recv(peer->fd, reader->buffer + reader->length, BUFFER_BYTES - reader->length, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        hang_up(readers, reader);
        return;
    }
    reader->heard_ns = crowd_now_ns();
    reader->length += (size_t)n;
    take_lines(readers, reader);
}

// --- the end ---

void readers_be_strict(struct readers *readers, bool is_strict)
{
    readers->is_strict = is_strict;
}

void readers_begin_update(struct readers *readers)
{
    readers->update_began_ns = crowd_now_ns();
}

bool readers_are_in_step(const struct readers *readers)
{
    for (int i = 0; i < readers->count; i++)
        if (!readers->all[i].is_synced)
            return false;
    return true;
}

static void find_missed(struct readers *readers, const struct nodes *nodes)
{
    const struct crowd *crowd = readers->crowd;
    for (int node = 0; node < crowd->nodes; node++)
        for (int generation = 0; generation < nodes_acknowledged(nodes, node); generation++)
            for (int pull = 0; pull < crowd->pulls; pull++) {
                size_t index = end_index(crowd, node, pull, generation);
                bool fails = crowd_fails(node, pull, generation);
                for (int i = 0; i < readers->count; i++)
                    if (!readers->all[i].heard[index] && (readers->all[i].watched || !fails))
                        note(readers, MISSED, &readers->all[i], node, pull, generation);
            }
}

static void print_longest(const char *name, const int64_t longest_ns[static 2])
{
    printf("\"%sMs\":[%lld,%lld],", name, (long long)(longest_ns[0] / 1000000),
           (long long)(longest_ns[1] / 1000000));
}

void readers_print(struct readers *readers, const struct nodes *nodes)
{
    find_missed(readers, nodes);
    printf("\"readers\":%d,\"connections\":%llu,\"events\":%llu,", readers->count,
           (unsigned long long)readers->connections, (unsigned long long)readers->events);
    print_longest("away", readers->longest_away_ns);
    print_longest("behind", readers->longest_behind_ns);
    printf("\"problems\":{");
    for (int i = 0; i < PROBLEMS; i++)
        printf("%s\"%s\":%llu", i ? "," : "", problem_names[i],
               (unsigned long long)readers->problems[i]);
    printf("},\"samples\":[%s]", readers->samples);
}
