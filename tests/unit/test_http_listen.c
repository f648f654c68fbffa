// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_listen.h"

#include "base/loop.h"

#include "check.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define KERNEL_BYTES (256 * 1024) // twice what is asked for, as the kernel counts its own part too

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int length, void *context)
{
    (void)listener;
    (void)address;
    (void)length;
    *(int *)context = fd;
}

static int option_of(int fd, int level, int option)
{
    int value = -1;
    socklen_t length = sizeof(value);
    assert_int_equal(getsockopt(fd, level, option, &value, &length), 0);
    return value;
}

// A client that reads nothing makes the kernel hold no more than that.
static void an_accepted_socket_holds_little_that_is_unsent(void **state)
{
    (void)state;
    struct pt_loop *loop;
    struct evconnlistener *listener;
    struct pt_address any = {.host = "127.0.0.1"};
    struct sockaddr_in address;
    socklen_t length = sizeof(address);
    int accepted = -1;
    assert_int_equal(pt_loop_create(&loop, NULL), 0);
    struct event_base *base = pt_loop_base(loop);
    assert_int_equal(pt_http_listen(base, &any, on_accept, &accepted, &listener, NULL), 0);
    assert_int_equal(
        getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &length), 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    event_base_loop(base, EVLOOP_ONCE);
    assert_true(accepted >= 0);
    check_int("unsent", option_of(accepted, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 64 * 1024);
    assert_true(option_of(accepted, SOL_SOCKET, SO_SNDBUF) <= KERNEL_BYTES);
    close(client);
    close(accepted);
    evconnlistener_free(listener);
    pt_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_accepted_socket_holds_little_that_is_unsent),
    };
    return cmocka_run_group_tests_name("http_listen", tests, NULL, NULL);
}
