/* Many callers in one process: phones PORT DATAGRAMS
 *
 * Whoever sends to 127.0.0.1:PORT is a call, known by its source port. Every call is sent the datagrams of the
 * file, one each 20 ms from its first packet on, over and over; calls are spread over the 20 ms as they come.
 * The file holds datagrams (RTP or SRTP), each after its length in two bytes, big-endian.
 *
 * A line on standard input is answered with one on standard output, about the time since the one before:
 * calls heard, packets sent, packets received, packets missing (gaps in RTP sequence numbers), and how late
 * in microseconds the latest wake-up was. The end of standard input ends it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 20, BATCH = 64, MOST_CALLS = 4096, PACKET_BYTES = 512, SLOT_NS = 1000000 };

struct call {
    struct sockaddr_in addr;
    size_t next_datagram;
    uint16_t last_sequence;
    int last_heard_in;
};

static struct call calls[MOST_CALLS];
static int call_of_port[65536];
static int count;
static struct iovec *datagrams;
static size_t datagram_count;
static long sent, received, missing, latest_us;
static int interval;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void read_datagrams(const char *path)
{
    FILE *file = fopen(path, "rb");
    unsigned char length[2];
    size_t room = 0;

    if (!file)
        die(path);
    while (fread(length, 1, 2, file) == 2) {
        size_t size = (size_t)(length[0] << 8 | length[1]);
        if (datagram_count == room)
            datagrams = realloc(datagrams, (room = 2 * room + 64) * sizeof *datagrams);
        datagrams[datagram_count].iov_base = malloc(size);
        datagrams[datagram_count].iov_len = size;
        if (fread(datagrams[datagram_count++].iov_base, 1, size, file) != size)
            die(path);
    }
    fclose(file);
}

static void hear(const struct sockaddr_in *from, const unsigned char *packet, size_t size)
{
    int *known = &call_of_port[ntohs(from->sin_port)];
    uint16_t sequence = size < 4 ? 0 : (uint16_t)(packet[2] << 8 | packet[3]);
    struct call *call;

    if (!*known && count < MOST_CALLS) {
        calls[count] = (struct call){ .addr = *from, .last_sequence = (uint16_t)(sequence - 1) };
        *known = ++count;
    }
    if (!*known)
        return;
    call = &calls[*known - 1];
    missing += (uint16_t)(sequence - call->last_sequence - 1);
    call->last_sequence = sequence;
    call->last_heard_in = interval;
    received++;
}

static void receive(int sock)
{
    static unsigned char packets[BATCH][PACKET_BYTES];
    struct sockaddr_in from[BATCH];
    struct iovec places[BATCH];
    struct mmsghdr messages[BATCH];
    int got;

    do {
        for (int i = 0; i < BATCH; i++) {
            places[i] = (struct iovec){ packets[i], PACKET_BYTES };
            messages[i].msg_hdr = (struct msghdr){
                .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &places[i], .msg_iovlen = 1
            };
        }
        got = recvmmsg(sock, messages, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < got; i++)
            hear(&from[i], packets[i], messages[i].msg_len);
    } while (got == BATCH);
}

static void send_slot(int sock, int slot)
{
    struct mmsghdr messages[BATCH];
    int filled = 0;

    for (int i = slot; i < count; i += SLOTS) {
        messages[filled++].msg_hdr = (struct msghdr){
            .msg_name = &calls[i].addr, .msg_namelen = sizeof calls[i].addr,
            .msg_iov = &datagrams[calls[i].next_datagram++ % datagram_count], .msg_iovlen = 1
        };
        if (filled == BATCH || i + SLOTS >= count) {
            int done = sendmmsg(sock, messages, (unsigned)filled, 0);
            sent += done > 0 ? done : 0;
            filled = 0;
        }
    }
}

static void report(void)
{
    int heard = 0;

    for (int i = 0; i < count; i++)
        heard += calls[i].last_heard_in == interval;
    printf("%d %ld %ld %ld %ld\n", heard, sent, received, missing, latest_us);
    fflush(stdout);
    sent = received = missing = latest_us = 0;
    interval++;
}

static int is_asked(void)
{
    char line[64];
    ssize_t got = read(STDIN_FILENO, line, sizeof line);

    if (!got)
        exit(0);
    return got > 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int room = 8 << 20, sock = socket(AF_INET, SOCK_DGRAM, 0);
    struct timespec due, now;

    if (argc != 3)
        return 2;
    here.sin_port = htons((uint16_t)atoi(argv[1]));
    if (bind(sock, (struct sockaddr *)&here, sizeof here) < 0)
        die("bind");
    if (setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
        setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    read_datagrams(argv[2]);
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    clock_gettime(CLOCK_MONOTONIC, &due);
    for (int slot = 0;; slot = (slot + 1) % SLOTS) {
        due.tv_nsec += SLOT_NS;
        due.tv_sec += due.tv_nsec / 1000000000;
        due.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        clock_gettime(CLOCK_MONOTONIC, &now);
        long late_us = (now.tv_sec - due.tv_sec) * 1000000 + (now.tv_nsec - due.tv_nsec) / 1000;
        latest_us = late_us > latest_us ? late_us : latest_us;
        receive(sock);
        send_slot(sock, slot);
        if (slot == 0 && is_asked())
            report();
    }
}
