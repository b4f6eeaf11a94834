"""Calls to be placed: one at once, or many as there is room; what became of them, and campaigns of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from sipagent.api.access import Client, DialReader, Originator
from sipagent.api.calls import Body
from sipagent.api.idempotency import IdempotentRoute
from sipagent.api.problems import RESPONSES, Problem
from sipagent.outbound.desk import Desk
from sipagent.outbound.dial import Dial, IllegalMove, State, Wish
from sipagent.outbound.dispatch import NoRoom
from sipagent.outbound.intake import Asked, Refusal, Target, Terms, Variables
from sipagent.outbound.outward import shown, summed_up
from sipagent.outbound.store import Filter

router = APIRouter(prefix="/v1", tags=["dials"], route_class=IdempotentRoute, responses=RESPONSES)

MOST_RECIPIENTS, MOST_LISTED = 1000, 500
#: Rules that say no to whoever asks, however well it is asked.
FORBIDDING = frozenset(
    {"destination_not_allowed", "destination_denied", "host_not_allowed", "caller_not_ours"}
)
#: Rules that are about us, and not about the token.
UNAVAILABLE = frozenset({"dial_queue_full", "dial_store_failed"})

DialId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Campaign = Annotated[str, Path(pattern=r"^[\w.-]{1,64}$")]


class Recipient(Body):
    """One to be called. `variables` are laid over those of all."""

    to: Target
    variables: Variables = Field(default_factory=dict)


class Batch(Terms):
    """Many to be called on the same terms, as there is room."""

    dials: Annotated[list[Recipient], Field(min_length=1, max_length=MOST_RECIPIENTS)]


class DialTaken(BaseModel):
    """The dial is kept, and will be placed, restarts or not. What comes of it is at `/v1/dials/ID`.

    `call_id` is that of its last call, once there is one.
    """

    dial_id: str
    state: State
    call_id: str | None


class NotTaken(BaseModel):
    """One of a batch that a rule refuses, by its place in the list, from 0."""

    index: int
    reason_code: str
    detail: str


class BatchTaken(BaseModel):
    """`dials` stand in the order of the list."""

    dials: list[DialTaken]
    refused: list[NotTaken]


class Dials(BaseModel):
    """The newest first. `next` goes into `before` for the page after."""

    dials: list[dict[str, Any]]
    next: str | None


class CampaignState(BaseModel):
    """How its dials stand: by `states`, and by the `outcomes` of their last attempts."""

    campaign: str
    paused: bool
    dials: int
    states: dict[str, int]
    outcomes: dict[str, int]


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


async def store_failed(request: Request, error: Exception) -> JSONResponse:
    """The answer to whatever needs a disk that refuses."""
    return Problem(503, "dial_store_failed", str(error)).response()


AtDesk = Annotated[Desk, Depends(desk_of)]


@router.post("/calls", status_code=202)
async def originate(client: Originator, desk: AtDesk, body: Asked) -> DialTaken:
    """Call somebody, now or as soon as there is room. 429 where a cap of the token is reached."""
    try:
        wish = desk.wish(body, client.name, client.sees)
    except Refusal as refusal:
        raise _refused(refusal) from None
    (dial,) = await _taken(desk, [wish], client, at_once=True)
    return _told(dial)


@router.post("/dials", status_code=202)
async def originate_many(client: Originator, desk: AtDesk, body: Batch) -> BatchTaken:
    """Call many, as pace and caps allow. Those whom a rule refuses are left out, and named."""
    terms = Asked(**body.model_dump(exclude={"dials"}, exclude_unset=True), to=body.dials[0].to)
    wishes: list[Wish] = []
    refused: list[NotTaken] = []
    for index, one in enumerate(body.dials):
        own = {"to": one.to, "variables": body.variables | one.variables}
        try:
            wishes.append(desk.wish(terms.model_copy(update=own), client.name, client.sees))
        except Refusal as refusal:
            refused.append(NotTaken(index=index, reason_code=refusal.rule, detail=refusal.detail))
            first = refusal
    if not wishes:
        raise _refused(first)
    taken = await _taken(desk, wishes, client, at_once=False)
    return BatchTaken(dials=[_told(dial) for dial in taken], refused=refused)


@router.get("/dials")
async def list_dials(
    client: DialReader,
    desk: AtDesk,
    tenant: str | None = None,
    state: State | None = None,
    campaign: str | None = None,
    before: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 100,
) -> Dials:
    """Dials, the newest first, also those that are over."""
    found = await desk.find(Filter(tenant, state, campaign, client.trunks), limit, before)
    last = found[-1].dial_id if len(found) == limit else None
    return Dials(dials=[shown(dial, desk.redact) for dial in found], next=last)


@router.get("/dials/{dial_id}")
async def show_dial(client: DialReader, desk: AtDesk, dial_id: DialId) -> dict[str, Any]:
    """A dial with its attempts, their calls and outcomes."""
    return shown(await _seen(desk, client, dial_id), desk.redact)


@router.delete("/dials/{dial_id}")
async def cancel_dial(client: Originator, desk: AtDesk, dial_id: DialId) -> DialTaken:
    """Give a dial up that waits, or rings. A call that was answered is hung up by its own id."""
    await _seen(desk, client, dial_id)
    try:
        cancelled = await desk.cancel(dial_id)
    except IllegalMove as error:
        code = "dial_answered" if error.state is State.TALKING else "dial_over"
        raise Problem(409, code, f"the dial is {error.state}") from None
    if cancelled is None:
        raise _unknown(dial_id)
    return _told(cancelled)


@router.get("/campaigns/{campaign}")
async def show_campaign(client: DialReader, desk: AtDesk, campaign: Campaign) -> CampaignState:
    """How far a campaign is."""
    counts = await desk.counts(Filter(campaign=campaign, trunks=client.trunks))
    if not counts:
        raise Problem(404, "campaign_unknown", f"there is no dial of a campaign '{campaign}'")
    return CampaignState(campaign=campaign, paused=desk.is_paused(campaign), **summed_up(counts))


@router.post("/campaigns/{campaign}/pause", status_code=202)
async def pause_campaign(client: Originator, desk: AtDesk, campaign: Campaign) -> CampaignState:
    """Place no more of its calls. Those that are on go on."""
    return await _pause(client, desk, campaign, is_paused=True)


@router.post("/campaigns/{campaign}/resume", status_code=202)
async def resume_campaign(client: Originator, desk: AtDesk, campaign: Campaign) -> CampaignState:
    """Place its calls again."""
    return await _pause(client, desk, campaign, is_paused=False)


async def _pause(client: Client, desk: Desk, campaign: str, *, is_paused: bool) -> CampaignState:
    await show_campaign(client, desk, campaign)
    await desk.pause(campaign, is_paused)
    return await show_campaign(client, desk, campaign)


async def _taken(desk: Desk, wishes: list[Wish], client: Client, *, at_once: bool) -> list[Dial]:
    try:
        return await desk.take(wishes, client.name, at_once=at_once)
    except NoRoom as full:
        status = 503 if full.rule in UNAVAILABLE else 429
        headers = {"retry-after": str(full.retry_after_s)}
        raise Problem(status, full.rule, full.detail, headers) from None


async def _seen(desk: Desk, client: Client, dial_id: str) -> Dial:
    dial = await desk.get(dial_id)
    if dial is None or not client.sees(dial.wish.trunk):
        raise _unknown(dial_id)
    return dial


def _told(dial: Dial) -> DialTaken:
    call_id = dial.last.call_id if dial.attempts else None
    return DialTaken(dial_id=dial.dial_id, state=dial.state, call_id=call_id)


def _refused(refusal: Refusal) -> Problem:
    return Problem(403 if refusal.rule in FORBIDDING else 422, refusal.rule, refusal.detail)


def _unknown(dial_id: str) -> Problem:
    return Problem(404, "dial_unknown", f"there is no dial '{dial_id}'")
