// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SHARE_SHARE_WAITED_H
#define PT_SERVER_SHARE_SHARE_WAITED_H

#include "base/buffer.h"

#include <stddef.h>

struct pt_join;

// Who had waited for a pull that has ended, and for how long: what a server that starts later
// cannot hear from Kubernetes any more. As one line of JSON.

// A failure stays in the buffer.
void pt_share_waited_write(const struct pt_join *join, struct pt_buffer *out);

// In one block that free() frees. NULL: nobody had, it is not readable, or out of memory.
struct pt_join *pt_share_waited_read(const char *json, size_t length);

#endif
