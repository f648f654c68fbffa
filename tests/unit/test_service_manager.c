// SPDX-License-Identifier: Apache-2.0
#include "base/service_manager.h"

#include "base/loop.h"
#include "base/timer.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char *notify_socket, *watchdog_usec, *watchdog_pid;

static char *fake_getenv(const char *name)
{
    const char *value = strcmp(name, "NOTIFY_SOCKET") == 0   ? notify_socket
                        : strcmp(name, "WATCHDOG_USEC") == 0 ? watchdog_usec
                        : strcmp(name, "WATCHDOG_PID") == 0  ? watchdog_pid
                                                             : NULL;
    return (char *)value;
}

struct fixture {
    struct pt_loop *loop;
    struct pt_clock clock;
    int64_t now_ns;
    int fd; // of the manager
    char name[64];
};

static int64_t fake_now_ns(void *context)
{
    return ((struct fixture *)context)->now_ns;
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.now_ns = 12345};
    fixture.clock = (struct pt_clock){fake_now_ns, fake_now_ns, &fixture};
    notify_socket = watchdog_usec = watchdog_pid = NULL;
    assert_int_equal(pt_loop_create(&fixture.loop, NULL), 0);
    fixture.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(fixture.name, sizeof(fixture.name), "@pulltrace-test-%d", getpid());
    memcpy(address.sun_path + 1, fixture.name + 1, strlen(fixture.name) - 1);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(fixture.name));
    assert_int_equal(bind(fixture.fd, (struct sockaddr *)&address, size), 0);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    close(fixture->fd);
    pt_loop_destroy(fixture->loop);
    return 0;
}

static struct pt_service_manager *create(struct fixture *fixture)
{
    return pt_service_manager_create(pt_loop_base(fixture->loop), &fixture->clock, fake_getenv);
}

// What has come, "" if nothing.
static const char *hear(struct fixture *fixture)
{
    static char text[64];
    ssize_t length = recv(fixture->fd, text, sizeof(text) - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    return text;
}

static void without_one_nothing_happens(void **state)
{
    static const char *const names[] = {NULL, "",  "relative",           "vsock:2:1",
                                        "/",  "@", "/nonexistent/notify"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        notify_socket = names[i];
        struct pt_service_manager *manager = create(*state);
        check_int(names[i] ? names[i] : "unset", manager == NULL, true);
        pt_service_manager_ready(manager);
        pt_service_manager_stopping(manager);
        pt_service_manager_destroy(manager);
    }
}

static void it_hears_of_the_start_and_of_the_end(void **state)
{
    struct fixture *fixture = *state;
    notify_socket = fixture->name;
    struct pt_service_manager *manager = create(fixture);
    assert_non_null(manager);
    assert_string_equal(hear(fixture), "");
    pt_service_manager_ready(manager);
    assert_string_equal(hear(fixture), "READY=1");
    fixture->now_ns += 3600 * PT_NS_PER_S;
    pt_service_manager_run_due(manager);
    assert_string_equal(hear(fixture), ""); // nobody watches
    pt_service_manager_stopping(manager);
    assert_string_equal(hear(fixture), "STOPPING=1");
    pt_service_manager_destroy(manager);
}

static void a_path_is_as_good(void **state)
{
    struct fixture *fixture = *state;
    char folder[] = "/tmp/pulltrace-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/notify", folder);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    close(fixture->fd);
    fixture->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fixture->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    notify_socket = path;
    struct pt_service_manager *manager = create(fixture);
    pt_service_manager_ready(manager);
    assert_string_equal(hear(fixture), "READY=1");
    pt_service_manager_destroy(manager);
    unlink(path);
    rmdir(folder);
}

static void the_watchdog_hears_of_each_half_of_its_time(void **state)
{
    struct fixture *fixture = *state;
    char own[16];
    snprintf(own, sizeof(own), "%d", getpid());
    static const struct {
        const char *row, *usec, *pid;
        bool is_own; // in place of pid
        int64_t wait_ms;
        bool is_heard;
    } rows[] = {
        {"not yet", "30000000", NULL, false, 14999, false},
        {"after half", "30000000", NULL, false, 15000, true},
        {"of this process", "30000000", NULL, true, 15000, true},
        {"of another process", "30000000", "1", false, 60000, false},
        {"no number", "30s", NULL, false, 60000, false},
        {"none", "0", NULL, false, 60000, false},
        {"less than can be", "1", NULL, false, 1, true},
    };
    notify_socket = fixture->name;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        watchdog_usec = rows[i].usec;
        watchdog_pid = rows[i].is_own ? own : rows[i].pid;
        struct pt_service_manager *manager = create(fixture);
        pt_service_manager_ready(manager);
        check_text(rows[i].row, hear(fixture), "READY=1");
        fixture->now_ns += rows[i].wait_ms * PT_NS_PER_MS;
        pt_service_manager_run_due(manager);
        check_text(rows[i].row, hear(fixture), rows[i].is_heard ? "WATCHDOG=1" : "");
        pt_service_manager_destroy(manager);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_one_nothing_happens),
        TEST(it_hears_of_the_start_and_of_the_end),
        TEST(a_path_is_as_good),
        TEST(the_watchdog_hears_of_each_half_of_its_time),
    };
    return cmocka_run_group_tests_name("service_manager", tests, NULL, NULL);
}
