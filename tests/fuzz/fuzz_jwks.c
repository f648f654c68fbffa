// SPDX-License-Identifier: Apache-2.0
#include "server/identity/jwks.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A key set that is read holds keys, is equal to itself, and verifies no signature of nothing.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const ids[] = {"rsa", "p256", "p384", "p521"};
    static const char *const algorithms[] = {"RS256", "ES256", "ES384", "ES512"};
    static const size_t lengths[] = {256, 64, 96, 132};
    struct pt_jwks *keys;
    struct pt_error err;
    if (pt_jwks_read((const char *)data, size, &keys, &err) < 0) {
        assert(err.code == EINVAL);
        return 0;
    }
    assert(pt_jwks_count(keys) > 0 && pt_jwks_count(keys) <= PT_LIMIT_CLUSTER_KEYS);
    assert(pt_jwks_are_equal(keys, keys));
    for (int i = 0; i < 4; i++) {
        const struct pt_jwt jwt = {.signed_text = "e30.e30",
                                   .signed_length = 7,
                                   .signature_length = lengths[i],
                                   .algorithm = algorithms[i],
                                   .key_id = ids[i]};
        int r = pt_jwks_verify(keys, &jwt, &err);
        assert(r == -EPERM || r == -ENOENT);
    }
    pt_jwks_destroy(keys);
    return 0;
}
