"""What every call may use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from rtp.ports import PortPool
from sipagent import events
from sipagent.call.admission.load import CallLoad
from sipagent.call.current import CurrentConfig
from sipagent.call.record.costs import Costs
from sipagent.call.record.log import CallLog
from sipagent.config import Config
from sipagent.metrics import Metrics
from sipagent.sip.call import SipCall
from sipagent.sip.messages import LocalMedia
from sipagent.sip.public_address import PublicAddresses
from sipagent.tools.toolbox import Toolbox
from sipagent.worker.control.supervisor import Supervisor


class PlaceCall(Protocol):
    """See `SipAgent.place_call`."""

    def __call__(
        self,
        trunk: str,
        to_uri: str,
        local: LocalMedia,
        *,
        from_uri: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        hide_caller: bool = False,
    ) -> SipCall: ...


@dataclass(frozen=True, slots=True)
class House:
    """Shared by all calls of a server. `watch` sees every event of every call."""

    current: CurrentConfig
    load: CallLoad
    ports: PortPool
    workers: Supervisor
    calls: CallLog
    costs: Costs
    metrics: Metrics
    addresses: PublicAddresses
    registered_sources: Callable[[], Mapping[str, frozenset[str]]]
    watch: Callable[[events.Event], None]
    place_call: PlaceCall
    tools: Toolbox

    @property
    def config(self) -> Config:
        """As it is now: after a reload it is another one."""
        return self.current.config
