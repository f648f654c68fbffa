// SPDX-License-Identifier: Apache-2.0
#include "kube/watch_trouble.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <ctype.h>
#include <stdio.h>

// Durations, ports and the like make no other failure of it.
static void copy_without_digits(const char *text, char *copy, size_t size)
{
    size_t length = 0;
    for (; *text && length + 1 < size; text++) {
        if (!isdigit((unsigned char)*text))
            copy[length++] = *text;
    }
    copy[length] = '\0';
}

static void log_failure(struct pt_watch_trouble *trouble, const char *why, int64_t delay_ns)
{
    char words[sizeof(trouble->logged)];
    copy_without_digits(why, words, sizeof(words));
    if (!pt_text_remember(trouble->logged, sizeof(trouble->logged), words))
        return;
    pt_log_warn(
        "kubernetes.unreachable",
        pt_log_text("text",
                    "tried again; pulls are shown meanwhile, without what is new of their pods"),
        pt_log_text("collection", trouble->collection),
        pt_log_text("namespace", *trouble->name_space ? trouble->name_space : NULL),
        pt_log_text("error", why), pt_log_int("retryMs", delay_ns / PT_NS_PER_MS));
}

int64_t pt_watch_trouble_failed(struct pt_watch_trouble *trouble,
                                const struct pt_kube_client *client, int code,
                                int64_t retry_after_s, const char *why)
{
    int64_t now_ns = pt_clock_monotonic_ns(client->clock);
    int64_t delay_ns = pt_backoff_failed(&trouble->backoff, now_ns, client->random());
    if (delay_ns < retry_after_s * PT_NS_PER_S)
        delay_ns = retry_after_s * PT_NS_PER_S;
    // An API server that starts refuses what it has not read the roles of yet.
    bool may_be_starting = code == 403 && !trouble->was_forbidden;
    trouble->was_forbidden = code == 403;
    if (!may_be_starting)
        log_failure(trouble, why, delay_ns);
    return delay_ns;
}

int64_t pt_watch_trouble_refused(struct pt_watch_trouble *trouble, const char *why)
{
    if (!*trouble->logged)
        pt_log_info("kubernetes.forbidden", pt_log_text("text", "it goes on without these"),
                    pt_log_text("collection", trouble->collection), pt_log_text("error", why));
    snprintf(trouble->logged, sizeof(trouble->logged), "%s", why);
    return pt_backoff_refused(&trouble->backoff);
}

void pt_watch_trouble_over(struct pt_watch_trouble *trouble, int64_t now_ns)
{
    pt_backoff_good(&trouble->backoff, now_ns);
    if (!*trouble->logged)
        return;
    trouble->logged[0] = '\0';
    pt_log_info("kubernetes.reachable", pt_log_text("collection", trouble->collection),
                pt_log_text("namespace", *trouble->name_space ? trouble->name_space : NULL));
}
