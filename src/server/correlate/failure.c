// SPDX-License-Identifier: Apache-2.0
#include "server/correlate/failure.h"

#include "base/limits.h"
#include "base/utf8.h"
#include "pull/failure_class.h"

// The kubelet waits so long after the first failure, then doubles it up to the longest.
#define FIRST_BACK_OFF_NS (10 * PT_NS_PER_S)
#define LONGEST_BACK_OFF_NS (300 * PT_NS_PER_S)

int64_t pt_correlate_container_failures(const struct correlate_container *container)
{
    int64_t events = 0;
    for (unsigned i = 0; i < container->failure_event_count; i++)
        events += container->failure_events[i].count;
    return events > container->status_failures ? events : container->status_failures;
}

void pt_correlate_note_failure(struct correlate_container *container, enum pt_kubelet_word word,
                               const char *error, int64_t at)
{
    struct correlate_image *image = container->image;
    container->has_failed = true;
    if (word == PT_KUBELET_BACK_OFF && image->failed_at)
        return; // an attempt that is known
    image->never_retried = word == PT_KUBELET_NEVER_PULL || word == PT_KUBELET_INVALID_NAME;
    if (pt_correlate_container_failures(container) == 0)
        container->status_failures = 1;
    if (at > image->failed_at)
        image->failed_at = at;
    if (error) {
        char text[PT_LIMIT_ERROR_BYTES + 1];
        pt_utf8_clean(error, text, sizeof(text));
        (void)pt_correlate_replace_text(&image->error, text);
    }
}

// How often it has failed, as far as pods, events and the agent tell.
static int64_t failures_of(const struct correlate_image *image)
{
    int64_t told = image->gone_failures;
    const struct correlate_container *container;
    TAILQ_FOREACH(container, &image->containers, image_link)
    {
        told += pt_correlate_container_failures(container);
    }
    return told > image->agent_failures ? told : image->agent_failures;
}

// The most that one container has failed: the back-off is its own.
static int64_t most_failures(const struct correlate_image *image)
{
    int64_t most = 0;
    const struct correlate_container *container;
    TAILQ_FOREACH(container, &image->containers, image_link)
    {
        int64_t failures = container->ended_at ? 0 : pt_correlate_container_failures(container);
        if (failures > most)
            most = failures;
    }
    return most;
}

int64_t pt_correlate_next_attempt(const struct correlate_image *image)
{
    int64_t failures = most_failures(image);
    if (image->never_retried || failures == 0 || image->failed_at == 0)
        return 0;
    int64_t delay = FIRST_BACK_OFF_NS;
    for (int64_t i = 1; i < failures && delay < LONGEST_BACK_OFF_NS; i++)
        delay *= 2;
    return image->failed_at + (delay < LONGEST_BACK_OFF_NS ? delay : LONGEST_BACK_OFF_NS);
}

bool pt_correlate_is_of_attempt(const struct correlate_image *image, int64_t started_at)
{
    return image->failed_at > started_at - PT_NS_PER_S; // the kubelet's times are whole seconds
}

void pt_correlate_fill_failure(const struct correlate_image *image, struct pt_join *join)
{
    join->attempts = failures_of(image);
    if (!image->error || image->failed_at <= image->pulled_at)
        return;
    join->error = image->error;
    join->error_class = pt_failure_class_name(pt_failure_class_of(image->error));
}
