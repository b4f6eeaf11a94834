// What sipagent adds to the pjsua2 module, appended to pjsua2.i by build.py:
//
//   setSourceFilter("192.0.2.0/24 2001:db8::/32")   only these sources get an answer; "" = nobody; call again to replace.
//                                                   ValueError on a malformed entry (the old list stays),
//                                                   RuntimeError before Endpoint.libInit().
//   clearSourceFilter()                             everybody gets an answer again (the state after libInit)
//   sourceFilterDropped() -> int                    requests dropped since the process started
//   compiledLimits() -> str                         "max_calls=2048 max_acc=128 ...", for `sipagent doctor`
//
// A request from elsewhere is swallowed before any layer of pjsip could answer it, even with a 100 or the
// automatic 200 to OPTIONS. Responses pass: they only matter to a transaction that we opened.

%{
#include <pjsua-lib/pjsua.h>
#if PJ_HAS_SSL_SOCK && PJ_SSL_SOCK_IMP == PJ_SSL_SOCK_IMP_OPENSSL
#   include <openssl/opensslv.h>
#   define SIPAGENT_TLS "OpenSSL/" OPENSSL_VERSION_STR
#else
#   define SIPAGENT_TLS "none"
#endif

#include <arpa/inet.h>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace sipagent {

const char SENDER[] = "source_filter";
const unsigned MAX_LOG_LINES_PER_SECOND = 10;

struct Address {
    bool v6 = false;
    unsigned char octets[16] = {};

    unsigned bits() const { return v6 ? 128 : 32; }

    // An IPv4 address that arrived on an IPv6 socket is an IPv4 address.
    void unmap() {
        static const unsigned char MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
        if (v6 && std::memcmp(octets, MAPPED, sizeof MAPPED) == 0) {
            v6 = false;
            std::memmove(octets, octets + sizeof MAPPED, 4);
        }
    }
};

struct Network {
    Address base;
    unsigned prefix = 0;

    bool contains(const Address &a) const {
        if (a.v6 != base.v6 || std::memcmp(a.octets, base.octets, prefix / 8) != 0)
            return false;
        const unsigned char mask = static_cast<unsigned char>(0xff00 >> (prefix % 8));
        return prefix % 8 == 0 || ((a.octets[prefix / 8] ^ base.octets[prefix / 8]) & mask) == 0;
    }
};

struct Filter {
    std::mutex lock;  // held for the members below, never while logging: a log writer may call back in here
    bool enabled = false;
    std::vector<Network> networks;
    unsigned long long dropped = 0;

    long second = 0;
    unsigned lines = 0;
    unsigned unlogged = 0;

    bool allows(const Address &from) const {
        if (!enabled)
            return true;
        for (const Network &net : networks)
            if (net.contains(from))
                return true;
        return false;
    }

    // Whether this second has a log line left; *missed is what the seconds before it had none for.
    bool take_log_line(unsigned *missed) {
        pj_time_val now;
        pj_gettickcount(&now);
        if (now.sec != second) {
            *missed = unlogged;
            second = now.sec;
            lines = unlogged = 0;
        }
        const bool left = lines < MAX_LOG_LINES_PER_SECOND;
        ++(left ? lines : unlogged);
        return left;
    }
};

Filter filter;

Network parse_network(const std::string &text) {
    const std::string::size_type slash = text.find('/');
    const std::string host = text.substr(0, slash);
    Network net;
    net.base.v6 = host.find(':') != std::string::npos;
    if (inet_pton(net.base.v6 ? AF_INET6 : AF_INET, host.c_str(), net.base.octets) != 1)
        throw std::invalid_argument("not an IP network: '" + text + "'");

    net.prefix = net.base.bits();
    if (slash != std::string::npos) {
        const std::string digits = text.substr(slash + 1);
        const bool numeric = !digits.empty() && digits.size() <= 3
                             && digits.find_first_not_of("0123456789") == std::string::npos;
        if (!numeric || std::strtoul(digits.c_str(), nullptr, 10) > net.base.bits())
            throw std::invalid_argument("bad prefix length: '" + text + "'");
        net.prefix = static_cast<unsigned>(std::strtoul(digits.c_str(), nullptr, 10));
    }
    if (net.base.v6 && net.prefix >= 96) {
        net.base.unmap();
        net.prefix -= net.base.v6 ? 0 : 96;
    }
    return net;
}

Address source_of(const pjsip_rx_data *rdata) {
    const pj_sockaddr *from = &rdata->pkt_info.src_addr;
    Address a;
    a.v6 = from->addr.sa_family == pj_AF_INET6();
    std::memcpy(a.octets, pj_sockaddr_get_addr(from), pj_sockaddr_get_addr_len(from));
    a.unmap();
    return a;
}

// Never the text of the request itself: it is the sender's, and this goes to a log that bans by what it reads.
const char *method_of(const pjsip_rx_data *rdata) {
    static const char *const KNOWN[] = {"INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "SUBSCRIBE",
                                        "NOTIFY", "REFER", "PUBLISH", "MESSAGE", "INFO", "UPDATE", "PRACK"};
    for (const char *name : KNOWN)
        if (pj_strcmp2(&rdata->msg_info.msg->line.req.method.name, name) == 0)
            return name;
    return "OTHER";
}

void log_drop(const pjsip_rx_data *rdata, const Address &from) {
    char host[INET6_ADDRSTRLEN] = "";
    inet_ntop(from.v6 ? AF_INET6 : AF_INET, from.octets, host, sizeof host);
    PJ_LOG(3, (SENDER, "source-filter: dropped %s src=%s%s%s:%d", method_of(rdata), from.v6 ? "[" : "", host,
               from.v6 ? "]" : "", rdata->pkt_info.src_port));
}

pj_bool_t on_rx_request(pjsip_rx_data *rdata) {
    const Address from = source_of(rdata);
    unsigned missed = 0;
    bool logged;
    {
        std::lock_guard<std::mutex> guard(filter.lock);
        if (filter.allows(from))
            return PJ_FALSE;
        ++filter.dropped;
        logged = filter.take_log_line(&missed);
    }
    if (missed > 0)
        PJ_LOG(3, (SENDER, "source-filter: %u more dropped without a line", missed));
    if (logged)
        log_drop(rdata, from);
    return PJ_TRUE;
}

// libDestroy() unloads every module; the next libInit() starts open again, as the first did.
pj_status_t on_unload() {
    std::lock_guard<std::mutex> guard(filter.lock);
    filter.enabled = false;
    filter.networks.clear();
    return PJ_SUCCESS;
}

// Requests reach modules in rising order of priority. pjsua's message logger sits at TRANSPORT_LAYER - 1; below
// it, a dropped request isn't dumped into the log either.
pjsip_module module = {
    nullptr, nullptr, {const_cast<char *>("mod-sipagent-source-filter"), 26}, -1,
    PJSIP_MOD_PRIORITY_TRANSPORT_LAYER - 2,
    nullptr, nullptr, nullptr, &on_unload,
    &on_rx_request, nullptr, nullptr, nullptr, nullptr,
};

void ensure_registered() {
    pjsip_endpoint *endpoint = pjsua_get_pjsip_endpt();
    if (endpoint == nullptr)
        throw std::runtime_error("the source filter needs Endpoint.libInit() first");
    if (module.id != -1)
        return;
    if (pjsip_endpt_register_module(endpoint, &module) != PJ_SUCCESS)
        throw std::runtime_error("pjsip refused the source filter module");
}

}  // namespace sipagent

void setSourceFilter(const std::string &cidrs) {
    std::vector<sipagent::Network> networks;
    std::istringstream words(cidrs);
    for (std::string word; words >> word;)
        networks.push_back(sipagent::parse_network(word));
    sipagent::ensure_registered();

    std::lock_guard<std::mutex> guard(sipagent::filter.lock);
    sipagent::filter.networks.swap(networks);
    sipagent::filter.enabled = true;
}

void clearSourceFilter() {
    std::lock_guard<std::mutex> guard(sipagent::filter.lock);
    sipagent::filter.enabled = false;
}

unsigned long long sourceFilterDropped() {
    std::lock_guard<std::mutex> guard(sipagent::filter.lock);
    return sipagent::filter.dropped;
}

std::string compiledLimits() {
    const std::string ioqueue = pj_ioqueue_name();  // "epoll[0x3]": the name and its flags
    std::ostringstream facts;
    facts << "max_calls=" << PJSUA_MAX_CALLS << " max_acc=" << PJSUA_MAX_ACC
          << " ioqueue=" << ioqueue.substr(0, ioqueue.find('[')) << " handles=" << PJ_IOQUEUE_MAX_HANDLES << " tls=" << SIPAGENT_TLS
          << " srtp=" << (PJMEDIA_HAS_SRTP ? "on" : "off") << " version=" << pj_get_version();
    return facts.str();
}
%}

%include "exception.i"
%exception setSourceFilter {
    try {
        $action
    } catch (const std::invalid_argument &e) {
        SWIG_exception(SWIG_ValueError, e.what());
    } catch (const std::runtime_error &e) {
        SWIG_exception(SWIG_RuntimeError, e.what());
    }
}

void setSourceFilter(const std::string &cidrs);
void clearSourceFilter();
unsigned long long sourceFilterDropped();
std::string compiledLimits();

// Until libInit() is told where to log, pjlib prints to stdout: a server's stdout is not for that.
%init %{
    pj_log_set_level(0);
%}
