// SPDX-License-Identifier: Apache-2.0
#include "kube/kubelet_message.h"
#include "pull/failure_class.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct pt_kubelet_message *got, const char *message)
{
    assert(strlen(got->image) <= PT_LIMIT_REFERENCE_BYTES);
    assert(!got->error || (got->error >= message && *got->error));
    assert(got->word != PT_KUBELET_OTHER || !*got->image);
    assert(pt_failure_class_name(pt_failure_class_of(message, got->image)));
}

// The first line is the reason, the rest the message.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    char *newline = strchr(text, '\n');
    char *message = newline ? newline + 1 : text + strlen(text);
    if (newline)
        *newline = '\0';
    struct pt_kubelet_message got;
    pt_kubelet_message_parse(text, message, &got);
    check(&got, message);
    pt_kubelet_state_parse(text, message, &got);
    check(&got, message);
    free(text);
    return 0;
}
