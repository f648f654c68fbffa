// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_CORRELATE_FAILURE_H
#define PT_SERVER_CORRELATE_FAILURE_H

#include "server/correlate/model.h"

// How often an image has failed, with which words, and when the kubelet tries again. Only
// correlate's own files include this.

// The kubelet says at that time, with that word and these words or NULL, that it has failed.
void pt_correlate_note_failure(struct correlate_container *container, enum pt_kubelet_word word,
                               const char *error, int64_t at);

// How often it has failed, as its events and its status report it.
int64_t pt_correlate_container_failures(const struct correlate_container *container);

// The kubelet's last words on a failure are about an attempt that began then, not an earlier one.
bool pt_correlate_is_of_attempt(const struct correlate_image *image, int64_t started_at);

// Fills in the attempts and, of a failure that no success has followed, its words and class.
void pt_correlate_fill_failure(const struct correlate_image *image, struct pt_join *join);

// When the kubelet tries again; 0: not, or not known.
int64_t pt_correlate_next_attempt(const struct correlate_image *image);

#endif
