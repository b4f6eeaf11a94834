"""What was negotiated for a call, and whether either side has put it on hold. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from sipagent import events
from sipagent.sip.messages import NegotiatedMedia
from sipagent.worker.orders import GiveBack, PlayPrompt, SetAside, StopPrompt, ToLeg

HOLD_PROMPT = "hold"


class Holding:
    """`media` is what holds now, None until something was negotiated."""

    def __init__(self, call_id: str) -> None:
        self.media: NegotiatedMedia | None = None
        self._call_id = call_id
        self._is_aside = False

    def changes(
        self, media: NegotiatedMedia, by: Literal["peer", "us"], now: float
    ) -> events.CallHeld | events.CallResumed | None:
        """Take `media` up. Whether that puts the call on hold, which `by` does then, or ends a hold."""
        before, self.media = self.media, media
        was_held = before is not None and before.direction != "sendrecv"
        is_held = media.direction != "sendrecv"
        if is_held and not was_held:
            return events.CallHeld(call_id=self._call_id, at=now, direction=media.direction, by=by)
        return events.CallResumed(call_id=self._call_id, at=now) if was_held and not is_held else None

    def lay_aside(self, aside: bool, file: Path | None) -> Iterator[ToLeg]:
        """While we hold the peer, nobody speaks to it, and it hears `file` over and over, if there is one."""
        if aside == self._is_aside:
            return
        self._is_aside, call_id = aside, self._call_id
        if aside:
            yield SetAside(call_id=call_id)
            if file is not None:
                yield PlayPrompt(call_id=call_id, prompt_id=HOLD_PROMPT, file=str(file), repeat=True)
        else:
            if file is not None:
                yield StopPrompt(call_id=call_id, prompt_id=HOLD_PROMPT)
            yield GiveBack(call_id=call_id)
