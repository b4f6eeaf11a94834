"""A media worker that lives and never reads what it is ordered. Started as a worker is."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from sipagent.worker import process


class DeafWorker(process.Worker):
    def _receive(self, message: Any, fds: list[int]) -> None:
        pass


if __name__ == "__main__":
    with patch.object(process, "Worker", DeafWorker):
        process.main()
