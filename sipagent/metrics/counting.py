"""Prometheus metrics, fed by events and worker reports and by nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from sipagent import events
from sipagent.metrics.figures import FiguresCollector, ServerFigures, Workers
from sipagent.metrics.meters import Meters

#: The counts of packets in an RTP report (see `rtp.stats`).
RTP_KINDS = (
    *("packets", "lost", "late", "duplicate", "reordered", "foreign", "foreign_rtcp", "stun", "malformed"),
    *("unauthenticated", "replayed", "unsent"),
)
#: The queues that drop audio, and under which name a leg reports it, in ms.
DROPPING_QUEUES = {"backend": "dropped_ms", "playout": "playout_dropped_ms"}


class Metrics:
    """The server's metrics. `observe` takes every event of every call."""

    def __init__(self, workers: Workers, server: Callable[[], ServerFigures]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(FiguresCollector(workers, server))
        self._meters = Meters.on(self.registry)
        self._meters.started.set_to_current_time()
        #: When the caller of each call fell silent, until the agent answers (CLOCK_MONOTONIC).
        self._turns: dict[str, float] = {}

    def observe(self, event: events.Event, trunk: str, began: float | None) -> None:
        """Count one event of a call over `trunk` that came in at `began`; None: it is one of ours."""
        match event:
            case events.CallReceived():
                self._meters.received.labels(trunk, event.direction).inc()
            case events.CallAdmitted():
                self._meters.active.labels(trunk).inc()
            case events.CallRouted():
                self._meters.routed.labels(event.route or "", event.outcome).inc()
            case events.CallRefused():
                self._meters.refused.labels(trunk, event.reason_code).inc()
            case events.CallAnswered() if began is not None:
                self._meters.setup.labels(trunk).observe(event.at - began)
            case events.LegReady():
                self._meters.backend_ready.labels(event.agent).observe(event.ready_ms / 1000)
            case events.SpeechStopped():
                self._turns[event.call_id] = event.at
            case events.SpeechStarted() | events.CallEnded():
                self._turns.pop(event.call_id, None)
            case events.AgentSpeechStarted():
                self._count_turn(event, trunk)
            case _:
                self._observe_media(event, trunk)

    def _observe_media(self, event: events.Event, trunk: str) -> None:
        match event:
            case events.AgentSpeechEnded():
                for cause, frames in event.starvations.items():
                    self._meters.starved.labels(cause).inc(frames)
                if event.interrupted:
                    self._meters.interruptions.inc()
            case events.DigitReceived():
                self._meters.digits.labels(event.method).inc()
            case events.CallHeld():
                self._meters.holds.labels(trunk).inc()
            case events.TransferEnded():
                self._meters.transfers.labels(trunk, event.how, event.outcome).inc()
            case events.HumanLegEnded():
                self._count_rtp(event.rtp)
            case events.RecordingTruncated():
                self._meters.truncated.inc()
            case events.ToolAnswered():
                name = "" if event.outcome == "unknown" else event.name  # the model's invention
                self._meters.tools.labels(name, event.outcome).observe(event.duration_ms / 1000)
            case events.SafeModeEntered():
                self._meters.safe_modes.labels(trunk).inc()
            case events.FallbackTaken():
                self._meters.fallback.labels(event.step.partition(" ")[0], event.outcome).inc()
            case events.AnswererDetected():
                self._meters.answerers.labels(trunk, event.kind).inc()
            case events.SessionRolledOver():
                self._meters.rollovers.inc()
            case events.LegRehomed():
                self._meters.gaps.labels(event.cause).observe(event.gap_ms / 1000)
            case events.BackendProblem():
                self._meters.problems.labels(event.code).inc()
            case events.CallCharged():
                self._count_cost(event)
            case events.LegEnded():
                self._count_rtp(event.rtp)
                self._judge_rtp(event.rtp)
                for queue, key in DROPPING_QUEUES.items():
                    self._meters.dropped.labels(queue).inc(event.audio.get(key, 0) / 1000)

    def count_dial(
        self, trunk: str, outcome: str, post_dial_delay_s: float | None, ring_s: float | None
    ) -> None:
        """A call of ours is over, or never came about."""
        self._meters.dialled.labels(trunk, outcome).inc()
        if post_dial_delay_s is not None:
            self._meters.post_dial_delay.labels(trunk).observe(post_dial_delay_s)
        if ring_s is not None:
            self._meters.ring.labels(trunk, outcome).observe(ring_s)

    def call_left(self, trunk: str, end_reason: str) -> None:
        """An admitted call is over."""
        self._meters.active.labels(trunk).dec()
        self._meters.ended.labels(trunk, end_reason).inc()

    def tool_down(self, agent: str, tool: str, is_down: bool) -> None:
        """A tool is taken for down since now, or is back."""
        self._meters.tool_down.labels(agent, tool).set(is_down)

    def observe_trunk(self, event: events.TrunkStateChanged) -> None:
        self._meters.registered.labels(event.trunk).set(event.registered)

    def count_webhook(self, endpoint: str, outcome: str, messages: int = 1) -> None:
        self._meters.webhooks.labels(endpoint, outcome).inc(messages)

    def observe_webhooks(self, endpoint: str, backlog: int, lag_s: float) -> None:
        """How much waits for an endpoint, and since when."""
        self._meters.webhook_backlog.labels(endpoint).set(backlog)
        self._meters.webhook_lag.labels(endpoint).set(lag_s)

    def observe_dials(self, waiting: int, on: int) -> None:
        """How many dials are not over."""
        self._meters.dials.labels("waiting").set(waiting)
        self._meters.dials.labels("on").set(on)

    def count_dial_attempt(self, trunk: str, outcome: str) -> None:
        self._meters.dial_attempts.labels(trunk, outcome).inc()

    def count_dial_refused(self, rule: str) -> None:
        self._meters.dials_refused.labels(rule).inc()

    def count_dial_defect(self) -> None:
        """The placing of dials met what it can't have met: a defect of ours."""
        self._meters.dial_defects.inc()

    def observe_call_log(self, is_up: bool, lag_records: int) -> None:
        """How the database of calls is fed. May be called from any thread."""
        self._meters.log_up.set(is_up)
        self._meters.log_lag.set(lag_records)

    def count_reload(self, is_applied: bool) -> None:
        self._meters.reloads.labels("applied" if is_applied else "refused").inc()

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)

    def _count_turn(self, started: events.AgentSpeechStarted, trunk: str) -> None:
        """How long the caller waited; what the agent says unasked counts as no answer."""
        stopped_at = self._turns.pop(started.call_id, None)
        if stopped_at is not None:
            self._meters.turn_latency.labels(trunk).observe(started.at - stopped_at)

    def _judge_rtp(self, rtp: Mapping[str, Any]) -> None:
        """Of calls that had audio: how deep their jitter buffer got, and how they sounded."""
        inbound, outbound = rtp.get("inbound", {}), rtp.get("outbound", {})
        if not inbound.get("packets"):
            return
        depth_ms = inbound.get("buffer_depth_ms")
        if depth_ms is not None:
            self._meters.jitter_depth.observe(depth_ms / 1000)
        for direction, score in (("inbound", inbound.get("mos")), ("outbound", outbound.get("mos"))):
            if score is not None:
                self._meters.mos.labels(direction).observe(score)

    def _count_cost(self, charged: events.CallCharged) -> None:
        whose = (charged.agent, charged.trunk)
        self._meters.answered.labels(*whose, charged.direction).inc(charged.answered_s)
        for model, tokens in charged.tokens.items():
            for kind, count in tokens.items():
                self._meters.tokens.labels(*whose, model, kind).inc(count)
        if charged.currency is not None:
            self._meters.cost.labels(*whose, charged.currency).inc(charged.model_cost)
            for trunk, cost in charged.trunks.items():
                self._meters.cost.labels(charged.agent, trunk, charged.currency).inc(cost)

    def _count_rtp(self, rtp: Mapping[str, object]) -> None:
        for direction, figures in rtp.items():
            if isinstance(figures, Mapping):
                for kind in RTP_KINDS:
                    count = figures.get(kind) or 0
                    if count > 0:  # a peer's RTCP may say anything
                        self._meters.rtp.labels(f"{direction}_{kind}").inc(count)
