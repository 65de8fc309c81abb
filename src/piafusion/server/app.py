"""The application: routes, health checks, page and guard together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect

import piafusion
from piafusion.errors import PiafusionError
from piafusion.scenes.synthetic import demo_scenes_root
from piafusion.server.api import EXPOSED, ServerState, make_router
from piafusion.server.counters import MEDIA_TYPE, Counters
from piafusion.server.fusers import FuserCache
from piafusion.server.guard import Guard
from piafusion.server.manual import add_manual
from piafusion.server.problems import HttpProblem, ProblemDetails, answer, refusals
from piafusion.server.service import FusionService
from piafusion.server.settings import ServerSettings
from piafusion.server.work_queue import ClientGoneError, WorkQueue

STATIC = Path(__file__).parent / "static"
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page/style.css": ("style.css", "text/css; charset=utf-8"),
    "/page/script.js": ("script.js", "text/javascript; charset=utf-8"),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
}


_FORGET = 30.0  # seconds between looks for pairs that nobody uses


class Health(BaseModel):
    """The answer of a health check."""

    status: str
    version: str


def create_app(settings: ServerSettings | None = None) -> FastAPI:
    """Return the application, with the default model already loaded.

    Raises:
        PiafusionError: If the settings name a model that is unknown or cannot be loaded.
    """
    settings = settings or ServerSettings()
    fusers = FuserCache(settings.model, settings.device, settings.share.threads, settings.precision)
    service = FusionService(settings, fusers)
    queue = WorkQueue(settings.share.workers, settings.queue, settings.timeout)
    counters = Counters()
    counters.places.set_function(lambda: queue.taken)
    state = ServerState(settings, fusers, service, queue, counters)

    async def forget() -> None:
        while True:
            await asyncio.sleep(_FORGET)
            state.kept.expire()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        forgetting = asyncio.create_task(forget())
        yield
        forgetting.cancel()
        await asyncio.get_running_loop().run_in_executor(None, queue.close)
        service.close()

    app = FastAPI(
        title="piafusion",
        summary="Fuses infrared and visible pictures, day and night.",
        version=piafusion.__version__,
        lifespan=lifespan,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        exception_handlers=HANDLERS,
    )
    app.include_router(make_router(state))
    app.include_router(page_router())

    @app.get("/healthz", summary="Is the process alive?")
    async def health() -> Health:
        """Answer as long as the process can."""
        return Health(status="alive", version=piafusion.__version__)

    @app.get("/readyz", summary="Is there a free place?", responses=refusals(503))
    async def ready() -> Health:
        """Answer 503 while the queue is full or all workers are stuck."""
        if queue.is_full:
            raise queue.busy()
        return Health(status="ready", version=piafusion.__version__)

    @app.get("/metrics", summary="Counters for Prometheus", response_class=Response)
    async def metrics() -> Response:
        """Return the counters: requests, seconds of each step, pairs, the queue, the memory."""
        return Response(counters.text(), media_type=MEDIA_TYPE)

    app.add_middleware(Guard, settings=settings, queue=queue, counters=counters)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization",),
            expose_headers=EXPOSED,
        )
    schema = _schema(app)
    add_manual(app, schema)
    app.openapi = lambda: schema  # type: ignore[method-assign]
    return app


async def _nobody(request: Request, error: Exception) -> Response:
    """Answer a client that has closed the connection."""
    return Response(status_code=499)


HANDLERS: dict[Any, Any] = {
    HttpProblem: answer,
    PiafusionError: answer,
    HTTPException: answer,
    MemoryError: answer,
    ClientGoneError: _nobody,
    ClientDisconnect: _nobody,
}
"""The answer to each kind of error."""


def _schema(app: FastAPI) -> dict[str, Any]:
    schema = app.openapi()
    problem = ProblemDetails.model_json_schema()
    schema.setdefault("components", {}).setdefault("schemas", {})["ProblemDetails"] = problem
    return schema


def page_router() -> APIRouter:
    """Return routes for the page and the scenes."""
    router = static_router(STATIC, _FILES)
    scenes = demo_scenes_root()
    for picture in sorted(scenes.glob("*/*.png")):
        path = f"/page/scenes/{picture.relative_to(scenes).as_posix()}"
        _serve(router, path, picture.read_bytes(), "image/png")
    return router


def static_router(folder: Path, files: Mapping[str, tuple[str, str]]) -> APIRouter:
    """Return routes for each file by name: no other file can be asked for.

    In the place of the comment `views.html` a page gets the menu of views, which both pages have.

    Args:
        folder: Where the files are.
        files: Name in the folder, or path, and media type, by the path of the route.
    """
    router, menu = APIRouter(include_in_schema=False), (STATIC / "views.html").read_bytes()
    for path, (name, kind) in files.items():
        content = (folder / name).read_bytes().replace(b"<!-- views.html -->", menu)
        _serve(router, path, content, kind)
    return router


def _serve(router: APIRouter, path: str, content: bytes, kind: str) -> None:
    async def file() -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    router.add_api_route(path, file, methods=["GET", "HEAD"])
