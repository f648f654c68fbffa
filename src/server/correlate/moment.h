// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_CORRELATE_MOMENT_H
#define PT_SERVER_CORRELATE_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

// When something happened on a node, as far as it can be compared. The kubelet's events and the
// agent's pulls carry times of the node's own clock. A container's state carries none: all that is
// known is when the server heard of it, by another clock. So two times of the node are compared as
// such, and anything else by which was heard first.
struct pt_moment {
    int64_t at;       // wall_ns, 0: never
    int64_t heard_ns; // monotonic, of the server
    uint64_t order;   // grows with each moment that is heard
    bool is_of_node;  // `at` is of the node's clock
};

// Something never happened before all that did. Times of whole seconds, as events have them, come
// in the order in which they were heard.
bool pt_moment_is_later(const struct pt_moment *a, const struct pt_moment *b);

#endif
