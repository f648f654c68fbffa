// SPDX-License-Identifier: Apache-2.0
#include "server/api/http_metrics.h"

#include "base/loop.h"
#include "base/metric_text.h"
#include "server/http/http_server.h"

static void write_turns(struct pt_buffer *out, const struct pt_loop_turns *turns)
{
    static const char name[] = "pulltrace_loop_turn_duration_seconds";
    unsigned long long count = 0;
    pt_metric_head(out, name, "histogram",
                   "CPU time of the turns of the event loop: nobody waits longer than one for "
                   "another's work.");
    for (size_t i = 0; i < PT_LOOP_TURN_BOUNDS; i++) {
        count += turns->counts[i];
        (void)pt_buffer_printf(out, "%s_bucket{le=\"%g\"} %llu\n", name, pt_loop_turn_bounds[i],
                               count);
    }
    count += turns->counts[PT_LOOP_TURN_BOUNDS];
    (void)pt_buffer_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.9g\n%s_count %llu\n", name,
                           count, name, turns->seconds, name, count);
}

int pt_http_metrics_write(const struct pt_http_server *server,
                          const struct pt_http_server *agent_server, const struct pt_loop *loop,
                          struct pt_buffer *out)
{
    struct pt_connection_figures figures = pt_http_server_figures(server);
    uint64_t refused_bodies = pt_http_server_refused_bodies(server);
    if (agent_server) {
        const struct pt_connection_figures more = pt_http_server_figures(agent_server);
        figures.open += more.open;
        figures.refused += more.refused;
        figures.cut += more.cut;
        refused_bodies += pt_http_server_refused_bodies(agent_server);
    }
    pt_metric_number(out, "pulltrace_http_connections", "gauge",
                     "Connections to the public and the agents' address.", figures.open);
    pt_metric_number(out, "pulltrace_http_connections_refused_total", "counter",
                     "Connections closed at once, at the maximum of all or of one address.",
                     figures.refused);
    pt_metric_number(out, "pulltrace_http_connections_cut_total", "counter",
                     "Idle connections that made room for others.", figures.cut);
    pt_metric_number(out, "pulltrace_http_bodies_refused_total", "counter",
                     "Bodies refused since all that are being read were too large together.",
                     refused_bodies);
    write_turns(out, pt_loop_turns(loop));
    return out->failure;
}
