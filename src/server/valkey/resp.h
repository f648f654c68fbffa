// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_VALKEY_RESP_H
#define PT_SERVER_VALKEY_RESP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Answers of Valkey or Redis, by RESP2 (https://valkey.io/topics/protocol/). They come in pieces of
// any size; what is not whole yet is scanned once, and costs no memory but its bytes.

enum pt_resp_kind {
    PT_RESP_TEXT,   // simple or bulk string
    PT_RESP_NUMBER, // its digits are the text
    PT_RESP_ERROR,
    PT_RESP_NIL,
    PT_RESP_LIST,
};

struct pt_resp_value {
    enum pt_resp_kind kind;
    const char *text; // of any bytes, and a NUL behind them; empty for lists
    size_t length;
    const struct pt_resp_value *items;
    size_t count;
};

#define PT_RESP_DEPTH 8 // of lists within lists

struct pt_resp_reader {
    size_t max_bytes; // of an answer
    size_t max_items; // of an answer, at all depths
    char *data;
    size_t length, capacity;
    size_t scanned;                    // of the first answer, values that are whole
    size_t values;                     // among these
    size_t missing[PT_RESP_DEPTH + 1]; // values at each depth
    size_t depth;
};

void pt_resp_reader_init(struct pt_resp_reader *reader, size_t max_bytes, size_t max_items);

// Forgets what has come, for another connection.
void pt_resp_reader_finish(struct pt_resp_reader *reader);

// Takes what has come. -ENOMEM.
PT_MUST_CHECK int pt_resp_reader_feed(struct pt_resp_reader *reader, const char *data,
                                      size_t length);

// The next answer that is whole: 1, and *ret_answer is the caller's, one block with all that is in
// it, which free() frees; 0: more must come. -EPROTO: it is no RESP2; -EMSGSIZE: it is larger than
// may be; -ENOMEM. After an error the reader is of no more use.
PT_MUST_CHECK int pt_resp_reader_next(struct pt_resp_reader *reader,
                                      struct pt_resp_value **ret_answer);

#endif
