"""Writes `call-states.md` from the table in `sipagent.call.state`: `python -m docs.call_states`"""

from __future__ import annotations

from pathlib import Path

from sipagent.call.state import diagram

PAGE = Path(__file__).with_name("call-states.md")


def page() -> str:
    return f"""# The states of a call

Written by `python -m docs.call_states` from the table `TRANSITIONS` in `sipagent/call/state.py`. Any other
event leaves the state as it is; an event of the table in a state that has no arrow for it is a defect.

```mermaid
{diagram()}
```

| state | meaning |
|---|---|
| `received` | the INVITE is in and not yet judged |
| `preparing` | admitted and ringing; a worker gets the leg ready |
| `offered` | ringing; somebody has to accept or reject it by API |
| `originated` | we are to call somebody |
| `readying` | a worker gets the leg ready; nobody is called before it is |
| `dialling` | our INVITE is out; nothing is known of the callee |
| `ringing` | the callee's side has the call |
| `answered` | 200 is sent, the ACK is not yet in |
| `talking` | the call stands |
| `hanging_up` | we ended it; the peer's confirmation is outstanding |
| `closing` | the peer ended it; the leg's last report is outstanding |
| `ended` | nothing follows |
"""


if __name__ == "__main__":
    PAGE.write_text(page())
