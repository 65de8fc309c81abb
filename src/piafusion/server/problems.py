"""Errors as problem details (RFC 9457): one line with expected, found and the next step."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from piafusion.errors import PiafusionError

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger("piafusion.server")


class ProblemDetails(BaseModel):
    """Why a request was refused or failed (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


class HttpProblem(Exception):  # noqa: N818 - as RFC 9457 calls it
    """A request that is answered with problem details.

    Attributes:
        status: Status code of the response.
        kind: Short name, the last part of the problem's type.
        detail: One line: expected, found, next step.
        headers: Additional headers of the response.
    """

    def __init__(
        self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Keep the content of the response."""
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail
        self.headers = dict(headers or {})

    def __reduce__(self) -> tuple[type[HttpProblem], tuple[Any, ...]]:
        """Let pickle pass all attributes to another process."""
        return HttpProblem, (self.status, self.kind, self.detail, self.headers)

    @property
    def body(self) -> bytes:
        """Content of the response."""
        details = ProblemDetails(
            type=f"urn:piafusion:problem:{self.kind}",
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=self.detail,
        )
        return json.dumps(details.model_dump(), ensure_ascii=False).encode()

    def response(self) -> Response:
        """Return it as a response."""
        return Response(self.body, self.status, self.headers, MEDIA_TYPE)


def as_problem(error: Exception) -> HttpProblem:
    """Return the problem for an error; an unexpected one shows the client no details."""
    if isinstance(error, HttpProblem):
        return error
    if isinstance(error, PiafusionError):
        return HttpProblem(422, _kind(error), " ".join(str(error).split()))
    if isinstance(error, HTTPException):
        kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        return HttpProblem(error.status_code, kind, str(error.detail), error.headers)
    if isinstance(error, MemoryError):
        return HttpProblem(
            503,
            "out-of-memory",
            "expected enough memory for this picture, found too little; try again later or with "
            "a smaller picture",
            {"Retry-After": "10"},
        )
    _log.error("unexpected error", exc_info=error)
    return HttpProblem(
        500, "internal", f"expected no {type(error).__name__}, found one; the server's log has more"
    )


async def answer(request: Request, error: Exception) -> Response:
    """Handle an error that a route has raised."""
    return as_problem(error).response()


_REASONS = {
    400: "The request is no valid form.",
    401: "The token is missing or wrong.",
    403: "The request comes from the page of another site.",
    408: "The request arrived too slowly.",
    410: "The pair is not kept any more.",
    411: "The request does not tell that it has a body.",
    413: "The request or a picture is too large.",
    415: "A file is of a type that is not read here.",
    421: "The server is not called by that name.",
    422: "A picture or field cannot be used.",
    429: "The client has too many requests at the same time.",
    503: "There is too much to do; try again after `Retry-After` seconds.",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the schema of the errors with these statuses, by default of all errors."""
    return {
        status: {
            "description": _REASONS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
        }
        for status in statuses or _REASONS
    }


def _kind(error: PiafusionError) -> str:
    """Return size-mismatch for SizeMismatchError."""
    name = type(error).__name__.removesuffix("Error")
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
