"""A run as a page with plots, and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from html import escape
from operator import attrgetter

import msgspec

from benchmarks.load.level import Outcome
from benchmarks.load.measures import Sample
from benchmarks.load.plots import chart
from benchmarks.load.trend import Slope

STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; color: #222 }
table { border-collapse: collapse }
td, th { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top }
svg { width: 100%; font: 11px system-ui, sans-serif }
figure { margin: 1.2rem 0 }
figcaption span { margin-left: .8rem }
.held { color: #197a2c } .broken { color: #b3261e }
"""
MB = 2**20


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """An outcome, and where it comes from."""

    at: str
    machine: str
    version: str
    command: str
    outcome: Outcome


def as_json(report: Report) -> bytes:
    return msgspec.json.format(msgspec.json.encode(report), indent=1)


def as_html(report: Report) -> str:
    """One file that needs no other."""
    outcome = report.outcome
    held = "held" if outcome.verdict.is_held else "broken"
    return "".join(
        [
            f"<!doctype html><html lang=en><meta charset=utf-8><title>Load, {escape(report.at)}</title>",
            f"<style>{STYLE}</style><h1>Load: {outcome.figures.calls_held} calls</h1>",
            f"<p>{escape(report.at)}, {escape(report.machine)}, sipagent {escape(report.version)}<br>",
            f"<code>{escape(report.command)}</code></p>",
            f'<h2 class="{held}">{escape(outcome.verdict.bottleneck)}</h2>',
            *charts(outcome.samples),
            "<h2>Figures</h2>",
            _table(rows(outcome)),
            *(
                f"<h3>SIPp: {escape(name)}</h3><pre>{escape(text)}</pre>"
                for name, text in outcome.sipp_errors.items()
            ),
        ]
    )


Figure = Callable[[Sample], float]


def charts(samples: Sequence[Sample]) -> Iterable[str]:
    times = [sample.at_s for sample in samples]
    for title, unit, lines in _charts(list(samples[-1].cpu) if samples else []):
        yield chart(title, unit, times, {name: list(map(figure, samples)) for name, figure in lines.items()})


def _charts(parties: Iterable[str]) -> tuple[tuple[str, str, Mapping[str, Figure]], ...]:
    """Title, unit, and what is drawn of each sample."""
    cpu: dict[str, Figure] = {name: partial(_cpu, name) for name in parties}
    lateness = {"p99": "late_p99_ms", "max": "late_max_ms", "generator's own p99": "own_late_p99_ms"}
    return (
        ("Concurrency", "calls", _fields({"admitted": "calls", "with audio": "streams"})),
        ("CPU by party", "cores", cpu | _fields({"whole machine": "machine_busy", "stolen": "stolen"})),
        ("CPU time of work that is always the same", "ms", _fields({"a loop": "work_ms"})),
        ("Lateness of packets on the wire", "ms", _fields(lateness)),
        ("Set-up time, INVITE to 200", "ms", _fields({"p95": "setup_p95_ms", "max": "setup_max_ms"})),
        ("Memory (RSS)", "MB", {name: partial(_rss_mb, name) for name in ("control", "workers")}),
        ("Packets lost on their way to callers", "packets a second", _fields({"lost": "lost"})),
        ("Files and threads of the server", "", _fields({"file descriptors": "fds", "threads": "threads"})),
    )


def _fields(names: Mapping[str, str]) -> dict[str, Figure]:
    return {label: attrgetter(name) for label, name in names.items()}


def _cpu(party: str, sample: Sample) -> float:
    return sample.cpu.get(party, 0.0)


def _rss_mb(party: str, sample: Sample) -> float:
    return sample.rss.get(party, 0) / MB


def rows(outcome: Outcome) -> list[tuple[str, str]]:
    """The figures in words: for the page, and for the terminal."""
    found = outcome.figures
    cpu = ", ".join(f"{name} {share:.2f}" for name, share in found.cpu.items())
    told = [
        ("calls", f"{found.calls_held} at once; {found.succeeded} succeeded, {found.failed} failed"),
        ("set-up", _delays(found.setup_ms)),
        ("packets late on the wire", f"{_delays(found.late_ms)}, max {found.late_max_ms:g} ms"),
        ("generator late itself", _delays(found.own_late_ms)),
        ("packets to callers", f"{found.packets_to_callers}, {found.sounding_share:.0%} of them speech"),
        ("packets from callers", f"{found.packets_from_callers}"),
        (
            "lost",
            f"{found.lost_to_callers} to callers, {found.lost_from_callers} from callers, "
            f"{found.dropped_by_generator} by the generator",
        ),
        ("agents starved (frames)", _counts(found.starved)),
        ("barge-ins, digits", f"{found.interruptions}, {found.digits}"),
        (
            "CPU in cores, all calls on",
            f"{cpu}; machine {found.machine_busy:.2f}, stolen by the host {found.stolen:.2f}",
        ),
        ("the same work took", f"{_delays(found.work_ms)} of CPU time"),
        ("CPU of the server per call", f"{found.cpu_percent_per_call:.3f} % of a core"),
        ("memory", f"PSS {found.pss_mb:.0f} MB, {found.pss_mb_per_call:.3f} MB per call"),
        ("growth per hour", _slopes(found.slopes)),
        ("calls ended", _counts(found.end_reasons)),
        ("SIP retransmissions by SIPp", str(found.retransmissions)),
        ("reference call", _reference(outcome)),
        ("left over", "; ".join(found.audit) or "nothing"),
        ("errors logged", _counts(found.errors_logged)),
    ]
    return [*told, ("verdict", outcome.verdict.bottleneck)]


def _reference(outcome: Outcome) -> str:
    reference = outcome.figures.reference
    if reference is None:
        return "none"
    both = reference.to_model.frames + reference.to_caller.frames
    return f"{'intact' if reference.is_intact else reference}: {both} frames compared"


def _slopes(found: Mapping[str, Slope]) -> str:
    told = (
        f"{name} {each.per_hour:+.1f} ({each.low:+.1f} to {each.high:+.1f})" for name, each in found.items()
    )
    return ", ".join(told) or "told of calls that come and go for some minutes"


def _delays(found: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in found.items()) + " ms" if found else "-"


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in found.items()) or "none"


def _table(told: Iterable[tuple[str, str]]) -> str:
    return "<table>" + "".join(f"<tr><th>{escape(a)}<td>{escape(b)}" for a, b in told) + "</table>"
