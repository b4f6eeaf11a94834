"""Trunks, agents, and the server as a whole."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from sipagent.api.access import Admin, Reader, TrunkReader
from sipagent.api.calls import Body, Server
from sipagent.api.problems import RESPONSES, Problem

router = APIRouter(prefix="/v1", tags=["operations"], responses=RESPONSES)


class Trunks(BaseModel):
    trunks: list[dict[str, Any]]


class Agents(BaseModel):
    agents: list[dict[str, Any]]


class Draining(Body):
    """False takes calls again."""

    draining: bool = True


class Drained(BaseModel):
    """`calls` are on, and may finish."""

    draining: bool
    calls: int


class ReloadDone(BaseModel):
    """What has changed."""

    changes: dict[str, Any]


@router.get("/trunks")
async def trunks(client: TrunkReader, control: Server) -> Trunks:
    """Trunks, whether they are registered, and how many calls are on."""
    return Trunks(trunks=[trunk for trunk in control.trunks() if client.sees(trunk["name"])])


@router.get("/agents")
async def agents(client: Reader, control: Server) -> Agents:
    """Agents, their backends, and how many calls each has."""
    return Agents(agents=control.agents())


@router.post("/reload")
async def reload(client: Admin, control: Server) -> ReloadDone:
    """Read the configuration anew. If anything is wrong with it nothing changes (422)."""
    reloaded = await control.reload()
    if reloaded.problems:
        raise Problem(422, "configuration_invalid", "\n".join(reloaded.problems))
    return ReloadDone(changes=dict(reloaded.changes))


@router.post("/drain")
async def drain(client: Admin, control: Server, body: Draining | None = None) -> Drained:
    """Take no new calls (503 `draining`), and let those that are on finish. The server goes on running."""
    draining = (body or Draining()).draining
    return Drained(draining=draining, calls=control.drain(draining))
