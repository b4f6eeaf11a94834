/* The least that a call can cost on this machine: a loop that receives, answers and forwards each packet.
 *
 *   floor HOST FIRST_PORT SOCKETS CALLS SECONDS
 *
 * Every call has a UDP socket of its own, as in a server. Each sends a first packet to one of the SOCKETS even
 * ports from FIRST_PORT of benchmarks/load/rtp_peers.c, which then sends it 50 packets a second. Each packet that
 * comes is sent back, and sent on to a child process that throws it away: one system call each.
 *
 * After SETTLE_S it counts for SECONDS, and writes one line: percent of a core per call, packets per call and second.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SETTLE_S = 2, EVENTS = 64, PACKET_MAX = 1500, RTP = 172, SUNK_AT_ONCE = 64 };

static long received;

static void fail(const char *what) { perror(what); exit(1); }

static double clock_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_s(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec)
        + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static int bound(struct sockaddr_in *here) {
    socklen_t size = sizeof *here;
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    here->sin_port = 0;
    if (sock < 0 || bind(sock, (struct sockaddr *)here, size) < 0 || getsockname(sock, (struct sockaddr *)here, &size) < 0)
        fail("bind");
    return sock;
}

/* Takes what is forwarded, in a process of its own; returns its address. */
static struct sockaddr_in sink(struct sockaddr_in here) {
    int sock = bound(&here);
    if (fork() == 0) {
        static char data[SUNK_AT_ONCE][PACKET_MAX];
        struct iovec places[SUNK_AT_ONCE];
        struct mmsghdr messages[SUNK_AT_ONCE];
        struct timespec pause = {0, 2000000};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int each = 0; each < SUNK_AT_ONCE; each++) {
            places[each] = (struct iovec){data[each], PACKET_MAX};
            messages[each] = (struct mmsghdr){.msg_hdr = {.msg_iov = &places[each], .msg_iovlen = 1}};
        }
        for (;;)
            if (recvmmsg(sock, messages, SUNK_AT_ONCE, MSG_DONTWAIT, NULL) < SUNK_AT_ONCE) nanosleep(&pause, NULL);
    }
    close(sock);
    return here;
}

static void begin_calls(int poll, int calls, struct sockaddr_in here, int first_port, int sockets) {
    uint8_t packet[RTP] = {0x80};
    for (int call = 0; call < calls; call++) {
        struct epoll_event watched = {.events = EPOLLIN};
        struct sockaddr_in peer = here;
        watched.data.fd = bound(&here);
        peer.sin_port = htons((uint16_t)(first_port + 2 * (call % sockets)));
        if (epoll_ctl(poll, EPOLL_CTL_ADD, watched.data.fd, &watched) < 0) fail("epoll_ctl");
        if (sendto(watched.data.fd, packet, RTP, 0, (struct sockaddr *)&peer, sizeof peer) < 0) fail("sendto");
    }
}

static void serve_until(double end_s, int poll, const struct sockaddr_in *onward) {
    struct epoll_event ready[EVENTS];
    uint8_t packet[PACKET_MAX];
    while (clock_s() < end_s) {
        int count = epoll_wait(poll, ready, EVENTS, 100);
        for (int each = 0; each < count; each++) {
            struct sockaddr_in from;
            socklen_t size = sizeof from;
            int sock = ready[each].data.fd;
            ssize_t got = recvfrom(sock, packet, sizeof packet, 0, (struct sockaddr *)&from, &size);
            if (got < 0) continue;
            received++;
            sendto(sock, packet, (size_t)got, 0, (struct sockaddr *)&from, size);
            sendto(sock, packet, (size_t)got, 0, (const struct sockaddr *)onward, sizeof *onward);
        }
    }
}

int main(int argc, char **argv) {
    struct sockaddr_in here = {.sin_family = AF_INET};
    struct rlimit files;
    int poll = epoll_create1(0);

    if (argc != 6 || inet_pton(AF_INET, argv[1], &here.sin_addr) != 1) {
        fprintf(stderr, "usage: floor HOST FIRST_PORT SOCKETS CALLS SECONDS\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int calls = atoi(argv[4]);
    double seconds = atof(argv[5]);
    struct sockaddr_in onward = sink(here);
    begin_calls(poll, calls, here, atoi(argv[2]), atoi(argv[3]));
    serve_until(clock_s() + SETTLE_S, poll, &onward);
    received = 0;
    double began = clock_s(), used = cpu_s();
    serve_until(began + seconds, poll, &onward);
    double elapsed = clock_s() - began;
    printf("%.6f %.3f\n", 100 * (cpu_s() - used) / elapsed / calls, (double)received / elapsed / calls);
    return 0;
}
