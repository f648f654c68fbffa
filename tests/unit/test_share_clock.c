// SPDX-License-Identifier: Apache-2.0

// How a writer knows Valkey's clock. Link, timer and clock are the test's.

#include "base/clock.h"
#include "base/timer.h"
#include "server/share/share_writer.h"
#include "server/valkey/resp.h"

#include "check.h"

#include <stdio.h>
#include <string.h>

#define MAX_OPEN 8
#define AHEAD_MS 1000000000 // Valkey's clock

static struct {
    int64_t now_ms;
    void (*on_timer)(void *context);
    void *writer;
    struct pt_valkey_link_options link;
    pt_valkey_reply_fn *on_script;
    pt_valkey_reply_fn *questions[MAX_OPEN]; // for the time
    size_t asked;
} scene;

static int64_t clock_now(void *context)
{
    (void)context;
    return scene.now_ms * PT_NS_PER_MS;
}

static const struct pt_clock the_clock = {clock_now, clock_now, NULL};

struct pt_timer *__wrap_pt_timer_create(struct event_base *base, const struct pt_clock *clock,
                                        void (*on_due)(void *context), void *context);
void __wrap_pt_timer_start(struct pt_timer *timer, int64_t delay_ms);
void __wrap_pt_timer_start_every(struct pt_timer *timer, int64_t delay_ms);
void __wrap_pt_timer_destroy(struct pt_timer *timer);
struct pt_valkey_link *__wrap_pt_valkey_link_create(struct event_base *base,
                                                    const struct pt_clock *clock,
                                                    const struct pt_valkey_link_options *options);
void __wrap_pt_valkey_link_destroy(struct pt_valkey_link *link);
int __wrap_pt_valkey_link_send(struct pt_valkey_link *link,
                               const struct pt_valkey_argument *arguments, size_t count,
                               pt_valkey_reply_fn *on_reply, void *context);

struct pt_timer *__wrap_pt_timer_create(struct event_base *base, const struct pt_clock *clock,
                                        void (*on_due)(void *context), void *context)
{
    (void)base, (void)clock;
    scene.on_timer = on_due;
    scene.writer = context;
    return (struct pt_timer *)&scene;
}

void __wrap_pt_timer_start(struct pt_timer *timer, int64_t delay_ms)
{
    (void)timer, (void)delay_ms;
}

void __wrap_pt_timer_start_every(struct pt_timer *timer, int64_t delay_ms)
{
    (void)timer;
    assert_int_equal(delay_ms, 1000);
}

void __wrap_pt_timer_destroy(struct pt_timer *timer)
{
    (void)timer;
}

struct pt_valkey_link *__wrap_pt_valkey_link_create(struct event_base *base,
                                                    const struct pt_clock *clock,
                                                    const struct pt_valkey_link_options *options)
{
    (void)base, (void)clock;
    scene.link = *options;
    return (struct pt_valkey_link *)&scene;
}

void __wrap_pt_valkey_link_destroy(struct pt_valkey_link *link)
{
    (void)link;
}

int __wrap_pt_valkey_link_send(struct pt_valkey_link *link,
                               const struct pt_valkey_argument *arguments, size_t count,
                               pt_valkey_reply_fn *on_reply, void *context)
{
    (void)link, (void)count;
    assert_ptr_equal(context, scene.writer);
    if (strcmp(arguments[0].data, "SCRIPT") == 0)
        scene.on_script = on_reply;
    if (strcmp(arguments[0].data, "TIME") == 0) {
        assert_true(scene.asked < MAX_OPEN);
        scene.questions[scene.asked++] = on_reply;
    }
    return 0;
}

// Valkey's answer to the oldest question, by its clock at `at_ms` of ours.
static void answer(int64_t at_ms)
{
    char seconds[32], us[32];
    int64_t ms = at_ms + AHEAD_MS;
    snprintf(seconds, sizeof(seconds), "%lld", (long long)(ms / 1000));
    snprintf(us, sizeof(us), "%lld", (long long)(ms % 1000 * 1000));
    struct pt_resp_value items[] = {
        {.kind = PT_RESP_TEXT, .text = seconds, .length = strlen(seconds)},
        {.kind = PT_RESP_TEXT, .text = us, .length = strlen(us)}};
    struct pt_resp_value reply = {.kind = PT_RESP_LIST, .items = items, .count = 2};
    assert_true(scene.asked > 0);
    pt_valkey_reply_fn *question = scene.questions[0];
    memmove(scene.questions, scene.questions + 1, --scene.asked * sizeof(scene.questions[0]));
    assert_false(question(scene.writer, &reply));
}

static void on_change(void *context, const char *why)
{
    (void)context, (void)why;
}

static void on_eviction(void *context, const char *policy)
{
    (void)context;
    fail_msg("%s", policy);
}

static int set_up(void **state)
{
    static const struct pt_valkey_link_options link;
    static char sha1[] = "0123456789012345678901234567890123456789";
    struct pt_resp_value script = {.kind = PT_RESP_TEXT, .text = sha1, .length = strlen(sha1)};
    const struct pt_share_writer_options options = {.link = &link,
                                                    .prefix = "test",
                                                    .run = "run",
                                                    .on_change = on_change,
                                                    .on_eviction = on_eviction};
    memset(&scene, 0, sizeof(scene));
    scene.now_ms = 5000;
    *state = pt_share_writer_create(NULL, &the_clock, &options);
    assert_non_null(*state);
    scene.link.on_open(scene.link.context);
    assert_false(scene.on_script(scene.writer, &script));
    return 0;
}

static int tear_down(void **state)
{
    pt_share_writer_destroy(*state);
    return 0;
}

static void check_error(const char *name, const struct pt_share_writer *writer, int64_t wanted_ms)
{
    check_int(name, pt_share_writer_now_ms(writer) - scene.now_ms - AHEAD_MS, wanted_ms);
}

// Each is asked 1 s after the one before, unless that is not answered yet.
static void an_answer_belongs_to_its_question(void **state)
{
    static const struct {
        const char *name;
        int looks;        // of the timer, each 1 s
        int64_t there_ms; // until Valkey looks at its clock, from the question on
        int64_t back_ms;  // and until its answer is here, behind the last look
        int64_t error_ms; // that the clock may have then
    } rows[] = {
        {"at once", 0, 0, 0, 0},
        {"in a while, the first one", 0, 40, 60, 0},
        {"at once, but it comes 3 s later", 3, 0, 0, 0},
        {"3 s later", 3, 3000, 0, 0},
        {"in the middle of 3 s", 3, 1500, 0, 0},
    };
    struct pt_share_writer *writer = *state;
    check_int("not known", pt_share_writer_now_ms(writer), 0);
    scene.now_ms += 100;
    answer(scene.now_ms - 60); // 40 ms under way
    check_error("known", writer, 40);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        scene.now_ms += 1000;
        int64_t asked_ms = scene.now_ms;
        scene.on_timer(scene.writer);
        for (int k = 0; k < rows[i].looks; k++) {
            scene.now_ms += 1000;
            scene.on_timer(scene.writer);
        }
        check_int(rows[i].name, (int64_t)scene.asked, 1);
        scene.now_ms += rows[i].back_ms;
        answer(asked_ms + rows[i].there_ms);
        check_error(rows[i].name, writer, rows[i].error_ms);
    }
}

// Valkey's clock was set, or another one has taken its place.
static void a_clock_that_was_set_is_followed(void **state)
{
    static const int64_t steps_ms[] = {-7200000, 3600000, -900, 900};
    const struct pt_share_writer *writer = *state;
    int64_t set_ms = 0;
    answer(scene.now_ms);
    for (size_t i = 0; i < COUNT_OF(steps_ms); i++) {
        char name[32];
        snprintf(name, sizeof(name), "by %lld ms", (long long)steps_ms[i]);
        set_ms += steps_ms[i];
        scene.now_ms += 1000;
        scene.on_timer(scene.writer);
        scene.now_ms += 10;
        answer(scene.now_ms - 5 + set_ms);
        check_error(name, writer, set_ms + 5);
    }
}

// The link calls everybody who waits when it breaks.
static void a_question_that_broke_is_asked_again(void **state)
{
    const struct pt_share_writer *writer = *state;
    assert_int_equal(scene.asked, 1);
    scene.asked = 0;
    assert_false(scene.questions[0](scene.writer, NULL));
    scene.now_ms += 1000;
    scene.on_timer(scene.writer);
    assert_int_equal(scene.asked, 1);
    answer(scene.now_ms);
    check_error("known", writer, 0);
}

#define CLOCK_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLOCK_TEST(an_answer_belongs_to_its_question),
        CLOCK_TEST(a_clock_that_was_set_is_followed),
        CLOCK_TEST(a_question_that_broke_is_asked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
