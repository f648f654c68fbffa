// SPDX-License-Identifier: Apache-2.0
#ifndef PT_PULL_FAILURE_CLASS_H
#define PT_PULL_FAILURE_CLASS_H

struct pt_words;

// Why a pull failed, as `errorClass` and the metric's label name it.
enum pt_failure_class {
    PT_FAILURE_NONE, // it has not failed, or nobody has said why
    PT_FAILURE_OTHER,
    PT_FAILURE_NOT_FOUND,
    PT_FAILURE_UNAUTHORIZED,
    PT_FAILURE_RATE_LIMITED,
    PT_FAILURE_TIMEOUT,
    PT_FAILURE_NETWORK,
    PT_FAILURE_TLS,
    PT_FAILURE_DISK_FULL,
    PT_FAILURE_INVALID_REFERENCE,
    PT_FAILURE_POLICY,
    PT_FAILURE_PLATFORM,     // the image is not made for this machine
    PT_FAILURE_CORRUPT,      // what came is not what its digest or size says
    PT_FAILURE_NOT_UNPACKED, // fetched, but no container can start from it
    PT_FAILURE_STALE,        // given up, see below: no failure of a registry
};
#define PT_FAILURE_CLASS_COUNT (PT_FAILURE_STALE + 1)

// Why a pull was given up, as `staleReason` names it.
enum pt_stale_reason {
    PT_STALE_NOT,     // it was not
    PT_STALE_SILENT,  // its node's agent has not reported for too long
    PT_STALE_UNNAMED, // its node's agent reports, but no longer this pull
    PT_STALE_STUCK,   // it is reported, but has not moved for too long
};

// The words of the wire, see fields.h. An agent does not say that a pull is stale.
extern const struct pt_words pt_failure_class_words;
extern const struct pt_words pt_agent_failure_class_words;
extern const struct pt_words pt_stale_reason_words;

// The class of an error's words as container runtimes, registries and the kubelet put them. NULL
// and unknown words are PT_FAILURE_OTHER. `image_ref` names the image (NULL: unknown): no name
// decides, be it of the image, a host or a file.
enum pt_failure_class pt_failure_class_of(const char *error, const char *image_ref);

// `not_found`, `unauthorized`, …; static text, NULL for PT_FAILURE_NONE.
const char *pt_failure_class_name(enum pt_failure_class failure_class);

#endif
