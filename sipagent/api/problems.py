"""Errors as every answer tells them: RFC 9457 problem details, with a `reason_code` for programs."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
CODES = {404: "not_found", 405: "method_not_allowed"}


class ProblemBody(BaseModel):
    """The body of every answer from 400 on."""

    title: str
    status: int
    reason_code: str
    detail: str


class Problem(Exception):
    """What is raised to answer with a problem."""

    def __init__(
        self, status: int, reason_code: str, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason_code = reason_code
        self.detail = detail
        self.headers = headers

    def response(self) -> JSONResponse:
        title = HTTPStatus(self.status).phrase
        body = ProblemBody(title=title, status=self.status, reason_code=self.reason_code, detail=self.detail)
        return JSONResponse(body.model_dump(), self.status, headers=self.headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let the app answer so, whatever goes wrong."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> JSONResponse:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        detail = "; ".join(
            f"{'.'.join(map(str, each['loc'][1:])) or 'body'}: {each['msg']}" for each in error.errors()
        )
        return Problem(422, "invalid_request", detail).response()

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        code = CODES.get(error.status_code, "request_failed")
        headers = dict(error.headers) if error.headers else None
        return Problem(error.status_code, code, str(error.detail), headers).response()

    @app.exception_handler(Exception)
    async def _defect(request: Request, error: Exception) -> JSONResponse:
        return Problem(500, "internal_error", "a defect of ours; the log has it").response()


#: For the OpenAPI document: what every endpoint may answer with. The schema is named, for of a model FastAPI
#: builds a validator per status and endpoint, for answers that it never validates.
SCHEMAS: dict[str, dict[str, object]] = {"ProblemBody": ProblemBody.model_json_schema()}
RESPONSES: dict[int | str, dict[str, object]] = {
    status: {
        "description": meaning,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}},
    }
    for status, meaning in {
        401: "no token, or an unknown one",
        403: "the token lacks a scope",
        404: "there is no such thing, or not for this token",
        409: "not possible in the state that the call is in",
        422: "the request is not as it should be",
        429: "too many failures from this address",
    }.items()
}
