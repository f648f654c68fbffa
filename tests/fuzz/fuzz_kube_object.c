// SPDX-License-Identifier: Apache-2.0
#include "kube/kube_object.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    yyjson_doc *doc = yyjson_read((const char *)data, size, 0);
    static struct pt_kube_pod pod;
    struct pt_kube_event event;
    if (pt_kube_pod_decode(yyjson_doc_get_root(doc), &pod) == 0) {
        assert(pod.uid && pod.name_space && pod.name);
        for (size_t i = 0; i < pod.waiting_count; i++)
            assert(pod.waiting[i].name && pod.waiting[i].image &&
                   pod.waiting[i].word != PT_KUBELET_OTHER);
    }
    if (pt_kube_event_decode(yyjson_doc_get_root(doc), &event) == 0 &&
        event.message.word != PT_KUBELET_OTHER)
        assert(event.uid && event.pod && event.node && event.count >= 1);
    yyjson_doc_free(doc);
    return 0;
}
