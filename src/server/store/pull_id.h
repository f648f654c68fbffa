// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STORE_PULL_ID_H
#define PT_SERVER_STORE_PULL_ID_H

#include "base/error.h"
#include "server/store/reader.h"

#include <stdint.h>

// Writes an id that is unique in the cluster, safe in a URL and the same after a restart of the
// server: half of the SHA-256 of the three, as hexadecimal digits. -ENOMEM, and `id` is as it was.
PT_MUST_CHECK int pt_pull_id_make(const char *node_name, const char *key, int64_t salt,
                                  char id[static PT_PULL_ID_SIZE]);

#endif
