"""Calls: which are on, how one is or was, and what may be done to one that is on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from sipagent.api.access import Client, Reader, Writer
from sipagent.api.control import CantBeDone, Control
from sipagent.api.idempotency import IdempotentRoute
from sipagent.api.problems import RESPONSES, Problem
from sipagent.call.directors.director import (
    Accept,
    Command,
    HangUp,
    Hold,
    PressKeys,
    Reject,
    Resume,
    Transfer,
)
from sipagent.config.transfer import How
from sipagent.errors import EndReason
from sipagent.worker.orders import Inject, Say

router = APIRouter(prefix="/v1/calls", tags=["calls"], route_class=IdempotentRoute, responses=RESPONSES)

CallId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
MOST_CHARACTERS = 8000
Text = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]


class Body(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class Calls(BaseModel):
    """Calls that are on, each as a summary of its record."""

    calls: list[dict[str, Any]]


class Taken(BaseModel):
    """The call has been told. What comes of it is seen in its events."""

    call_id: str
    command: str


class Accepting(Body):
    """Of the agent that answers, this call's may differ. `agent` names another one."""

    agent: str | None = None
    instructions: Text | None = None
    greeting: Text | None = None
    voice: str | None = None


class Rejecting(Body):
    """The SIP status that the caller gets."""

    status_code: Annotated[int, Field(ge=400, le=699)] = 603


class Referring(Body):
    """Whom the caller is handed on to: one of the agent's transfers by name, a number, or a URI."""

    target: Annotated[
        str, Field(min_length=1, max_length=500, validation_alias=AliasChoices("target", "target_uri"))
    ]
    how: How | None = None
    summary: Annotated[str, Field(max_length=MOST_CHARACTERS)] = ""


class HangingUp(Body):
    """Why, for the call record."""

    detail: Annotated[str, Field(max_length=500)] = ""


class Pressing(Body):
    digits: Annotated[str, Field(pattern=r"^[0-9*#A-Da-d]{1,64}$")]


class Saying(Body):
    """What the agent is to say, word for word."""

    text: Text


class Injecting(Body):
    """What the model is let know without anybody's saying it; `respond`: it is to speak about it now."""

    text: Text
    respond: bool = False


def control_of(request: Request) -> Control:
    control: Control = request.app.state.control
    return control


Server = Annotated[Control, Depends(control_of)]


@router.get("")
async def list_calls(
    client: Reader,
    control: Server,
    trunk: str | None = None,
    agent: str | None = None,
    direction: Literal["inbound", "outbound"] | None = None,
    from_: Annotated[str | None, Query(alias="from")] = None,
    to: str | None = None,
) -> Calls:
    """Calls that are on, oldest first."""
    wanted = {"trunk": trunk, "agent": agent, "direction": direction, "from": from_, "to": to}
    asked = {key: value for key, value in wanted.items() if value is not None}
    seen = [call for call in control.live() if client.sees(call["trunk"])]
    return Calls(calls=[call for call in seen if asked.items() <= call.items()])


@router.get("/{call_id}")
async def show_call(client: Reader, control: Server, call_id: CallId) -> dict[str, Any]:
    """The call record, as far as it has got if the call is on (`call_status` is then `in-progress`)."""
    return await record_for(client, control, call_id)


@router.post("/{call_id}/accept", status_code=202)
async def accept(client: Writer, control: Server, call_id: CallId, body: Accepting | None = None) -> Taken:
    """Answer a ringing call whose agent has `accept: manual`."""
    return _do(client, control, call_id, "accept", Accept(**(body or Accepting()).model_dump()))


@router.post("/{call_id}/reject", status_code=202)
async def reject(client: Writer, control: Server, call_id: CallId, body: Rejecting | None = None) -> Taken:
    """Refuse a ringing call whose agent has `accept: manual`."""
    return _do(client, control, call_id, "reject", Reject(sip_status=(body or Rejecting()).status_code))


@router.post("/{call_id}/refer", status_code=202)
async def refer(client: Writer, control: Server, call_id: CallId, body: Referring) -> Taken:
    """Hand the caller on, when the agent has said what it is saying."""
    transfer = Transfer(target=body.target, how=body.how, summary=body.summary)
    return _do(client, control, call_id, "refer", transfer)


@router.post("/{call_id}/hangup", status_code=202)
async def hang_up(client: Writer, control: Server, call_id: CallId, body: HangingUp | None = None) -> Taken:
    """End the call at once."""
    detail = (body or HangingUp()).detail or f"by {client.name}"
    return _do(client, control, call_id, "hangup", HangUp(reason=EndReason.API_HUNG_UP, detail=detail))


@router.post("/{call_id}/dtmf", status_code=202)
async def dtmf(client: Writer, control: Server, call_id: CallId, body: Pressing) -> Taken:
    """Press keys towards the peer."""
    return _do(client, control, call_id, "dtmf", PressKeys(digits=body.digits.upper()))


@router.post("/{call_id}/hold", status_code=202)
async def hold(client: Writer, control: Server, call_id: CallId) -> Taken:
    """Put the peer on hold."""
    return _do(client, control, call_id, "hold", Hold())


@router.post("/{call_id}/resume", status_code=202)
async def resume(client: Writer, control: Server, call_id: CallId) -> Taken:
    """Take the peer up again."""
    return _do(client, control, call_id, "resume", Resume())


@router.post("/{call_id}/say", status_code=202)
async def say(client: Writer, control: Server, call_id: CallId, body: Saying) -> Taken:
    """Have the agent say exactly this, after what it is saying."""
    return _do(client, control, call_id, "say", Say(call_id=call_id, text=body.text))


@router.post("/{call_id}/inject", status_code=202)
async def inject(client: Writer, control: Server, call_id: CallId, body: Injecting) -> Taken:
    """Let the model know something."""
    told = Inject(call_id=call_id, text=body.text, respond=body.respond)
    return _do(client, control, call_id, "inject", told)


async def record_for(client: Client, control: Control, call_id: str) -> dict[str, Any]:
    """A call that this client may see. Raises Problem (404)."""
    record = await control.record(call_id)
    if record is None or not client.sees(record.get("trunk")):
        raise _unknown(call_id)
    return record


def _do(client: Client, control: Control, call_id: str, name: str, command: Command) -> Taken:
    record = control.live_record(call_id)
    if record is None or not client.sees(record.get("trunk")):
        raise _unknown(call_id)
    try:
        control.do(call_id, command)
    except CantBeDone as error:
        raise Problem(409, error.code, str(error)) from None
    return Taken(call_id=call_id, command=name)


def _unknown(call_id: str) -> Problem:
    return Problem(404, "call_unknown", f"there is no call '{call_id}'")
