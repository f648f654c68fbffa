// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_API_LONG_ANSWER_H
#define PT_SERVER_API_LONG_ANSWER_H

#include "base/buffer.h"
#include "base/error.h"

struct pt_clock;
struct pt_http_server;
struct pt_loop;
struct pt_request;

// All JSON answers that may be too long to be made at once. Each is prepared step by step, in as
// many turns of the loop as it takes, and written part by part, as fast as its client takes it.
struct pt_long_answers;

struct pt_long_answer_source {
    // The next step before the first part; 1: there are more, 0: that was the last, -EDQUOT: the
    // memory for answers is full, < 0: it cannot be made. NULL: nothing has to be prepared.
    int (*prepare)(void *context);
    // Appends the next part; 1: there is more, 0: that was the last, < 0: it cannot be made.
    int (*write)(void *context, struct pt_buffer *out);
    void (*release)(void *context); // once, at the end of all
    void *context;
};

// Loop and clock outlive it. It is destroyed behind the server whose requests it answers.
PT_MUST_CHECK int pt_long_answers_create(struct pt_loop *loop, const struct pt_clock *clock,
                                         struct pt_long_answers **ret_answers,
                                         struct pt_error *err);
void pt_long_answers_destroy(struct pt_long_answers *answers);

// Answers; what is whole after the first part goes out with its length. `server` is that of the
// request: when it drains, the connection closes behind the answer.
void pt_long_answer(struct pt_long_answers *answers, const struct pt_http_server *server,
                    struct pt_request *request, const struct pt_long_answer_source *source);

#endif
