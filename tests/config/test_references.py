"""Secrets and files that a configuration refers to."""

from __future__ import annotations

from pathlib import Path

import pytest

from sipagent.config import Secret, check, load
from sipagent.errors import ConfigError
from tests.config.files import AGENT, Write, problems

WITH_PASSWORD = "allowed_addresses: [192.0.2.1]\nauth_username: bob\nauth_password: {}\n"


def test_a_secret_comes_from_the_environment(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(trunks__pbx=WITH_PASSWORD.format("{env: TRUNK_PW}"))
    monkeypatch.delenv("TRUNK_PW", raising=False)
    assert load(path).trunks["pbx"].auth_password == Secret(env="TRUNK_PW")
    assert problems(path, check) == [
        "trunks/pbx.yaml:3: auth_password: environment variable TRUNK_PW is not set"
    ]
    monkeypatch.setenv("TRUNK_PW", "hunter2")
    secret = check(path).trunks["pbx"].auth_password
    assert secret is not None
    assert secret.resolve() == "hunter2"
    assert "hunter2" not in f"{secret} {secret!r} {secret.model_dump()}"


def test_a_secret_comes_from_a_file_that_others_cant_read(write: Write, tmp_path: Path) -> None:
    path = write(trunks__pbx=WITH_PASSWORD.format("{file: pw}"))
    file = tmp_path / "trunks/pw"
    missing = problems(path, check)
    file.write_text("hunter2\n")
    file.chmod(0o644)
    exposed = problems(path, check)
    file.chmod(0o600)
    secret = check(path).trunks["pbx"].auth_password
    assert missing == ["trunks/pbx.yaml:3: auth_password: trunks/pw can't be read: No such file or directory"]
    assert exposed == [
        "trunks/pbx.yaml:3: auth_password: trunks/pw is readable by everyone on this machine: chmod o-r it"
    ]
    assert secret is not None
    assert secret.resolve() == "hunter2"


def test_a_secret_comes_from_systemd(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(trunks__pbx=WITH_PASSWORD.format("{credential: trunk-pw}"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    by_hand = problems(path, check)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    not_loaded = problems(path, check)
    (tmp_path / "trunk-pw").write_text("hunter2\n")
    secret = check(path).trunks["pbx"].auth_password
    assert by_hand == [
        "trunks/pbx.yaml:3: auth_password: credential trunk-pw is not there:"
        " environment variable CREDENTIALS_DIRECTORY is not set"
    ]
    assert not_loaded == [
        "trunks/pbx.yaml:3: auth_password: credential trunk-pw can't be read: No such file or directory"
    ]
    assert secret is not None
    assert secret.resolve() == "hunter2"


def test_a_credential_stays_in_its_directory(write: Write) -> None:
    (problem,) = problems(write(trunks__pbx=WITH_PASSWORD.format("{credential: ../shadow}")))
    assert problem.startswith("trunks/pbx.yaml:3: auth_password.credential:")


def test_an_empty_secret_is_told(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNK_PW", " ")
    with pytest.raises(ConfigError, match="environment variable TRUNK_PW is empty"):
        Secret(env="TRUNK_PW").resolve()


def test_an_unreadable_instructions_file_is_told(write: Write) -> None:
    path = write(agents__echo=AGENT + "instructions_file: gone.txt\n")
    assert problems(path) == [
        "agents/echo.yaml:2: instructions_file: agents/gone.txt can't be read: No such file or directory"
    ]


def test_missing_sounds_are_told_by_check_alone(write: Write, tmp_path: Path) -> None:
    fallback = "fallback: {filler_file: hum.wav, steps: [{goodbye: bye.wav}]}\n"
    config = write(agents__echo="backend: {kind: prompt, file: closed.wav}\n" + fallback)
    assert load(config).agents["echo"].fallback.filler_file == tmp_path / "agents/hum.wav"
    told = problems(config, check)
    assert len(told) == 3
    assert (
        "agents/echo.yaml:1: backend.file: agents/closed.wav can't be played: No such file or directory"
        in told
    )


def test_missing_tls_files_are_told_by_check_alone(write: Write) -> None:
    path = write("sip:\n  tls:\n    certificate_file: cert.pem\n    key_file: key.pem\n")
    load(path)
    assert problems(path, check) == [
        "sipagent.yaml:3: sip.tls.certificate_file: cert.pem can't be read",
        "sipagent.yaml:4: sip.tls.key_file: key.pem can't be read",
    ]
