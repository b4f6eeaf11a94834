"""Prometheus metrics: `meters` is their table, `counting` what events do to them, `figures` the rest."""

from sipagent.metrics.counting import Metrics
from sipagent.metrics.figures import ServerFigures, TargetFigures, WorkerFigures

__all__ = ["Metrics", "ServerFigures", "TargetFigures", "WorkerFigures"]
