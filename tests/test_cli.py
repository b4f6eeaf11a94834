"""The command line: what is printed, and with which status it exits."""

from __future__ import annotations

from pathlib import Path

import pytest

from sipagent import cli
from sipagent.doctor import Finding
from tests.command_line import sipagent

GOOD = {
    "sipagent.yaml": "storage: {directory: state}\n",
    "trunks/pbx.yaml": "allowed_addresses: [192.0.2.1]\nnumbers: {'100': echo}\ncodecs: [PCMA]\n",
    "agents/echo.yaml": "backend: {kind: echo}\n",
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that is good."""
    for name, text in GOOD.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path / "sipagent.yaml"


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.out, "_width", 200)
    monkeypatch.setattr(cli.err, "_width", 200)


# --- check ------------------------------------------------------------------------------------------


def test_check_says_that_a_good_configuration_is_good(config: Path) -> None:
    result = sipagent("check", "-c", config)
    assert result.exit_code == 0
    assert "is good. Trunks: pbx. Agents: echo." in result.stdout


def test_check_reports_every_problem_at_once_and_exits_78(config: Path) -> None:
    (config.parent / "trunks" / "pbx.yaml").write_text(
        "allowed_adresses: [192.0.2.1]\nnumbers: {'100': eco}\n"
    )
    config.write_text("limits: {max_calls: 0}\n")
    result = sipagent("check", "-c", config)
    assert result.exit_code == 78
    assert result.stdout == ""
    assert "pbx.yaml:1" in result.stderr
    assert "allowed_addresses" in result.stderr
    assert "sipagent.yaml:1" in result.stderr
    assert "problems" in result.stderr.splitlines()[-1]


def test_check_and_run_want_every_secret_and_route_test_does_not(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRUNK_PASSWORD", raising=False)
    trunk = config.parent / "trunks" / "pbx.yaml"
    trunk.write_text(trunk.read_text() + "auth_username: me\nauth_password: {env: TRUNK_PASSWORD}\n")
    for command in ("check", "run"):
        result = sipagent(command, "-c", config)
        assert result.exit_code == 78
        assert "environment variable TRUNK_PASSWORD is not set" in result.stderr
    assert sipagent("route-test", "100", "--source", "192.0.2.1", "-c", config).exit_code == 0


def test_check_of_a_file_that_is_not_there_exits_78(tmp_path: Path) -> None:
    result = sipagent("check", "-c", tmp_path / "none.yaml")
    assert result.exit_code == 78
    assert "none.yaml" in result.stderr


# --- run --------------------------------------------------------------------------------------------


def test_run_starts_nothing_with_a_bad_configuration(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "Server", None)
    config.write_text("limits: {max_calls: 0}\n")
    assert sipagent("run", "-c", config).exit_code == 78


def test_run_says_in_one_line_why_it_cannot_start(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Taken:
        def __init__(self, settings: object, path: Path) -> None:
            pass

        async def run(self) -> None:
            raise OSError(98, "Address already in use")

    monkeypatch.setattr(cli, "Server", Taken)
    monkeypatch.setattr(cli.logs, "configure", lambda settings: None)
    result = sipagent("run", "-c", config)
    assert result.exit_code == 1
    assert result.stderr == "sipagent can't start: [Errno 98] Address already in use\n"


# --- route-test -------------------------------------------------------------------------------------


def test_route_test_shows_every_rule_and_where_the_call_goes(config: Path) -> None:
    result = sipagent("route-test", "100", "--source", "192.0.2.1", "-c", config)
    assert result.exit_code == 0
    *rules, outcome = result.stdout.splitlines()
    assert outcome == "admitted: pbx/100 -> echo"
    assert all(rule.startswith("pass ") for rule in rules)
    asked = [rule.split()[1] for rule in rules]
    assert asked[:5] == ["trunk", "draining", "server_callers", "trunk_callers", "number"]


@pytest.mark.parametrize(
    ("arguments", "rule", "refusal"),
    [
        (["100", "--source", "203.0.113.9"], "trunk", "403 trunk_unknown"),
        (["200", "--source", "192.0.2.1"], "number", "404 number_unknown"),
        (["100", "--source", "192.0.2.1", "--codecs", "G729,opus"], "codec", "488 no_common_codec"),
    ],
    ids=["source", "number", "codec"],
)
def test_route_test_names_the_rule_that_refuses(
    config: Path, arguments: list[str], rule: str, refusal: str
) -> None:
    result = sipagent("route-test", *arguments, "-c", config)
    assert result.exit_code == 1
    *rules, outcome, header = result.stdout.splitlines()
    assert outcome == f"refused: {refusal}"
    status, reason_code = refusal.split()
    assert header == f'Reason: SIP;cause={status};text="{reason_code}"'
    assert rules[-1].split()[:2] == ["FAIL", rule]
    assert all(line.startswith("pass ") for line in rules[:-1])


def test_route_test_supposes_an_hour_a_header_a_load_and_backends(config: Path) -> None:
    rules = """\
calendars: {office: {time_zone: Europe/London, hours: {mon-fri: "09:00-17:00"}}}
rules:
  - {name: closed, when: {hours: not office}, refuse: {status: 480, reason: Closed}}
  - {name: vip, when: {header: {X-Line: "vip*"}}, agent: echo}
  - {name: full, when: {load: {above: 0.8}}, redirect: {to: "sip:1@overflow.example"}}
"""
    config.with_name("routes.yaml").write_text(rules)
    monday = ("route-test", "100", "--source", "192.0.2.1", "-c", config, "--at", "2026-06-15T12:00:00+0100")
    plain = sipagent(*monday)
    assert plain.stdout.splitlines()[-1] == "admitted: pbx/100 -> echo"
    assert "skip  route:vip" in plain.stdout
    assert (
        sipagent(*monday, "--header", "X-Line: vip-1").stdout.splitlines()[-1] == "admitted: pbx/vip -> echo"
    )
    full = sipagent(*monday, "--load", "0.9")
    assert full.exit_code == 0
    assert full.stdout.splitlines()[-1] == "redirected: 302 to sip:1@overflow.example (pbx/full)"
    assert sipagent(*monday, "--backend-down", "echo").stdout.splitlines()[-2] == "refused: 503 backend_down"
    closed = sipagent(*monday[:-1], "2026-06-15T17:00:00+0100")
    assert closed.exit_code == 1
    assert closed.stdout.splitlines()[-2:] == [
        "refused: 480 Closed",
        'Reason: SIP;cause=480;text="route_refused closed"',
    ]


def test_route_test_of_a_late_offer_needs_no_codec(config: Path) -> None:
    result = sipagent("route-test", "100", "--source", "192.0.2.1", "--codecs", "", "-c", config)
    assert result.exit_code == 0


def test_a_number_is_printed_as_it_is_and_not_as_markup(config: Path) -> None:
    result = sipagent("route-test", "[red]100", "--source", "192.0.2.1", "-c", config)
    assert "[red]100" in result.stdout


# --- doctor -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "exit_code"), [("ok", 0), ("warn", 0), ("fail", 1)])
def test_doctor_prints_findings_and_fails_on_what_must_be_fixed(
    config: Path, monkeypatch: pytest.MonkeyPatch, status: str, exit_code: int
) -> None:
    finding = Finding("file limit", status, "1024 files", "Raise it: ulimit -n 65536.")  # type: ignore[arg-type]
    monkeypatch.setattr(cli.doctor, "run", lambda settings: [finding])
    result = sipagent("doctor", "-c", config)
    assert result.exit_code == exit_code
    assert result.stdout.splitlines()[1].split("  ")[0] == "file limit"
    assert "Raise it: ulimit -n 65536." in result.stdout


def test_doctor_examines_the_machine_even_without_a_configuration(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("limits: {max_calls: 0}\n")
    monkeypatch.setattr(cli.doctor, "run", lambda settings: [Finding("clock", "ok", "in step", "")])
    result = sipagent("doctor", "-c", config)
    assert result.exit_code == 1
    assert "can't be used, so only the machine is examined" in result.stderr
    assert "in step" in result.stdout


def test_doctor_finds_something_to_say_about_this_machine(config: Path) -> None:
    result = sipagent("doctor", "-c", config)
    assert result.exit_code in (0, 1)
    assert "pjsua2" in result.stdout


# --- the rest ---------------------------------------------------------------------------------------


def test_without_a_command_there_is_help() -> None:
    result = sipagent()
    for command in ("run", "check", "route-test", "doctor", "simulate", "demo"):
        assert command in result.output
