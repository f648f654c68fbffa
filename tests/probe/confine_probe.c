// SPDX-License-Identifier: Apache-2.0
// Tries what the confined agent must not do, and what it must still be able to do. For each a line:
// its name, a tab, and "done" or the name of the error.
// Usage: confine_probe PID   (of another process of the same user, which must outlive this)
#include "agent/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void print_result(const char *name, long result)
{
    printf("%s\t%s\n", name, result < 0 ? strerrorname_np(errno) : "done");
}

#define TRY(name, call) print_result((name), (long)(call))

static long map(int protection, int flags, int fd)
{
    void *memory = mmap(NULL, 4096, protection, flags, fd, 0);
    if (memory == MAP_FAILED)
        return -1;
    munmap(memory, 4096);
    return 0;
}

static long protect(int protection)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long result = mprotect(memory, 4096, protection);
    int error = errno;
    munmap(memory, 4096);
    errno = error;
    return result;
}

static void try_code(void)
{
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    TRY("mmap writable and executable",
        map(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1));
    TRY("mmap executable", map(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1));
    TRY("mmap a file executable", map(PROT_READ | PROT_EXEC, MAP_PRIVATE, file));
    TRY("mprotect executable", protect(PROT_READ | PROT_EXEC));
    TRY("memfd_create", memfd_create("x", 0));
    TRY("execve", execl("/bin/true", "true", NULL));
    TRY("fork", fork());
    TRY("mmap", map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1));
    TRY("mprotect", protect(PROT_READ));
    close(file);
}

static void try_other_process(pid_t other)
{
    const struct rlimit tiny = {1, 1};
    struct rlimit limit;
    int pipes[2];
    TRY("pipe", pipe2(pipes, O_CLOEXEC));
    TRY("kill another", kill(other, SIGKILL));
    TRY("tgkill another", syscall(SYS_tgkill, other, other, SIGKILL));
    TRY("tkill another", syscall(SYS_tkill, other, SIGKILL));
    TRY("sigqueue another", sigqueue(other, SIGKILL, (union sigval){0}));
    TRY("fcntl F_SETOWN another", fcntl(pipes[0], F_SETOWN, other));
    TRY("fcntl F_SETSIG", fcntl(pipes[0], F_SETSIG, SIGKILL));
    TRY("ioctl FIOSETOWN another", ioctl(pipes[0], FIOSETOWN, &other));
    TRY("prlimit another, read", prlimit(other, RLIMIT_NOFILE, NULL, &limit));
    TRY("prlimit another, write", prlimit(other, RLIMIT_NOFILE, &tiny, NULL));
    TRY("ptrace another", syscall(SYS_ptrace, 16, other, NULL, NULL)); // PTRACE_ATTACH
    TRY("process_vm_readv another", syscall(SYS_process_vm_readv, other, NULL, 0, NULL, 0, 0));
    TRY("pidfd_open another", syscall(SYS_pidfd_open, other, 0));
    TRY("setpriority another", setpriority(PRIO_PROCESS, (id_t)other, 19));
    TRY("tgkill itself", syscall(SYS_tgkill, getpid(), gettid(), 0));
    TRY("prlimit itself", getrlimit(RLIMIT_NOFILE, &limit));
    TRY("fcntl F_SETFL", fcntl(pipes[0], F_SETFL, O_NONBLOCK));
}

static void try_devices(void)
{
    char letter = 'x';
    int number = 1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    TRY("ioctl TIOCSTI", ioctl(STDIN_FILENO, TIOCSTI, &letter));
    TRY("ioctl TIOCSTI in other upper bits",
        syscall(SYS_ioctl, STDIN_FILENO, UINT64_C(0x100000000) | TIOCSTI, &letter));
    TRY("ioctl TCGETS", ioctl(STDIN_FILENO, TCGETS, NULL));
    TRY("ioctl FIONBIO", ioctl(fd, FIONBIO, &number));
    TRY("ioctl FIONREAD", ioctl(fd, FIONREAD, &number));
    close(fd);
}

static void try_sockets(void)
{
    static const struct {
        const char *name;
        int family, type, protocol;
    } sockets[] = {
        {"socket raw", AF_INET, SOCK_RAW, 1},
        {"socket packet", AF_PACKET, SOCK_RAW, 0},
        {"socket vsock", AF_VSOCK, SOCK_STREAM, 0},
        {"socket alg", AF_ALG, SOCK_SEQPACKET, 0},
        {"socket netlink audit", AF_NETLINK, SOCK_RAW, 9},
        {"socket netlink netfilter", AF_NETLINK, SOCK_RAW, 12},
        {"socket netlink uevent", AF_NETLINK, SOCK_RAW, 15},
        {"socket netlink route", AF_NETLINK, SOCK_RAW, 0},
        {"socket inet", AF_INET, SOCK_STREAM, 0},
        {"socket inet6", AF_INET6, SOCK_STREAM, 0},
        {"socket unix", AF_UNIX, SOCK_STREAM, 0},
    };
    for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++)
        TRY(sockets[i].name, socket(sockets[i].family, sockets[i].type, sockets[i].protocol));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    TRY("listen", listen(fd, 1));
    TRY("accept4", accept4(fd, NULL, NULL, 0));
    TRY("accept", accept(fd, NULL, NULL));
}

static void try_files(void)
{
    TRY("open to write", open("/dev/null", O_WRONLY));
    TRY("open /proc/self/mem to write", open("/proc/self/mem", O_RDWR));
    TRY("open to create", open("/tmp/pulltrace-probe", O_RDONLY | O_CREAT, 0600));
    TRY("open O_TMPFILE", open("/tmp", O_TMPFILE | O_RDWR, 0600));
    TRY("openat2", syscall(SYS_openat2, AT_FDCWD, "/dev/null", NULL, 0));
    TRY("unlink", unlink("/tmp/pulltrace-probe"));
    TRY("rename", rename("/tmp/pulltrace-probe", "/tmp/pulltrace-probe-2"));
    TRY("mkdir", mkdir("/tmp/pulltrace-probe", 0700));
    TRY("symlink", symlink("a", "/tmp/pulltrace-probe"));
    TRY("chmod", chmod("/tmp/pulltrace-probe", 0600));
    TRY("truncate", truncate("/tmp/pulltrace-probe", 0));
    TRY("mount", syscall(SYS_mount, "x", "/", "x", 0, NULL));
    TRY("open to read", open("/etc/passwd", O_RDONLY));
}

static void try_kernel(void)
{
    TRY("io_uring_setup", syscall(SYS_io_uring_setup, 1, NULL));
    TRY("bpf", syscall(SYS_bpf, 0, NULL, 0));
    TRY("userfaultfd", syscall(SYS_userfaultfd, 0));
    TRY("keyctl", syscall(SYS_keyctl, 0, 0));
    TRY("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
    TRY("unshare", syscall(SYS_unshare, 0x10000000)); // CLONE_NEWUSER
    TRY("setns", syscall(SYS_setns, 0, 0));
    TRY("setuid", setuid(1));
    TRY("prctl PR_SET_DUMPABLE", prctl(PR_SET_DUMPABLE, 1));
    TRY("personality", syscall(SYS_personality, 0x0400000)); // READ_IMPLIES_EXEC
}

static void *run_thread(void *context)
{
    return context;
}

static void try_libraries(void)
{
    pthread_t thread;
    struct addrinfo *found = NULL;
    int r = pthread_create(&thread, NULL, run_thread, NULL);
    errno = r;
    TRY("a thread", -r);
    if (r == 0)
        pthread_join(thread, NULL);
    errno = EIO;
    TRY("getaddrinfo", getaddrinfo("localhost", "80", NULL, &found) == 0 ? 0 : -1);
    if (found)
        freeaddrinfo(found);
}

int main(int argc, char **argv)
{
    struct pt_error err;
    if (argc != 2)
        return 2;
    setbuf(stdout, NULL);
    if (pt_confine(&err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    try_code();
    try_other_process((pid_t)strtol(argv[1], NULL, 10));
    try_devices();
    try_sockets();
    try_files();
    try_kernel();
    try_libraries();
    return 0;
}
