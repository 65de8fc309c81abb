"""Sessions and their application: pictures, controls, recordings, ends; without a browser."""

from __future__ import annotations

import json
import time
import weakref
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")

from starlette.testclient import TestClient

from piafusion import Fuser
from piafusion.errors import UsageError
from piafusion.imaging.align import Alignment, Quality, read_alignment
from piafusion.live.app import create_live_app
from piafusion.live.scene import SceneSource, open_scene
from piafusion.live.session import Controls, LiveSession
from piafusion.server.settings import ServerSettings
from piafusion.video.frames import Matching, to_visible
from piafusion.video.inputs import open_two
from tests.video.conftest import Camera, moving, read_video, write_video

SETTINGS = ServerSettings(hosts=("127.0.0.1",), token="sesame")  # noqa: S106
ASKING = {"Authorization": "Bearer sesame"}
RATE = Fraction(25)


@pytest.fixture(scope="module")
def fuser() -> Fuser:
    return Fuser("piafusion-fast", threads=1)


def until(true: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait for a value that is true."""
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return value


@pytest.fixture
def make(fuser: Fuser, tmp_path: Path) -> Iterator[Callable[..., LiveSession]]:
    """Start sessions with two files, or with other sources; they are closed in the end."""
    made: list[LiveSession] = []

    def start(
        infrared: str | None = None,
        visible: str | None = None,
        controls: Controls | None = None,
        rig: Alignment | None = None,
        **options: bool,
    ) -> LiveSession:
        if infrared is None or visible is None:
            frames = moving(10)
            infrared, visible = (
                str(write_video(tmp_path / f"{name}.mp4", pictures, rate=RATE))
                for name, pictures in zip(("ir", "vi"), frames, strict=True)
            )
        names = infrared, visible

        def opens(controls: Controls, stopped: Callable[[], bool], tell: Callable[[str], None]):
            matching = Matching(controls.offset, reconnect=1.0, notify=tell)
            return open_two(*names[:: -1 if controls.swapped else 1], matching, stopped)

        aligned, chosen = fuser.adjusted(alignment=rig), controls or Controls()
        session = LiveSession(opens, aligned, chosen, tmp_path / "out", said.append, **options)
        made.append(session)
        session.start()
        return session

    said: list[str] = []
    start.said = said  # type: ignore[attr-defined]
    yield start
    for session in made:
        session.close()


def test_files_play_in_real_time_and_again(make: Callable[..., LiveSession], fuser: Fuser) -> None:
    began = time.monotonic()
    session = make()
    until(lambda: session.ended)
    assert time.monotonic() - began > 9 / 25  # ten frames, the first one at once
    assert "vi.mp4: has ended" in session.message
    assert make.said == [session.message]  # type: ignore[attr-defined]
    infrared, visible = (read_video(Path(name))[0][-1] for name in session.state()["sources"])
    expected = fuser(infrared[..., 0], visible).astype(int)

    def is_last(picture: np.ndarray, tolerance: float) -> bool:
        return bool(np.abs(picture - expected).mean() < tolerance)

    until(lambda: is_last(session.newest(0).image, 6))  # it follows the frames before calmly
    last = until(lambda: session.newest(0))
    assert session.newest(last.number) is None
    assert is_last(cv2.imdecode(np.frombuffer(last.jpeg, np.uint8), 1)[..., ::-1], 9)
    session.again()
    until(lambda: session.newest(last.number))
    assert not session.ended


def test_what_is_changed_shows_at_once_after_the_end(make: Callable[..., LiveSession]) -> None:
    session = make()
    until(lambda: session.ended)
    natural = until(lambda: session.newest(0))
    session.change(Controls(strength=0.0))
    visible = read_video(Path(session.state()["sources"][1]))[0][-1].astype(int)
    until(lambda: np.abs(session.newest(0).image - visible).max() <= 2)
    assert np.abs(natural.image - visible).max() > 2
    assert session.state()["strength"] == 0
    with pytest.raises(UsageError, match="strength"):
        session.change(Controls(strength=2.0))


def test_files_in_a_loop(make: Callable[..., LiveSession]) -> None:
    session = make(loop=True)
    until(lambda: session.status()["version"] >= 3)  # opened for the third time
    assert (session.ended, session.message) == (False, "")


def test_swapped_sources_are_opened_again(make: Callable[..., LiveSession]) -> None:
    session = make(controls=Controls(swapped=True))
    until(lambda: "found colours" in session.message)  # the visible one is no infrared
    assert session.ended
    session.change(Controls())
    until(lambda: session.newest(0))
    assert session.state()["sources"][1].endswith("vi.mp4")


def test_a_pair_that_cannot_be_fused_is_told_once(make: Callable[..., LiveSession]) -> None:
    quality = Quality(0.5, 0.5, 1, 1, 3)
    session = make(rig=Alignment.of("affine", np.eye(3), (90, 90), (90, 90), quality))
    until(lambda: session.ended)
    wrong, ended = make.said  # type: ignore[attr-defined]
    assert "of the shape that the alignment was estimated for" in wrong
    assert "has ended" in ended
    assert session.newest(0) is None


def test_live_sources_and_one_that_does_not_come_back(
    make: Callable[..., LiveSession], tmp_path: Path
) -> None:
    cameras, began = [], time.monotonic()
    # Long enough for a busy machine to open both before they end.
    for name, pictures in zip(("ir", "vi"), moving(100), strict=True):
        path = write_video(tmp_path / f"{name}.ts", pictures, rate=RATE, codec="mpeg2video")
        cameras.append(Camera(path.read_bytes(), 4.0))
    session = make(cameras[0].url, cameras[1].url)
    shown = until(lambda: session.newest(0))
    assert 0 <= session.age(shown.number) < 1000 * (time.monotonic() - began)
    until(lambda: session.ended)
    assert "expected it to come back within 1 s" in session.message
    assert any("connecting again" in line for line in make.said)  # type: ignore[attr-defined]
    for camera in cameras:
        camera.close()


def test_the_synthetic_street(fuser: Fuser, tmp_path: Path) -> None:
    for swapped in (False, True):
        inputs = open_scene(Matching(), swapped=swapped)
        pair = next(pair for pair in inputs.pairs(lambda: False) if pair)
        assert (pair.infrared.shape, pair.visible.shape) == ((480, 640), (480, 640, 3))
        inputs.close()
        left = weakref.ref(inputs)
        del inputs, pair
        assert left() is None  # the frames go with it, not when memory is cleaned up later
    source = SceneSource("vi", as_infrared=False)
    noon, midnight = (next(source.frames(to_visible(), Fraction(at))) for at in (0, 20))
    assert noon.image.mean() > 3 * midnight.image.mean()
    assert midnight.time == 20


@pytest.fixture
def client(fuser: Fuser, tmp_path: Path) -> Iterator[TestClient]:
    """A client of an application with two files of 128x96, again and again."""
    names = [
        str(write_video(tmp_path / f"{name}.mp4", pictures, rate=RATE))
        for name, pictures in zip(("ir", "vi"), moving(25, 96, 128), strict=True)
    ]
    session = LiveSession(
        lambda controls, stopped, tell: open_two(*names, Matching(), stopped),
        fuser,
        Controls(),
        tmp_path,
        loop=True,
    )
    app = create_live_app(session, SETTINGS)
    with TestClient(app, base_url="http://127.0.0.1", headers=ASKING) as client:
        yield client


def frame(client: TestClient, after: int = 0) -> tuple[dict[str, Any], bytes]:
    answer = client.get("/v1/live/frame", params={"after": after})
    return json.loads(answer.headers["piafusion-live"]), answer.content


def test_the_next_picture_is_always_the_newest(client: TestClient) -> None:
    until(lambda: frame(client)[1])
    told, jpeg = frame(client)
    assert jpeg[:2] == b"\xff\xd8"
    assert told["before_ms"] is None
    until(lambda: frame(client)[0]["number"] > told["number"] + 5)
    later = until(lambda: (found := frame(client, told["number"])[0]).get("sent_ms") and found)
    assert later["number"] > told["number"]
    assert later["before_ms"] > told["sent_ms"]  # how old the picture is that was shown until now
    assert later["sent_ms"] < later["before_ms"]


def test_controls_and_files(client: TestClient, tmp_path: Path) -> None:
    until(lambda: frame(client)[1])
    offered = client.get("/v1/live").json()
    assert "checker" in offered["views"]
    assert "flicker" not in offered["views"]
    assert client.post("/v1/live/rig").json()["detail"].startswith("expected an alignment to save")
    wanted = {"strength": 1, "view": "blend", "nudge": {"x": 3, "y": -2}, "offset": 0.04}
    state = client.post("/v1/live", json=wanted).json()
    assert {name: state[name] for name in ("strength", "view", "offset")} == {
        "strength": 1, "view": "blend", "offset": 0.04
    }  # fmt: skip
    assert state["view_palette"] == "ironbow"
    assert state["version"] > offered["version"]
    assert client.post("/v1/live/record", json={"on": True}).status_code == 200
    picture = client.get("/v1/live/snapshot")
    assert picture.content.startswith(b"\x89PNG")
    said = client.post("/v1/live/rig").json()["said"]
    (rig,) = tmp_path.glob("rig-*.json")
    assert said.startswith(f"{rig}: saved; it looks ")
    assert read_alignment(rig).matrix[:2, 2].tolist() == [-3, 2]
    assert client.get("/v1/live").json()["nudge"] == {"x": 0, "y": 0, "scale": 1, "angle": 0}
    until(lambda: frame(client)[0]["recorded"] > 3)
    client.post("/v1/live", json={"view": "side-by-side"})  # of another size: another file
    until(lambda: any(".part" not in path.name for path in tmp_path.glob("live-*.mp4")))
    until(lambda: frame(client)[0]["recorded"] > 1)
    client.post("/v1/live/record", json={"on": False})
    sizes = sorted(read_video(path)[0][0].shape for path in tmp_path.glob("live-*.mp4"))
    assert sizes == [(96, 128, 3), (96, 384, 3)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"view": "flicker"}, "expected a view with one picture"),
        ({"view": "none"}, "expected a view of fused"),
        ({"strength": 2}, "strength: "),
        ({"nudge": {"scale": 99}}, "scale: expected 0.1 to 10"),
        ({"tone": "none"}, "tone"),
        ({"more": 1}, "more: "),
    ],
)
def test_wrong_controls(client: TestClient, changes: dict[str, Any], message: str) -> None:
    answer = client.post("/v1/live", json=changes)
    assert answer.status_code == 422
    assert message in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]


def test_a_token_and_a_name_are_asked_for(client: TestClient) -> None:
    for path in ("/v1/live", "/v1/live/frame", "/v1/live/snapshot"):
        assert client.get(path, headers={"Authorization": ""}).status_code == 401
    assert client.get("/", headers={"Authorization": ""}).status_code == 200
    foreign = {**ASKING, "Origin": "http://elsewhere.example"}
    assert client.post("/v1/live", json={"strength": 0}, headers=foreign).status_code == 403
    assert client.get("/", headers={"Host": "elsewhere.example"}).status_code == 421
