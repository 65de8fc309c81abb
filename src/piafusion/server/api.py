"""The routes under /v1: fuse one pair, fuse a zip of them, list what there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import IO, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from piafusion.metrics import SPECS
from piafusion.server.archive import PairArchive, ZippedPair, ZipStream
from piafusion.server.forms import (
    BatchForm,
    PairForm,
    as_order,
    header_json,
    read_form,
    request_body,
)
from piafusion.server.meters import Meters
from piafusion.server.pool import Pool
from piafusion.server.problems import Problem, as_problem, refusals
from piafusion.server.settings import Settings
from piafusion.server.shelf import Shelf
from piafusion.server.work import Answer, Order, Workshop

MEDIA_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "tiff": "image/tiff",
    "webp": "image/webp",
}
EXPOSED = (
    "Server-Timing",
    "Piafusion-Model",
    "Piafusion-Day-Probability",
    "Piafusion-Tone",
    "Piafusion-Size",
    "Piafusion-Alignment",
    "Piafusion-Metrics",
    "Retry-After",
)
"""Headers that pages of other sites may read, where these may ask at all."""

_TEXT = {"schema": {"type": "string"}}
_FUSED_HEADERS = {
    "Server-Timing": {"description": "Milliseconds of each step.", **_TEXT},
    "Piafusion-Model": {"description": "Model or method.", **_TEXT},
    "Piafusion-Day-Probability": {"description": "0 to 1; of the visible picture.", **_TEXT},
    "Piafusion-Tone": {"description": "low=, high=, filled=: infrared values.", **_TEXT},
    "Piafusion-Size": {"description": "WIDTHxHEIGHT.", **_TEXT},
    "Piafusion-Alignment": {"description": "The one that was applied, as JSON.", **_TEXT},
    "Piafusion-Metrics": {"description": "NAME=VALUE, ...", **_TEXT},
}


class Offered(BaseModel):
    """A model or method."""

    name: str
    summary: str


class Limits(BaseModel):
    """How much a request may hold."""

    megabytes: float
    megapixels: float
    pairs: int


class Catalogue(BaseModel):
    """What requests may name."""

    default: str
    models: list[Offered]
    methods: list[Offered]
    metrics: list[str]
    limits: Limits


@dataclass(frozen=True)
class Parts:
    """What the routes share."""

    settings: Settings
    shelf: Shelf
    workshop: Workshop
    pool: Pool
    meters: Meters


def make_router(parts: Parts) -> APIRouter:
    """Return the routes under /v1."""
    router = APIRouter(prefix="/v1", responses=refusals())

    @router.get("/models", summary="Models, methods, metrics and limits")
    async def models() -> Catalogue:
        """List what requests may name."""
        shelf, settings = parts.shelf, parts.settings
        return Catalogue(
            default=shelf.default,
            models=[Offered(name=c.name, summary=c.summary) for c in shelf.models.values()],
            methods=[Offered(name=c.name, summary=c.summary) for c in shelf.methods.values()],
            metrics=list(SPECS),
            limits=Limits(
                megabytes=settings.max_megabytes,
                megapixels=settings.max_megapixels,
                pairs=settings.max_pairs,
            ),
        )

    @router.post(
        "/fuse",
        summary="Fuse a pair",
        response_class=Response,
        responses={
            200: {
                "description": "The picture.",
                "headers": _FUSED_HEADERS,
                "content": {
                    kind: {"schema": {"type": "string", "format": "binary"}}
                    for kind in MEDIA_TYPES.values()
                },
            }
        },
        openapi_extra={"requestBody": request_body(PairForm, parts.shelf)},
    )
    async def fuse(request: Request) -> Response:
        """Fuse an infrared and a visible picture."""
        async with read_form(request, PairForm) as form:
            order = as_order(form, parts.shelf)
            names = ("infrared", "visible")
            work = partial(
                _fuse_files, parts.workshop, form.infrared.file, form.visible.file, order, names
            )
            try:
                answer, waited = await parts.pool.run(partial(_hung_up, request), work)
            except Exception:
                parts.meters.pairs.labels("failed").inc()
                raise
        _note(parts.meters, answer)
        headers = {**_describe(answer, order.name, waited), "Content-Disposition": "inline"}
        return Response(bytes(answer.content), 200, headers, MEDIA_TYPES[order.format])

    @router.post(
        "/fuse/batch",
        summary="Fuse a zip of pairs",
        response_class=Response,
        responses={
            200: {
                "description": "A zip of NAME.FORMAT and failed.json, a list of names and errors.",
                "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
        openapi_extra={"requestBody": request_body(BatchForm, parts.shelf)},
    )
    async def batch(request: Request) -> Response:
        """Fuse the pairs of a zip; those that fail stop no others."""
        async with AsyncExitStack() as stack:
            form = await stack.enter_async_context(read_form(request, BatchForm))
            order = as_order(form, parts.shelf)
            stack.enter_context(parts.pool.place())
            loop = asyncio.get_running_loop()
            archive = await loop.run_in_executor(None, PairArchive, form.pairs.file, parts.settings)
            held = stack.pop_all()
        stream = _fuse_archive(archive, order, parts)
        return _ZipResponse(stream, held)

    return router


def _fuse_files(
    workshop: Workshop,
    infrared: IO[bytes],
    visible: IO[bytes],
    order: Order,
    names: tuple[str, str],
) -> Answer:
    return workshop.fuse(infrared.read(), visible.read(), order, names)


async def _hung_up(request: Request) -> None:
    """Return when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _ZipResponse(StreamingResponse):
    """A zip that is made while it is sent; what it needs is given back however sending ends."""

    def __init__(self, stream: AsyncGenerator[bytes, None], held: AsyncExitStack) -> None:
        headers = {"Content-Disposition": 'attachment; filename="fused.zip"'}
        super().__init__(stream, 200, headers, "application/zip")
        held.push_async_callback(stream.aclose)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)


async def _fuse_archive(
    archive: PairArchive, order: Order, parts: Parts
) -> AsyncGenerator[bytes, None]:
    """Yield the zip of fused pictures; as many pairs as there are workers are at work ahead."""
    failed: list[dict[str, str]] = []
    stream = ZipStream()
    ahead: list[tuple[ZippedPair, asyncio.Future[Answer]]] = []

    def fuse(pair: ZippedPair) -> Answer:
        if pair.infrared is None or pair.visible is None:
            raise Problem(422, "no-pair", pair.problem or "expected a pair, found none")
        names = pair.infrared.filename, pair.visible.filename
        return parts.workshop.fuse(
            archive.read(pair.infrared), archive.read(pair.visible), order, names
        )

    async def finish() -> bytes:
        pair, future = ahead.pop(0)
        try:
            answer = await future
        except Exception as error:  # whatever befalls one pair, the others go on
            failed.append({"name": pair.stem, "error": as_problem(error).detail})
        else:
            _note(parts.meters, answer)
            return stream.add(f"{pair.stem}.{order.format}", answer.content)
        parts.meters.pairs.labels("failed").inc()
        return b""

    try:
        for pair in archive.pairs:
            ahead.append((pair, asyncio.wrap_future(parts.pool.submit(partial(fuse, pair)))))
            if len(ahead) > parts.pool.workers:
                yield await finish()
        while ahead:
            yield await finish()
        yield stream.add("failed.json", (header_json(failed) + "\n").encode())
        yield stream.close()
    finally:
        for _, future in ahead:
            future.cancel()


def _note(meters: Meters, answer: Answer) -> None:
    meters.pairs.labels("fused").inc()
    for step, seconds in answer.seconds.items():
        meters.steps.labels(step).observe(seconds)


def _describe(answer: Answer, name: str, waited: float) -> dict[str, Any]:
    """Return the headers that tell what was done."""
    steps = {"queue": waited, **answer.seconds}
    tone = answer.tone
    headers = {
        "Server-Timing": ", ".join(f"{step};dur={1e3 * s:.1f}" for step, s in steps.items()),
        "Piafusion-Model": name,
        "Piafusion-Size": f"{answer.width}x{answer.height}",
        "Piafusion-Tone": f"low={tone.low:g}, high={tone.high:g}, filled={tone.filled}",
    }
    if answer.light:
        headers["Piafusion-Day-Probability"] = f"{answer.light.day:.4f}"
    if answer.alignment:
        headers["Piafusion-Alignment"] = header_json(answer.alignment.to_json())
    if answer.metrics:
        scores = answer.metrics.items()
        headers["Piafusion-Metrics"] = ", ".join(f"{key}={value:.5g}" for key, value in scores)
    return headers
