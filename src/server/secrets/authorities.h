// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SECRETS_AUTHORITIES_H
#define PT_SERVER_SECRETS_AUTHORITIES_H

#include "base/error.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evp_pkey_st;
struct pt_buffer;
struct x509_st;

// The CAs that sign the server's certificate for its agents, oldest first, and the certificate.
// All times are wall_ns in whole seconds; a certificate is good an hour before it was made, for
// clocks that are behind.
struct pt_authority {
    struct x509_st *certificate;
    struct evp_pkey_st *key;
    int64_t made_at, ends_at;
};

// All zero is none; pt_authorities_finish frees what it holds.
struct pt_authorities {
    struct pt_authority list[PT_LIMIT_AUTHORITIES];
    size_t count;
};

// Reads PEM: as many certificates as keys, each with its key at the same place. False, and none
// read, if that is not what they hold (NULL too).
bool pt_authorities_read(struct pt_authorities *authorities, const char *certificates,
                         const char *keys);
void pt_authorities_finish(struct pt_authorities *authorities);

// Makes a new one, the newest; the oldest goes if there is no room.
PT_MUST_CHECK int pt_authorities_add(struct pt_authorities *authorities, int64_t now,
                                     int64_t life_ns, struct pt_error *err);

// Drops those that have ended; returns whether there were any.
bool pt_authorities_drop_ended(struct pt_authorities *authorities, int64_t now);

// Appends PEM; `keys` may be NULL.
PT_MUST_CHECK int pt_authorities_write(const struct pt_authorities *authorities,
                                       struct pt_buffer *certificates, struct pt_buffer *keys,
                                       struct pt_error *err);

// -EINVAL unless the names, comma-separated, are DNS names and IP addresses.
PT_MUST_CHECK int pt_certificate_check_names(const char *names, struct pt_error *err);

// Makes a key, and a certificate for the names, which ends no later than its authority; appends
// both as PEM.
PT_MUST_CHECK int pt_certificate_make(const struct pt_authority *authority, const char *names,
                                      int64_t now, int64_t life_ns, struct pt_buffer *certificate,
                                      struct pt_buffer *key, struct pt_error *err);

// NULL if the certificate has this key, just these names, and one of the authorities has signed it;
// else what is wrong, static. *ret_made_at and *ret_ends_at are set if it can be read at all.
const char *pt_certificate_fault(const struct pt_authorities *authorities, const char *certificate,
                                 const char *key, const char *names, int64_t *ret_made_at,
                                 int64_t *ret_ends_at);

#endif
