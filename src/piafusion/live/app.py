"""The application of `piafusion live`: the newest picture, the controls, and their page.

A page asks for the next picture as soon as it has the one before, with the number of that one. So
the answer is always the newest picture, and a slow reader gets fewer of them, not older ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

import piafusion
from piafusion.errors import UsageError
from piafusion.imaging.io import encode_image
from piafusion.imaging.palettes import NAMES
from piafusion.imaging.tone import parse_tone
from piafusion.imaging.views import VIEWS, View, parse_view
from piafusion.live.nudge import Nudge
from piafusion.live.session import Controls, LiveSession
from piafusion.server.app import HANDLERS, STATIC, static_router
from piafusion.server.counters import Counters
from piafusion.server.forms import header_json
from piafusion.server.guard import Guard
from piafusion.server.manual import add_manual
from piafusion.server.problems import HttpProblem, refusals
from piafusion.server.settings import ServerSettings
from piafusion.server.work_queue import WorkQueue

_HERE = Path(__file__).parent / "static"
_FILES = {
    "/": (str(_HERE / "live.html"), "text/html; charset=utf-8"),
    "/page/live.css": (str(_HERE / "live.css"), "text/css; charset=utf-8"),
    "/page/live.js": (str(_HERE / "live.js"), "text/javascript; charset=utf-8"),
    "/page/style.css": ("style.css", "text/css; charset=utf-8"),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
}
_WAIT = 1.0  # seconds to wait for the next picture
_LEFT_OUT = ("flicker",)  # it has no single picture

Result = TypeVar("Result")


class Moves(BaseModel):
    """A move of the infrared picture by hand, see `Nudge`."""

    model_config = ConfigDict(extra="forbid")

    x: float = 0
    y: float = 0
    scale: float = 1
    angle: float = 0


class Changes(BaseModel):
    """Controls to change; those that are left out stay as they are."""

    model_config = ConfigDict(extra="forbid")

    strength: float | None = Field(None, ge=0, le=1)
    view: str | None = None
    view_palette: str | None = None
    tone: str | None = None
    swapped: bool | None = None
    offset: float | None = Field(None, ge=-3600, le=3600)
    nudge: Moves | None = None

    def of(self, controls: Controls) -> Controls:
        """Return the changed controls.

        Raises:
            UsageError: If a view, palette, tone or move cannot be used.
        """
        if self.strength is not None:
            controls = replace(controls, strength=self.strength)
        if self.view is not None:
            colours = None if self.view == "fused" else self.view_palette or None
            controls = replace(controls, view=check_view(parse_view(self.view, colours)))
        if self.tone is not None:
            controls = replace(controls, tone=parse_tone(self.tone))
        if self.swapped is not None:
            controls = replace(controls, swapped=self.swapped)
        if self.offset is not None:
            controls = replace(controls, offset=Fraction(str(self.offset)))
        if self.nudge is not None:
            controls = replace(controls, nudge=Nudge(**self.nudge.model_dump()))
        return controls


class Recording(BaseModel):
    """Whether to record."""

    model_config = ConfigDict(extra="forbid")

    on: bool


class Bell:
    """Wakes those who wait for the next picture; used by the event loop alone."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake them."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Wait for the bell, at most so many seconds."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except (TimeoutError, asyncio.TimeoutError):
            return


def check_view(view: View) -> View:
    """Return a view; `UsageError` if it is not one picture."""
    if view.name in _LEFT_OUT:
        raise UsageError(f"expected a view with one picture for each frame, found {view.name!r}")
    return view


async def _refuse(request: Request, error: Exception) -> Response:
    """Answer a body or a query that is not as it should be."""
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    name = ".".join(str(part) for part in first.get("loc", ())[1:]) or "body"
    problem = f"{name}: {first.get('msg', 'expected another value')}"
    return HttpProblem(422, "bad-field", problem).response()


def create_live_app(session: LiveSession, settings: ServerSettings) -> FastAPI:
    """Return the application for a session, which it starts and closes."""
    queue = WorkQueue(2, settings.queue, settings.timeout)
    counters, bell = Counters(), Bell()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()

        def ring() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(bell.ring)

        session.notify = ring
        session.start()
        yield
        await loop.run_in_executor(None, session.close)
        await loop.run_in_executor(None, queue.close)

    app = FastAPI(
        title="piafusion live",
        version=piafusion.__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        exception_handlers={**HANDLERS, RequestValidationError: _refuse},
    )
    app.state.ending = False
    app.include_router(static_router(STATIC, _FILES))

    async def worked(work: Callable[[], Result]) -> Result:
        with queue.place():
            return await asyncio.wrap_future(queue.submit(work))

    def told() -> dict[str, Any]:
        return {**session.state(), **session.status()}

    @app.get("/v1/live", summary="The controls, and what they offer", responses=refusals(401))
    async def state() -> dict[str, Any]:
        views = {
            name: f"{kind.summary} {name}{kind.syntax}." if kind.syntax else kind.summary
            for name, kind in VIEWS.items()
            if name not in _LEFT_OUT
        }
        return {**told(), "views": views, "palettes": list(NAMES)}

    @app.post("/v1/live", summary="Change controls", responses=refusals(401, 422))
    async def change(changes: Changes) -> dict[str, Any]:
        session.change(changes.of(session.controls))
        return told()

    @app.get("/v1/live/frame", summary="The next picture", response_class=Response)
    async def frame(after: int = 0) -> Response:
        """Return the newest picture as JPEG; 204 if none comes after that number in a second."""
        age = session.age(after)
        shown = session.newest(after)
        if shown is None:
            await bell.wait(_WAIT)
            shown = session.newest(after)
        told = {**session.status(), "number": after, "before_ms": age}
        if shown is not None:
            told |= {"number": shown.number, "sent_ms": session.age(shown.number)}
        headers = {"Piafusion-Live": header_json(told)}
        if shown is None:
            return Response(status_code=204, headers=headers)
        return Response(shown.jpeg, headers=headers, media_type="image/jpeg")

    @app.get("/v1/live/stream", summary="All pictures, as MJPEG", response_class=Response)
    async def stream() -> StreamingResponse:
        """Send pictures as they come, for programs without JavaScript, such as players."""

        async def parts() -> AsyncIterator[bytes]:
            number = 0
            while not app.state.ending:
                if shown := session.newest(number):
                    number, size = shown.number, len(shown.jpeg)
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {size}\r\n\r\n"
                    yield head.encode() + shown.jpeg + b"\r\n"
                else:
                    await bell.wait(_WAIT)

        return StreamingResponse(parts(), media_type="multipart/x-mixed-replace; boundary=frame")

    @app.get("/v1/live/snapshot", summary="The newest picture as PNG", response_class=Response)
    async def snapshot() -> Response:
        shown = session.newest(0)
        if shown is None:
            raise HttpProblem(404, "no-picture", "expected a picture, found none yet; wait for it")
        png = await worked(partial(encode_image, shown.image, ".png"))
        return Response(bytes(png), media_type="image/png")

    @app.post("/v1/live/record", summary="Begin or end a recording")
    async def record(recording: Recording) -> dict[str, Any]:
        await worked(partial(session.record, on=recording.on))
        return told()

    @app.post("/v1/live/again", summary="Open the sources again")
    async def again() -> dict[str, Any]:
        session.again()
        return told()

    @app.post("/v1/live/estimate", summary="Estimate the alignment from the last seconds")
    async def estimate() -> dict[str, Any]:
        said = await worked(session.estimate)
        return {**told(), "said": said}

    @app.post("/v1/live/rig", summary="Save the alignment as a rig's file")
    async def rig() -> dict[str, Any]:
        path, found = await worked(session.save_rig)
        return {**told(), "said": f"{path}: saved; {found}"}

    add_manual(app, app.openapi())
    app.add_middleware(Guard, settings=settings, queue=queue, counters=counters)
    return app
