// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_API_LONG_ANSWER_H
#define PT_SERVER_API_LONG_ANSWER_H

#include "base/buffer.h"
#include "server/api/api.h"

// A JSON answer that may be too long to be made at once: it is written part by part, as fast as the
// client takes it, while the loop serves others.
struct pt_long_answer_source {
    // Appends the next part; 1: there is more, 0: that was the last, < 0: it cannot be made.
    int (*write)(void *context, struct pt_buffer *out);
    void (*release)(void *context); // once, at the end of all
    void *context;
};

// Answers; what is whole after the first part goes out with its length.
void pt_long_answer(struct pt_api *api, struct pt_request *request,
                    const struct pt_long_answer_source *source);

#endif
