/* Compile-time settings of the pjproject that sipagent runs on: a signalling server for a few thousand calls.
 * The media stays in Python, so pjmedia is kept to the SDP it negotiates. */

/* Capacity. pjsua2 silently cuts any larger run-time setting down to these. */
#define PJSUA_MAX_CALLS                         2048
#define PJSUA_MAX_ACC                           128
#define PJSUA_MAX_CALL_MEDIA                    4
#define PJ_IOQUEUE_MAX_HANDLES                  8192
#define PJSIP_MAX_TSX_COUNT                     65535
#define PJSIP_MAX_DIALOG_COUNT                  65535
#define PJSIP_MAX_TIMER_COUNT                   200000

/* An INVITE with an Identity header, a long Via stack and SDP outgrows the 4000 bytes of the default. */
#define PJSIP_MAX_PKT_LEN                       8000
#define PJ_LOG_MAX_SIZE                         8500

/* A call keeps its last answer: the 8000 bytes above and some 9000 more, so growing by 4000 wastes 5000. */
#define PJSIP_POOL_INC_TDATA                    1000

/* One libHandleEvents(0) must drain a burst: the loop polls every few ms, not in a thread that blocks. */
#define PJSIP_MAX_NET_EVENTS                    64
#define PJSIP_MAX_TIMED_OUT_ENTRIES             200
#define PJSIP_HANDLE_EVENTS_HAS_SLEEP_ON_ERR    0

/* Stream transports: room for a reconnecting trunk, no room for a peer that connects and says nothing. */
#define PJSIP_TCP_TRANSPORT_BACKLOG             128
#define PJSIP_TLS_TRANSPORT_BACKLOG             128
#define PJSIP_TRANSPORT_SERVER_IDLE_TIME_FIRST  10

/* A trunk's transport is configured; it does not change with the size of a request. */
#define PJSIP_DONT_SWITCH_TO_TCP                1

/* pjsua2 hands SDP over as text: room for more than the 1 KB of the default, which keys and codecs fill soon. */
#define PJSUA2_MAX_SDP_BUF_LEN                  16384

/* Fewer attributes than the SDP negotiator's own arrays hold (CVE-2026-57162 and its kind). */
#define PJMEDIA_MAX_SDP_ATTR                    60

#define PJ_HAS_IPV6                             1
#define PJMEDIA_HAS_VIDEO                       0
