"""The web page at /: a few static files and the shipped scenes, held in memory."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response

from piafusion.scenes.synthetic import demo_scenes_root

_STATIC = Path(__file__).parent / "static"
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page/style.css": ("style.css", "text/css; charset=utf-8"),
    "/page/script.js": ("script.js", "text/javascript; charset=utf-8"),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
}


def make_router() -> APIRouter:
    """Return routes for each file by name: no other file can be asked for."""
    router = APIRouter(include_in_schema=False)
    for path, (name, kind) in _FILES.items():
        _serve(router, path, (_STATIC / name).read_bytes(), kind)
    scenes = demo_scenes_root()
    for picture in sorted(scenes.glob("*/*.png")):
        path = f"/page/scenes/{picture.relative_to(scenes).as_posix()}"
        _serve(router, path, picture.read_bytes(), "image/png")
    return router


def _serve(router: APIRouter, path: str, content: bytes, kind: str) -> None:
    async def file() -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    router.add_api_route(path, file, methods=["GET", "HEAD"])
