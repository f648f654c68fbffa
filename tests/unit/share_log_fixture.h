// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_SHARE_LOG_FIXTURE_H
#define PT_TESTS_SHARE_LOG_FIXTURE_H

// Writer and reader on a real Valkey or Redis of the test's own.

#include "base/clock.h"
#include "base/http_client.h"
#include "base/loop.h"
#include "base/secret_file.h"
#include "base/timer.h"
#include "server/share/share_reader.h"
#include "server/share/share_writer.h"
#include "server/valkey/valkey_link.h"
#include "server/valkey/valkey_url.h"

#include "check.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_SEEN 4096
#define PATIENCE_MS 40000

struct fixture {
    pid_t valkey;
    int port;
    struct pt_loop *loop;
    struct pt_timer *pause;
    struct pt_http_client *client;
    struct pt_secret *password;
    struct pt_valkey_url url;
    struct pt_valkey_link_options link;
    struct pt_share_writer *writer;
    struct pt_share_reader *reader;
    bool can_write;
    int openings, closings; // of the writer
    enum pt_share_state state;
    int breaks;              // of the reader's connection
    int loadings;            // that have begun
    char seen[MAX_SEEN][32]; // reports, in the order in which they came
    size_t seen_count;
    char finished[MAX_SEEN][32];
    size_t finished_count;
    char waited[64]; // of the last one
    enum pt_share_outcome outcomes[MAX_SEEN];
    size_t taken;
    int lost, invalid, evictions;
    enum pt_share_loss loss;
    bool holds;             // entries are not answered
    const char *agent_run;  // NULL: always the same
    int64_t clock_ahead_ms; // of Valkey's as the reader has it
    bool has_been_behind;
    uint64_t dropped; // finished pulls
    const char *had;  // a pull that need not be loaded; NULL: none
    const char *kept; // of a pull that ends; NULL: its name
};

static inline int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static inline void start_valkey(struct fixture *fixture)
{
    static const struct {
        const char *file, *name;
    } programs[] = {{"valkey-server", "valkey-server"},
                    {"redis-server", "redis-server"},
                    {"valkey-check-rdb", "valkey-server"},
                    {"redis-check-rdb", "redis-server"}};
    char port[16];
    snprintf(port, sizeof(port), "%d", fixture->port);
    fixture->valkey = fork();
    if (fixture->valkey == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDOUT_FILENO);
        // Debian's server is the tool that checks a dump, called by another name.
        for (size_t i = 0; i < COUNT_OF(programs); i++)
            execlp(programs[i].file, programs[i].name, "--port", port, "--bind", "127.0.0.1",
                   "--save", "", (char *)NULL);
        _exit(127);
    }
    assert_true(fixture->valkey > 0);
}

static inline void stop_valkey(struct fixture *fixture)
{
    kill(fixture->valkey, SIGKILL);
    waitpid(fixture->valkey, NULL, 0);
}

static inline void on_taken(void *context, uint64_t number, enum pt_share_outcome outcome)
{
    struct fixture *fixture = context;
    (void)number;
    fixture->outcomes[fixture->taken++] = outcome;
}

static inline void on_dropped(void *context, uint64_t count)
{
    struct fixture *fixture = context;
    fixture->dropped += count;
}

static inline void on_eviction(void *context, const char *policy)
{
    struct fixture *fixture = context;
    (void)policy;
    fixture->evictions++;
}

static inline void on_change(void *context, const char *why)
{
    struct fixture *fixture = context;
    fixture->can_write = !why;
    fixture->openings += !why;
    fixture->closings += why != NULL;
}

// Of a pull that the tests name by a short text.
static inline void write_id(const char *name, char id[static PT_PULL_ID_SIZE])
{
    memset(id, '0', PT_PULL_ID_LENGTH);
    id[PT_PULL_ID_LENGTH] = '\0';
    for (size_t i = 0; name[i]; i++) {
        id[2 * i] = "0123456789abcdef"[name[i] >> 4];
        id[2 * i + 1] = "0123456789abcdef"[name[i] & 15];
    }
}

static inline bool has_end(void *context, const char *id)
{
    const struct fixture *fixture = context;
    char had[PT_PULL_ID_SIZE] = "";
    if (fixture->had)
        write_id(fixture->had, had);
    return strcmp(had, id) == 0;
}

static inline int64_t valkey_now_ms(void *context)
{
    const struct fixture *fixture = context;
    return pt_share_writer_now_ms(fixture->writer) + fixture->clock_ahead_ms;
}

static inline void on_entry(void *context, const struct pt_share_entry *entry)
{
    struct fixture *fixture = context;
    char *place = entry->is_past ? fixture->finished[fixture->finished_count++]
                                 : fixture->seen[fixture->seen_count++];
    snprintf(place, 32, "%.*s", (int)entry->report_length, entry->report);
    if (entry->is_past)
        snprintf(fixture->waited, sizeof(fixture->waited), "%.*s", (int)entry->waited_length,
                 entry->waited ? entry->waited : "");
    if (!fixture->holds)
        pt_share_reader_go_on(fixture->reader);
}

static inline void on_state(void *context, enum pt_share_state state, const char *why)
{
    struct fixture *fixture = context;
    (void)why;
    fixture->state = state;
    fixture->breaks += state == PT_SHARE_AWAY;
    fixture->loadings += state == PT_SHARE_LOADING;
    fixture->has_been_behind |= state == PT_SHARE_BEHIND;
}

static inline void on_lost(void *context, enum pt_share_loss loss)
{
    struct fixture *fixture = context;
    fixture->lost++;
    fixture->loss = loss;
}

static inline void on_invalid(void *context, const char *what)
{
    struct fixture *fixture = context;
    (void)what;
    fixture->invalid++;
}

static inline void open_writer(struct fixture *fixture)
{
    const struct pt_share_writer_options options = {
        .link = &fixture->link,
        .prefix = "test",
        .run = "run",
        .max_bytes = 1 << 20,
        .max_finished = 3,
        .finished_ttl_ms = 60000,
        .on_taken = on_taken,
        .on_dropped = on_dropped,
        .on_eviction = on_eviction,
        .on_change = on_change,
        .context = fixture,
    };
    fixture->writer =
        pt_share_writer_create(pt_loop_base(fixture->loop), pt_clock_system(), &options);
    assert_non_null(fixture->writer);
}

static inline void open_reader(struct fixture *fixture)
{
    const struct pt_share_reader_options options = {
        .link = &fixture->link,
        .prefix = "test",
        .max_finished = 100,
        .now_ms = valkey_now_ms,
        .has_end = has_end,
        .on_entry = on_entry,
        .on_state = on_state,
        .on_lost = on_lost,
        .on_invalid = on_invalid,
        .context = fixture,
    };
    fixture->reader = pt_share_reader_create(fixture->loop, pt_clock_system(), &options);
    assert_non_null(fixture->reader);
}

static inline void on_pause(void *context)
{
    const struct fixture *fixture = context;
    pt_loop_stop(fixture->loop);
}

static inline void run_a_little(struct fixture *fixture)
{
    struct pt_error err;
    pt_timer_start(fixture->pause, 1);
    assert_int_equal(pt_loop_run(fixture->loop, on_pause, fixture, &err), 0);
}

static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct pt_error err;
    char url[64];
    fixture->port = free_port();
    start_valkey(fixture);
    assert_int_equal(pt_loop_create(&fixture->loop, &err), 0);
    fixture->pause =
        pt_timer_create(pt_loop_base(fixture->loop), pt_clock_system(), on_pause, fixture);
    assert_int_equal(pt_http_client_create(pt_loop_base(fixture->loop), &fixture->client, &err), 0);
    assert_int_equal(pt_secret_create("", "", &fixture->password, &err), 0);
    snprintf(url, sizeof(url), "valkey://127.0.0.1:%d", fixture->port);
    assert_int_equal(pt_valkey_url_parse(url, &fixture->url, &err), 0);
    fixture->link = (struct pt_valkey_link_options){
        .client = fixture->client,
        .url = &fixture->url,
        .password = fixture->password,
        .max_silence_ms = 5000,
    };
    open_writer(fixture);
    open_reader(fixture);
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    pt_share_writer_destroy(fixture->writer);
    pt_share_reader_destroy(fixture->reader);
    pt_http_client_destroy(fixture->client);
    pt_secret_destroy(fixture->password);
    pt_timer_destroy(fixture->pause);
    pt_loop_destroy(fixture->loop);
    stop_valkey(fixture);
    free(fixture);
    return 0;
}

// Runs the loop until the condition holds; whoever waits in vain fails.
#define RUN_UNTIL(fixture, condition)                                                              \
    do {                                                                                           \
        int64_t end_ = pt_clock_monotonic_ns(pt_clock_system()) + PATIENCE_MS * PT_NS_PER_MS;      \
        while (!(condition)) {                                                                     \
            if (pt_clock_monotonic_ns(pt_clock_system()) > end_)                                   \
                fail_msg("waited in vain: %s", #condition);                                        \
            run_a_little(fixture);                                                                 \
        }                                                                                          \
    } while (0)

static inline int try_to_take(struct fixture *fixture, const char *node, int64_t sequence,
                              const char *report, const char *finished)
{
    uint64_t number;
    char kept[64];
    const char *text = fixture->kept ? fixture->kept : finished;
    snprintf(kept, sizeof(kept), "1-0\n0123\n%s", text ? text : "");
    char id[PT_PULL_ID_SIZE];
    write_id(finished ? finished : "", id);
    const struct pt_share_finished pull = {id, kept, strlen(kept)};
    const struct pt_share_take what = {
        .node_name = node,
        .agent_run = fixture->agent_run ? fixture->agent_run : "agent-run",
        .sequence = sequence,
        .received_ms = pt_share_writer_now_ms(fixture->writer),
        .row_ids = "0123",
        .report = report,
        .report_length = strlen(report),
        .finished = &pull,
        .finished_count = finished ? 1 : 0,
    };
    return pt_share_writer_take(fixture->writer, &what, &number);
}

static inline void take(struct fixture *fixture, const char *node, int64_t sequence,
                        const char *report, const char *finished)
{
    assert_int_equal(try_to_take(fixture, node, sequence, report, finished), 0);
}

// By a connection of its own.
static inline void command(const struct fixture *fixture, const char *line)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)fixture->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char answer[128] = "";
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(write(fd, line, strlen(line)), (ssize_t)strlen(line));
    ssize_t length = read(fd, answer, sizeof(answer) - 1);
    close(fd);
    if (length <= 0 || answer[0] == '-')
        fail_msg("%s: %s", line, answer);
}

#define SHARE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
