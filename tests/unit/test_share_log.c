// SPDX-License-Identifier: Apache-2.0

// Writer and reader on a real redis-server of the test's own.

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

#define MAX_SEEN 512
#define PATIENCE_MS 10000

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
    char seen[MAX_SEEN][32]; // reports, in the order in which they came
    size_t seen_count;
    char finished[MAX_SEEN][32];
    size_t finished_count;
    enum pt_share_outcome outcomes[MAX_SEEN];
    size_t taken;
    int lost, invalid, evictions;
    enum pt_share_loss loss;
    bool holds;            // entries are not answered
    const char *agent_run; // NULL: always the same
};

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void start_valkey(struct fixture *fixture)
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

static void stop_valkey(struct fixture *fixture)
{
    kill(fixture->valkey, SIGKILL);
    waitpid(fixture->valkey, NULL, 0);
}

static void on_taken(void *context, uint64_t number, enum pt_share_outcome outcome)
{
    struct fixture *fixture = context;
    (void)number;
    fixture->outcomes[fixture->taken++] = outcome;
}

static void on_eviction(void *context, const char *policy)
{
    struct fixture *fixture = context;
    (void)policy;
    fixture->evictions++;
}

static void on_change(void *context, const char *why)
{
    struct fixture *fixture = context;
    fixture->can_write = !why;
    fixture->openings += !why;
    fixture->closings += why != NULL;
}

static void on_entry(void *context, const struct pt_share_entry *entry)
{
    struct fixture *fixture = context;
    char *place = entry->is_past ? fixture->finished[fixture->finished_count++]
                                 : fixture->seen[fixture->seen_count++];
    snprintf(place, 32, "%.*s", (int)entry->report_length, entry->report);
    if (!fixture->holds)
        pt_share_reader_go_on(fixture->reader);
}

static void on_state(void *context, enum pt_share_state state, const char *why)
{
    struct fixture *fixture = context;
    (void)why;
    fixture->state = state;
}

static void on_lost(void *context, enum pt_share_loss loss)
{
    struct fixture *fixture = context;
    fixture->lost++;
    fixture->loss = loss;
}

static void on_invalid(void *context, const char *what)
{
    struct fixture *fixture = context;
    (void)what;
    fixture->invalid++;
}

static void open_writer(struct fixture *fixture)
{
    const struct pt_share_writer_options options = {
        .link = &fixture->link,
        .prefix = "test",
        .run = "run",
        .max_bytes = 1 << 20,
        .max_finished = 3,
        .finished_ttl_ms = 60000,
        .on_taken = on_taken,
        .on_eviction = on_eviction,
        .on_change = on_change,
        .context = fixture,
    };
    fixture->writer =
        pt_share_writer_create(pt_loop_base(fixture->loop), pt_clock_system(), &options);
    assert_non_null(fixture->writer);
}

static void open_reader(struct fixture *fixture)
{
    const struct pt_share_reader_options options = {
        .link = &fixture->link,
        .prefix = "test",
        .on_entry = on_entry,
        .on_state = on_state,
        .on_lost = on_lost,
        .on_invalid = on_invalid,
        .context = fixture,
    };
    fixture->reader = pt_share_reader_create(fixture->loop, pt_clock_system(), &options);
    assert_non_null(fixture->reader);
}

static void on_pause(void *context)
{
    const struct fixture *fixture = context;
    pt_loop_stop(fixture->loop);
}

static void run_a_little(struct fixture *fixture)
{
    struct pt_error err;
    pt_timer_start(fixture->pause, 1);
    assert_int_equal(pt_loop_run(fixture->loop, on_pause, fixture, &err), 0);
}

static int set_up(void **state)
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

static int tear_down(void **state)
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

static void take(struct fixture *fixture, const char *node, int64_t sequence, const char *report,
                 const char *finished)
{
    uint64_t number;
    char kept[64];
    snprintf(kept, sizeof(kept), "1-0\n0123\n%s", finished ? finished : "");
    const struct pt_share_finished pull = {finished, kept, strlen(kept)};
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
    assert_int_equal(pt_share_writer_take(fixture->writer, &what, &number), 0);
}

static void what_is_appended_comes_in_order(void **state)
{
    struct fixture *fixture = *state;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    char name[16];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "report %d", i);
        take(fixture, "node", i + 1, name, NULL);
    }
    RUN_UNTIL(fixture, fixture->seen_count == 100 && fixture->taken == 100);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "report %d", i);
        assert_string_equal(fixture->seen[i], name);
        assert_int_equal(fixture->outcomes[i], PT_SHARE_APPENDED);
    }
}

static void an_older_report_of_an_agent_is_not_appended(void **state)
{
    struct fixture *fixture = *state;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    take(fixture, "node", 5, "five", NULL);
    take(fixture, "node", 4, "four", NULL);
    take(fixture, "node", 5, "five again", NULL);
    take(fixture, "node", 6, "six", NULL);
    RUN_UNTIL(fixture, fixture->seen_count == 2 && fixture->taken == 4);
    assert_string_equal(fixture->seen[1], "six");
    assert_int_equal(fixture->outcomes[1], PT_SHARE_OLD);
    assert_int_equal(fixture->outcomes[2], PT_SHARE_OLD);
}

static void a_report_of_the_agent_before_is_not_appended(void **state)
{
    static const struct {
        const char *run;
        int64_t sequence;
        enum pt_share_outcome outcome;
    } cases[] = {
        {"a", 5, PT_SHARE_APPENDED}, {"b", 1, PT_SHARE_APPENDED}, {"a", 6, PT_SHARE_OLD},
        {"b", 2, PT_SHARE_APPENDED}, {"a", 7, PT_SHARE_OLD},      {"c", 1, PT_SHARE_APPENDED},
        {"b", 3, PT_SHARE_OLD},      {"c", 2, PT_SHARE_APPENDED},
    };
    struct fixture *fixture = *state;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fixture->agent_run = cases[i].run;
        take(fixture, "node", cases[i].sequence, "report", NULL);
        RUN_UNTIL(fixture, fixture->taken == i + 1);
        check_int(cases[i].run, fixture->outcomes[i], cases[i].outcome);
    }
}

static void who_starts_gets_the_latest_and_the_finished(void **state)
{
    struct fixture *fixture = *state;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    take(fixture, "a", 1, "a1", "pull 1");
    take(fixture, "a", 2, "a2", "pull 2");
    take(fixture, "b", 1, "b1", "pull 3");
    take(fixture, "b", 2, "b2", "pull 4"); // one more than may stay
    RUN_UNTIL(fixture, fixture->seen_count == 4);
    pt_share_reader_destroy(fixture->reader);
    fixture->seen_count = 0;
    fixture->state = PT_SHARE_AWAY;
    open_reader(fixture);
    RUN_UNTIL(fixture, fixture->state == PT_SHARE_READY);
    assert_int_equal(fixture->seen_count, 2);
    assert_int_equal(fixture->finished_count, 3);
    take(fixture, "a", 3, "a3", NULL);
    RUN_UNTIL(fixture, fixture->seen_count == 3);
    assert_string_equal(fixture->seen[2], "a3");
}

static void an_entry_waits_for_the_one_before(void **state)
{
    struct fixture *fixture = *state;
    fixture->holds = true;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    take(fixture, "node", 1, "one", NULL);
    take(fixture, "node", 2, "two", NULL);
    RUN_UNTIL(fixture, fixture->taken == 2 && fixture->seen_count == 1);
    pt_share_reader_go_on(fixture->reader);
    RUN_UNTIL(fixture, fixture->seen_count == 2);
}

static void a_log_that_is_lost_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    take(fixture, "node", 1, "one", NULL);
    RUN_UNTIL(fixture, fixture->seen_count == 1);
    stop_valkey(fixture);
    RUN_UNTIL(fixture, !fixture->can_write && fixture->state == PT_SHARE_AWAY);
    assert_true(pt_share_writer_now_ms(fixture->writer) > 0); // what is still read has an age
    start_valkey(fixture);
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    assert_int_equal(fixture->lost, 1);
    assert_int_equal(fixture->loss, PT_SHARE_LOSS_END);
    take(fixture, "node", 2, "two", NULL);
    RUN_UNTIL(fixture, fixture->seen_count == 2);
}

static void entries_that_are_gone_are_noticed(void **state)
{
    struct fixture *fixture = *state;
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    fixture->holds = true;
    take(fixture, "a", 1, "one", NULL);
    RUN_UNTIL(fixture, fixture->seen_count == 1);
    // While that one is being applied, more is appended than the log holds.
    static char large[200000];
    memset(large, 'x', sizeof(large) - 1);
    for (int i = 0; i < 20; i++) {
        take(fixture, "b", i + 1, large, NULL);
        RUN_UNTIL(fixture, fixture->taken == (size_t)i + 2);
    }
    fixture->holds = false;
    size_t before = fixture->seen_count;
    pt_share_reader_go_on(fixture->reader);
    RUN_UNTIL(fixture, fixture->state == PT_SHARE_LOADING);
    RUN_UNTIL(fixture, fixture->state == PT_SHARE_READY);
    assert_int_equal(fixture->lost, 1);
    assert_int_equal(fixture->loss, PT_SHARE_LOSS_GAP);
    assert_int_equal(fixture->seen_count - before, 2); // the latest of both nodes
}

// By a connection of its own.
static void command(const struct fixture *fixture, const char *line)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)fixture->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char answer[16];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(write(fd, line, strlen(line)), (ssize_t)strlen(line));
    assert_true(read(fd, answer, sizeof(answer)) > 0 && answer[0] != '-');
    close(fd);
}

// While one of the finished pulls, or of the latest reports, is being applied.
static void a_load_that_breaks_is_begun_anew(void **state)
{
    struct fixture *fixture = *state;
    char name[16];
    RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "node %d", i);
        take(fixture, name, 1, name, i < 3 ? name : NULL);
    }
    RUN_UNTIL(fixture, fixture->seen_count == 10);
    for (size_t latest = 0; latest < 2; latest++) {
        pt_share_reader_destroy(fixture->reader);
        fixture->seen_count = fixture->finished_count = 0;
        fixture->state = PT_SHARE_AWAY;
        fixture->holds = true;
        open_reader(fixture);
        for (size_t i = 0; latest && i < 3; i++) {
            RUN_UNTIL(fixture, fixture->finished_count == i + 1);
            pt_share_reader_go_on(fixture->reader);
        }
        RUN_UNTIL(fixture, fixture->finished_count > 0 && fixture->seen_count == latest);
        command(fixture, "CLIENT KILL TYPE normal SKIPME yes\r\n");
        RUN_UNTIL(fixture, fixture->state == PT_SHARE_AWAY);
        fixture->seen_count = fixture->finished_count = 0;
        fixture->holds = false;
        pt_share_reader_go_on(fixture->reader);
        RUN_UNTIL(fixture, fixture->state == PT_SHARE_READY);
        assert_int_equal(fixture->finished_count, 3);
        assert_int_equal(fixture->seen_count, 10);
    }
}

static void a_valkey_that_takes_nothing_is_away(void **state)
{
    static const struct {
        const char *begin, *end;
    } cases[] = {
        {"CONFIG SET maxmemory 1\r\n", "CONFIG SET maxmemory 0\r\n"},
        {"REPLICAOF 127.0.0.1 1\r\n", "REPLICAOF NO ONE\r\n"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        RUN_UNTIL(fixture, fixture->can_write && fixture->state == PT_SHARE_READY);
        command(fixture, cases[i].begin);
        if (fixture->can_write)
            take(fixture, "node", (int64_t)i + 1, "one", NULL);
        RUN_UNTIL(fixture, !fixture->can_write);
        int openings = fixture->openings, closings = fixture->closings;
        RUN_UNTIL(fixture, fixture->closings == closings + 3); // it is tried again
        check_int(cases[i].begin, fixture->openings, openings);
        command(fixture, cases[i].end);
        RUN_UNTIL(fixture, fixture->can_write);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_appended_comes_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_older_report_of_an_agent_is_not_appended, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_report_of_the_agent_before_is_not_appended, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_starts_gets_the_latest_and_the_finished, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_entry_waits_for_the_one_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_log_that_is_lost_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(entries_that_are_gone_are_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_load_that_breaks_is_begun_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_valkey_that_takes_nothing_is_away, set_up, tear_down),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
