// SPDX-License-Identifier: Apache-2.0
#ifndef PT_PULL_FAILURE_RULES_H
#define PT_PULL_FAILURE_RULES_H

#include "pull/failure_class.h"

#include <stddef.h>
#include <stdint.h>

// The tables by which failure_class decides. In them words are lower case, one space between them;
// `#` is any name, `#sock` the path of a unix socket. Punctuation between words does not count.

// Which part of a pull has failed. A rule may hold at several.
enum pt_failure_step {
    PT_FAILURE_AT_REGISTRY = 1,    // resolve and fetch, and whatever is not one of the others
    PT_FAILURE_AT_CREDENTIALS = 2, // a helper program on the node is to give them
    PT_FAILURE_AT_UNPACK = 4,      // layers become a file system
    PT_FAILURE_AT_RUNTIME = 8, // the kubelet does not reach the runtime, nor the runtime its parts
};

// The first row that occurs names the step; AT_REGISTRY if none does.
struct pt_failure_step_words {
    const char *words;
    enum pt_failure_step step;
};

extern const struct pt_failure_step_words pt_failure_steps[];
extern const size_t pt_failure_step_count;

// The first row that holds at the step and occurs names the class.
struct pt_failure_rule {
    int steps;             // of enum pt_failure_step
    const char *words;     // NULL: HTTP's status number decides
    uint16_t status_first; // 0 to 999: any, or none, so that the step alone decides
    uint16_t status_last;
    enum pt_failure_class failure_class;
};

extern const struct pt_failure_rule pt_failure_rules[];
extern const size_t pt_failure_rule_count;

#endif
