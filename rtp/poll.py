"""Reading sockets by the clock: what came in is read at given times, all of it together.

A process that is woken by each datagram of many calls pays more for waking than for reading, and finds its
caches cold every time.
"""

import select
from collections.abc import Callable
from typing import Any, Protocol

#: How often one `read` looks for more. A second look costs little, for it is one for all sockets.
MAX_ROUNDS = 4


class Readers(Protocol):
    """Who calls back when a socket can be read: an asyncio loop, or a `SocketPoll`."""

    def add_reader(self, fd: int, callback: Callable[..., Any], /, *args: Any) -> Any: ...

    def remove_reader(self, fd: int, /) -> Any: ...


class SocketPoll:
    """Calls the reader of every socket that has something, when told to `read`, and only then."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, tuple[Callable[..., Any], tuple[Any, ...]]] = {}

    def add_reader(self, fd: int, callback: Callable[..., Any], /, *args: Any) -> None:
        """Call `callback(*args)` once a round while `fd` can be read. A second call replaces the first."""
        if fd not in self._readers:
            self._epoll.register(fd, select.EPOLLIN)
        self._readers[fd] = callback, args

    def remove_reader(self, fd: int, /) -> bool:
        """To be called before `fd` is closed. False if there was none."""
        if self._readers.pop(fd, None) is None:
            return False
        self._epoll.unregister(fd)
        return True

    def read(self) -> None:
        """Let all that waits be read, up to MAX_ROUNDS datagrams a socket. A reader must not raise."""
        for _ in range(MAX_ROUNDS):
            ready = self._epoll.poll(0)
            if not ready:
                return
            for fd, _ in ready:
                # One that was called before may have closed it.
                if (reader := self._readers.get(fd)) is not None:
                    callback, args = reader
                    callback(*args)

    def close(self) -> None:
        self._epoll.close()
