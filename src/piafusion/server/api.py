"""The routes under /v1: fuse one pair, fuse a zip of them, list what there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import Future
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from piafusion.imaging.pairs import Match
from piafusion.imaging.palettes import NAMES
from piafusion.imaging.views import VIEWS
from piafusion.metrics import SPECS
from piafusion.run.pool import futures_in_order
from piafusion.server.archive import PairArchive, ZippedPair, ZipStream
from piafusion.server.counters import Counters
from piafusion.server.forms import (
    BatchForm,
    PairForm,
    fusion_request,
    header_json,
    kept_or_sent,
    read_form,
    request_body,
)
from piafusion.server.fusers import FuserCache
from piafusion.server.kept import KeptPair, KeptPairs
from piafusion.server.problems import HttpProblem, as_problem, refusals
from piafusion.server.service import FusionRequest, FusionResult, FusionService
from piafusion.server.settings import ServerSettings
from piafusion.server.work_queue import WorkQueue

MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "tiff": "image/tiff", "webp": "image/webp"}
EXPOSED = (
    "Server-Timing",
    "Piafusion-Model",
    "Piafusion-Day-Probability",
    "Piafusion-Tone",
    "Piafusion-Advice",
    "Piafusion-Size",
    "Piafusion-Unit",
    "Piafusion-Alignment",
    "Piafusion-Metrics",
    "Piafusion-Pair",
    "Retry-After",
)
"""Headers that pages of other sites may read, if these sites are allowed at all."""

_TEXT = {"schema": {"type": "string"}}
_FUSED_HEADERS = {
    "Server-Timing": {"description": "Milliseconds of each step.", **_TEXT},
    "Piafusion-Model": {"description": "Model or method.", **_TEXT},
    "Piafusion-Day-Probability": {"description": "0 to 1; of the visible picture.", **_TEXT},
    "Piafusion-Tone": {"description": "low=, high=, filled=: infrared values.", **_TEXT},
    "Piafusion-Advice": {"description": "A better tone, if this one shows little.", **_TEXT},
    "Piafusion-Size": {"description": "WIDTHxHEIGHT.", **_TEXT},
    "Piafusion-Unit": {"description": "celsius, if the infrared holds degrees.", **_TEXT},
    "Piafusion-Strength": {"description": "0 to 1, if the model has a strength.", **_TEXT},
    "Piafusion-Alignment": {"description": "The one that was applied, as JSON.", **_TEXT},
    "Piafusion-Metrics": {"description": "NAME=VALUE, ...", **_TEXT},
    "Piafusion-Pair": {"description": "Name of the pair, if it is kept.", **_TEXT},
}


class Offered(BaseModel):
    """A model or method."""

    name: str
    summary: str


class Limits(BaseModel):
    """Limits of a request."""

    megabytes: float
    megapixels: float
    pairs: int


class Catalogue(BaseModel):
    """The names that requests may use."""

    default: str
    models: list[Offered]
    methods: list[Offered]
    metrics: list[str]
    views: list[Offered]
    palettes: list[str]
    limits: Limits


@dataclass(frozen=True)
class ServerState:
    """The parts of a server that its routes share."""

    settings: ServerSettings
    fusers: FuserCache
    service: FusionService
    queue: WorkQueue
    counters: Counters
    kept: KeptPairs = field(default_factory=KeptPairs)


def make_router(state: ServerState) -> APIRouter:
    """Return the routes under /v1."""
    router = APIRouter(prefix="/v1", responses=refusals())

    @router.get("/models", summary="Models, methods, metrics and limits")
    async def models() -> Catalogue:
        """List the names that requests may use."""
        fusers, settings = state.fusers, state.settings
        return Catalogue(
            default=fusers.default,
            models=[Offered(name=c.name, summary=c.summary) for c in fusers.models.values()],
            methods=[Offered(name=c.name, summary=c.summary) for c in fusers.methods.values()],
            metrics=list(SPECS),
            views=[
                Offered(name=name, summary=f"{kind.summary} {name}{kind.syntax}.")
                for name, kind in VIEWS.items()
            ],
            palettes=list(NAMES),
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
        openapi_extra={"requestBody": request_body(PairForm, state.fusers)},
    )
    async def fuse(request: Request) -> Response:
        """Fuse an infrared and a visible picture, or a photo that holds both."""
        async with read_form(request, PairForm) as form:
            wanted = fusion_request(form, state.fusers)
            names = ("infrared", "visible")
            source = kept_or_sent(form, state.kept)
            work = partial(_fuse_pair, state.service, source, wanted, names, form.keep)
            try:
                (pair, result), waited = await state.queue.run(partial(_hung_up, request), work)
            except Exception:
                state.counters.pairs.labels("failed").inc()
                raise
        _count(state.counters, result)
        headers = {**_describe(result, wanted.name, waited), "Content-Disposition": "inline"}
        if form.keep and (name := state.kept.keep(pair)):
            headers["Piafusion-Pair"] = name
        numbers = wanted.shown == "values"
        kind = "application/octet-stream" if numbers else MEDIA_TYPES[wanted.format]
        return Response(bytes(result.content), 200, headers, kind)

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
        openapi_extra={"requestBody": request_body(BatchForm, state.fusers)},
    )
    async def batch(request: Request) -> Response:
        """Fuse the pairs of a zip; those that fail stop no others."""
        async with AsyncExitStack() as stack:
            form = await stack.enter_async_context(read_form(request, BatchForm))
            wanted = fusion_request(form, state.fusers)
            stack.enter_context(state.queue.place())
            loop = asyncio.get_running_loop()
            names = Match.parse(form.match)
            archive = await loop.run_in_executor(
                None, PairArchive, form.pairs.file, state.settings, names
            )
            held = stack.pop_all()
        stream = _fuse_archive(archive, wanted, state)
        return _ZipResponse(stream, held)

    return router


def _fuse_pair(
    service: FusionService,
    source: KeptPair | tuple[IO[bytes], IO[bytes] | None],
    wanted: FusionRequest,
    names: tuple[str, str],
    keep: bool,
) -> tuple[KeptPair, FusionResult]:
    if isinstance(source, tuple):
        infrared, visible = source
        source = KeptPair(infrared.read(), visible.read() if visible else None, stays=keep)
    return source, service.fuse(source, wanted, names)


async def _hung_up(request: Request) -> None:
    """Return when the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _ZipResponse(StreamingResponse):
    """A zip that is made while it is sent; its files and its place are released at any end."""

    def __init__(self, stream: AsyncGenerator[bytes, None], held: AsyncExitStack) -> None:
        headers = {"Content-Disposition": 'attachment; filename="fused.zip"'}
        super().__init__(stream, 200, headers, "application/zip")
        held.push_async_callback(stream.aclose)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)


async def _fuse_archive(
    archive: PairArchive, wanted: FusionRequest, state: ServerState
) -> AsyncGenerator[bytes, None]:
    """Yield the zip of fused pictures; the workers fuse the next pairs while one is sent."""
    failed: list[dict[str, str]] = []
    stream = ZipStream()

    def fuse(pair: ZippedPair) -> FusionResult:
        if pair.infrared is None or pair.visible is None:
            raise HttpProblem(422, "no-pair", pair.problem or "expected a pair, found none")
        names = pair.infrared.filename, pair.visible.filename
        files = KeptPair(archive.read(pair.infrared), archive.read(pair.visible))
        return state.service.fuse(files, wanted, names)

    def submit(pair: ZippedPair) -> Future[FusionResult]:
        return state.queue.submit(partial(fuse, pair))

    with closing(futures_in_order(submit, archive.pairs, ahead=state.queue.workers)) as futures:
        for pair, future in zip(archive.pairs, futures, strict=True):
            try:
                result = await asyncio.wrap_future(future)
            except Exception as error:  # an error of one pair stops no others
                failed.append({"name": pair.stem, "error": as_problem(error).detail})
                state.counters.pairs.labels("failed").inc()
            else:
                _count(state.counters, result)
                yield stream.add(f"{pair.stem}.{wanted.format}", result.content)
        yield stream.add("failed.json", (header_json(failed) + "\n").encode())
        yield stream.close()


def _count(counters: Counters, result: FusionResult) -> None:
    counters.pairs.labels("fused").inc()
    for step, seconds in result.seconds.items():
        counters.steps.labels(step).observe(seconds)


def _describe(result: FusionResult, name: str, waited: float) -> dict[str, Any]:
    """Return the headers that describe the result."""
    steps = {"queue": waited, **result.seconds}
    tone = result.tone
    headers = {
        "Server-Timing": ", ".join(f"{step};dur={1e3 * s:.1f}" for step, s in steps.items()),
        "Piafusion-Model": name,
        "Piafusion-Size": f"{result.width}x{result.height}",
        "Piafusion-Tone": f"low={tone.low:g}, high={tone.high:g}, filled={tone.filled}",
    }
    if result.unit:
        headers["Piafusion-Unit"] = "celsius"
    if tone.advice:
        headers["Piafusion-Advice"] = tone.advice
    if result.strength is not None:
        headers["Piafusion-Strength"] = f"{result.strength:g}"
    if result.light:
        headers["Piafusion-Day-Probability"] = f"{result.light.day:.4f}"
    if result.alignment:
        headers["Piafusion-Alignment"] = header_json(result.alignment.to_json())
    if result.metrics:
        scores = result.metrics.items()
        headers["Piafusion-Metrics"] = ", ".join(f"{key}={value:.5g}" for key, value in scores)
    return headers
