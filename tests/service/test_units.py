"""What the files in `systemd/` promise, as far as it can be read off them."""

from __future__ import annotations

import re
from pathlib import Path

from sipagent.config import Config
from sipagent.config.server import LimitsConfig, RtpConfig
from sipagent.console import EX_CONFIG
from sipagent.doctor import kernel
from sipagent.doctor.host import open_files

SYSTEMD = Path(__file__).parents[2] / "systemd"
#: The most that pjsua2 carries (pjsua2/config_site.h).
MAX_CALLS = 2048


def settings(name: str) -> dict[str, str]:
    """The assignments of a unit; of keys that come twice, the last."""
    lines = (SYSTEMD / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Za-z]+=", line))


def test_the_template_differs_in_names_alone() -> None:
    ours, template = settings("sipagent.service"), settings("sipagent@.service")
    renamed = {key: value.replace("/etc/sipagent/", "/etc/sipagent/%i/") for key, value in ours.items()} | {
        key: f"{value}/%i" for key, value in ours.items() if value == "sipagent" and "Directory" in key
    }
    renamed["Description"] = ours["Description"].replace("sipagent", "sipagent %i", 1)
    assert template == renamed


def test_the_limit_of_open_files_is_enough_for_any_configuration() -> None:
    most = Config(rtp=RtpConfig(first_port=1024, last_port=65535), limits=LimitsConfig(max_calls=MAX_CALLS))
    finding = open_files(most, int(settings("sipagent.service")["LimitNOFILE"]))
    assert finding.status == "ok", finding


def test_a_wrong_configuration_is_not_tried_again() -> None:
    assert settings("sipagent.service")["RestartPreventExitStatus"] == str(EX_CONFIG)


def test_the_doctor_wants_what_the_sysctl_file_sets() -> None:
    lines = (SYSTEMD / "sysctl.d/90-sipagent.conf").read_text().splitlines()
    values = dict(line.split(" = ") for line in lines if re.match(r"-?net", line))
    ours = {name: int(values[name]) for name in kernel.WANTED}
    assert ours == kernel.WANTED
    assert kernel.buffers(ours).status == "ok"


def test_small_buffers_are_told_with_their_fix() -> None:
    finding = kernel.buffers({"net.core.rmem_default": 212_992, "net.core.netdev_max_backlog": 8192})
    assert (finding.status, "net.core.rmem_default" in finding.fix) == ("warn", True)
    assert "netdev" not in finding.fix
