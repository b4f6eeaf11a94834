"""Recordings and transcripts, with a token or by a link that was signed for one of them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from sipagent.api.access import Client, Needs, RecordingReader
from sipagent.api.calls import Body, CallId, Server, record_for
from sipagent.api.links import is_good, sign
from sipagent.api.problems import RESPONSES, Problem

router = APIRouter(prefix="/v1", tags=["recordings"], responses=RESPONSES)

Kind = Literal["recordings", "transcripts"]
MEDIA_TYPES: dict[Kind, str] = {"recordings": "audio/wav", "transcripts": "application/jsonl"}
Expires = Annotated[str | None, Query(description="of a signed link")]
Signature = Annotated[str | None, Query(description="of a signed link")]

#: Whoever holds a good link may read what it is for.
LINK_HOLDER = Client("link", frozenset(), None)


class Linking(Body):
    """For how long the link is good."""

    expires_in_s: Annotated[int, Field(ge=1, le=7 * 24 * 3600)] = 300


class Link(BaseModel):
    """A path with its query, relative to this server, and until when it is good (Unix time)."""

    url: str
    expires_at: int


@router.get("/recordings/{call_id}", response_class=FileResponse)
async def recording(
    request: Request, control: Server, call_id: CallId, expires: Expires = None, signature: Signature = None
) -> FileResponse:
    """The recording as stereo WAV: caller left, agent right. By token (recordings:read) or signed link."""
    client = await _reader(request, expires, signature)
    return await _file("recordings", client, control, call_id)


@router.get("/transcripts/{call_id}", response_class=FileResponse)
async def transcript(
    request: Request, control: Server, call_id: CallId, expires: Expires = None, signature: Signature = None
) -> FileResponse:
    """The transcript as JSON lines. By token (recordings:read) or signed link."""
    client = await _reader(request, expires, signature)
    return await _file("transcripts", client, control, call_id)


@router.post("/{kind}/{call_id}/link")
async def link(
    request: Request,
    client: RecordingReader,
    control: Server,
    kind: Kind,
    call_id: CallId,
    body: Linking | None = None,
) -> Link:
    """A link to a recording or transcript that needs no token."""
    await _path(kind, client, control, call_id)
    path = f"/v1/{kind}/{call_id}"
    expires_at = int(time.time()) + (body or Linking()).expires_in_s
    return Link(url=f"{path}?{sign(request.app.state.link_key, path, expires_at)}", expires_at=expires_at)


async def _reader(request: Request, expires: str | None, signature: str | None) -> Client:
    if expires is None and signature is None:
        return await Needs("recordings:read")(request)
    key: bytes = request.app.state.link_key
    if not is_good(key, request.url.path, expires or "", signature or "", time.time()):
        raise Problem(403, "link_invalid", "the link has expired, or is not one of ours")
    return LINK_HOLDER


async def _file(kind: Kind, client: Client, control: Server, call_id: str) -> FileResponse:
    path = await _path(kind, client, control, call_id)
    return FileResponse(path, media_type=MEDIA_TYPES[kind], filename=path.name)


async def _path(kind: Kind, client: Client, control: Server, call_id: str) -> Path:
    """The file that the call record names, if it lies where such files are kept."""
    record: dict[str, Any] = await record_for(client, control, call_id)
    written = record.get(kind.removesuffix("s"))
    path = await asyncio.to_thread(_kept, control.directory(kind), str(written or ""))
    if path is None:
        raise Problem(404, "file_unknown", f"the call '{call_id}' has no {kind.removesuffix('s')}")
    return path


def _kept(directory: Path, written: str) -> Path | None:
    """The file, if it is one and really lies below the directory."""
    path = Path(written).resolve()
    return path if path.is_relative_to(directory.resolve()) and path.is_file() else None
