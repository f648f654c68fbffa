// SPDX-License-Identifier: Apache-2.0
#ifndef PT_PULL_IMAGE_REF_H
#define PT_PULL_IMAGE_REF_H

#include "base/error.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>

// An image reference by the distribution grammar
// (https://pkg.go.dev/github.com/distribution/reference#pkg-overview), normalized as container
// runtimes do it: `nginx` is docker.io/library/nginx:latest.
struct pt_image_ref {
    char host[PT_LIMIT_NAME_BYTES + 1];     // with its port
    char path[PT_LIMIT_NAME_BYTES + 1];     // repository without the host
    char tag[129];                          // empty if there is only a digest
    char digest[PT_LIMIT_DIGEST_BYTES + 1]; // empty if there is none
};

// -EINVAL when the text does not follow the grammar; *ret_ref is then untouched.
PT_MUST_CHECK int pt_image_ref_parse(const char *text, struct pt_image_ref *ret_ref);

// Longest text that pt_image_ref_format writes, with its terminating NUL.
#define PT_IMAGE_REF_SIZE (2 * PT_LIMIT_NAME_BYTES + 128 + PT_LIMIT_DIGEST_BYTES + 4)

// Writes host/path[:tag][@digest]. Parsing that text gives the same reference. Returns `text`.
char *pt_image_ref_format(const struct pt_image_ref *ref, char text[static PT_IMAGE_REF_SIZE]);

// Of a repository `host/path` containerd knows no port. Returns how long `host:port/path` is at the
// beginning of a reference of that repository; 0: it is of another one, or has no port.
size_t pt_image_ref_ported(const char *reference, const char *repository);

// The same repository, also if only one of the two has a port.
bool pt_repository_is_same(const char *one, const char *other);

// A bare content reference as agents send that know no name (`layer-sha256:…`, `sha256:…`, …).
bool pt_is_content_ref(const char *text);

#endif
