// SPDX-License-Identifier: Apache-2.0
#include "containerd/socket_check.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[64];

static const char *in_folder(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static int make_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/pt-socket-XXXXXX");
    return mkdtemp(folder) && mkdir(in_folder("allowed"), 0700) == 0 &&
                   mkdir(in_folder("other"), 0700) == 0
               ? 0
               : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"allowed/good", "allowed/file", "allowed/out", "other/good",
                                        "link",         "allowed",      "other",       "."};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (unlink(in_folder(names[i])) < 0)
            rmdir(in_folder(names[i]));
    }
    return rmdir(folder) < 0 && errno != ENOENT ? -1 : 0;
}

static void paths(void **state)
{
    (void)state;
    int good = make_socket(in_folder("allowed/good"));
    int other = make_socket(in_folder("other/good"));
    FILE *file = fopen(in_folder("allowed/file"), "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(symlink("../other/good", in_folder("allowed/out")), 0);
    assert_int_equal(symlink("allowed", in_folder("link")), 0);
    static const struct {
        const char *path;
        int result; // for uid 0; another user's sockets are refused
    } cases[] = {
        {"allowed/good", 0},         {"link/good", 0},           {"allowed/../allowed/good", 0},
        {"other/good", -EACCES},     {"allowed/out", -EACCES},   {"allowed/../other/good", -EACCES},
        {"allowed/file", -ENOTSOCK}, {"allowed/none", -ENOENT},  {"link/none", -ENOENT},
        {"other/none", -EACCES},     {"allowedx/good", -EACCES},
    };
    char directories[160];
    snprintf(directories, sizeof(directories), "/nonexistent,%s/", in_folder("allowed"));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_error err;
        int wanted = cases[i].result == 0 && geteuid() != 0 ? -EACCES : cases[i].result;
        check_int(cases[i].path, pt_socket_check_path(in_folder(cases[i].path), directories, &err),
                  wanted);
    }
    assert_int_equal(pt_socket_check_path("relative/good", directories, NULL), -EACCES);
    assert_int_equal(pt_socket_check_path(in_folder("allowed/good"), "", NULL), -EACCES);
    close(good);
    close(other);
}

static void the_peer(void **state)
{
    (void)state;
    int fds[2];
    pid_t pid = -1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    int wanted = geteuid() == 0 ? 0 : -EPERM;
    check_int("ourselves", pt_socket_check_peer(fds[0], &pid, NULL), wanted);
    if (wanted == 0)
        check_int("pid", pid, getpid());
    check_int("no socket", pt_socket_check_peer(STDIN_FILENO, &pid, NULL), -EPERM);
    close(fds[0]);
    close(fds[1]);
}

// The file of a socket that was made anew has another time.
static void which_process_serves_it(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct timespec made;
        int64_t making;
    } rows[] = {
        {"made", {1000, 5}, -1000000000005},
        {"still the same", {1000, 5}, -1000000000005},
        {"made anew", {1002, 0}, -1002000000000},
    };
    char path[] = "/tmp/pulltrace-making-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct timespec times[] = {rows[i].made, rows[i].made};
        assert_int_equal(futimens(fd, times), 0);
        check_int(rows[i].name, pt_socket_check_making(path), rows[i].making);
    }
    close(fd);
    unlink(path);
    check_int("nothing there", pt_socket_check_making(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paths, make_folder, remove_folder),
        cmocka_unit_test(the_peer),
        cmocka_unit_test(which_process_serves_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
