"""What waits for a backend's socket."""

from sipagent.backends.send_queue import SendQueue


def drained(queue: SendQueue) -> list[bytes]:
    messages = []
    while (message := queue.pop()) is not None:
        messages.append(message)
    return messages


def test_audio_keeps_its_order():
    queue = SendQueue()
    for name in (b"a", b"b", b"c"):
        queue.put_audio(name, 20)
    assert drained(queue) == [b"a", b"b", b"c"]


def test_the_oldest_audio_goes_and_is_counted():
    queue = SendQueue(audio_limit_ms=60)
    for name in (b"a", b"b", b"c", b"d", b"e"):
        queue.put_audio(name, 20)
    assert queue.dropped_ms == 40
    assert drained(queue) == [b"c", b"d", b"e"]


def test_control_overtakes_audio_and_is_never_dropped():
    queue = SendQueue(audio_limit_ms=20)
    queue.put_audio(b"a", 20)
    for number in range(100):
        queue.put_control(b"c%d" % number)
    queue.put_audio(b"b", 20)
    assert drained(queue) == [*(b"c%d" % number for number in range(100)), b"b"]


def test_room_is_regained_by_sending():
    queue = SendQueue(audio_limit_ms=40)
    for _ in range(10):
        queue.put_audio(b"a", 20)
        queue.put_audio(b"b", 20)
        assert drained(queue) == [b"a", b"b"]
    assert queue.dropped_ms == 0
