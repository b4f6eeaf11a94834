"""Has prompts played in the order in which they are asked for, though their files have to be read first."""

from __future__ import annotations

import asyncio
import time

from sipagent.formats import AudioFormat
from sipagent.media import prompts as sounds
from sipagent.sounds.files import SoundError
from sipagent.worker.agent.prompts import Ended, Prompt, Prompts
from sipagent.worker.orders import PlayPrompt


class Jukebox:
    """One per leg, before its `prompts`, whose sounds are `queued`. What can't be read has ended as well."""

    def __init__(self, prompts: Prompts, queued: AudioFormat, ended: Ended) -> None:
        self._prompts = prompts
        self._queued = queued
        self._ended = ended
        self._in_order = asyncio.Lock()
        self._awaited: set[str] = set()
        self._reading: set[asyncio.Task[None]] = set()

    def play(self, order: PlayPrompt) -> None:
        self._awaited.add(order.prompt_id)
        task = asyncio.create_task(self._play(order))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    def stop(self, prompt_id: str, now: float) -> None:
        """End a prompt, if it hasn't ended yet."""
        if prompt_id in self._awaited:
            self._awaited.discard(prompt_id)
            self._ended(prompt_id, False, "stopped", now)
        else:
            self._prompts.stop(prompt_id, now)

    def close(self) -> None:
        for task in self._reading:
            task.cancel()

    async def _play(self, order: PlayPrompt) -> None:
        async with self._in_order:
            try:
                sound = await sounds.load(order.file, self._queued)
            except (OSError, SoundError) as error:
                self._fail(order.prompt_id, f"{order.file}: {getattr(error, 'strerror', None) or error}")
                return
        if order.prompt_id in self._awaited:
            self._awaited.discard(order.prompt_id)
            prompt = Prompt(order.prompt_id, sound, order.interruptible, order.repeat, order.over)
            self._prompts.play(prompt)

    def _fail(self, prompt_id: str, detail: str) -> None:
        if prompt_id in self._awaited:
            self._awaited.discard(prompt_id)
            self._ended(prompt_id, False, detail, time.monotonic())
