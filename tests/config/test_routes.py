"""routes.yaml and lists of callers: what is valid, and how each mistake is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.config import Config, check, load
from sipagent.config.calendars import Hours
from sipagent.config.patterns import Patterns
from sipagent.errors import ConfigError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a small valid configuration with this routes.yaml, and further files by name."""

    def write(routes: str = "", **files: str) -> Path:
        contents = {
            "sipagent.yaml": "",
            "trunks/pbx.yaml": "allowed_addresses: [192.0.2.1]\nnumbers: {'*': echo}\n",
            "agents/echo.yaml": "backend: {kind: echo}\n",
            "routes.yaml": routes,
        }
        for name, text in (contents | {key.replace("__", "/"): text for key, text in files.items()}).items():
            file = tmp_path / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(dedent(text))
        return tmp_path / "sipagent.yaml"

    return write


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(path)
    return [problem.replace(f"{path.parent}/", "") for problem in raised.value.problems]


ALL_OF_IT = """\
    calendars:
      office:
        time_zone: Europe/London
        hours: {mon-fri: ["09:00-12:30", "13:30-17:30"], "sat,sun": "10:00-14:00"}
        holidays: [2026-04-03, 12-25, 12-24..01-01]
    rules:
      - name: closed
        when: {hours: not office, trunk: pbx, called: [+4420*, "~00\\\\d+"], caller: anonymous}
        refuse: {status: 480, reason: We are closed}
      - name: busy
        when: {load: {above: 0.8, of: workers}, backend: {down: echo}, header: {X-Priority: low}}
        redirect: {to: "sip:overflow.example"}
      - name: human
        transfer: {to: +442071234567, agent: echo}
      - {name: rest, agent: echo}
"""


def test_everything_that_a_rule_may_say(write: Write) -> None:
    routes = load(write(ALL_OF_IT.replace("to: +44", 'to: "+44').replace("67, agent", '67", agent'))).routes
    assert [rule.name for rule in routes.rules] == ["closed", "busy", "human", "rest"]
    assert routes.rules[0].when.trunk == ("pbx",)
    assert routes.rules[0].when.called == Patterns(("+4420*", "~00\\d+"))
    assert routes.rules[2].transfer is not None
    assert routes.rules[2].transfer.to == "+442071234567"
    assert [str(holiday) for holiday in routes.calendars["office"].holidays] == [
        "2026-04-03",
        "12-25",
        "12-24..01-01",
    ]


def test_the_routes_survive_json(write: Write) -> None:
    config = load(write(ALL_OF_IT.replace("to: +44", 'to: "+44').replace("67, agent", '67", agent')))
    assert Config.model_validate(json.loads(json.dumps(config.model_dump(mode="json")))) == config


def test_without_the_file_there_are_no_rules(write: Write) -> None:
    path = write()
    (path.parent / "routes.yaml").unlink()
    assert load(path).routes.rules == ()


RULE = "rules:\n  - name: one\n"
CALENDAR = "calendars:\n  office:\n    time_zone: UTC\n"
MISTAKES: Mapping[str, tuple[str, str]] = {
    "no action": (RULE, "routes.yaml:2: rules[0]: needs exactly one of agent, refuse, redirect, prompt,"),
    "two actions": (
        RULE + "    agent: echo\n    voicemail: echo\n",
        "routes.yaml:2: rules[0]: needs exactly one",
    ),
    "unknown agent": (
        RULE + "    agent: ehco\n",
        "rules[0].agent: there is no agent 'ehco' (did you mean 'echo'?)",
    ),
    "unknown trunk": (
        RULE + "    agent: echo\n    when: {trunk: carrier}\n",
        "routes.yaml:4: rules[0].when.trunk: there is no trunk 'carrier' (known: pbx)",
    ),
    "unknown calendar": (
        RULE + "    agent: echo\n    when:\n      hours: not office\n",
        "routes.yaml:5: rules[0].when.hours: there is no calendar 'office'",
    ),
    "unknown agent in a transfer": (
        RULE + "    transfer: {to: '1', agent: bot}\n",
        "rules[0].transfer.agent: there is no agent 'bot'",
    ),
    "unknown backend": (
        RULE + "    agent: echo\n    when: {backend: {down: bot}}\n",
        "rules[0].when.backend.down: there is no agent 'bot'",
    ),
    "unknown key": (
        RULE + "    agent: echo\n    when: {hour: office}\n",
        "rules[0].when.hour: unknown key (did you mean 'hours'?)",
    ),
    "an agent that is no prompt": (
        RULE + "    prompt: echo\n",
        "rules[0].prompt: agent 'echo' has a backend of kind echo: write agent: echo",
    ),
    "an unknown key of a prompt": (
        RULE + "    prompt: {file: a.wav, time: 1}\n",
        "rules[0].prompt.time: unknown key (did you mean 'times'?)",
    ),
    "one name twice": (
        "rules:\n  - {name: a, agent: echo}\n  - {name: a, agent: echo}\n",
        "routes.yaml:3: rules[1].name: rule 1 is called 'a' too",
    ),
    "an unquoted number": (
        RULE + "    agent: echo\n    when: {called: +442071234567}\n",
        "rules[0].when.called: must be text: put it in quotes",
    ),
    "a bad expression": (
        RULE + "    agent: echo\n    when: {called: '~+44'}\n",
        "rules[0].when.called: ~+44 is no regular expression: nothing to repeat",
    ),
    "no pattern": (RULE + "    agent: echo\n    when: {called: []}\n", "names nothing to match"),
    "a bad target": (
        RULE + "    redirect: {to: overflow.example}\n",
        "rules[0].redirect.to: must be a URI such as 'sip:+15550100@pbx.example'",
    ),
    "a phrase of two lines": (
        RULE + '    refuse: {reason: "a\\nb"}\n',
        "rules[0].refuse.reason: must be one line without quotation marks",
    ),
    "bad hours": (
        CALENDAR + "    hours: {mon: 9-17}\n",
        "calendars.office.hours.mon: must be such as '09:00-17:30'",
    ),
    "hours of no length": (CALENDAR + "    hours: {mon: '09:00-09:00'}\n", "must be two different times"),
    "bad weekday": (CALENDAR + "    hours: {monday: '09:00-17:00'}\n", "'monday' must be of mon, tue"),
    "bad holiday": (
        CALENDAR + "    hours: {mon: '09:00-17:00'}\n    holidays: [02-30]\n",
        "calendars.office.holidays[0]: there is no 02-30",
    ),
    "a range that ends before it begins": (
        CALENDAR + "    hours: {mon: '09:00-17:00'}\n    holidays: [2026-05-02..2026-05-01]\n",
        "ends before it begins",
    ),
    "bad time zone": (
        "calendars:\n  office: {time_zone: Londn, hours: {mon: '09:00-17:00'}}\n",
        "calendars.office.time_zone: is not a time zone such as Europe/London",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_told_with_its_place(write: Write, mistake: str) -> None:
    routes, told = MISTAKES[mistake]
    found = problems(write(routes))
    assert any(told in problem for problem in found), found
    assert all(problem.startswith("routes.yaml:") for problem in found)


def test_sounds_of_rules_must_be_there_to_start(write: Write) -> None:
    path = write(RULE + "    prompt: {file: nowhere.wav}\n")
    assert load(path).routes.rules[0].local_agent is not None
    with pytest.raises(ConfigError) as raised:
        check(path)
    assert "routes.yaml:3: rules[0].prompt.file:" in str(raised.value)


# --- callers ----------------------------------------------------------------------------------------


def test_lists_of_callers_may_stand_in_files(write: Write) -> None:
    path = write(
        **{
            "sipagent.yaml": "callers: {block: [anonymous], block_file: blocked.txt}\n",
            "blocked.txt": "# pests\n+15550001\n\n+44900*  # premium rate\n~00\\d+\n",
        }
    )
    callers = check(path).callers
    assert callers.block.texts == ("anonymous", "+15550001", "+44900*", "~00\\d+")
    assert callers.block_file is None


@pytest.mark.parametrize(
    ("key", "content", "told"),
    [
        ("block_file", None, "sipagent.yaml:1: callers.block_file:"),
        ("block_file", "+1555\n~(\n", "list.txt:2: ~( is no regular expression"),
        ("allow_file", "# nobody\n", "sipagent.yaml:1: callers.allow_file:"),
    ],
)
def test_a_bad_list_of_callers(write: Write, key: str, content: str | None, told: str) -> None:
    files = {} if content is None else {"list.txt": content}
    found = problems(write(**{"sipagent.yaml": f"callers: {{{key}: list.txt}}\n"}, **files))
    assert found
    assert told in found[0]


# --- patterns and times -----------------------------------------------------------------------------


@given(
    st.lists(st.text("+0123456789", min_size=1, max_size=6), max_size=5), st.text("+0123456789", max_size=8)
)
def test_prefixes_match_what_begins_so(prefixes: list[str], number: str) -> None:
    found = Patterns.parse([f"{prefix}*" for prefix in prefixes]).match(number)
    assert (found is not None) == any(number.startswith(prefix) for prefix in prefixes)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("*", "", True),
        ("100", "1000", False),
        ("~1\\d", "10", True),
        ("~1\\d", "100", False),
        ("~.*", "9" * 257, False),
        ("~x*", "xxx", True),
        ("+*", "+44", True),
    ],
)
def test_patterns(pattern: str, text: str, matches: bool) -> None:
    assert (Patterns.parse(pattern).match(text) is not None) is matches


@given(st.integers(0, 1439), st.integers(0, 1440))
def test_hours_read_back_as_they_are_written(start: int, end: int) -> None:
    if start != end:
        assert Hours.parse(str(Hours(start, end))) == Hours(start, end)
