"""The machine: its scheduler, open files, clock and storage."""

from __future__ import annotations

import os
from pathlib import Path

from sipagent.doctor import host
from sipagent.worker.priority import Standing
from tests.doctor.findings import config


def test_workers_should_be_allowed_to_run_in_real_time() -> None:
    assert host.scheduling(Standing.REAL_TIME).status == "ok"
    for standing in (Standing.NICE, Standing.ORDINARY):
        found = host.scheduling(standing)
        assert (found.status, "LimitRTPRIO=1" in found.fix) == ("warn", True)


async def test_asking_for_real_time_leaves_the_doctor_as_it_was() -> None:
    before = os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)
    (finding,) = await host.check_scheduling(config())
    assert finding.name == "scheduling"
    assert (os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)) == before


def test_open_files_must_suffice_for_all_calls() -> None:
    many = config(limits={"max_calls": 1000})
    short = host.open_files(many, 1024)
    assert short.status == "fail"
    assert short.detail == "1024 allowed, 12256 needed for 5000 pairs of ports and 1000 calls"
    assert short.fix.startswith("Set LimitNOFILE=12256 in the unit")
    assert host.open_files(many, 65536).status == "ok"
    assert host.open_files(many, -1).status == "ok"


def test_a_clock_must_be_right_and_should_be_kept_so() -> None:
    now = 4e9
    assert host.clock(now, synchronised=True).status == "ok"
    assert host.clock(now, synchronised=None).detail.endswith("synchronisation unknown")
    assert host.clock(now, synchronised=False).status == "warn"
    assert host.clock(0.0, synchronised=True).detail.startswith("1970-01-01T00:00:00")
    assert host.clock(0.0, synchronised=True).status == "fail"


async def test_the_clock_of_this_machine_can_be_read() -> None:
    (finding,) = await host.check_clock(config())
    assert finding.status in {"ok", "warn"}


def test_storage_may_be_made_where_its_parent_is_ours(tmp_path: Path) -> None:
    finding = host.storage(config(storage={"directory": tmp_path / "new" / "sipagent"}))
    assert finding.status in {"ok", "warn"}
    assert "GB free" in finding.detail


def test_storage_that_is_no_directory_fails(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    finding = host.storage(config(storage={"directory": tmp_path / "file"}))
    assert (finding.status, finding.detail) == ("fail", f"{tmp_path}/file can't be written")


def test_space_is_told_in_hours_of_recording() -> None:
    plenty = host.space(config(), 500_000_000_000)
    assert plenty.status == "ok"
    assert plenty.detail.endswith("500.0 GB free: 43 h of recording every call")
    assert host.space(config(), 1_000_000_000).status == "warn"
