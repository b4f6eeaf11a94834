"""A media worker with a defect: on SIGUSR2 it turns in a circle for ever. Started as a worker is."""

from __future__ import annotations

import signal

from sipagent.worker import process


def circle(number: int, frame: object) -> None:
    while True:
        pass


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, circle)
    process.main()
