"""A backend without a model: plays a sound file, once or several times."""

from __future__ import annotations

from sipagent.backends.base import BackendFinished
from sipagent.backends.local import LocalBackend, sound_of
from sipagent.config import PromptConfig
from sipagent.sounds import tones


class PromptBackend(LocalBackend):
    """Each time is an item of its own, so that playout holds one of them at most."""

    def __init__(self, config: PromptConfig) -> None:
        super().__init__()
        self._config = config
        self._sound = b""
        self._begun = 0

    async def _prepare(self) -> None:
        self._sound = await sound_of(self._config.file)

    def greet(self) -> None:
        self._play(self._sound)

    def played(self, item_id: str) -> None:
        if self._config.times is not None and self._begun >= self._config.times:
            self._tell(BackendFinished(outcome="prompt_played", detail=f"{self._begun} times"))
        else:
            self._play(tones.silence(self._config.pause_ms) + self._sound)

    def _play(self, sound: bytes) -> None:
        self._begun += 1
        self._say(f"prompt_{self._begun}", sound)
