"""The `tools` of an agent: what its model may call, and how each call is carried out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, SchemaError
from pydantic import AfterValidator, Field, model_validator

from sipagent.config.values import HeaderValue, Secret, Section

ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
_MESSAGE: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "message": {"type": "string", "minLength": 1, "description": "What is to be passed on."},
        "caller_name": {"type": "string"},
        "callback_number": {"type": "string"},
        "for_whom": {"type": "string"},
    },
    "required": ["message"],
    "additionalProperties": False,
}


def _object_schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"is no JSON schema: {error.message}") from None
    if schema.get("type") != "object":
        raise ValueError("must be a JSON schema of type object: arguments have names")
    return schema


def _http_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must begin with https:// (or http:// on a private network)")
    if _PLACEHOLDER.search(parts.netloc) or parts.fragment:
        raise ValueError("has a placeholder in its host, or a fragment")
    return url


Parameters = Annotated[Mapping[str, Any], AfterValidator(_object_schema)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
TimeoutMs = Annotated[int, Field(ge=50, le=300_000)]


class BreakerConfig(Section):
    """A tool is taken for down after so many `failures` in a row, or if more than `failure_rate` of its last
    `window` calls failed. It is then left alone for `open_s`; after that one call tries it.
    """

    failures: Annotated[int, Field(ge=1, le=1000)] = 5
    failure_rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    window: Annotated[int, Field(ge=2, le=1000)] = 20
    open_s: Annotated[float, Field(ge=0.1, le=3600)] = 30.0


class _Function(Section):
    """What the model is told: what the tool is for, and what it takes (JSON schema, draft 2020-12)."""

    description: str = ""
    parameters: Parameters = _NOTHING

    def declared(self) -> Mapping[str, Any]:
        """The schema of the arguments."""
        return self.parameters


class _Remote(_Function):
    """A tool that may fail or take long. `timeout_ms` is all the time it has, retries included. Where an
    `essential` one is down, the agent gets its safe_mode_instructions.
    """

    timeout_ms: TimeoutMs = 8000
    essential: bool = False
    breaker: BreakerConfig = BreakerConfig()


class HttpToolConfig(_Remote):
    """A request. Arguments named in `url` go there, the others into the JSON body, or the query of a GET.

    `secret` signs it as Standard Webhooks does. A failure that may pass is tried again up to `retries` times:
    where no connection came about, and if `idempotent` also after a 5xx, 429 or no answer; null: so are GET,
    HEAD, PUT and DELETE. Every attempt carries the same Idempotency-Key. While the tool is down, `health_url`
    is asked every `breaker.open_s`, and a 2xx means that it is back.
    """

    kind: Literal["http"] = "http"
    url: HttpUrl
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: Mapping[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")], HeaderValue] = {}
    secret: Secret | None = None
    retries: Annotated[int, Field(ge=0, le=5)] = 2
    idempotent: bool | None = None
    max_response_bytes: Annotated[int, Field(ge=256, le=1_048_576)] = 16_384
    health_url: HttpUrl | None = None

    @property
    def placeholders(self) -> frozenset[str]:
        """The arguments that stand in the URL."""
        return frozenset(_PLACEHOLDER.findall(self.url))

    @property
    def may_repeat(self) -> bool:
        """Does carrying it out twice do no harm?"""
        by_method = self.method in ("GET", "HEAD", "PUT", "DELETE")
        return by_method if self.idempotent is None else self.idempotent

    @model_validator(mode="after")
    def _placeholders_have_values(self) -> Self:
        if self.health_url and _PLACEHOLDER.search(self.health_url):
            raise ValueError("health_url is asked as it stands, without placeholders")
        required = self.parameters.get("required", ())
        for name in sorted(self.placeholders):
            if name not in required:
                raise ValueError(f"url needs the argument '{name}': it must be among parameters.required")
        return self


class PythonToolConfig(_Remote):
    """A function of the operator's, called with the arguments by name; one that has a parameter `call` also
    gets a mapping with `call_id`, `agent`, `trunk` and `direction`. Async ones run on the server's loop and
    must not block it, others in a thread of their own. What it returns is told to the model, as JSON unless
    it is text.
    """

    kind: Literal["python"] = "python"
    function: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]


class McpToolConfig(Section):
    """A server of tools that the model's own host calls (Model Context Protocol), without a question asked.

    Which of its tools may be used is said by `allowed_tools`; null: all.
    """

    kind: Literal["mcp"] = "mcp"
    server_url: HttpUrl
    description: str = ""
    authorization: Secret | None = None
    allowed_tools: tuple[str, ...] | None = None


class HangUpToolConfig(_Function):
    """Ends the call once the agent's goodbye has been heard."""

    kind: Literal["hang_up"] = "hang_up"
    description: str = (
        "End the call. Say goodbye first: the line is cut when your words have been heard. If the caller"
        " speaks meanwhile, the call goes on."
    )

    def declared(self) -> Mapping[str, Any]:
        return _NOTHING


class TransferToolConfig(_Function):
    """Hands the caller on once what the agent says was heard. `targets` are names of its `transfers`."""

    kind: Literal["transfer"] = "transfer"
    description: str = (
        "Transfer the caller to somebody else. Tell the caller first: the call is handed on when your words"
        " have been heard."
    )
    targets: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]

    def declared(self) -> Mapping[str, Any]:
        target = {"type": "string", "enum": list(self.targets), "description": "Who is to take over."}
        summary = {"type": "string", "description": "What they must know about the caller's concern."}
        return {
            "type": "object",
            "properties": {"target": target, "summary": summary},
            "required": ["target"],
            "additionalProperties": False,
        }


class SendDtmfToolConfig(_Function):
    """Presses keys towards the peer."""

    kind: Literal["send_dtmf"] = "send_dtmf"
    description: str = "Press keys on the telephone, for machines that ask for them."

    def declared(self) -> Mapping[str, Any]:
        digits = {"type": "string", "pattern": "^[0-9*#A-D]{1,32}$", "description": "Such as 12#"}
        return {
            "type": "object",
            "properties": {"digits": digits},
            "required": ["digits"],
            "additionalProperties": False,
        }


class TakeMessageToolConfig(_Function):
    """Keeps a message in the call record. The `parameters` may be anything; these are the default ones."""

    kind: Literal["take_message"] = "take_message"
    description: str = "Take down a message from the caller. Read it back to them before you do."
    parameters: Parameters = _MESSAGE


#: What we carry out ourselves, and the model calls as a function.
FunctionToolConfig = (
    HttpToolConfig
    | PythonToolConfig
    | HangUpToolConfig
    | TransferToolConfig
    | SendDtmfToolConfig
    | TakeMessageToolConfig
)
ToolConfig = Annotated[FunctionToolConfig | McpToolConfig, Field(discriminator="kind")]
RemoteToolConfig = HttpToolConfig | PythonToolConfig


class ToolLimitsConfig(Section):
    """How many tools may run at once: of all calls, and of one."""

    max_running: Annotated[int, Field(ge=1, le=10_000)] = 100
    max_running_per_call: Annotated[int, Field(ge=1, le=100)] = 8


def functions(tools: Mapping[str, ToolConfig]) -> Iterator[tuple[str, FunctionToolConfig]]:
    """Of an agent's tools those that the model calls through us."""
    for name, tool in tools.items():
        if not isinstance(tool, McpToolConfig):
            yield name, tool
