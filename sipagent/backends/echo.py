"""A backend without a model: says back what the caller says, byte for byte."""

from __future__ import annotations

from sipagent.backends.base import AudioReceived
from sipagent.backends.local import LocalBackend
from sipagent.formats import AudioFormat

ITEM_ID = "echo_1"


class EchoBackend(LocalBackend):
    """Speaks the law of the call. One item, without an end."""

    def __init__(self, law: AudioFormat) -> None:
        super().__init__(law)

    def send_audio(self, audio: bytes) -> None:
        self._tell(AudioReceived(item_id=ITEM_ID, content_index=0, audio=audio))
