// SPDX-License-Identifier: Apache-2.0
#ifndef PT_PULL_FAILURE_WORDS_H
#define PT_PULL_FAILURE_WORDS_H

#include "base/limits.h"

#include <stddef.h>
#include <stdint.h>

// An error's text cut into words, so that failure_class can keep a cause and a name apart. A name
// is whatever a user chose or a machine made: an image's reference or a part of it, a host, a URL,
// a path, a digest, what stands in quotes.

enum pt_failure_word_kind {
    PT_FAILURE_WORD,   // letters and digits with `-`, `_` and apostrophes inside, lower case
    PT_FAILURE_NAME,   // a name, whatever it says
    PT_FAILURE_SOCKET, // the path of a unix socket on the node
};

struct pt_failure_word {
    uint16_t at; // in `text`
    uint16_t length;
    enum pt_failure_word_kind kind;
};

struct pt_failure_words {
    char text[PT_LIMIT_ERROR_BYTES + 1]; // lower case
    struct pt_failure_word words[PT_LIMIT_ERROR_BYTES / 2 + 1];
    size_t count;
};

// How much of a text is read. Quotes, brackets and JSON hold names most of the time; a server's own
// sentences stand there as well.
enum pt_failure_reading {
    PT_FAILURE_READ_OUTSIDE, // each of them is one name
    PT_FAILURE_READ_ALL,     // sentences in them are read; a quoted text without a space is a name
};

// Cuts the first PT_LIMIT_ERROR_BYTES of the text, in one pass. `image_ref` names the image that
// the text is about, as a pod's spec or an agent has it; NULL: unknown.
void pt_failure_words_read(const char *text, const char *image_ref, enum pt_failure_reading reading,
                           struct pt_failure_words *ret_words);

#endif
