// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_API_HTTP_METRICS_H
#define PT_SERVER_API_HTTP_METRICS_H

#include "base/buffer.h"

struct pt_http_server;
struct pt_loop;

// Appends what the connections to the public and the agents' address (NULL: none) together and the
// turns of the loop are like, as pt_metrics_write does.
PT_MUST_CHECK int pt_http_metrics_write(const struct pt_http_server *server,
                                        const struct pt_http_server *agent_server,
                                        const struct pt_loop *loop, struct pt_buffer *out);

#endif
