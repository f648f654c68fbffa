// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_KUBE_QUESTIONS_H
#define PT_TESTS_KUBE_QUESTIONS_H

// An API server and timers that are the test's own: what is asked waits until it is answered, and
// time stands still. The test is linked with --wrap for what begins with __wrap here.

#include "base/timer.h"
#include "kube/kube_client.h"
#include "server/identity/api_question.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#define WALL_START (INT64_C(1800000000) * PT_NS_PER_S)

struct pt_question {
    char path[256];
    pt_answer_fn *on_answer;
    void *context;
    bool is_open;
};

struct pt_timer {
    void (*on_due)(void *context);
    void *context;
    int64_t due_ns; // -1: not started
};

static struct questions {
    struct pt_question asked[256];
    size_t count;
    struct pt_timer timers[4];
    size_t timer_count;
    int64_t monotonic_ns, wall_ns;
} questions;

static inline int64_t questions_monotonic(void *context)
{
    (void)context;
    return questions.monotonic_ns;
}

static inline int64_t questions_wall(void *context)
{
    (void)context;
    return questions.wall_ns;
}

static const struct pt_clock questions_clock = {questions_monotonic, questions_wall, NULL};

static inline uint32_t no_random(void)
{
    return 0;
}

static inline void questions_begin(void)
{
    memset(&questions, 0, sizeof(questions));
    questions.monotonic_ns = 1000 * PT_NS_PER_S;
    questions.wall_ns = WALL_START;
}

int __wrap_pt_question_start(const struct pt_kube_client *client, const char *path,
                             const char *body, size_t max_bytes, pt_answer_fn *on_answer,
                             void *context, struct pt_question **ret_question,
                             struct pt_error *err);
void __wrap_pt_question_cancel(struct pt_question *question);
struct pt_timer *__wrap_pt_timer_create(struct event_base *base, const struct pt_clock *clock,
                                        void (*on_due)(void *context), void *context);
void __wrap_pt_timer_start(struct pt_timer *timer, int64_t delay_ms);
bool __wrap_pt_timer_is_started(const struct pt_timer *timer);
void __wrap_pt_timer_destroy(struct pt_timer *timer);

int __wrap_pt_question_start(const struct pt_kube_client *client, const char *path,
                             const char *body, size_t max_bytes, pt_answer_fn *on_answer,
                             void *context, struct pt_question **ret_question, struct pt_error *err)
{
    (void)client, (void)body, (void)max_bytes, (void)err;
    assert_true(questions.count < COUNT_OF(questions.asked));
    struct pt_question *question = &questions.asked[questions.count++];
    *question = (struct pt_question){.on_answer = on_answer, .context = context, .is_open = true};
    memccpy(question->path, path, '\0', sizeof(question->path) - 1);
    *ret_question = question;
    return 0;
}

void __wrap_pt_question_cancel(struct pt_question *question)
{
    if (question)
        question->is_open = false;
}

struct pt_timer *__wrap_pt_timer_create(struct event_base *base, const struct pt_clock *clock,
                                        void (*on_due)(void *context), void *context)
{
    (void)base, (void)clock;
    assert_true(questions.timer_count < COUNT_OF(questions.timers));
    struct pt_timer *timer = &questions.timers[questions.timer_count++];
    *timer = (struct pt_timer){on_due, context, -1};
    return timer;
}

void __wrap_pt_timer_start(struct pt_timer *timer, int64_t delay_ms)
{
    timer->due_ns = questions.monotonic_ns + delay_ms * PT_NS_PER_MS;
}

bool __wrap_pt_timer_is_started(const struct pt_timer *timer)
{
    return timer->due_ns >= 0;
}

void __wrap_pt_timer_destroy(struct pt_timer *timer)
{
    timer->due_ns = -1;
}

// Turns both hands, and calls the timers that are due.
static inline void pass(int64_t ms)
{
    questions.monotonic_ns += ms * PT_NS_PER_MS;
    questions.wall_ns += ms * PT_NS_PER_MS;
    for (size_t i = 0; i < questions.timer_count; i++) {
        struct pt_timer *timer = &questions.timers[i];
        if (timer->due_ns < 0 || timer->due_ns > questions.monotonic_ns)
            continue;
        timer->due_ns = -1;
        timer->on_due(timer->context);
    }
}

static inline struct pt_question *last_question(void)
{
    return questions.count > 0 ? &questions.asked[questions.count - 1] : NULL;
}

static inline void answer_refused(struct pt_question *question, int status)
{
    assert_true(question->is_open);
    question->is_open = false;
    question->on_answer(
        question->context,
        &(struct pt_answer){.sort = PT_ANSWER_REFUSED, .status = status, .words = "refused"});
}

static inline void answer_good(struct pt_question *question, const char *json)
{
    yyjson_doc *document = yyjson_read(json, strlen(json), 0);
    assert_non_null(document);
    assert_true(question->is_open);
    question->is_open = false;
    question->on_answer(question->context,
                        &(struct pt_answer){.sort = PT_ANSWER_GOOD,
                                            .status = 200,
                                            .object = yyjson_doc_get_root(document),
                                            .text = json,
                                            .length = strlen(json)});
    yyjson_doc_free(document);
}

#endif
