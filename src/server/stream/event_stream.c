// SPDX-License-Identifier: Apache-2.0

// Every change of a pull has a version of the store. A client is sent blocks: one holds all that
// has changed between two versions, each pull once, as it is. Clients that ask for the same are a
// group and share its blocks, so that each is written once for all of them. A round begins with
// pt_event_stream_flush, which sets the version up to which all are to come; pt_event_stream_pump
// brings them there, a bounded part in each call. A client is in step (it has all up to the last
// round), behind (it gets the blocks that it lacks: a new one the state first, then the changes),
// or blocked: it does not take what it was sent, sits out the rounds, and is behind when it has
// room. A new one comes up to the newest version at once, and may then be ahead of the round.
// Example: a pull changes at the versions 7, 8 and 9 while a client is blocked at 6; then the
// client gets that pull once, as of 9.

#include "server/stream/event_stream.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/map.h"
#include "server/stream/stream_block.h"
#include "server/stream/stream_group.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MAX_PENDING_BYTES (64 * 1024) // a client with more than this untaken is passed over
#define PUMP_SENDS 256                // blocks sent in one call
#define PUMP_BYTES (4 * 1024 * 1024)  // about as much
#define PUMP_BUILDS 8                 // blocks serialized in one call
#define HEARTBEAT_NS (15 * PT_NS_PER_S)
#define RUN_BYTES 8                      // of randomness that name a run of the server
#define HELLO_SIZE 288                   // of the longest hello
#define ROOM_BYTES (256 * 1024)          // for a block of usual size
#define CLIENT_BYTES 512                 // with its places in lists
#define SCRATCH_BYTES (64 * 1024 * 1024) // one pull of full size, with all its layer events

enum client_state {
    IN_STEP, // was sent all, or will be by this round
    AHEAD,   // was sent all of this round and more, since it came during it
    BEHIND,  // gets what it has missed, block by block
    BLOCKED, // does not take what it was sent
    STATE_COUNT,
};

TAILQ_HEAD(client_list, pt_stream_client);

struct pt_stream_client {
    struct pt_event_stream *stream;
    struct pt_stream_group *group;
    void *context;
    enum client_state state;
    uint64_t seen;
    uint64_t snapshot_end; // up to here it gets the state, from there on the changes
    bool awaits_synced;
    uint64_t synced_at; // the version that was the newest when it came
    int64_t heartbeat_at;
    TAILQ_ENTRY(pt_stream_client) in_state;
    TAILQ_ENTRY(pt_stream_client) in_heartbeats;
};

struct pt_event_stream {
    const struct pt_pull_store *store;
    const struct pt_clock *clock;
    struct pt_stream_output output;
    size_t max_clients;
    size_t client_count;
    size_t blocked_count;
    uint64_t skipped;
    uint64_t target; // the version that this round goes up to
    struct pt_memory_share *memory;
    struct pt_memory_share own_memory; // without an end
    struct pt_stream_groups groups;
    struct client_list clients[STATE_COUNT]; // by state
    struct pt_stream_client *next_served;    // of those in step, in this round
    struct client_list heartbeats;           // by heartbeat_at
    struct pt_stream_block *greeting, *comment, *synced, *goodbye;
    char run[2 * RUN_BYTES + 1]; // names this run of the server, among all replicas
    const char *cluster;         // empty: not named
    struct pt_buffer scratch;
};

static void name_run(struct pt_event_stream *stream)
{
    unsigned char bytes[RUN_BYTES];
    ssize_t n = getrandom(bytes, sizeof(bytes), 0); // cannot fail for so few bytes
    assert(n == (ssize_t)sizeof(bytes));
    (void)n;
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(stream->run + 2 * i, 3, "%02x", bytes[i]);
}

int pt_event_stream_create(const struct pt_pull_store *store, const struct pt_clock *clock,
                           size_t max_clients, const struct pt_stream_output *output,
                           struct pt_event_stream **ret_stream)
{
    struct pt_event_stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return -ENOMEM;
    stream->store = store;
    stream->clock = clock;
    stream->output = *output;
    stream->max_clients = max_clients;
    stream->target = pt_store_newest_version(store);
    stream->memory = &stream->own_memory;
    pt_stream_groups_init(&stream->groups, stream->memory);
    for (size_t i = 0; i < STATE_COUNT; i++)
        TAILQ_INIT(&stream->clients[i]);
    TAILQ_INIT(&stream->heartbeats);
    pt_buffer_init(&stream->scratch, SCRATCH_BYTES);
    name_run(stream);
    stream->cluster = "";
    stream->greeting = pt_stream_block_make_text(": pulltrace " PT_VERSION "\nretry: 2000\n\n");
    stream->comment = pt_stream_block_make_text(":\n\n");
    stream->synced = pt_stream_block_make_text("event: synced\ndata: {}\n\n");
    stream->goodbye = pt_stream_block_make_text("retry: 1000\n\n");
    if (!stream->greeting || !stream->comment || !stream->synced || !stream->goodbye) {
        pt_event_stream_destroy(stream);
        return -ENOMEM;
    }
    *ret_stream = stream;
    return 0;
}

void pt_event_stream_destroy(struct pt_event_stream *stream)
{
    if (!stream)
        return;
    struct pt_stream_client *client, *next;
    for (client = TAILQ_FIRST(&stream->heartbeats); client; client = next) {
        next = TAILQ_NEXT(client, in_heartbeats);
        pt_event_stream_leave(client);
    }
    pt_stream_groups_finish(&stream->groups);
    pt_stream_block_unref(stream->greeting);
    pt_stream_block_unref(stream->comment);
    pt_stream_block_unref(stream->synced);
    pt_stream_block_unref(stream->goodbye);
    pt_buffer_finish(&stream->scratch);
    free(stream);
}

void pt_event_stream_name_cluster(struct pt_event_stream *stream, const char *name)
{
    stream->cluster = name;
}

const char *pt_event_stream_run(const struct pt_event_stream *stream)
{
    return stream->run;
}

void pt_event_stream_set_memory(struct pt_event_stream *stream, struct pt_memory_share *memory)
{
    stream->memory = stream->groups.memory = memory;
}

// --- clients ---

static void send_block(struct pt_stream_client *client, struct pt_stream_block *block)
{
    block->references++;
    client->stream->output.send(client->context, block);
}

static void leave_state(struct pt_stream_client *client)
{
    struct pt_event_stream *stream = client->stream;
    if (stream->next_served == client)
        stream->next_served = TAILQ_NEXT(client, in_state);
    TAILQ_REMOVE(&stream->clients[client->state], client, in_state);
    stream->blocked_count -= client->state == BLOCKED;
}

static void enter_state(struct pt_stream_client *client, enum client_state state)
{
    client->state = state;
    TAILQ_INSERT_TAIL(&client->stream->clients[state], client, in_state);
    client->stream->blocked_count += state == BLOCKED;
}

// No id: a reader that comes back names the last change that it saw, and this is none.
static struct pt_stream_block *make_hello(const struct pt_event_stream *stream, uint64_t version)
{
    char text[HELLO_SIZE];
    bool named = *stream->cluster;
    snprintf(text, sizeof(text), "event: hello\ndata: {\"run\":\"%s\",%s%s%s\"version\":%llu}\n\n",
             stream->run, named ? "\"cluster\":\"" : "", stream->cluster, named ? "\"," : "",
             (unsigned long long)version);
    return pt_stream_block_make_text(text);
}

// Up to which version it is to come. Of what there was when it came it gets also what has changed
// since the round began: `synced` says that nothing of that is missing.
static uint64_t goal_of(const struct pt_stream_client *client)
{
    const struct pt_event_stream *stream = client->stream;
    bool is_new = client->awaits_synced || client->seen < client->snapshot_end;
    return is_new ? pt_store_newest_version(stream->store) : stream->target;
}

static void enter_with_all(struct pt_stream_client *client)
{
    enter_state(client, client->seen > client->stream->target ? AHEAD : IN_STEP);
}

static void note_synced(struct pt_stream_client *client)
{
    if (!client->awaits_synced)
        return;
    client->awaits_synced = false;
    send_block(client, client->stream->synced);
}

int pt_event_stream_admit(struct pt_event_stream *stream, const struct pt_stream_request *request,
                          struct pt_error *err)
{
    if (stream->client_count >= stream->max_clients)
        return pt_error_set(err, ENOSPC, "the server serves its maximum of %zu streams",
                            stream->max_clients);
    int r = pt_stream_groups_admit(&stream->groups, request);
    if (r == -EDQUOT)
        return pt_error_set(err, ENOSPC,
                            "this address has its share of streams with filters of their own");
    if (r < 0)
        return pt_error_set(err, ENOSPC,
                            "the server serves its maximum of %d streams with filters of their own",
                            PT_LIMIT_STREAM_FILTERS);
    if (!pt_memory_share_has_room(stream->memory, ROOM_BYTES))
        return pt_error_set(err, ENOBUFS, "the memory for event streams is full");
    return 0;
}

// The version in an id of this run; 0: it is of another one, or no id.
static uint64_t version_of(const struct pt_event_stream *stream, const char *id)
{
    size_t length = strlen(stream->run);
    if (strncmp(id, stream->run, length) != 0 || id[length] != '.' ||
        !isdigit((unsigned char)id[length + 1]))
        return 0;
    char *end;
    errno = 0;
    unsigned long long version = strtoull(id + length + 1, &end, 10);
    return errno || *end ? 0 : version;
}

int pt_event_stream_join(struct pt_event_stream *stream, const struct pt_stream_request *request,
                         void *context, struct pt_stream_client **ret_client, struct pt_error *err)
{
    int r = pt_event_stream_admit(stream, request, err);
    if (r < 0)
        return r;
    struct pt_stream_client *client = calloc(1, sizeof(*client));
    uint64_t first_version = pt_store_first_version(stream->store);
    uint64_t version = version_of(stream, request->last_event_id);
    bool resumes = version >= first_version && version <= pt_store_newest_version(stream->store);
    uint64_t seen = resumes ? version : first_version;
    struct pt_stream_block *hello = client && request->hello ? make_hello(stream, seen) : NULL;
    struct pt_stream_group *group = client && (hello || !request->hello)
                                        ? pt_stream_groups_join(&stream->groups, request)
                                        : NULL;
    if (!group) {
        pt_stream_block_unref(hello);
        free(client);
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    *client = (struct pt_stream_client){
        .stream = stream,
        .group = group,
        .context = context,
        .seen = seen,
        .snapshot_end = resumes ? 0 : pt_store_newest_version(stream->store),
        .awaits_synced = request->hello,
        .synced_at = pt_store_newest_version(stream->store),
        .heartbeat_at = pt_clock_monotonic_ns(stream->clock) + HEARTBEAT_NS,
    };
    stream->client_count++;
    pt_memory_share_add(stream->memory, CLIENT_BYTES);
    TAILQ_INSERT_TAIL(&stream->heartbeats, client, in_heartbeats);
    enter_state(client, BEHIND);
    send_block(client, stream->greeting);
    if (hello) {
        send_block(client, hello);
        pt_stream_block_unref(hello);
    }
    *ret_client = client;
    return 0;
}

void pt_event_stream_leave(struct pt_stream_client *client)
{
    struct pt_event_stream *stream = client->stream;
    leave_state(client);
    TAILQ_REMOVE(&stream->heartbeats, client, in_heartbeats);
    pt_stream_groups_leave(&stream->groups, client->group);
    stream->client_count--;
    pt_memory_share_add(stream->memory, -CLIENT_BYTES);
    free(client);
}

void pt_event_stream_drained(struct pt_stream_client *client)
{
    if (client->state != BLOCKED)
        return;
    leave_state(client);
    enter_state(client, BEHIND);
}

// Returns the block that begins at `from`, borrowed or the caller's alone (*ret_owned). One that
// has to be made goes up to `to`, or not as far. A block made a while ago is as good: what has
// changed since then has a version that comes later.
static struct pt_stream_block *get_block(struct pt_event_stream *stream,
                                         struct pt_stream_group *group, uint64_t from, uint64_t to,
                                         bool of_snapshot, bool *ret_owned)
{
    int64_t now = pt_clock_monotonic_ns(stream->clock);
    struct pt_stream_block *block =
        pt_stream_group_find_block(&stream->groups, group, from, of_snapshot, now);
    *ret_owned = false;
    if (block)
        return block;
    block = pt_stream_block_make(stream->store, &group->request, stream->run, from, to, of_snapshot,
                                 &stream->scratch);
    *ret_owned = !block || group->client_count < 2;
    if (block)
        pt_stream_block_count(block, stream->memory);
    if (!*ret_owned)
        pt_stream_group_keep_block(&stream->groups, group, block, now);
    return block;
}

// Sends the client its next block and adds its size; returns whether it had to be serialized first.
static bool serve(struct pt_stream_client *client, size_t *sent_bytes)
{
    struct pt_event_stream *stream = client->stream;
    uint64_t goal = goal_of(client);
    bool owned = false;
    leave_state(client);
    if (client->seen >= goal) {
        note_synced(client);
        enter_with_all(client);
        return false;
    }
    if (stream->output.pending(client->context) > MAX_PENDING_BYTES) {
        enter_state(client, BLOCKED);
        return false;
    }
    bool of_snapshot = client->seen < client->snapshot_end;
    struct pt_stream_block *block =
        get_block(stream, client->group, client->seen, goal, of_snapshot, &owned);
    if (block) {
        if (block->length > 0)
            send_block(client, block);
        *sent_bytes += block->length;
        client->seen = block->to;
        if (block->is_whole && client->seen >= client->synced_at)
            note_synced(client);
        if (owned)
            pt_stream_block_unref(block);
    }
    if (client->seen >= goal_of(client))
        enter_with_all(client);
    else
        enter_state(client, BEHIND);
    return owned || !block;
}

// Those that were ahead of the last round and lack something of this one.
static void admit_to_round(struct pt_event_stream *stream)
{
    struct pt_stream_client *client, *next;
    for (client = TAILQ_FIRST(&stream->clients[AHEAD]); client; client = next) {
        next = TAILQ_NEXT(client, in_state);
        if (client->seen >= stream->target)
            continue;
        leave_state(client);
        enter_state(client, IN_STEP);
    }
}

void pt_event_stream_flush(struct pt_event_stream *stream)
{
    if (!pt_event_stream_has_news(stream))
        return;
    stream->target = pt_store_newest_version(stream->store);
    stream->skipped += stream->blocked_count;
    admit_to_round(stream);
    stream->next_served = TAILQ_FIRST(&stream->clients[IN_STEP]);
}

enum room {
    HAS_ROOM,
    MADE_ROOM, // by dropping a block or a client, maybe that one
    NO_ROOM,
};

// Whether there is memory for a block more.
static enum room find_room(struct pt_event_stream *stream, const struct pt_stream_client *client)
{
    if (pt_memory_share_has_room(stream->memory, ROOM_BYTES))
        return HAS_ROOM;
    pt_memory_share_note_refusal(stream->memory);
    int64_t now = pt_clock_monotonic_ns(stream->clock);
    return pt_stream_groups_drop_blocks(&stream->groups, now, true) ||
                   stream->output.make_room(client->context)
               ? MADE_ROOM
               : NO_ROOM;
}

bool pt_event_stream_pump(struct pt_event_stream *stream)
{
    int builds = 0;
    size_t sent_bytes = 0;
    for (int sends = 0; sends < PUMP_SENDS && builds < PUMP_BUILDS && sent_bytes < PUMP_BYTES;
         sends++) {
        // By turns, so that neither many clients in step nor a long snapshot holds up the other.
        struct pt_stream_client *client = TAILQ_FIRST(&stream->clients[BEHIND]);
        // Those that were served stand at the end of the list again.
        if (stream->next_served && stream->next_served->seen >= stream->target)
            stream->next_served = NULL;
        if (stream->next_served && (!client || sends % 2 == 0))
            client = stream->next_served;
        enum room room = client ? find_room(stream, client) : NO_ROOM;
        if (room == NO_ROOM)
            return false;
        if (room == HAS_ROOM)
            builds += serve(client, &sent_bytes);
    }
    return stream->next_served || !TAILQ_EMPTY(&stream->clients[BEHIND]);
}

bool pt_event_stream_is_busy(const struct pt_event_stream *stream)
{
    return stream->next_served;
}

bool pt_event_stream_has_news(const struct pt_event_stream *stream)
{
    return stream->target != pt_store_newest_version(stream->store);
}

uint64_t pt_event_stream_newest(const struct pt_event_stream *stream)
{
    return pt_store_newest_version(stream->store);
}

bool pt_event_stream_has_sent(const struct pt_event_stream *stream, uint64_t version)
{
    return stream->target >= version && !pt_event_stream_is_busy(stream);
}

void pt_event_stream_heartbeat(struct pt_event_stream *stream)
{
    int64_t now = pt_clock_monotonic_ns(stream->clock);
    struct pt_stream_client *client;
    pt_stream_groups_drop_blocks(&stream->groups, now, false);
    while ((client = TAILQ_FIRST(&stream->heartbeats)) && client->heartbeat_at <= now) {
        TAILQ_REMOVE(&stream->heartbeats, client, in_heartbeats);
        client->heartbeat_at = now + HEARTBEAT_NS;
        TAILQ_INSERT_TAIL(&stream->heartbeats, client, in_heartbeats);
        if (stream->output.pending(client->context) == 0)
            send_block(client, stream->comment);
    }
}

void pt_event_stream_say_goodbye(struct pt_event_stream *stream)
{
    struct pt_stream_client *client;
    TAILQ_FOREACH(client, &stream->heartbeats, in_heartbeats)
    {
        send_block(client, stream->goodbye);
    }
}

struct pt_stream_figures pt_event_stream_figures(const struct pt_event_stream *stream)
{
    return (struct pt_stream_figures){.clients = stream->client_count, .skipped = stream->skipped};
}
