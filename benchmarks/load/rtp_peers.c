/* The media of many callers in one process: two-way RTP (RFC 3550) for calls that SIPp signals.
 *
 *   rtp_peers HOST FIRST_PORT SOCKETS TRACK
 *
 * Binds SOCKETS even UDP ports from FIRST_PORT. Whoever sends RTP to one of them gets a stream of its own in
 * return, from that port: the packets of TRACK, over and over, every 20 ms by a clock of our own, until nothing
 * has come for QUIET_NS. So nobody has to tell it of calls: SDP that names one of its ports is enough.
 *
 * TRACK is a file of `struct frame`, one per 20 ms, made by benchmarks/load/track.py. Of a frame of type WHOLE
 * the payload is a datagram to be sent as it is, such as one of SRTP: then all streams have one SSRC, and the
 * track must last for the whole call, since a receiver takes its repetition for a replay.
 *
 * Once a second it writes a line of JSON with what that second brought (see `report`). Arrivals are judged by
 * the kernel's time stamps, so its own waking late counts against nobody. It ends with its parent.
 *
 * A peer is known by its port alone: all of them must have one address.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

enum {
    SAMPLES = 160, PAYLOAD = 192, HEADER = 12, PACKET_MAX = 1500,
    WHOLE = 0xff,
    SLOTS = 20,          /* streams take turns within 20 ms */
    BATCH = 64, SOCKETS_MAX = 64, PORTS = 65536,
    WINDOW = 50,         /* packets whose lateness is judged together: a second */
    BASES = 3,           /* windows that a stream's clock is taken from */
    BUFFER_BYTES = 8 << 20,
};
static const int64_t MS = 1000000, SECOND = 1000 * MS, FRAME_NS = 20 * MS, SLOT_NS = FRAME_NS / SLOTS;
static const int64_t QUIET_NS = 400 * MS;
static const int64_t JUMP_NS = 1000 * MS;   /* timestamps that leap so far begin a new clock */
static const double BOUNDS_MS[] = {0.25, 0.5, 1, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 50, 100, 200};
enum { BUCKETS = sizeof BOUNDS_MS / sizeof *BOUNDS_MS + 1 };

struct frame {
    uint8_t type, marker;
    uint16_t size;
    uint32_t stamp;      /* from the beginning of the track */
    uint8_t payload[PAYLOAD];
};

struct stream {
    int peer_port, socket;
    struct sockaddr_in to;
    int64_t heard_at;
    uint32_t frame, stamp, ssrc;    /* ours */
    uint16_t sequence;
    uint8_t header[HEADER];
    bool is_known;                  /* the rest is the peer's */
    uint32_t peer_ssrc, peer_stamp;
    uint16_t expected;
    int64_t elapsed;                /* 1/8000 s by its timestamps */
    int64_t behind[WINDOW], bases[BASES];
    int filled, windows;
};

struct tally {
    long sent, unsent, received, sounding, lost, disordered, begun, ended, late[BUCKETS], own_late[BUCKETS];
    double late_max_ms, own_late_max_ms;
};

static int sockets[SOCKETS_MAX], socket_count;
static struct frame *track;
static uint32_t track_frames;
static struct stream *by_port[PORTS], *slots[SLOTS][PORTS];
static int slot_sizes[SLOTS];
static struct tally tally;
static uint32_t overflows[SOCKETS_MAX], overflows_told;

static void fail(const char *what) { perror(what); exit(1); }

static int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static void count_late(long *buckets, double *max_ms, double ms) {
    int bucket = 0;
    while (bucket < BUCKETS - 1 && ms > BOUNDS_MS[bucket]) bucket++;
    buckets[bucket]++;
    if (ms > *max_ms) *max_ms = ms;
}

/* --- streams ----------------------------------------------------------------------------------------- */

static void begin_stream(int port, int sock, const struct sockaddr_in *from) {
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) fail("calloc");
    stream->peer_port = port;
    stream->socket = sock;
    stream->to = *from;
    if (getrandom(&stream->ssrc, 4, 0) != 4 || getrandom(&stream->sequence, 2, 0) != 2) fail("getrandom");
    by_port[port] = stream;
    int slot = 0;
    for (int each = 1; each < SLOTS; each++)
        if (slot_sizes[each] < slot_sizes[slot]) slot = each;
    slots[slot][slot_sizes[slot]++] = stream;
    tally.begun++;
}

static void end_quiet_streams(int64_t now) {
    for (int slot = 0; slot < SLOTS; slot++)
        for (int at = slot_sizes[slot] - 1; at >= 0; at--) {
            struct stream *stream = slots[slot][at];
            if (now - stream->heard_at < QUIET_NS) continue;
            slots[slot][at] = slots[slot][--slot_sizes[slot]];
            by_port[stream->peer_port] = NULL;
            free(stream);
            tally.ended++;
        }
}

static int ascending(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* The peer's clock is its most punctual tenth, of the best of the last windows: a first word that is sent ahead
 * of its turn, as some senders do, tells nothing of it. */
static void judge_window(struct stream *stream) {
    int64_t sorted[WINDOW];
    memcpy(sorted, stream->behind, sizeof sorted);
    qsort(sorted, WINDOW, sizeof *sorted, ascending);
    stream->bases[stream->windows++ % BASES] = sorted[WINDOW / 10];
    int known = stream->windows < BASES ? stream->windows : BASES;
    int64_t base = stream->bases[0];
    for (int each = 1; each < known; each++)
        if (stream->bases[each] < base) base = stream->bases[each];
    for (int each = 0; each < WINDOW; each++) {
        double ms = (double)(stream->behind[each] - base) / (double)MS;
        count_late(tally.late, &tally.late_max_ms, ms > 0 ? ms : 0);
    }
    stream->filled = 0;
}

static void take_time(struct stream *stream, uint32_t stamp, int64_t arrived) {
    stream->elapsed += (int32_t)(stamp - stream->peer_stamp);
    stream->peer_stamp = stamp;
    int64_t behind = arrived - stream->elapsed * (SECOND / 8000);
    if (stream->filled > 0 && llabs(behind - stream->behind[stream->filled - 1]) > JUMP_NS)
        stream->filled = stream->windows = 0;
    stream->behind[stream->filled++] = behind;
    if (stream->filled == WINDOW) judge_window(stream);
}

/* --- receiving --------------------------------------------------------------------------------------- */

static bool is_sounding(const uint8_t *payload, long size) {
    for (long at = 0; at < size; at++)
        if ((payload[at] & 0x7f) < 0x70) return true;   /* mu-law: louder than a whisper */
    return false;
}

static void receive_packet(int sock, const struct sockaddr_in *from, const uint8_t *data, long size, int64_t arrived) {
    int port = ntohs(from->sin_port);
    if (size < HEADER || data[0] >> 6 != 2) return;
    if (by_port[port] == NULL) begin_stream(port, sock, from);
    struct stream *stream = by_port[port];
    uint16_t sequence = (uint16_t)(data[2] << 8 | data[3]);
    uint32_t stamp, ssrc;
    memcpy(&stamp, data + 4, 4);
    memcpy(&ssrc, data + 8, 4);
    stream->heard_at = clock_ns();
    stream->socket = sock;
    if (!stream->is_known || stream->peer_ssrc != ssrc) {
        stream->is_known = true;
        stream->peer_ssrc = ssrc;
        stream->peer_stamp = ntohl(stamp);
        stream->expected = sequence;
        stream->filled = stream->windows = 0;
    }
    int16_t ahead = (int16_t)(sequence - stream->expected);
    tally.received++;
    tally.sounding += is_sounding(data + HEADER, size - HEADER);
    if (ahead < 0) {
        tally.disordered++;
        return;
    }
    tally.lost += ahead;
    stream->expected = (uint16_t)(sequence + 1);
    take_time(stream, ntohl(stamp), arrived);
}

static int64_t arrival(struct msghdr *message, int number) {
    struct timespec at = {0, 0};
    for (struct cmsghdr *each = CMSG_FIRSTHDR(message); each != NULL; each = CMSG_NXTHDR(message, each)) {
        if (each->cmsg_level != SOL_SOCKET) continue;
        if (each->cmsg_type == SCM_TIMESTAMPNS) memcpy(&at, CMSG_DATA(each), sizeof at);
        if (each->cmsg_type == SO_RXQ_OVFL) memcpy(&overflows[number], CMSG_DATA(each), sizeof *overflows);
    }
    return at.tv_sec * SECOND + at.tv_nsec;
}

static void receive_all(int number) {
    static uint8_t data[BATCH][PACKET_MAX], control[BATCH][128];
    static struct sockaddr_in from[BATCH];
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    int count;
    do {
        memset(messages, 0, sizeof messages);
        for (int each = 0; each < BATCH; each++) {
            vectors[each] = (struct iovec){data[each], PACKET_MAX};
            messages[each].msg_hdr = (struct msghdr){.msg_name = &from[each], .msg_namelen = sizeof *from,
                .msg_iov = &vectors[each], .msg_iovlen = 1,
                .msg_control = control[each], .msg_controllen = sizeof *control};
        }
        count = recvmmsg(sockets[number], messages, BATCH, MSG_DONTWAIT, NULL);
        for (int each = 0; each < count; each++)
            receive_packet(number, &from[each], data[each], messages[each].msg_len,
                           arrival(&messages[each].msg_hdr, number));
    } while (count == BATCH);
}

/* --- sending ----------------------------------------------------------------------------------------- */

static void flush(int number, struct mmsghdr *messages, int count) {
    int done = 0;
    while (done < count) {
        int sent = sendmmsg(sockets[number], messages + done, (unsigned)(count - done), MSG_DONTWAIT);
        if (sent <= 0) { tally.unsent++; done++; continue; }   /* that one, such as to a port closed meanwhile */
        tally.sent += sent;
        done += sent;
    }
}

static void next_packet(struct stream *stream, struct iovec *parts) {
    const struct frame *frame = &track[stream->frame];
    bool is_whole = frame->type == WHOLE;
    uint16_t sequence = htons(stream->sequence++);
    uint32_t stamp = htonl(stream->stamp + frame->stamp);
    stream->header[0] = 0x80;
    stream->header[1] = (uint8_t)(frame->type | (frame->marker ? 0x80 : 0));
    memcpy(stream->header + 2, &sequence, 2);
    memcpy(stream->header + 4, &stamp, 4);
    memcpy(stream->header + 8, &stream->ssrc, 4);
    parts[0] = (struct iovec){stream->header, is_whole ? 0 : HEADER};
    parts[1] = (struct iovec){track[stream->frame].payload, frame->size};
    if (++stream->frame == track_frames) {
        stream->frame = 0;
        stream->stamp += track_frames * SAMPLES;
    }
}

static void send_slot(int slot) {
    static struct iovec parts[BATCH][2];
    for (int number = 0; number < socket_count; number++) {
        struct mmsghdr messages[BATCH];
        int count = 0;
        for (int at = 0; at < slot_sizes[slot]; at++) {
            struct stream *stream = slots[slot][at];
            if (stream->socket != number) continue;
            next_packet(stream, parts[count]);
            memset(&messages[count], 0, sizeof *messages);
            messages[count].msg_hdr = (struct msghdr){.msg_name = &stream->to, .msg_namelen = sizeof stream->to,
                .msg_iov = parts[count], .msg_iovlen = 2};
            if (++count == BATCH) { flush(number, messages, count); count = 0; }
        }
        flush(number, messages, count);
    }
}

/* --- telling ----------------------------------------------------------------------------------------- */

static void print_buckets(const char *name, const long *buckets) {
    printf(", \"%s\": [", name);
    for (int each = 0; each < BUCKETS; each++) printf(each ? ", %ld" : "%ld", buckets[each]);
    printf("]");
}

/* Everything but `streams` counts since the line before. `late` has one bucket per bound of BOUNDS_MS, and
 * one above; `dropped` is what came while our own buffers were full: nobody's loss but ours. */
static void report(int64_t now) {
    uint32_t dropped = 0;
    long streams = 0;
    for (int each = 0; each < socket_count; each++) dropped += overflows[each];
    for (int slot = 0; slot < SLOTS; slot++) streams += slot_sizes[slot];
    printf("{\"at\": %.3f, \"streams\": %ld, \"begun\": %ld, \"ended\": %ld, \"sent\": %ld, \"unsent\": %ld, "
           "\"received\": %ld, \"sounding\": %ld, \"lost\": %ld, \"disordered\": %ld, \"dropped\": %u, "
           "\"late_max_ms\": %.2f, \"own_late_max_ms\": %.2f",
           (double)now / 1e9, streams, tally.begun, tally.ended, tally.sent, tally.unsent, tally.received,
           tally.sounding, tally.lost, tally.disordered, dropped - overflows_told, tally.late_max_ms,
           tally.own_late_max_ms);
    print_buckets("late", tally.late);
    print_buckets("own_late", tally.own_late);
    printf("}\n");
    fflush(stdout);
    overflows_told = dropped;
    memset(&tally, 0, sizeof tally);
}

/* --- the process ------------------------------------------------------------------------------------- */

static void read_track(const char *path) {
    struct stat status;
    FILE *file = fopen(path, "rb");
    if (file == NULL || fstat(fileno(file), &status) < 0) fail(path);
    track_frames = (uint32_t)((size_t)status.st_size / sizeof *track);
    track = malloc(track_frames * sizeof *track);
    if (track_frames == 0 || track == NULL || fread(track, sizeof *track, track_frames, file) != track_frames) {
        fprintf(stderr, "%s: no frames\n", path);
        exit(1);
    }
    fclose(file);
}

static void open_sockets(const char *host, int first_port) {
    for (int each = 0; each < socket_count; each++) {
        struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(first_port + 2 * each))};
        int on = 1, bytes = BUFFER_BYTES, sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (inet_pton(AF_INET, host, &here.sin_addr) != 1) { fprintf(stderr, "%s is no address\n", host); exit(1); }
        if (sock < 0 || bind(sock, (struct sockaddr *)&here, sizeof here) < 0) fail("bind");
        if (setsockopt(sock, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0
            || setsockopt(sock, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on) < 0) fail("setsockopt");
        if (setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0   /* as root */
            && setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) < 0) fail("setsockopt");
        sockets[each] = sock;
    }
}

static void run(void) {
    int64_t start = clock_ns(), told_at = start;
    for (int64_t turn = 0;; turn++) {
        int64_t due = start + turn * SLOT_NS;
        struct timespec until = {due / SECOND, due % SECOND};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {}
        int64_t now = clock_ns();
        count_late(tally.own_late, &tally.own_late_max_ms, (double)(now - due) / (double)MS);
        for (int each = 0; each < socket_count; each++) receive_all(each);
        send_slot((int)(turn % SLOTS));
        if (now - told_at < SECOND) continue;
        end_quiet_streams(now);
        report(now);
        told_at += SECOND;
    }
}

int main(int argc, char **argv) {
    socket_count = argc == 5 ? atoi(argv[3]) : 0;
    if (socket_count < 1 || socket_count > SOCKETS_MAX) {
        fprintf(stderr, "usage: rtp_peers HOST FIRST_PORT SOCKETS(1-%d) TRACK\n", SOCKETS_MAX);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    read_track(argv[4]);
    open_sockets(argv[1], atoi(argv[2]));
    report(clock_ns());   /* says that it listens */
    run();
}
