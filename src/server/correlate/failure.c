// SPDX-License-Identifier: Apache-2.0
#include "server/correlate/failure.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "pull/failure_class.h"

#include <string.h>

// The kubelet waits so long after the first failure, then doubles it up to the longest.
#define FIRST_BACK_OFF_NS (10 * PT_NS_PER_S)
#define LONGEST_BACK_OFF_NS (300 * PT_NS_PER_S)
// It looks at a pod again 10 to 16 s after a look that failed, at random, and tries when the
// back-off is over. Whoever expects it early is not far off in either case: when it has not tried
// by then, it will at any moment.
#define LOOK_NS (PT_NS_PER_S * 23 / 2)
#define LATEST_NS (20 * PT_NS_PER_S) // behind what was expected; then it was heard of no more
// A pull that fails at once is heard of after the kubelet's words on it.
#define HEARD_LATER_NS (5 * PT_NS_PER_S)

static bool is_never_retried(enum pt_kubelet_word word)
{
    return word == PT_KUBELET_NEVER_PULL || word == PT_KUBELET_INVALID_NAME;
}

// How many attempts an event reports that it had not reported before. One that stands for several
// events counts those of other images too: of its count only that it grew is known.
static int64_t new_attempts(struct correlate_container *container,
                            const struct pt_kube_event *event)
{
    uint64_t hash = pt_hash_text(PT_HASH_EMPTY, event->uid);
    int64_t count = is_never_retried(event->message.word) ? 1 : event->count;
    unsigned i = 0;
    while (i < container->failure_event_count && container->failure_events[i].event != hash)
        i++;
    int64_t known = 0;
    if (i < container->failure_event_count) {
        known = container->failure_events[i].count;
        if (count <= known)
            return 0;
    } else if (i == PT_MAX_FAILURE_EVENTS) { // the last place takes in what is news of more kinds
        struct pt_moment at = {.at = event->last_at, .is_of_node = true};
        if (container->failed.is_of_node && !pt_moment_is_later(&at, &container->failed))
            return 0;
        i--;
        count = 1;
    } else {
        container->failure_event_count++;
    }
    container->failure_events[i].event = hash;
    container->failure_events[i].count = count;
    return event->message.is_combined ? 1 : count - known;
}

static void take_words(struct correlate_image *image, const char *error)
{
    char text[PT_LIMIT_ERROR_BYTES + 1];
    if (!error)
        return;
    pt_utf8_clean(error, text, sizeof(text));
    if (image->error && strcmp(image->error, text) == 0)
        return;
    if (pt_correlate_replace_text(&image->error, text))
        image->error_class = pt_failure_class_of(text, image->key + 1);
}

// The attempt failed then; the words of an older one than the last do not count.
static void note(struct correlate_container *container, enum pt_kubelet_word word,
                 const char *error, struct pt_moment at)
{
    struct correlate_image *image = container->image;
    container->has_failed = true;
    container->is_present = false;
    if (pt_moment_is_later(&at, &container->failed))
        container->failed = at;
    if (pt_moment_is_later(&image->failed, &at))
        return;
    image->failed = at;
    // An inspection is tried again whenever the kubelet comes by: no back-off says when.
    image->has_no_retry_time = is_never_retried(word) || word == PT_KUBELET_INSPECT_FAILED;
    take_words(image, error);
}

void pt_correlate_event_failed(struct correlate_container *container,
                               const struct pt_kube_event *event)
{
    int64_t attempts = new_attempts(container, event);
    struct pt_moment at = pt_correlate_at(container->pod->node->correlate, event->last_at);
    if (attempts == 0 || pt_moment_is_later(&container->pulled, &at))
        return;
    bool is_known = container->report == CORRELATE_REPORT_STATE;
    container->failures += attempts - is_known;
    container->report = is_known ? CORRELATE_REPORT_BOTH : CORRELATE_REPORT_EVENT;
    if (is_known) // it happened when the event says
        container->failed = (struct pt_moment){0};
    note(container, event->message.word, event->message.error, at);
}

// The kubelet backs off from an image for a whole pod: of the containers behind the one that tried
// it says that as well, without an attempt.
static bool is_tried_beside(const struct correlate_container *container)
{
    const struct correlate_container *other;
    TAILQ_FOREACH(other, &container->pod->containers, pod_link)
    {
        if (other != container && other->image == container->image && other->has_failed &&
            other->failures > 0)
            return true;
    }
    return false;
}

void pt_correlate_state_failed(struct correlate_container *container, enum pt_kubelet_word word,
                               const char *error)
{
    if (container->report == CORRELATE_REPORT_EVENT) {
        container->report = CORRELATE_REPORT_BOTH;
        if (!container->image->error)
            take_words(container->image, error);
        return;
    }
    if (word == PT_KUBELET_BACK_OFF && container->failures == 0 && is_tried_beside(container)) {
        container->has_failed = true;
        return;
    }
    container->failures++;
    container->report = CORRELATE_REPORT_STATE;
    note(container, word, error, pt_correlate_now(container->pod->node->correlate));
}

bool pt_correlate_is_refused(const struct correlate_container *container)
{
    const struct pt_moment *pulled = &container->image->pulled;
    return container->has_failed && pulled->is_of_node && container->looked.at > pulled->at;
}

void pt_correlate_backs_off(struct correlate_container *container,
                            const struct pt_kube_event *event)
{
    struct pt_moment at = pt_correlate_at(container->pod->node->correlate, event->last_at);
    if (pt_moment_is_later(&container->pulled, &at))
        return;
    if (at.at > container->looked.at)
        container->looked = at;
    if (container->failures > 0 || is_tried_beside(container)) {
        container->has_failed = true;
        if (pt_correlate_is_refused(container) &&
            pt_moment_is_later(&at, &container->image->failed))
            container->image->failed = at;
        return;
    }
    container->failures = 1;
    container->report = CORRELATE_REPORT_STATE; // the event of the attempt may still come
    note(container, event->message.word, event->message.error, at);
}

static int64_t back_off_ns(int64_t failures)
{
    int64_t delay = FIRST_BACK_OFF_NS;
    for (int64_t i = 1; i < failures && delay < LONGEST_BACK_OFF_NS; i++)
        delay *= 2;
    return delay < LONGEST_BACK_OFF_NS ? delay : LONGEST_BACK_OFF_NS;
}

// When the kubelet tries again for the container at the earliest, 0: it does not.
static int64_t next_attempt_of(const struct correlate_container *container)
{
    // The kubelet has no back-off for a sandbox.
    if (container->ended_ns || !container->has_failed || container->failures == 0 ||
        container->kind == PT_KUBE_SANDBOX)
        return 0;
    int64_t at = container->failed.at + back_off_ns(container->failures);
    return container->looked.at > container->failed.at && container->looked.at + LOOK_NS > at
               ? container->looked.at + LOOK_NS
               : at;
}

// Many pulls, and many pods for readers, ask for the same: it is worked out once for each change.
static void sum_up(struct correlate_image *image)
{
    const struct correlate_container *container;
    if (image->summed_at == image->node->changes)
        return;
    image->summed_at = image->node->changes;
    image->sum_failures = image->next_attempt = 0;
    TAILQ_FOREACH(container, &image->containers, image_link)
    {
        int64_t at = next_attempt_of(container);
        image->sum_failures += container->failures;
        if (at && (!image->next_attempt || at < image->next_attempt))
            image->next_attempt = at;
    }
}

int64_t pt_correlate_next_attempt(struct correlate_image *image)
{
    if (image->has_no_retry_time)
        return 0;
    sum_up(image);
    int64_t at = image->next_attempt, now = pt_clock_wall_ns(image->node->correlate->clock);
    if (!at || !pt_correlate_has_come(image->node, at))
        return at;
    if (now > at + LATEST_NS)
        return at + LATEST_NS;
    pt_correlate_look_again(image->node);
    return now - now % PT_NS_PER_S;
}

int64_t pt_correlate_failures(struct correlate_image *image)
{
    sum_up(image);
    int64_t reported = image->gone_failures + image->sum_failures;
    return reported > image->agent_failures ? reported : image->agent_failures;
}

bool pt_correlate_is_in_back_off(const struct correlate_container *container, int64_t at)
{
    const struct pt_moment *failed = &container->failed;
    if (!container->has_failed || !failed->is_of_node || pt_correlate_is_outstanding(container))
        return false;
    // One of whole seconds may have failed at any time of its second.
    int64_t began_at = failed->at % PT_NS_PER_S ? failed->at : failed->at + PT_NS_PER_S;
    return at > began_at && at < failed->at + back_off_ns(container->failures) - PT_NS_PER_S;
}

bool pt_correlate_is_of_attempt(const struct correlate_image *image,
                                const struct correlate_pull *pull)
{
    if (!image->failed.is_of_node)
        return image->failed.at && image->failed.heard_ns > pull->heard_ns - HEARD_LATER_NS;
    return image->failed.at > pull->started_at - PT_NS_PER_S; // the kubelet's are whole seconds
}

void pt_correlate_fill_failure(struct correlate_image *image, struct pt_join *join)
{
    join->attempts = pt_correlate_failures(image);
    if (!image->error || !pt_moment_is_later(&image->failed, &image->pulled))
        return;
    join->error = image->error;
    join->error_class = image->error_class;
}
