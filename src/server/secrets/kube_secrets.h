// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SECRETS_KUBE_SECRETS_H
#define PT_SERVER_SECRETS_KUBE_SECRETS_H

#include "base/error.h"
#include "server/secrets/secret_plan.h"

#include <stdbool.h>

struct event_base;
struct pt_kube_client;

// The Secrets in Kubernetes
// (https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/).
// Each call runs the event loop until it is answered: for a program that does nothing else.
struct pt_kube_secrets {
    const struct pt_kube_client *client;
    const char *namespace_name;
    const char *names[PT_MADE_SECRET_COUNT];
};

// A Secret as it was read.
struct pt_kube_secret {
    struct pt_secret_content content;
    bool exists;
    char version[64];
};

// -EPERM if a Secret of that name is there that does not say by its label that it is ours;
// -EACCES, -EIO and others say what the API server says. On success pt_secret_content_finish frees.
PT_MUST_CHECK int pt_kube_secrets_read(const struct pt_kube_secrets *secrets,
                                       enum pt_made_secret which, struct pt_kube_secret *ret_secret,
                                       struct pt_error *err);

// Writes the values into the Secret as it was read, or creates it. -EAGAIN if somebody else has
// written it since: it must be read again.
PT_MUST_CHECK int pt_kube_secrets_write(const struct pt_kube_secrets *secrets,
                                        const struct pt_kube_secret *secret,
                                        const struct pt_secret_change *change,
                                        struct pt_error *err);

#endif
