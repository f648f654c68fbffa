// SPDX-License-Identifier: Apache-2.0
#include "check.h"
#include "server/api/process_figures.h"

#include <fcntl.h>
#include <unistd.h>

#define OPENED 900 // below the usual limit of 1,024

static void open_descriptors_are_counted(void **state)
{
    (void)state;
    struct pt_process_figures before, after;
    int fds[OPENED];
    pt_process_figures_read(&before);
    assert_int_equal(pt_process_count_fds_one_by_one(), (int)before.open_fds);
    for (size_t i = 0; i < OPENED; i++) {
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(fds[i] >= 0);
    }
    pt_process_figures_read(&after);
    assert_int_equal((int)(after.open_fds - before.open_fds), OPENED);
    assert_int_equal(pt_process_count_fds_one_by_one(), (int)after.open_fds);
    for (size_t i = 0; i < OPENED; i++)
        close(fds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_descriptors_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
