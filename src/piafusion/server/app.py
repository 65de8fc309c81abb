"""The application: routes, probes, page and gate put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect

import piafusion
from piafusion.errors import PiafusionError
from piafusion.server import page
from piafusion.server.api import EXPOSED, Parts, make_router
from piafusion.server.guard import Guard
from piafusion.server.meters import MEDIA_TYPE, Meters
from piafusion.server.pool import HungUpError, Pool
from piafusion.server.problems import Problem, ProblemDetails, answer, refusals
from piafusion.server.settings import Settings
from piafusion.server.shelf import Shelf
from piafusion.server.work import Workshop


class Health(BaseModel):
    """That a server lives."""

    status: str
    version: str


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application, with the model that is asked for most already loaded.

    Raises:
        PiafusionError: If the settings name a model that is unknown or cannot be loaded.
    """
    settings = settings or Settings()
    shelf = Shelf(settings.model, settings.device)
    workshop = Workshop(settings, shelf)
    pool = Pool(settings.threads, settings.queue, settings.timeout)
    meters = Meters()
    meters.places.set_function(lambda: pool.taken)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        workshop.start()
        yield
        await asyncio.get_running_loop().run_in_executor(None, pool.close)
        workshop.close()

    app = FastAPI(
        title="piafusion",
        summary="Fuses infrared and visible pictures, day and night.",
        version=piafusion.__version__,
        lifespan=lifespan,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        exception_handlers={
            Problem: answer,
            PiafusionError: answer,
            HTTPException: answer,
            MemoryError: answer,
            HungUpError: _nobody,
            ClientDisconnect: _nobody,
        },
    )
    app.include_router(make_router(Parts(settings, shelf, workshop, pool, meters)))
    app.include_router(page.make_router())

    @app.get("/healthz", summary="Is the process alive?")
    async def health() -> Health:
        """Answer as long as the process can."""
        return Health(status="alive", version=piafusion.__version__)

    @app.get("/readyz", summary="Is there a free place?", responses=refusals(503))
    async def ready() -> Health:
        """Answer 503 while the queue is full or all workers are stuck, so that others are asked."""
        if pool.is_full:
            raise pool.busy()
        return Health(status="ready", version=piafusion.__version__)

    @app.get("/metrics", summary="Counters for Prometheus", response_class=Response)
    async def metrics() -> Response:
        """Tell requests, seconds by step, pairs, the queue and the memory."""
        return Response(meters.text(), media_type=MEDIA_TYPE)

    app.add_middleware(Guard, settings=settings, pool=pool, meters=meters)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization",),
            expose_headers=EXPOSED,
        )
    app.openapi_schema = _schema(app)
    return app


def _schema(app: FastAPI) -> dict[str, Any]:
    schema = app.openapi()
    problem = ProblemDetails.model_json_schema()
    schema.setdefault("components", {}).setdefault("schemas", {})["ProblemDetails"] = problem
    return schema


async def _nobody(request: Request, error: Exception) -> Response:
    """Answer a client that has gone."""
    return Response(status_code=499)
