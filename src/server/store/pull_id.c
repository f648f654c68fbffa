// SPDX-License-Identifier: Apache-2.0
#include "server/store/pull_id.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

int pt_pull_id_make(const char *node_name, const char *key, int64_t salt,
                    char id[static PT_PULL_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    // The NUL behind each name keeps "a" + "bc" and "ab" + "c" apart.
    bool ok = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(context, node_name, strlen(node_name) + 1) == 1 &&
              EVP_DigestUpdate(context, key, strlen(key) + 1) == 1 &&
              EVP_DigestUpdate(context, &salt, sizeof(salt)) == 1 &&
              EVP_DigestFinal_ex(context, digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    if (!ok)
        return -ENOMEM; // nothing else can fail
    for (size_t i = 0; i < (PT_PULL_ID_SIZE - 1) / 2; i++) {
        id[2 * i] = digits[digest[i] >> 4];
        id[2 * i + 1] = digits[digest[i] & 15];
    }
    id[PT_PULL_ID_SIZE - 1] = '\0';
    return 0;
}
