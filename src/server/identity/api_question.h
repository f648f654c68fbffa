// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_IDENTITY_API_QUESTION_H
#define PT_SERVER_IDENTITY_API_QUESTION_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct pt_kube_client;
struct yyjson_val;

// One request to the API server whose answer is read whole, on the event loop.
struct pt_question;

enum pt_answer_sort {
    PT_ANSWER_GOOD,    // 2xx, and a JSON object
    PT_ANSWER_REFUSED, // 403 or 404: no right to ask, or nothing there
    PT_ANSWER_TROUBLE, // all else: asked again later, it may be another one
};

struct pt_answer {
    enum pt_answer_sort sort;
    int status; // HTTP's, 0: none
    struct yyjson_val *object;
    const char *text; // the object as it came
    size_t length;
    const char *words; // why it is not good
};

typedef void pt_answer_fn(void *context, const struct pt_answer *answer);

// GET, or POST with a JSON body. on_answer is called once, unless it is cancelled; the question is
// gone then. No answer above max_bytes is read.
PT_MUST_CHECK int pt_question_start(const struct pt_kube_client *client, const char *path,
                                    const char *body, size_t max_bytes, pt_answer_fn *on_answer,
                                    void *context, struct pt_question **ret_question,
                                    struct pt_error *err);
void pt_question_cancel(struct pt_question *question); // NULL is allowed

#endif
