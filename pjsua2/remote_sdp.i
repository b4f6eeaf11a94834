// What sipagent adds to the pjsua2 module, appended to pjsua2.i by build.py:
//
//   remoteSdp(call_id) -> str     the peer's SDP that is in force, its answer to an offer of ours too; "" without one.
//                                 pjsua2 itself shows an answer nowhere that came in an ACK, and its keys never.

%{
#include <pjsua-lib/pjsua_internal.h>

std::string remoteSdp(int call_id) {
    if (call_id < 0 || call_id >= static_cast<int>(pjsua_call_get_max_count()))
        return "";
    const pjsip_inv_session *invite = pjsua_var.calls[call_id].inv;
    const pjmedia_sdp_session *sdp = nullptr;
    if (invite == nullptr || invite->neg == nullptr
        || pjmedia_sdp_neg_get_active_remote(invite->neg, &sdp) != PJ_SUCCESS)
        return "";
    std::string text(PJSUA2_MAX_SDP_BUF_LEN, '\0');
    const int length = pjmedia_sdp_print(sdp, &text[0], text.size());
    text.resize(length > 0 ? length : 0);
    return text;
}
%}

std::string remoteSdp(int call_id);
