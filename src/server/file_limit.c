// SPDX-License-Identifier: Apache-2.0
#include "server/file_limit.h"

#include <sys/resource.h>

size_t pt_file_limit_raise(size_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    if (limit.rlim_cur >= wanted)
        return limit.rlim_cur;
    // Above the hard limit only with CAP_SYS_RESOURCE; else up to it.
    struct rlimit raised = {wanted, limit.rlim_max > wanted ? limit.rlim_max : wanted};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        return wanted;
    raised = (struct rlimit){limit.rlim_max, limit.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? limit.rlim_max : limit.rlim_cur;
}
