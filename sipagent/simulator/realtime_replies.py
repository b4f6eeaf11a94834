"""What a simulated model says next: its script, turn by turn, and what it is told to say word by word."""

from __future__ import annotations

from collections.abc import Sequence

from sipagent.simulator.realtime_options import AnyPart, Pattern, Say, Turn

_SAY = "Say exactly:"


class ReplyBook:
    """One session's place in the script. Starts again after the last turn."""

    def __init__(self, script: Sequence[Turn], *, obedient: bool) -> None:
        self._script = script
        self._obedient = obedient
        self._turn = 0
        self._patterns = 0

    def heard(self) -> str | None:
        """What the caller is taken to have said before the next reply."""
        return self._script[self._turn % len(self._script)].heard

    def reply(self, instructions: str | None) -> list[AnyPart]:
        """`Say exactly: ...` as the instructions of one response is obeyed, all else goes by the script."""
        if self._obedient and instructions and instructions.startswith(_SAY):
            return [Say(say=instructions.removeprefix(_SAY).strip())]
        turn = self._script[self._turn % len(self._script)]
        self._turn += 1
        return [self._numbered(part) for part in turn.reply]

    def _numbered(self, part: AnyPart) -> AnyPart:
        if not isinstance(part, Pattern) or part.number is not None:
            return part
        self._patterns += 1
        return part.model_copy(update={"number": self._patterns})
