"""The same streets seen by two cameras side by side: lenses, a small turn, and parallax.

Each camera has its own eye, so near things lie at other pixels than a map for far things says.
Where each visible pixel lies in the infrared picture is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.align.geometry import Points
from piafusion.imaging.align.lens import Lens, over_grid
from piafusion.scenes.canvas import Canvas
from piafusion.scenes.compose import paint_street
from piafusion.scenes.hour import Hour, hour_of
from piafusion.scenes.plan import StreetPlan, plan_street
from piafusion.scenes.sensors import infrared_camera, visible_camera
from piafusion.scenes.synthetic import check_size

_FINER = 2  # pixels are painted at half their size: things stand at whole painted pixels
_HIDDEN = 1.05  # the infrared camera sees a point unless something is nearer by that factor


@dataclass(frozen=True)
class RigCamera:
    """A camera that looks along the street.

    Attributes:
        size: Height and width of its pictures, at least 64 each.
        zoom: Focal length as a share of the width.
        lens: k1 and k2 of OpenCV's radial distortion; its centre is the middle of the picture.
        turn: Pitch, yaw and roll in degrees.
    """

    size: tuple[int, int] = (480, 640)
    zoom: float = 0.85
    lens: tuple[float, float] = (0.0, 0.0)
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return self.zoom * self.size[1]

    @property
    def optics(self) -> Lens:
        """The lens in pixels."""
        plain = Lens.plain(self.size, *self.lens)
        return replace(plain, focal=(self.focal, self.focal))

    @property
    def rotation(self) -> NDArray[np.float64]:
        """The 3 x 3 rotation of a direction in the world (x right, y down, z ahead)."""
        pitch, yaw, roll = (cv2.Rodrigues(axis)[0] for axis in np.diag(np.deg2rad(self.turn)))
        return np.asarray(roll @ yaw @ pitch)

    def slopes(self, pixels: Points) -> Points:
        """Return x / z and y / z of what the camera shows at pixels, `N x 2`."""
        straight = (self.optics.straighten(pixels) - self.optics.centre) / self.focal
        ahead = np.column_stack([straight, np.ones(len(straight))]) @ self.rotation
        return np.asarray(ahead[:, :2] / ahead[:, 2:])

    def place(self, slopes: Points) -> Points:
        """Return the pixels, `N x 2`, at which the camera shows directions."""
        turned = np.column_stack([slopes, np.ones(len(slopes))]) @ self.rotation.T
        straight = turned[:, :2] / turned[:, 2:] * self.focal + self.optics.centre
        return self.optics.bend(straight)


@dataclass(frozen=True)
class Rig:
    """A visible camera and an infrared one `baseline` metres to its right."""

    infrared: RigCamera = field(default_factory=RigCamera)
    visible: RigCamera = field(default_factory=RigCamera)
    baseline: float = 0.1


@dataclass(frozen=True)
class RigScene:
    """A pair with its ground truth.

    Attributes:
        infrared: uint8 `h x w`, warm is bright.
        visible: uint8 `H x W x 3`, RGB.
        places: float32 `H x W x 2`, where each visible pixel lies in the infrared picture, x and y.
        seen: bool `H x W`, whether the infrared camera sees that point.
        depth: float32 `H x W`, metres along the street; the sky is far.
    """

    infrared: NDArray[np.uint8]
    visible: NDArray[np.uint8]
    places: NDArray[np.float32]
    seen: NDArray[np.bool_]
    depth: NDArray[np.float32]


def rig_scene(seed: int, rig: Rig | None = None, *, daylight: float = 1.0) -> RigScene:
    """Compose a street as a rig sees it.

    Args:
        seed: Chooses the street and the noise; not negative.
        rig: The cameras; by default equal ones without distortion.
        daylight: 0 is night, 1 is noon.

    Returns:
        The pair, the same for the same arguments.

    Raises:
        UsageError: If a side is too short or the seed is negative.
    """
    rig = rig or Rig()
    for camera in (rig.infrared, rig.visible):
        check_size(*camera.size, seed)
    streams = np.random.SeedSequence(seed).spawn(3)
    layout, *grain = (np.random.default_rng(stream) for stream in streams)
    plan = plan_street(layout)
    hour = hour_of(daylight, plan.azimuth)
    eye = (plan.eye[0] + rig.baseline, plan.eye[1])
    thermal = _taken(replace(plan, eye=eye), hour, rig.infrared)
    colour = _taken(plan, hour, rig.visible)
    depth = colour.depth.copy()
    away = np.stack([rig.baseline / depth, np.zeros_like(depth)], axis=-1)
    slopes = over_grid(rig.visible.slopes, rig.visible.size)
    places = rig.infrared.place((slopes - away).reshape(-1, 2)).reshape(slopes.shape)
    places = places.astype(np.float32)
    x, y = np.moveaxis(places, -1, 0)
    height, width = rig.infrared.size
    seen = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    there = cv2.remap(thermal.depth, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return RigScene(
        infrared=infrared_camera(thermal, hour, 0.0, np.eye(3), grain[0]),
        visible=visible_camera(colour, hour, 0.0, grain[1]),
        places=places,
        seen=seen & (depth < _HIDDEN * there),
        depth=depth,
    )


def _taken(plan: StreetPlan, hour: Hour, camera: RigCamera) -> Canvas:
    """Paint what a camera sees, without a lens, and bend it as its lens does."""
    fine_size = camera.size[0] * _FINER, camera.size[1] * _FINER
    slopes = over_grid(lambda pixels: camera.slopes((pixels + 0.5) / _FINER - 0.5), fine_size)
    focal = camera.focal * _FINER
    low, high = slopes.min(axis=(0, 1)), slopes.max(axis=(0, 1))
    width, height = np.ceil((high - low) * focal).astype(int) + 2
    middle = (1 - low * focal).astype(float)  # of the painted picture, in its pixels
    painted = paint_street(
        replace(
            plan,
            zoom=focal / min(height, 0.8 * width),
            centre=(float(middle[0] / width), float(middle[1] / height)),
        ),
        hour,
        int(height),
        int(width),
    )
    x, y = cv2.split((slopes * focal + middle - 0.5).astype(np.float32))
    fine = cv2.remap(painted.pixels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    taken = Canvas(plan, *camera.size)
    taken.pixels = np.asarray(
        cv2.resize(fine, camera.size[::-1], interpolation=cv2.INTER_AREA), np.float32
    )
    x, y = (part[1::_FINER, 1::_FINER] - np.float32(0.5) for part in (x, y))
    nearest = cv2.remap(painted.depth, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    taken.depth = np.asarray(nearest, np.float32)
    return taken
