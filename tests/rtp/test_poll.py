import socket
from collections.abc import Iterator

import pytest

from rtp.poll import MAX_ROUNDS, SocketPoll


@pytest.fixture
def poll() -> Iterator[SocketPoll]:
    poll = SocketPoll()
    yield poll
    poll.close()


class Ear:
    """A UDP socket that keeps what its reader read, and one to talk to it."""

    def __init__(self, poll: SocketPoll) -> None:
        self.heard: list[bytes] = []
        self.poll = poll
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self._mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._mouth.connect(self.socket.getsockname())
        poll.add_reader(self.socket.fileno(), self._read, self.heard)

    def tell(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self._mouth.send(datagram)

    def leave(self) -> None:
        self.poll.remove_reader(self.socket.fileno())

    def close(self) -> None:
        self.leave()
        self.socket.close()
        self._mouth.close()

    def _read(self, heard: list[bytes]) -> None:
        heard.append(self.socket.recv(100))


@pytest.fixture
def ears(poll: SocketPoll) -> Iterator[tuple[Ear, Ear]]:
    both = Ear(poll), Ear(poll)
    yield both
    for ear in both:
        ear.close()


def test_nothing_is_read_before_its_time(poll: SocketPoll, ears: tuple[Ear, Ear]) -> None:
    ears[0].tell(b"one")
    assert ears[0].heard == []
    poll.read()
    assert (ears[0].heard, ears[1].heard) == ([b"one"], [])


def test_all_that_waits_is_read_in_order_and_the_sockets_in_turns(
    poll: SocketPoll, ears: tuple[Ear, Ear]
) -> None:
    ears[0].tell(b"1", b"2", b"3")
    ears[1].tell(b"a")
    poll.read()
    assert (ears[0].heard, ears[1].heard) == ([b"1", b"2", b"3"], [b"a"])


def test_a_flood_is_read_a_few_at_a_time(poll: SocketPoll, ears: tuple[Ear, Ear]) -> None:
    ears[0].tell(*[b"x"] * (MAX_ROUNDS + 2))
    poll.read()
    assert len(ears[0].heard) == MAX_ROUNDS
    poll.read()
    assert len(ears[0].heard) == MAX_ROUNDS + 2


def test_who_has_left_is_not_called(poll: SocketPoll, ears: tuple[Ear, Ear]) -> None:
    """Nor is one that another's reader has sent away in the same round."""
    first, second = ears
    first.poll.add_reader(first.socket.fileno(), lambda: (first.socket.recv(9), second.leave()))
    second.tell(b"late")
    first.tell(b"go")
    second_before = len(second.heard)
    poll.read()
    second.leave()
    heard = len(second.heard)
    assert heard in (second_before, second_before + 1)  # whoever came first in that round
    second.tell(b"never")
    poll.read()
    assert len(second.heard) == heard
    assert poll.remove_reader(second.socket.fileno()) is False


def test_a_second_reader_takes_the_place_of_the_first(poll: SocketPoll, ears: tuple[Ear, Ear]) -> None:
    instead: list[bytes] = []
    ear = ears[0]
    poll.add_reader(ear.socket.fileno(), lambda: instead.append(ear.socket.recv(100)))
    ear.tell(b"one")
    poll.read()
    assert (ear.heard, instead) == ([], [b"one"])
