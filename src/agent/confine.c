// SPDX-License-Identifier: Apache-2.0
#include "agent/confine.h"

#include "agent/name_service.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int drop_capabilities(struct pt_error *err)
{
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
        prctl(PR_CAPBSET_DROP, capability); // EPERM for who has none to drop
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capset, &header, none) < 0)
        return pt_error_set(err, errno, "capabilities cannot be dropped: %s", strerror(errno));
    return 0;
}

// Calls without a condition: memory, time, the loop, sockets once they are open, reading files, and
// what libcurl's resolver thread and OpenSSL need.
static const int allowed[] = {
    SCMP_SYS(access),
    SCMP_SYS(bind), // netlink, by getaddrinfo
    SCMP_SYS(brk),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(close),
    SCMP_SYS(connect),
    SCMP_SYS(dup),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(eventfd2),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(fstat),
    SCMP_SYS(futex),
    SCMP_SYS(getdents64), // a directory of CAs
    SCMP_SYS(getegid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getpeername),
    SCMP_SYS(getpid),
    SCMP_SYS(getrandom),
    SCMP_SYS(getsockname),
    SCMP_SYS(getsockopt),
    SCMP_SYS(gettid),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getuid),
    SCMP_SYS(lseek),
    SCMP_SYS(lstat),
    SCMP_SYS(madvise),
    SCMP_SYS(membarrier),
    SCMP_SYS(mremap),
    SCMP_SYS(munmap),
    SCMP_SYS(newfstatat),
    SCMP_SYS(pipe2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(pread64),
    SCMP_SYS(read),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(recvmsg),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rseq),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(socketpair),
    SCMP_SYS(stat),
    SCMP_SYS(statfs),
    SCMP_SYS(statx),
    SCMP_SYS(sysinfo),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(uname),
    SCMP_SYS(write),
    SCMP_SYS(writev),
};

// The kernel looks at the lower half of an int only: so do the conditions.
#define WHOLE_INT ((uint64_t)UINT32_MAX)

// Allows a call if its argument, masked, has this value.
static int allow_if(scmp_filter_ctx filter, int call, unsigned argument, uint64_t mask,
                    uint64_t value)
{
    const struct scmp_arg_cmp condition = {
        .arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &condition);
}

// Allows a call if its argument is one of these numbers.
static int allow_numbers(scmp_filter_ctx filter, int call, unsigned argument, const int *numbers,
                         size_t count)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = allow_if(filter, call, argument, WHOLE_INT, (uint32_t)numbers[i]);
    return r;
}

static int allow_sockets(scmp_filter_ctx filter)
{
    static const int families[] = {AF_UNIX, AF_INET, AF_INET6};
    // getaddrinfo asks the kernel for the machine's addresses.
    const struct scmp_arg_cmp routes[] = {
        {.arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = WHOLE_INT, .datum_b = AF_NETLINK},
        {.arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = WHOLE_INT, .datum_b = NETLINK_ROUTE},
    };
    int r = allow_numbers(filter, SCMP_SYS(socket), 0, families,
                          sizeof(families) / sizeof(families[0]));
    return r < 0 ? r : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, routes);
}

// No other process is reached: not by a signal, of which fcntl has one kind too (F_SETOWN), nor by
// its limits.
static int allow_on_itself(scmp_filter_ctx filter)
{
    static const int file_commands[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,
                                        F_SETFD, F_GETFL,         F_SETFL};
    static const int device_commands[] = {FIONBIO, FIONREAD, TIOCGWINSZ};
    int r = allow_if(filter, SCMP_SYS(tgkill), 0, WHOLE_INT, (uint32_t)getpid()); // abort
    r |= allow_if(filter, SCMP_SYS(prlimit64), 0, WHOLE_INT, 0);
    r |= allow_numbers(filter, SCMP_SYS(fcntl), 1, file_commands,
                       sizeof(file_commands) / sizeof(file_commands[0]));
    r |= allow_numbers(filter, SCMP_SYS(ioctl), 1, device_commands,
                       sizeof(device_commands) / sizeof(device_commands[0]));
    r |= allow_if(filter, SCMP_SYS(prctl), 0, WHOLE_INT, PR_SET_NAME);
    return r;
}

// Calls that are allowed with harmless arguments only.
static int allow_conditionally(scmp_filter_ctx filter)
{
    const uint64_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
    int r = allow_if(filter, SCMP_SYS(openat), 2, writing, 0);
#ifdef SYS_open
    r |= allow_if(filter, SCMP_SYS(open), 1, writing, 0);
#endif
    r |= allow_sockets(filter);
    r |= allow_on_itself(filter);
    // No memory becomes code, not that of a file either: containerd's store holds anybody's files.
    r |= allow_if(filter, SCMP_SYS(mmap), 2, PROT_EXEC, 0);
    r |= allow_if(filter, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
    // Threads yes, processes no. clone3 hides its flags behind a pointer: glibc then takes clone.
    r |= allow_if(filter, SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD);
    r |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return r;
}

static int filter_calls(struct pt_error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return pt_error_set(err, ENOMEM, "the seccomp filter cannot be made");
    int r = 0;
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        r |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    r |= allow_conditionally(filter);
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r < 0 ? pt_error_set(err, EPERM, "the seccomp filter cannot be set") : 0;
}

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#if !defined(IS_SANITIZED) && (defined(__SANITIZE_ADDRESS__) || defined(PT_WITHOUT_SECCOMP))
#define IS_SANITIZED 1
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

int pt_confine(struct pt_error *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return pt_error_set(err, errno, "no_new_privs cannot be set: %s", strerror(errno));
    pt_name_service_load();
    int r = drop_capabilities(err);
    return r < 0 || IS_SANITIZED ? r : filter_calls(err);
}
