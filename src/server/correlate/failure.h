// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_CORRELATE_FAILURE_H
#define PT_SERVER_CORRELATE_FAILURE_H

#include "server/correlate/model.h"

// How often an image has failed, with which words, and when the kubelet tries again. Only
// correlate's own files include this.
//
// One attempt is reported twice: by an event that counts, and by the container's state, which turns
// to ErrImagePull or ImagePullBackOff up to 15 s later. Whichever comes first counts the attempt;
// the other one is then taken for a report of the same attempt. The event's time is the truth.

// An event, which has the image's name or words of its own, reports failed attempts.
void pt_correlate_event_failed(struct correlate_container *container,
                               const struct pt_kube_event *event);

// The container's state has turned to a failure.
void pt_correlate_state_failed(struct correlate_container *container, enum pt_kubelet_word word,
                               const char *error);

// An event reports that the kubelet waits with the next attempt. That is no attempt of its own.
void pt_correlate_backs_off(struct correlate_container *container,
                            const struct pt_kube_event *event);

// The kubelet does not pull for the container then: its back-off runs, and it has not asked since.
bool pt_correlate_is_in_back_off(const struct correlate_container *container, int64_t at);

// The kubelet's last words on a failure are about the attempt of that pull, not an earlier one.
bool pt_correlate_is_of_attempt(const struct correlate_image *image,
                                const struct correlate_pull *pull);

// How often it has failed, as far as pods, events and the agent show.
int64_t pt_correlate_failures(struct correlate_image *image);

// Fills in the attempts and, of a failure that no success has followed, its words and class.
void pt_correlate_fill_failure(struct correlate_image *image, struct pt_join *join);

// When the kubelet tries again: each container has a back-off of its own, from its own last
// attempt. When that time has passed it is now, each second, for a while. 0: not, or not known.
int64_t pt_correlate_next_attempt(struct correlate_image *image);

// The kubelet has backed off from the image since it came for another pod: this one may not use it.
bool pt_correlate_is_refused(const struct correlate_container *container);

#endif
