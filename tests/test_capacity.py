"""What a machine was seen to carry, and what the doctor makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sipagent import capacity
from sipagent.capacity import Capacity
from sipagent.config import Config
from sipagent.doctor.capacity import check, finding

HERE = "2 cores (some processor), 8 GB, Linux 6.1"


def config(max_calls: int = 50, **sections: Any) -> Config:
    return Config.model_validate({"limits": {"max_calls": max_calls}} | sections)


def measured(**changes: Any) -> Capacity:
    whole = Capacity(
        calls=120,
        broken_at=130,
        broken_by="the server: packets p99 7 ms late",
        limited_by="server",
        machine=HERE,
        version="0.1.0",
        settings=capacity.fingerprint(config()),
        measured_at="2026-11-21T08:00:00+00:00",
    )
    return msgspec.structs.replace(whole, **changes)


def test_the_peak_is_half_of_what_was_held() -> None:
    assert measured().peak == 60
    assert measured(calls=121).peak == 60


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "state" / "capacity.json"
    assert capacity.read(path) is None
    capacity.write(path, measured())
    assert capacity.read(path) == measured()
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"capacity\.json"):
        capacity.read(path)


def test_limits_within_the_peak_are_all_right() -> None:
    found = finding(config(60), measured(), HERE)
    assert (found.status, found.fix) == ("ok", "")


@pytest.mark.parametrize(
    ("settings", "changes", "told"),
    [
        (config(61), {}, "limits.max_calls is 61"),
        (config(), {"machine": "64 cores"}, "other hardware: 64 cores"),
        (config(media={"workers": 7}), {}, "other settings of media"),
    ],
)
def test_what_was_not_proven_is_told(settings: Config, changes: dict[str, Any], told: str) -> None:
    found = finding(settings, measured(**changes), HERE)
    assert found.status == "warn"
    assert told in found.detail
    assert found.fix


def test_limits_that_were_never_tried_are_told() -> None:
    found = finding(config(), None, HERE)
    assert found.status == "warn"
    assert "sipagent capacity" in found.fix


async def test_a_file_that_is_something_else_is_no_measurement(tmp_path: Path) -> None:
    settings = config(storage={"directory": str(tmp_path)})
    settings.storage.capacity.write_text("nonsense")
    (found,) = await check(settings)
    assert (found.status, found.name) == ("warn", "capacity")
    assert "capacity.json" in found.detail


async def test_this_machine_is_the_one_that_is_compared(tmp_path: Path) -> None:
    settings = config(storage={"directory": str(tmp_path)})
    capacity.write(settings.storage.capacity, measured(machine=capacity.this_machine()))
    (found,) = await check(settings)
    assert found.status == "ok"
