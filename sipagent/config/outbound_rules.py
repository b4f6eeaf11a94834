"""What must hold between `outbound` and the trunks and calendars that it names."""

from __future__ import annotations

from collections.abc import Iterator

from sipagent.config.document import Problem
from sipagent.config.files import Files
from sipagent.config.outbound import OutboundConfig
from sipagent.config.validation import near_match

Location = tuple[str | int, ...]


def problems(files: Files) -> Iterator[Problem]:
    """Names that nobody has, and prefixes of which nothing can follow."""
    if (server := files.server.section) is None:
        return
    for location, message in _wrong_with(server.outbound, files):
        yield files.server.document.problem(("outbound", *location), message)


def _wrong_with(outbound: OutboundConfig, files: Files) -> Iterator[tuple[Location, str]]:
    yield from _trunk(outbound, files)
    yield from _calendars(outbound, files)
    for index, prefix in enumerate(outbound.allow):
        if prefix in outbound.deny:
            yield ("allow", index), f"'{prefix}' stands in deny too"
    for name, pool in outbound.pools.items():
        for index, number in enumerate(pool.numbers):
            if number in pool.numbers[:index]:
                yield ("pools", name, "numbers", index), f"'{number}' stands here twice"


def _trunk(outbound: OutboundConfig, files: Files) -> Iterator[tuple[Location, str]]:
    trunks = {trunk.name: trunk.section for trunk in files.trunks}
    if outbound.trunk is None:
        return
    if outbound.trunk not in trunks:
        yield ("trunk",), f"there is no trunk '{outbound.trunk}'{near_match(outbound.trunk, trunks)}"
        return
    section = trunks[outbound.trunk]
    if section is not None and outbound.allow and section.number_template is None:
        yield ("trunk",), f"calling numbers needs transfer.uri_template in the file of '{outbound.trunk}'"


def _calendars(outbound: OutboundConfig, files: Files) -> Iterator[tuple[Location, str]]:
    if files.routes is not None and files.routes.section is None:
        return
    calendars = files.routes.section.calendars if files.routes and files.routes.section else {}
    for name, policy in outbound.policies.items():
        if policy.hours is not None and policy.hours not in calendars:
            message = f"there is no calendar '{policy.hours}' in routes.yaml"
            yield ("policies", name, "hours"), message + near_match(policy.hours, calendars)
