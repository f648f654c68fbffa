// SPDX-License-Identifier: Apache-2.0
#ifndef PT_PULL_DIGEST_H
#define PT_PULL_DIGEST_H

#include <stdbool.h>

// `algorithm:hex` of a sensible length.
bool pt_is_digest(const char *text);

// The digest in a content reference as containerd names ingests, `layer-sha256:…`, or, of a
// descriptor that has a name, `layer-<name>@sha256:…`; NULL if it has none. Points into the text.
const char *pt_ref_digest(const char *ref);

#endif
