"""A media worker that lives and never reads what it is ordered. Started as `worker.process` is."""

from __future__ import annotations

from typing import Any

from sipagent.worker import process


class DeafWorker(process.Worker):
    def _receive(self, message: Any, fds: list[int]) -> None:
        pass


if __name__ == "__main__":
    process.Worker = DeafWorker  # type: ignore[misc]
    process.main()
