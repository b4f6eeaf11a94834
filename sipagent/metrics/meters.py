"""The table of all metrics that events feed. docs/metrics.md says what each means."""

# ruff: noqa: RUF009 (the functions that stand in for defaults make fields)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

TOOL_BUCKETS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30)
GAP_BUCKETS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5)
DIAL_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 12, 20)
RING_BUCKETS_S = (1, 3, 5, 8, 12, 16, 20, 25, 30, 40, 60, 90)
SETUP_BUCKETS_S = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 3, 5)
TURN_BUCKETS_S = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10)
DEPTH_BUCKETS_S = (0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.16, 0.2, 0.3, 0.5, 1)
MOS_BUCKETS = (1.5, 2, 2.5, 3, 3.5, 3.8, 4, 4.2, 4.4)


def counter(name: str, meaning: str, *labels: str) -> Any:
    return _row(lambda registry: Counter(f"sipagent_{name}", meaning, labels, registry=registry))


def gauge(name: str, meaning: str, *labels: str) -> Any:
    return _row(lambda registry: Gauge(f"sipagent_{name}", meaning, labels, registry=registry))


def histogram(name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Any:
    """`buckets` are upper bounds, in the unit of the name."""
    return _row(
        lambda registry: Histogram(f"sipagent_{name}", meaning, labels, buckets=buckets, registry=registry)
    )


def _row(make: Callable[[CollectorRegistry], Any]) -> Any:
    return field(metadata={"make": make})


@dataclass(frozen=True, slots=True)
class Meters:
    """One of each, on one registry."""

    received: Counter = counter("calls_received_total", "INVITEs judged", "trunk", "direction")
    refused: Counter = counter("calls_refused_total", "Calls refused, by rule", "trunk", "reason")
    routed: Counter = counter("calls_routed_total", "Calls judged, by route", "route", "outcome")
    reloads: Counter = counter("config_reloads_total", "Reloads of the configuration", "outcome")
    ended: Counter = counter("calls_ended_total", "Admitted calls ended, by reason", "trunk", "reason")
    active: Gauge = gauge("calls_active", "Admitted calls that have not ended", "trunk")
    setup: Histogram = histogram("call_setup_seconds", "INVITE to 200 OK", SETUP_BUCKETS_S, "trunk")
    dialled: Counter = counter("calls_dialled_total", "Calls of ours, by outcome", "trunk", "outcome")
    post_dial_delay: Histogram = histogram(
        "post_dial_delay_seconds",
        "Our INVITE to the first word of the callee's side",
        DIAL_BUCKETS_S,
        "trunk",
    )
    ring: Histogram = histogram(
        "ring_seconds", "First word of the callee's side to answer or end", RING_BUCKETS_S, "trunk", "outcome"
    )
    starved: Counter = counter("agent_starved_frames_total", "20 ms holes in agent speech", "cause")
    interruptions: Counter = counter("agent_interruptions_total", "Agent utterances cut off by barge-in")
    digits: Counter = counter("dtmf_digits_total", "DTMF digits received", "method")
    holds: Counter = counter("calls_held_total", "Holds by peers", "trunk")
    transfers: Counter = counter(
        "transfers_total", "Transfers, by way and outcome", "trunk", "how", "outcome"
    )
    truncated: Counter = counter("recordings_truncated_total", "Recordings that lack audio, as it happens")
    dropped: Counter = counter(
        "audio_dropped_seconds_total", "Audio of ended calls that a full queue dropped", "queue"
    )
    tools: Histogram = histogram(
        "tool_call_seconds", "Tools that models called, until their answer", TOOL_BUCKETS_S, "tool", "outcome"
    )
    tool_down: Gauge = gauge("tool_down", "1 while a tool is taken for down", "agent", "tool")
    safe_modes: Counter = counter("safe_modes_total", "Times that a call went into safe mode", "trunk")
    problems: Counter = counter("backend_problems_total", "Error events of backends", "code")
    fallback: Counter = counter(
        "fallback_steps_total", "Steps taken for calls that lost their model", "step", "outcome"
    )
    answerers: Counter = counter(
        "answerers_total", "Who has answered calls of ours, by kind", "trunk", "kind"
    )
    rollovers: Counter = counter("session_rollovers_total", "Sessions replaced before their end")
    gaps: Histogram = histogram(
        "rehoming_gap_seconds",
        "How long calls were without a media worker when theirs was lost",
        GAP_BUCKETS_S,
        "cause",
    )
    rtp: Counter = counter("rtp_packets_total", "RTP packets of ended calls, by what became of them", "kind")
    cost: Counter = counter("cost_total", "What calls cost", "agent", "trunk", "currency")
    tokens: Counter = counter("tokens_total", "Tokens of models", "agent", "trunk", "model", "kind")
    answered: Counter = counter(
        "answered_seconds_total", "Time between answer and end of calls", "agent", "trunk", "direction"
    )
    log_lag: Gauge = gauge("call_log_lag_records", "Call records not in the database yet")
    log_up: Gauge = gauge("call_log_database_up", "1 while the database of calls can be used")
    webhooks: Counter = counter(
        "webhook_attempts_total", "Attempts to deliver webhooks, by what came of them", "endpoint", "outcome"
    )
    webhook_backlog: Gauge = gauge("webhook_backlog_messages", "Webhooks not delivered yet", "endpoint")
    webhook_lag: Gauge = gauge("webhook_lag_seconds", "Age of the oldest webhook that waits", "endpoint")
    dials: Gauge = gauge("dials", "Dials that are not over: those that wait, and those on a call", "state")
    dial_attempts: Counter = counter(
        "dial_attempts_total", "Attempts of dials, by what came of them", "trunk", "outcome"
    )
    dial_defects: Counter = counter("dial_defects_total", "Failures of our own in placing dials")
    dials_refused: Counter = counter("dials_refused_total", "Dials that were not taken, by rule", "rule")
    registered: Gauge = gauge("trunk_registered", "1 while the trunk is registered", "trunk")
    started: Gauge = gauge("start_time_seconds", "When the server started, as Unix time")
    turn_latency: Histogram = histogram(
        "turn_latency_seconds",
        "End of the caller's speech, as the model tells it, to the agent's first audio on the wire",
        TURN_BUCKETS_S,
        "trunk",
    )
    backend_ready: Histogram = histogram(
        "backend_ready_seconds",
        "Connecting to a backend until its session is configured",
        SETUP_BUCKETS_S,
        "agent",
    )
    jitter_depth: Histogram = histogram(
        "jitter_buffer_depth_seconds", "Depth of the jitter buffer at the end of calls", DEPTH_BUCKETS_S
    )
    mos: Histogram = histogram(
        "call_mos", "Expected opinion score of ended calls, by the E-model", MOS_BUCKETS, "direction"
    )

    @classmethod
    def on(cls, registry: CollectorRegistry) -> Self:
        return cls(**{each.name: each.metadata["make"](registry) for each in fields(cls)})
