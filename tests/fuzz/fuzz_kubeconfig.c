// SPDX-License-Identifier: Apache-2.0
#include "base/secret_file.h"
#include "input_file.h"
#include "kube/kube_config.h"
#include "source.h"

#include <assert.h>

static char *no_variable(const char *name)
{
    (void)name;
    return NULL;
}

// A kubeconfig, which an administrator copies from anywhere: YAML, aliases, inline base64. What is
// taken from it is whole.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pt_kube_config config = {0};
    struct pt_error err = {0};
    struct pt_kube_settings settings = {0};
    struct input_file file = input_file_open(data, size);
    settings.kubeconfig = file.path;
    if (pt_kube_config_load(&settings, no_variable, "/nowhere", &config, &err) == 0) {
        size_t length = config.url ? strlen(config.url) : 0;
        assert(config.url && config.source && config.token);
        assert(length == 0 || config.url[length - 1] != '/');
        assert(!config.client_cert_file == !config.client_key_file);
        assert(config.memory_fd_count <= 3);
        pt_kube_config_finish(&config);
    } else {
        assert(err.code > 0 && err.message[0]);
    }
    input_file_close(&file);
    return 0;
}
