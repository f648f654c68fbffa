// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_SAME_FILE_H
#define PT_BASE_SAME_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

// Whether both looks saw the same file with the same content, as far as one can know without
// reading it: inode, size and time of change.
static inline bool pt_is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

#endif
