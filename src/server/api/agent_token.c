// SPDX-License-Identifier: Apache-2.0
#include "server/api/agent_token.h"

#include "base/secret_file.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>
#include <strings.h>

static int digest(const char *text, unsigned char out[static SHA256_DIGEST_LENGTH])
{
    return EVP_Digest(text, strlen(text), out, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

int pt_agent_token_check(struct pt_secret *wanted, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    unsigned char given_digest[SHA256_DIGEST_LENGTH], wanted_digest[SHA256_DIGEST_LENGTH];
    const char *token = pt_secret_get(wanted);
    if (!*token)
        return 0;
    if (!authorization || strncasecmp(authorization, scheme, strlen(scheme)) != 0)
        return -EACCES;
    // Digests have one length: the time that the comparison takes does not give away the token's.
    if (digest(authorization + strlen(scheme), given_digest) < 0 ||
        digest(token, wanted_digest) < 0)
        return -ENOMEM;
    return CRYPTO_memcmp(given_digest, wanted_digest, sizeof(wanted_digest)) == 0 ? 0 : -EACCES;
}
