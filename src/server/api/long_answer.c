// SPDX-License-Identifier: Apache-2.0
#include "server/api/long_answer.h"

#include "base/limits.h"
#include "base/loop.h"
#include "base/timer.h"
#include "server/http/http_reply.h"
#include "server/http/http_request.h"
#include "server/http/http_server.h"
#include "server/http/http_stream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

#define MAX_PART_BYTES (64 * 1024 * 1024) // one part with a pull of full size
#define MAX_PENDING_BYTES (256 * 1024)

struct long_answer {
    struct pt_long_answers *answers;
    const struct pt_http_server *server;
    struct pt_request *request;
    struct pt_long_answer_source source;
    struct pt_buffer part;
    bool is_preparing;
    bool is_counted_by_peer;
    TAILQ_ENTRY(long_answer) in_preparing;
};

struct pt_long_answers {
    struct pt_loop *loop;
    struct pt_timer *timer;
    size_t count;                        // that take more than one turn
    TAILQ_HEAD(, long_answer) preparing; // in the order of their turns
};

static void destroy(struct long_answer *answer)
{
    if (answer->is_preparing)
        TAILQ_REMOVE(&answer->answers->preparing, answer, in_preparing);
    answer->answers->count--;
    answer->source.release(answer->source.context);
    pt_buffer_finish(&answer->part);
    free(answer);
}

static void on_closed(void *context)
{
    destroy(context);
}

// --- sending ---

static void on_drained(void *context)
{
    struct long_answer *answer = context;
    if (pt_http_stream_pending(answer->request) > MAX_PENDING_BYTES)
        return;
    int r = answer->source.write(answer->source.context, &answer->part);
    if (r < 0) {
        pt_http_stream_abort(answer->request);
        return;
    }
    pt_http_stream_send(answer->request, answer->part.data, answer->part.length);
    pt_buffer_finish(&answer->part); // all that an answer holds counts as pending
    if (r == 0) {
        pt_http_stream_end(answer->request, pt_http_server_is_draining(answer->server));
        destroy(answer);
    }
}

static const struct pt_http_stream_events events = {false, on_drained, on_closed};

static const char *reason_of(int error)
{
    if (error == -EBUSY)
        return "too many long answers are under way";
    return error == -EDQUOT ? "the memory for answers is full" : "out of memory";
}

static enum pt_problem problem_of(int error)
{
    return error == -EBUSY || error == -EDQUOT ? PT_PROBLEM_ANSWER_LIMIT : PT_PROBLEM_OUT_OF_MEMORY;
}

static void refuse(struct long_answer *answer, int error)
{
    struct pt_request *request = answer->request;
    pt_http_stream_forget(request);
    destroy(answer);
    pt_reply_error(request, problem_of(error), 5, "%s", reason_of(error));
}

static bool has_room(const struct long_answer *answer)
{
    return answer->answers->count <= PT_LIMIT_LONG_ANSWERS &&
           (answer->is_counted_by_peer ||
            pt_http_stream_has_room(answer->request, false, PT_LIMIT_LONG_ANSWERS));
}

static void send_first(struct long_answer *answer)
{
    int r = answer->source.write(answer->source.context, &answer->part);
    if (r > 0 && !has_room(answer))
        r = -EBUSY;
    else if (r > 0 && !pt_http_stream_has_memory(answer->request, MAX_PENDING_BYTES))
        r = -EDQUOT;
    if (r < 0) {
        refuse(answer, r);
    } else if (r == 0) {
        pt_http_stream_forget(answer->request);
        pt_reply(answer->request, 200, "application/json", answer->part.data, answer->part.length);
        destroy(answer);
    } else {
        pt_http_stream_begin(answer->request, "application/json", &events, answer);
        pt_http_stream_send(answer->request, answer->part.data, answer->part.length);
        pt_buffer_finish(&answer->part);
    }
}

// --- preparing ---

static int prepare(struct long_answer *answer)
{
    return answer->source.prepare ? answer->source.prepare(answer->source.context) : 0;
}

static void wait_for_turn(struct long_answer *answer)
{
    struct pt_long_answers *answers = answer->answers;
    answer->is_preparing = true;
    TAILQ_INSERT_TAIL(&answers->preparing, answer, in_preparing);
    if (!pt_timer_is_started(answers->timer))
        pt_timer_start(answers->timer, 0);
}

// One step of each in turn, until this turn of the loop is over.
static void on_timer(void *context)
{
    struct pt_long_answers *answers = context;
    struct long_answer *answer;
    while (!pt_loop_turn_is_over(answers->loop) && (answer = TAILQ_FIRST(&answers->preparing))) {
        // The analyzer loses sight of the list's head. NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        TAILQ_REMOVE(&answers->preparing, answer, in_preparing);
        answer->is_preparing = false;
        int r = prepare(answer);
        if (r > 0)
            wait_for_turn(answer);
        else if (r == 0)
            send_first(answer);
        else
            refuse(answer, r);
    }
    if (!TAILQ_EMPTY(&answers->preparing))
        pt_timer_start(answers->timer, 0);
}

// --- what the header promises ---

int pt_long_answers_create(struct pt_loop *loop, const struct pt_clock *clock,
                           struct pt_long_answers **ret_answers, struct pt_error *err)
{
    struct pt_long_answers *answers = calloc(1, sizeof(*answers));
    if (!answers)
        return pt_error_set(err, ENOMEM, "out of memory");
    answers->loop = loop;
    TAILQ_INIT(&answers->preparing);
    answers->timer = pt_timer_create(pt_loop_base(loop), clock, on_timer, answers);
    if (!answers->timer) {
        free(answers);
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    *ret_answers = answers;
    return 0;
}

void pt_long_answers_destroy(struct pt_long_answers *answers)
{
    if (!answers)
        return;
    assert(answers->count == 0);
    pt_timer_destroy(answers->timer);
    free(answers);
}

void pt_long_answer(struct pt_long_answers *answers, const struct pt_http_server *server,
                    struct pt_request *request, const struct pt_long_answer_source *source)
{
    pt_request_add_reply_header(request, "Cache-Control", "no-store");
    if (request->method == PT_HTTP_HEAD) {
        source->release(source->context);
        pt_reply_head(request, "application/json");
        return;
    }
    struct long_answer *answer = calloc(1, sizeof(*answer));
    if (!answer) {
        source->release(source->context);
        pt_reply_error(request, PT_PROBLEM_OUT_OF_MEMORY, 5, "out of memory");
        return;
    }
    *answer = (struct long_answer){
        .answers = answers, .server = server, .request = request, .source = *source};
    answers->count++;
    pt_buffer_init(&answer->part, MAX_PART_BYTES);
    int r = prepare(answer);
    if (r == 0) {
        send_first(answer);
    } else if (r < 0 || !has_room(answer)) {
        refuse(answer, r < 0 ? r : -EBUSY);
    } else {
        pt_http_stream_prepare(request, &events, answer);
        answer->is_counted_by_peer = true;
        wait_for_turn(answer);
    }
}
