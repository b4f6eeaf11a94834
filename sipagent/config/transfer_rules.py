"""What must hold between agents' `transfers` and the trunks and files that they name."""

from __future__ import annotations

from collections.abc import Iterator

from sipagent.config.document import Problem
from sipagent.config.files import Files
from sipagent.config.transfer import TransferTargetConfig, is_uri
from sipagent.config.trunk import TrunkConfig
from sipagent.config.validation import near_match
from sipagent.sounds import files as sounds


def problems(files: Files) -> Iterator[Problem]:
    """Targets over trunks that don't exist, or that can't make a URI of the number."""
    trunks = {trunk.name: trunk.section for trunk in files.trunks}
    for agent in files.agents:
        for name, target in (agent.section.transfers if agent.section else {}).items():
            for key, message in _wrong_with(target, trunks):
                yield agent.document.problem(("transfers", name, key), message)


def unreadable(files: Files) -> Iterator[Problem]:
    """Sounds that can't be played now: those of transfers, and of trunks for callers whom we hold."""
    for trunk in files.trunks:
        file = trunk.section.hold_file if trunk.section else None
        if file is not None and (reason := sounds.problem(file)):
            yield trunk.document.problem(("hold_file",), reason)
    for agent in files.agents:
        for name, target in (agent.section.transfers if agent.section else {}).items():
            for key, file in (("whisper_file", target.whisper_file), ("wait_file", target.wait_file)):
                if file is not None and (reason := sounds.problem(file)):
                    yield agent.document.problem(("transfers", name, key), reason)


def _wrong_with(
    target: TransferTargetConfig, trunks: dict[str, TrunkConfig | None]
) -> Iterator[tuple[str, str]]:
    if target.trunk is not None and target.trunk not in trunks:
        yield "trunk", f"there is no trunk '{target.trunk}'{near_match(target.trunk, trunks)}"
        return
    carriers = [trunks[target.trunk]] if target.trunk is not None else list(trunks.values())
    known = [trunk for trunk in carriers if trunk is not None]
    if known and not is_uri(target.to) and all(trunk.number_template is None for trunk in known):
        yield "to", "a number needs transfer.uri_template in the file of its trunk"
