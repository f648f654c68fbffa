// SPDX-License-Identifier: Apache-2.0
#ifndef PT_PULL_FAILURE_CLASS_H
#define PT_PULL_FAILURE_CLASS_H

// Why a pull failed, as `errorClass` and the metric's label name it.
enum pt_failure_class {
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
};
#define PT_FAILURE_CLASS_COUNT (PT_FAILURE_NOT_UNPACKED + 1)

// The class of an error's words as container runtimes, registries and the kubelet put them. NULL
// and unknown words are PT_FAILURE_OTHER. `image_ref` names the image (NULL: unknown): no name
// decides, be it of the image, a host or a file.
enum pt_failure_class pt_failure_class_of(const char *error, const char *image_ref);

// `not_found`, `unauthorized`, …; static text.
const char *pt_failure_class_name(enum pt_failure_class failure_class);

#endif
