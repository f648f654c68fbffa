// SPDX-License-Identifier: Apache-2.0
#ifndef PT_KUBE_KUBELET_MESSAGE_H
#define PT_KUBE_KUBELET_MESSAGE_H

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

// What the kubelet says of an image, or of what a pod waits for before one, in an event or as the
// reason why a container waits.
enum pt_kubelet_word {
    PT_KUBELET_OTHER,        // not about an image, or a wording that is not known
    PT_KUBELET_WAITING,      // the container is being made; its image may be pulled or wait for it
    PT_KUBELET_PULLING,      // asked for; it may still stand in the kubelet's own queue
    PT_KUBELET_PULLED,       // an image was pulled
    PT_KUBELET_PRESENT,      // it was there, nothing was pulled
    PT_KUBELET_PULL_FAILED,  // one attempt failed
    PT_KUBELET_BACK_OFF,     // waits between attempts
    PT_KUBELET_NEVER_PULL,   // not there, and the pull policy forbids to pull it
    PT_KUBELET_INVALID_NAME, // no reference at all
    PT_KUBELET_INSPECT_FAILED, // whether it is there cannot be found out, so it is not pulled
    PT_KUBELET_NO_VOLUME,      // the pod waits for a volume: no image of it was asked for
    PT_KUBELET_NO_SANDBOX, // its sandbox was not made; `image` and `error`: for want of its image
};

struct pt_kubelet_message {
    enum pt_kubelet_word word;
    char image[PT_LIMIT_REFERENCE_BYTES + 1]; // as the pod or the runtime names it, or empty
    const char *error;                        // end of the text that was parsed, or NULL
    int64_t pull_ns;                          // duration of the pull alone, -1: not said
    int64_t queued_ns;                        // time in the kubelet's queue before it, -1: not said
    int64_t image_bytes;                      // -1: not said
    bool is_combined; // stands for several events, of other images and containers too
};

// Reads reason and message of an event or of a container's waiting state; NULL counts as empty.
// Never fails: what is not understood is PT_KUBELET_OTHER. `error` borrows from `message`.
void pt_kubelet_message_parse(const char *reason, const char *message,
                              struct pt_kubelet_message *ret_message);

// Likewise of a container's waiting state. The kubelet gives some errors that keep it from pulling,
// as a full disk on which it cannot note that it does, as the reason itself.
void pt_kubelet_state_parse(const char *reason, const char *message,
                            struct pt_kubelet_message *ret_message);

// The word says that the image cannot be had for now.
bool pt_kubelet_word_is_failure(enum pt_kubelet_word word);

#endif
