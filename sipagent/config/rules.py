"""What must hold between sections and files: each rule yields the problems it finds."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sipagent.config import agent_rules, api_rules, outbound_rules, route_rules, transfer_rules
from sipagent.config.agent import AgentConfig, OpenAIRealtimeConfig, PromptConfig, VoicemailConfig
from sipagent.config.document import Problem
from sipagent.config.files import Files
from sipagent.config.prices import BudgetConfig, PricesConfig
from sipagent.config.validation import Loaded, near_match
from sipagent.config.values import HostPort, Secret
from sipagent.sounds import files as sounds

Rule = Callable[[Files], Iterator[Problem]]
#: Keys and indices from the top of a file.
Location = tuple[str | int, ...]


def problems(files: Files) -> Iterator[Problem]:
    """Every rule over everything that is valid by itself."""
    for rule in RULES:
        yield from rule(files)


def _something_to_do(files: Files) -> Iterator[Problem]:
    for folder, found in (("trunks", files.trunks), ("agents", files.agents)):
        if not found:
            yield files.server.document.problem((), f"there is no {folder}/*.yaml beside this file")


def _names_are_unique(files: Files) -> Iterator[Problem]:
    for loaded in (files.trunks, files.agents):
        times = Counter(each.name for each in loaded)
        for each in loaded:
            others = [o.document.path.name for o in loaded if o.name == each.name and o is not each]
            if times[each.name] > 1:
                message = f"'{each.name}' is also the name of {', '.join(others)}"
                yield each.document.problem(("name",), message)


def _numbers_reach_agents(files: Files) -> Iterator[Problem]:
    known = {agent.name for agent in files.agents}
    for trunk in files.trunks:
        for number, agent in (trunk.section.numbers if trunk.section else {}).items():
            if agent not in known:
                message = f"there is no agent '{agent}'{near_match(agent, known)}"
                yield trunk.document.problem(("numbers", number), message)


def _peers_are_distinct(files: Files) -> Iterator[Problem]:
    """One source address must mean one trunk."""
    peers = [
        (trunk, index, network)
        for trunk in files.trunks
        for index, network in enumerate(trunk.section.allowed_addresses if trunk.section else ())
    ]
    for (one, _, network), (other, index, wider) in combinations(peers, 2):
        if one is not other and network.version == wider.version and network.overlaps(wider):
            message = f"{wider} overlaps {network} of trunk '{one.name}'"
            yield other.document.problem(("allowed_addresses", index), message)


def _transports_have_listeners(files: Files) -> Iterator[Problem]:
    if (server := files.server.section) is None:
        return
    for trunk in files.trunks:
        if trunk.section and server.sip.listener(trunk.section.transport) is None:
            message = f"sip.listen_{trunk.section.transport} is not set in {files.server.document.path.name}"
            yield trunk.document.problem(("transport",), message)


def _listeners_are_distinct(files: Files) -> Iterator[Problem]:
    if (server := files.server.section) is None:
        return
    tcp: dict[tuple[str, str], HostPort | None] = {
        ("sip", "listen_tcp"): server.sip.listen_tcp,
        ("sip", "listen_tls"): server.sip.listen_tls,
        ("http", "listen"): server.http.listen,
    }
    for (first, one), (second, other) in combinations(tcp.items(), 2):
        if one and other and _collide(one, other):
            yield files.server.document.problem(second, f"{other} is taken by {'.'.join(first)}")


def _collide(one: HostPort, other: HostPort) -> bool:
    any_host = {"0.0.0.0", "::"}
    return one.port == other.port and (one.host == other.host or bool({one.host, other.host} & any_host))


def _ports_carry_calls(files: Files) -> Iterator[Problem]:
    if (server := files.server.section) is None:
        return
    rtp, calls = server.rtp, server.limits.max_calls
    if rtp.port_pairs < calls:
        message = (
            f"{rtp.first_port}-{rtp.last_port} is {rtp.port_pairs} pairs of ports, too few for"
            f" limits.max_calls {calls}: last_port must be at least {rtp.first_port + 2 * calls - 1}"
        )
        yield files.server.document.problem(("rtp", "last_port"), message)
    sip_port = server.sip.listen_udp.port if server.sip.listen_udp else 0
    if rtp.first_port <= sip_port <= rtp.last_port:
        message = f"port {sip_port} is inside rtp.first_port to rtp.last_port"
        yield files.server.document.problem(("sip", "listen_udp"), message)


def _trunk_limits_fit(files: Files) -> Iterator[Problem]:
    if (server := files.server.section) is None:
        return
    for trunk in files.trunks:
        calls = trunk.section.max_calls if trunk.section else None
        if calls is not None and calls > server.limits.max_calls:
            message = f"{calls} is above limits.max_calls {server.limits.max_calls} of the server"
            yield trunk.document.problem(("max_calls",), message)


def _stun_has_a_server(files: Files) -> Iterator[Problem]:
    if (server := files.server.section) is None or server.stun_server is not None:
        return
    if server.public_address == "stun":
        yield files.server.document.problem(("public_address",), "stun needs stun_server in this file")
    for trunk in files.trunks:
        if trunk.section and trunk.section.public_address == "stun" and trunk.section.stun_server is None:
            message = f"stun needs stun_server here or in {files.server.document.path.name}"
            yield trunk.document.problem(("public_address",), message)


def _agents_know_their_task(files: Files) -> Iterator[Problem]:
    for agent in files.agents:
        section = agent.section
        if section and isinstance(section.backend, OpenAIRealtimeConfig) and not section.instructions:
            message = "write instructions or instructions_file: the model needs a task"
            yield agent.document.problem((), message)


def _prices_stand_in_one_place(files: Files) -> Iterator[Problem]:
    server = files.server.section
    if server is not None and server.prices is not None and files.prices is not None:
        message = f"stands in {files.prices.document.path.name} too: write prices in one place"
        yield files.server.document.problem(("prices",), message)


def _prices_are_of_known_trunks(files: Files) -> Iterator[Problem]:
    known = {trunk.name for trunk in files.trunks}
    places: list[tuple[Loaded[Any], tuple[str, ...], PricesConfig | None]] = [
        (files.server, ("prices",), files.server.section.prices if files.server.section else None)
    ]
    if files.prices is not None:
        places.append((files.prices, (), files.prices.section))
    for loaded, location, prices in places:
        for trunk in prices.trunks if prices else ():
            if trunk not in known:
                message = f"there is no trunk '{trunk}'{near_match(trunk, known)}"
                yield loaded.document.problem((*location, "trunks", trunk), message)


def _budgets_have_prices(files: Files) -> Iterator[Problem]:
    if files.prices is not None or files.server.section is None or files.server.section.prices is not None:
        return
    for loaded in files:
        budget: BudgetConfig | None = getattr(loaded.section, "budget", None)
        if budget is not None and (budget.per_day is not None or budget.per_month is not None):
            message = "needs prices (prices.yaml beside sipagent.yaml): without them nothing costs anything"
            yield loaded.document.problem(("budget",), message)


RULES: tuple[Rule, ...] = (
    _something_to_do,
    _names_are_unique,
    _numbers_reach_agents,
    _peers_are_distinct,
    _transports_have_listeners,
    _listeners_are_distinct,
    _ports_carry_calls,
    _trunk_limits_fit,
    _stun_has_a_server,
    route_rules.problems,
    transfer_rules.problems,
    _agents_know_their_task,
    agent_rules.problems,
    _prices_stand_in_one_place,
    _prices_are_of_known_trunks,
    _budgets_have_prices,
    api_rules.problems,
    outbound_rules.problems,
)


def unusable_references(files: Files) -> Iterator[Problem]:
    """Secrets, files and functions that the configuration refers to and that can't be used now."""
    for agent in files.agents:
        for place, sound in _sounds(agent.section):
            if message := sounds.problem(sound):
                yield agent.document.problem(place, message)
    for each in files:
        for location, secret in _secrets(each.section):
            if message := secret.problem():
                yield each.document.problem(location, message)
    tls = files.server.section.sip.tls if files.server.section else None
    for key in ("certificate_file", "key_file", "ca_file"):
        file: Path | None = getattr(tls, key, None)
        if file is not None and not (file.is_file() and os.access(file, os.R_OK)):
            yield files.server.document.problem(("sip", "tls", key), f"{file} can't be read")
    yield from transfer_rules.unreadable(files)
    yield from agent_rules.unusable_references(files)
    yield from api_rules.unusable(files)
    yield from route_rules.unusable_references(files)


def _sounds(agent: AgentConfig | None) -> Iterator[tuple[tuple[str, ...], Path]]:
    """The sound files that an agent plays."""
    match agent.backend if agent is not None else None:
        case PromptConfig(file=file):
            yield ("backend", "file"), file
        case VoicemailConfig(greeting_file=Path() as file):
            yield ("backend", "greeting_file"), file


def _secrets(value: Any, location: Location = ()) -> Iterator[tuple[Location, Secret]]:
    if isinstance(value, Secret):
        yield location, value
    elif isinstance(value, (BaseModel, dict)):
        for key, item in value.items() if isinstance(value, dict) else value:
            yield from _secrets(item, (*location, key))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _secrets(item, (*location, index))
