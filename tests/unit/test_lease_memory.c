// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/lease.h"

#include "check.h"

// Without memory a lease keeps what it knows. The linker puts the function below in the place of
// strdup.

#define X8(c) c c c c c c c c
#define D(c) "sha256:" X8(X8(c))

static bool has_memory = true;

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);

char *__wrap_strdup(const char *text)
{
    return has_memory ? __real_strdup(text) : NULL;
}

// Shows the lease one snapshot that it holds, without or with memory for what is new.
static void hold_snapshot(struct pt_lease *lease, const char *type, bool with_memory)
{
    Ctrd__Resource resource = CTRD__RESOURCE__INIT;
    Ctrd__Resource *resources[] = {&resource};
    Ctrd__ListResourcesResponse response = CTRD__LIST_RESOURCES_RESPONSE__INIT;
    resource.type = (char *)type;
    resource.id = (char *)"extract-5-abcd " D("e");
    response.resources = resources;
    response.n_resources = 1;
    has_memory = with_memory;
    pt_lease_take_resources(lease, &response);
    has_memory = true;
}

static void another_snapshotter_does_not_cost_the_one_that_is_known(void **state)
{
    (void)state;
    struct pt_lease *lease = pt_lease_create("k8s.io", "lease", 1000);
    assert_non_null(lease);
    hold_snapshot(lease, "snapshots/overlayfs", true);
    check_text("the first", lease->snapshotter, "overlayfs");
    hold_snapshot(lease, "snapshots/native", false);
    check_text("without memory", lease->snapshotter, "overlayfs");
    hold_snapshot(lease, "snapshots/native", true);
    check_text("with memory again", lease->snapshotter, "native");
    pt_lease_destroy(lease);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_snapshotter_does_not_cost_the_one_that_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
