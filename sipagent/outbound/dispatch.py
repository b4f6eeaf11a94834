"""All that is decided about dials: who may have another one, which is next, and what follows. Pure.

Times are Unix times in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping

from sipagent import events
from sipagent.call.origination import Outcome
from sipagent.config import CapsConfig, Config, PoolConfig
from sipagent.errors import EndReason
from sipagent.outbound import caps, placing, retrying
from sipagent.outbound.dial import (
    MACHINE,
    SERVER_CRASHED,
    Dial,
    Forbidden,
    Left,
    News,
    PickedUp,
    PutBack,
    RanOut,
    Recognised,
    State,
    Wish,
    after,
    postponed,
    with_call_id,
    with_next,
)
from sipagent.outbound.ledger import Ledger
from sipagent.outbound.pacing import Pacing, Pick, way_by_pool, way_of
from sipagent.outbound.pools import NumberUse

#: Ends of calls for which the server's own end is the reason.
STOPPED = frozenset({EndReason.DRAINING, EndReason.DRAIN_DEADLINE})
#: What `events.AnswererDetected` may say that is nobody to talk to.
MACHINES = frozenset({"machine", "fax", "announcement"})


class NoRoom(Exception):
    """Not taken for now. `rule` is for programs."""

    def __init__(self, rule: str, detail: str, retry_after_s: int) -> None:
        super().__init__(detail)
        self.rule = rule
        self.detail = detail
        self.retry_after_s = retry_after_s


class Dispatch:
    """`keys` are the caps of tokens, by name. `paused` are campaigns."""

    def __init__(self, keys: Mapping[str, CapsConfig]) -> None:
        self._keys = keys
        self._pacing = Pacing(keys)
        self._numbers = NumberUse()
        self._changed: dict[str, Dial] = {}
        self._attempted: list[Dial] = []
        self.ledger = Ledger()
        self.paused: frozenset[str] = frozenset()

    # --- what comes in ------------------------------------------------------------------------------

    def recall(self, key: str, caller: str | None, began_at: float) -> None:
        """An attempt of an earlier process, for caps and pools to count."""
        self._pacing.placed[key].note(began_at)
        if caller is not None:
            self._numbers.placed(caller, began_at)

    def recover(self, dial: Dial, config: Config, now: float, chance: float) -> None:
        """A dial that an earlier process left. If it was on, its call is over: failed, unless answered."""
        self.ledger.put(dial)
        if not dial.is_on:
            return
        if dial.last.caller is not None:
            self._numbers.went_on(dial.last.caller)
        outcome = Outcome.FAILED if dial.last.answered_at is None else Outcome.ANSWERED
        self._leave(dial, Left(now, outcome, detail=SERVER_CRASHED), config, chance)

    def make_sure_of_room(self, key: str, wanted: int, config: Config, now: float, *, at_once: bool) -> None:
        """For more dials of a token; see `caps.full_for`. Raises `NoRoom`."""
        most = config.outbound.max_open_dials
        if len(self.ledger) + wanted > most:
            raise NoRoom("dial_queue_full", f"{len(self.ledger)} of {most} dials wait", caps.CALL_ENDS_S)
        full = caps.full_for(
            self._keys.get(key, CapsConfig()),
            self._pacing.placed[key],
            self.ledger.on_for(key),
            self.ledger.untried_for(key),
            wanted,
            now,
            at_once=at_once,
        )
        if full is not None:
            raise NoRoom(full.rule, full.detail, full.retry_after_s)

    # --- what is next -------------------------------------------------------------------------------

    def pick(self, config: Config, now: float) -> Pick:
        """The dial to place a call for now, or when to ask again."""
        self._run_out(now)
        while True:
            ledger = self.ledger
            picked = self._pacing.pick(ledger.waiting, ledger.on, config.outbound, self.paused, now)
            if picked.dial is None or self._may_be_placed(picked.dial, config, now):
                return picked

    def caller_from(self, pool: PoolConfig, wish: Wish, last: str | None, now: float) -> str | None:
        """See `NumberUse.choose`. Where no number is free, nothing is placed from this pool for a while."""
        caller = self._numbers.choose(pool, wish.to, last, now)
        if caller is None and wish.pool is not None:
            self._pacing.hold(way_by_pool(wish.pool), now)
        return caller

    def hold_everything(self, now: float) -> None:
        """No call can be placed at present."""
        self._pacing.hold_server(now)

    def _run_out(self, now: float) -> None:
        for dial in [dial for dial in self.ledger.waiting if dial.wish.expires_at <= now]:
            self.move(
                dial, RanOut(now, "its time was over before it was tried again" if dial.attempts else "")
            )

    def _may_be_placed(self, dial: Dial, config: Config, now: float) -> bool:
        """By the configuration and the clock of now; if not, the dial has been moved out of the way."""
        if (detail := placing.obstacle(dial.wish, config)) is not None:
            self.move(dial, Forbidden(now, detail))
            return False
        opens_at = retrying.allowed_from(dial.wish.retry, now, config.routes.calendars)
        if opens_at is None or opens_at > now:
            self.ledger.put(postponed(dial, opens_at or dial.wish.expires_at))
            return False
        return True

    # --- what happens -------------------------------------------------------------------------------

    def begin(self, dial: Dial) -> None:
        """An attempt has begun, and was saved: its call is about to be placed."""
        began_at, caller = dial.last.began_at, dial.last.caller
        self._pacing.started(dial, began_at)
        if caller is not None:
            self._numbers.placed(caller, began_at)
            self._numbers.went_on(caller)
        self.ledger.put(dial)

    def called(self, dial: Dial, call_id: str) -> None:
        """The call is on its way."""
        self._pacing.took_off(dial)
        self._keep(with_call_id(dial, call_id))

    def put_back(self, dial: Dial, reason_code: str, now: float) -> None:
        """There was no room for the call. It is tried again, by this way when that may have room."""
        began_at, caller = dial.last.began_at, dial.last.caller
        due_at = self._pacing.put_back(dial, began_at, way_of(dial, reason_code), now)
        if caller is not None:
            self._numbers.taken_back(caller, began_at)
        self.move(dial, PutBack(due_at))

    def refused(self, dial: Dial, detail: str, config: Config, now: float, chance: float) -> None:
        """The call could not be placed, and waiting for room would not help."""
        self._leave(dial, Left(now, Outcome.FAILED, detail=detail), config, chance)

    def hear(self, event: events.Event, config: Config, now: float, chance: float) -> bool:
        """Has this event of a call changed a dial?"""
        dial = self.ledger.of_call(event.call_id)
        match event:
            case events.CallAnswered() if dial is not None:
                self.move(dial, PickedUp(now))
            case events.AnswererDetected() if dial is not None:
                self.move(dial, Recognised(event.kind))
            case events.CallEnded() if dial is not None:
                outcome = MACHINE if dial.last.answerer in MACHINES else event.outcome or Outcome.FAILED
                left = Left(now, outcome, None, event.sip_status, event.q850, event.detail)
                if event.end_reason in STOPPED and dial.state is State.DIALLING:
                    left = with_next(left, now)  # nobody has called it off: the next process goes on
                self._leave(dial, left, config, chance)
            case _:
                return False
        return True

    def move(self, dial: Dial, news: News) -> Dial:
        """Raises `IllegalMove`."""
        moved = after(dial, news)
        if dial.is_on and not moved.is_on and dial.last.caller is not None:
            self._numbers.ended(dial.last.caller)
        self._keep(moved)
        return moved

    def _leave(self, dial: Dial, left: Left, config: Config, chance: float) -> None:
        if left.due_at is None:
            calendars = config.routes.calendars
            left = with_next(left, retrying.next_attempt_at(dial, left.outcome, left.at, calendars, chance))
        self._attempted.append(self.move(dial, left))
        self._pacing.room_again()

    def _keep(self, dial: Dial) -> None:
        self.ledger.put(dial)
        self._changed[dial.dial_id] = dial

    def get(self, dial_id: str) -> Dial | None:
        """As it is now; None where the store knows better."""
        return self.ledger.get(dial_id) or self._changed.get(dial_id)

    # --- what came of it ----------------------------------------------------------------------------

    def take_changed(self) -> list[Dial]:
        """Dials that are not as they were when this was last asked: to be saved."""
        changed, self._changed = self._changed, {}
        return list(changed.values())

    def take_attempted(self) -> list[Dial]:
        """Dials an attempt of which is over since this was last asked."""
        attempted, self._attempted = self._attempted, []
        return attempted

    def forget(self, now: float) -> None:
        """What no cap counts any more."""
        self._pacing.forget(now)
        self._numbers.forget(now)
