// SPDX-License-Identifier: Apache-2.0
#include "pull/failure_class.h"

#include "check.h"

static void sorts_the_errors_of_runtimes_and_registries(void **state)
{
    (void)state;
    static const struct {
        const char *error;
        const char *name;
    } cases[] = {
        {"rpc error: code = NotFound desc = failed to pull and unpack image "
         "\"docker.io/library/nginx:nope\": failed to resolve reference "
         "\"docker.io/library/nginx:nope\": docker.io/library/nginx:nope: not found",
         "not_found"},
        {"manifest for nginx:nope not found: manifest unknown: manifest unknown", "not_found"},
        {"reading manifest v9 in quay.io/a/b: name unknown: repository not found", "not_found"},
        {"no match for platform in manifest", "not_found"},
        {"failed to resolve reference \"r.io/a:1\": pull access denied, repository does not exist "
         "or may require authorization: server message: insufficient_scope: authorization failed",
         "unauthorized"},
        {"failed to authorize: failed to fetch anonymous token: unexpected status from GET request "
         "to https://auth.example/token?scope=not-found: 401 Unauthorized",
         "unauthorized"},
        {"unexpected status code 403 Forbidden", "unauthorized"},
        {"Head \"https://r.io/v2/a/manifests/1\": no basic auth credentials", "unauthorized"},
        {"toomanyrequests: You have reached your unauthenticated pull rate limit.", "rate_limited"},
        {"unexpected status code 429 Too Many Requests", "rate_limited"},
        {"pull QPS exceeded", "rate_limited"},
        {"rpc error: code = DeadlineExceeded desc = context deadline exceeded", "timeout"},
        {"dial tcp 10.0.0.1:443: i/o timeout", "timeout"},
        {"net/http: TLS handshake timeout", "timeout"},
        {"unexpected status code 504 Gateway Time-out", "timeout"},
        {"dial tcp: lookup registry.invalid on 10.96.0.10:53: no such host", "network"},
        {"dial tcp 127.0.0.1:5000: connect: connection refused", "network"},
        {"read tcp 10.0.0.2:1: read: connection reset by peer", "network"},
        {"connect: no route to host", "network"},
        {"failed to copy: httpReadSeeker: failed open: unexpected EOF", "network"},
        {"image pull failed for a because the registry is unavailable: 503", "network"},
        {"unexpected status code 502 Bad Gateway", "network"},
        {"tls: failed to verify certificate: x509: certificate signed by unknown authority", "tls"},
        {"http: server gave HTTP response to HTTPS client", "tls"},
        {"write /var/lib/containerd/x: no space left on device", "disk_full"},
        {"couldn't parse image name \"A:B:C\": invalid reference format", "invalid_reference"},
        {"repository name must be lowercase", "invalid_reference"},
        {"Container image \"a\" is not present with pull policy of Never", "policy"},
        {"image pull failed for a because the signature validation failed: no key", "policy"},
        {"not unpacked: everything was fetched and is stored", "not_unpacked"},
        {"failed to pull and unpack image \"a\": failed to unpack image on snapshotter overlayfs: "
         "mismatched image rootfs and manifest layers",
         "not_unpacked"},
        {"number of layers and diffIDs don't match: 2 != 0", "not_unpacked"},
        {"the moon is in the wrong phase", "other"},
        {"", "other"},
        {NULL, "other"},
        // A name that a user chose decides nothing.
        {"cannot do \"registry.io/not-found/timeout:x509\"", "other"},
        {"GET https://registry.io/forbidden/x509: odd", "other"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_text(cases[i].error ? cases[i].error : "no error",
                   pt_failure_class_name(pt_failure_class_of(cases[i].error)), cases[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_the_errors_of_runtimes_and_registries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
