"""The alignment of a rig: one map from visible to infrared pixels, and warping by it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import SizeMismatchError, UsageError
from piafusion.files import write_json
from piafusion.imaging.align.geometry import (
    Kind,
    Matrix,
    Points,
    check_kind,
    is_sane,
    normalised,
    resizing,
    transform,
)
from piafusion.imaging.align.lens import Lens, Size, over_grid
from piafusion.imaging.arrays import Image

Rows = tuple[tuple[float, float, float], ...]

VERSION = 2
_ASPECT_TOLERANCE = 0.01
_OUTLINE, _FAR = 64, 1e5  # points on each side of a picture's outline; pixels
# Shares of the visible picture's shorter side: from visible alone to both; a strip along the
# visible border this narrow shows the infrared picture's border again.
_SOFT_EDGE, _STRIP = 0.03, 0.01


@dataclass(frozen=True)
class Quality:
    """Measures of how reliable an estimate is.

    Attributes:
        score: Share of the blocks of the visible picture that the map sends to the place where
            they are found in the infrared one, 0 to 1: the geometric mean of their share of all
            blocks and of the blocks that both pictures show. Chance gives 0.03. It is less
            where fewer than 25 blocks fit side by side: in a part narrower than 9:16, say.
        likeness: Mean correlation of the structure in them, -1 to 1; 0.2 to 0.5 is usual.
        disagreement: Distance between the corners that two maps give, each estimated from half
            of the blocks; visible pixels, mean of the four corners.
        residual: Median distance of those blocks from the place that the map gives, in visible
            pixels: depth and lenses cause it.
        pairs: Number of pairs that it was estimated from.
    """

    score: float
    likeness: float
    disagreement: float
    residual: float
    pairs: int


@dataclass(frozen=True, eq=False)
class Shifts:
    """Local shifts of one pair, on top of its rig's map.

    Attributes:
        cells: rows x columns x 2 float32, at the middles of the cells of a grid over the visible
            picture: how far right and down of its place its content lies, as shares of its width.
    """

    cells: NDArray[np.float32]

    def at(self, points: Points, size: Size) -> Points:
        """Return the shifts, N x 2 pixels, at pixels of a visible picture of a size."""
        rows, columns = self.cells.shape[:2]
        x, y = ((points + 0.5) / size[::-1] * (columns, rows) - 0.5).astype(np.float32).T.copy()
        found = cv2.remap(
            self.cells, x[None], y[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(found[0] * size[1], np.float64)


@dataclass(frozen=True)
class Crop:
    """A part of a picture, in whole pixels from its top left corner."""

    left: int
    top: int
    width: int
    height: int

    @classmethod
    def parse(cls, text: str, size: Size) -> Crop:
        """Return the part that a text gives: 640x360 in the middle, or 640x360+0+60 from there.

        Args:
            text: Width, height, and the pixels to the left and above.
            size: Height and width of the whole picture.

        Raises:
            UsageError: If it is none, or lies outside.
        """
        found = re.fullmatch(r"(\d+)x(\d+)(?:\+(\d+)\+(\d+))?", text)
        numbers = [int(each) for each in found.groups() if each] if found else [0, 0]
        width, height = numbers[:2]
        left, top = numbers[2:] or ((size[1] - width) // 2, (size[0] - height) // 2)
        inside = 0 <= left <= size[1] - width and 0 <= top <= size[0] - height
        if min(width, height) < 1 or not inside:
            raise UsageError(
                f"expected a part of {size[1]}x{size[0]} pixels such as 640x360 (in the middle) or "
                f"640x360+0+60 (left, top), found {text!r}; give one inside"
            )
        return cls(left, top, width, height)

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.height, self.width


@dataclass(frozen=True)
class Alignment:
    """A map from visible pixels to infrared pixels.

    Pixel centres are at whole numbers, x to the right and y down, (0, 0) the top left one.

    Attributes:
        kind: "similarity", "affine" or "homography".
        rows: The 3x3 matrix M by rows: a visible (x, y) lies at infrared (u / w, v / w), where
            (u, v, w) = M (x, y, 1). With lenses, these are pixels of the straight pictures.
        infrared_size: Height and width of the infrared pictures it was estimated for.
        visible_size: Height and width of the visible ones.
        quality: Measures of its reliability.
        infrared_lens: Distortion of the infrared camera, if it is known.
        visible_lens: Distortion of the visible camera.
        shifts: Local shifts of one pair; files do not hold them.
    """

    kind: Kind
    rows: Rows
    infrared_size: Size
    visible_size: Size
    quality: Quality
    infrared_lens: Lens | None = None
    visible_lens: Lens | None = None
    shifts: Shifts | None = None

    @classmethod
    def of(
        cls, kind: str, matrix: Matrix, infrared_size: Size, visible_size: Size, quality: Quality
    ) -> Alignment:
        """Make one from a 3x3 array; `UsageError` if it turns pictures inside out."""
        if np.shape(matrix) != (3, 3) or not is_sane(np.asarray(matrix, float), visible_size):
            raise UsageError(
                "matrix: expected a 3x3 map that keeps a picture whole, found "
                f"{np.asarray(matrix).tolist()}; estimate it again"
            )
        first, second, third = normalised(matrix).tolist()
        rows = (tuple(first), tuple(second), tuple(third))
        return cls(check_kind(kind), rows, infrared_size, visible_size, quality)

    @property
    def matrix(self) -> Matrix:
        """3 x 3 float64, from visible to infrared pixels."""
        return np.array(self.rows)

    def mirrored(self) -> Alignment:
        """Return the alignment for infrared pictures with left and right exchanged."""
        flip = np.array([[-1, 0, self.infrared_size[1] - 1], [0, 1, 0], [0, 0, 1.0]])
        return Alignment.of(
            self.kind, flip @ self.matrix, self.infrared_size, self.visible_size, self.quality
        )

    def cropped(self, infrared: Crop | None = None, visible: Crop | None = None) -> Alignment:
        """Return the alignment for parts of the same sensors, as other modes of a camera show them.

        Args:
            infrared: The part that the new infrared pictures show, in pixels of `infrared_size`;
                all of it by default.
            visible: The same of the visible ones.
        """
        ir, vi = (
            crop or Crop(0, 0, *size[::-1])
            for crop, size in ((infrared, self.infrared_size), (visible, self.visible_size))
        )
        before, behind = (
            np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])
            for x, y in ((-ir.left, -ir.top), (vi.left, vi.top))
        )
        matrix = before @ self.matrix @ behind
        found = Alignment.of(self.kind, matrix, ir.size, vi.size, self.quality)
        ir_lens, vi_lens = self.infrared_lens, self.visible_lens
        return replace(
            found,
            infrared_lens=ir_lens and ir_lens.moved(-ir.left, -ir.top),
            visible_lens=vi_lens and vi_lens.moved(-vi.left, -vi.top),
        )

    def scaled(self, infrared_size: Size, visible_size: Size) -> Alignment:
        """Return the alignment for the same rig's pictures at another resolution.

        Raises:
            SizeMismatchError: If a picture has another shape, so cannot be a resized one.
        """
        if (infrared_size, visible_size) == (self.infrared_size, self.visible_size):
            return self
        for name, own, other in (
            ("infrared", self.infrared_size, infrared_size),
            ("visible", self.visible_size, visible_size),
        ):
            # A resized picture's sides are rounded to whole pixels.
            slack = _ASPECT_TOLERANCE + 0.5 / min(*own, *other)
            if abs(own[0] * other[1] / (own[1] * other[0]) - 1) > slack:
                raise SizeMismatchError(
                    f"expected {name} pictures of the shape that the alignment was estimated for, "
                    f"{own[1]}x{own[0]} or the same at another scale, found {other[1]}x{other[0]}; "
                    "estimate one for this rig, or crop the file (piafusion align FILE)"
                )
        matrix = (
            resizing(self.infrared_size, infrared_size)
            @ self.matrix
            @ resizing(visible_size, self.visible_size)
        )
        found = Alignment.of(self.kind, matrix, infrared_size, visible_size, self.quality)
        ir, vi = self.infrared_lens, self.visible_lens
        return replace(
            found,
            infrared_lens=ir and ir.resized(self.infrared_size, infrared_size),
            visible_lens=vi and vi.resized(self.visible_size, visible_size),
            shifts=self.shifts,
        )

    def place(self, points: Points) -> Points:
        """Return where visible pixels lie in the infrared picture.

        Args:
            points: N x 2, x and y, in a visible picture of `visible_size`.

        Returns:
            N x 2, in an infrared picture of `infrared_size`; NaN where a lens shows nothing.
        """
        if self.shifts:
            points = points + self.shifts.at(points, self.visible_size)
        straight = self.visible_lens.straighten(points) if self.visible_lens else points
        found = transform(self.matrix, straight)
        return self.infrared_lens.bend(found) if self.infrared_lens else found

    def warp(self, infrared: Image, visible_size: Size) -> Image:
        """Bring an infrared picture onto the visible one's pixel grid.

        Args:
            infrared: H x W; uint8, uint16 or float in [0, 1].
            visible_size: Height and width to bring it to.

        Returns:
            That size, the same dtype and range, by cubic interpolation; pixels that the infrared
            picture does not show repeat its border, see `coverage`.

        Raises:
            SizeMismatchError: If a size has another shape than it was estimated for.
        """
        fitting = self.scaled((infrared.shape[0], infrared.shape[1]), visible_size)
        warped = _pulled(fitting, infrared, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
        if warped.dtype.kind == "f":
            np.clip(warped, 0, 1, out=warped)
        return np.asarray(warped)

    def coverage(self, infrared_size: Size, visible_size: Size) -> NDArray[np.float32]:
        """Return how much of each visible pixel the infrared picture may decide.

        Returns:
            H x W float32 of the visible size, read-only: 0 outside the infrared picture, rising
            over a soft edge inside it to 1. The border of the infrared picture is repeated in
            narrow strips between it and the visible border, and where a local shift reaches beyond
            it.
        """
        return _coverage(replace(self.scaled(infrared_size, visible_size), shifts=None))

    def warp_onto(
        self, infrared: NDArray[np.float32], luminance: NDArray[np.float32], margin: int = 0
    ) -> NDArray[np.float32]:
        """Bring an infrared picture onto the visible grid; where it is not, take the luminance.

        Args:
            infrared: H x W in [0, 1]; of masked pixels the luminance is taken, too.
            luminance: Luminance of the visible picture, of its own H x W, in [0, 1].
            margin: Pixels around the infrared picture in which its border is repeated. A network
                that looks as far then sees no edge where the infrared picture ends; what it makes
                of the margin is to be left out, as `coverage` says.

        Returns:
            The size of `luminance`, in [0, 1].

        Raises:
            SizeMismatchError: If a size has another shape than it was estimated for.
        """
        size = (luminance.shape[0], luminance.shape[1])
        warped: NDArray[np.float32] = self.warp(np.ma.getdata(infrared), size)
        fitting = self.scaled((infrared.shape[0], infrared.shape[1]), size)
        share = _coverage(replace(fitting, shifts=None), margin)
        if isinstance(infrared, np.ma.MaskedArray):
            seen = _warped_onto(fitting, _seen(infrared), cv2.BORDER_REPLICATE)
            share = np.minimum(share, _softened(seen))
        if share.min() == 1:
            return warped
        warped -= luminance
        warped *= share
        warped += luminance
        return warped

    def resample(self, values: Image, visible_size: Size) -> NDArray[np.float32]:
        """Bring temperatures onto the visible picture's pixel grid.

        Args:
            values: H x W, any numbers; masked pixels count as outside.
            visible_size: Height and width to bring them to.

        Returns:
            That size, float32, by linear interpolation; NaN outside the infrared picture.

        Raises:
            SizeMismatchError: If a size has another shape than it was estimated for.
        """
        fitting = self.scaled((values.shape[0], values.shape[1]), visible_size)
        levels = np.ma.getdata(values).astype(np.float32)
        warped = _pulled(fitting, levels, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)
        return np.where(fitting.inside(values, visible_size), warped, np.float32(np.nan))

    def inside(self, infrared: Image, visible_size: Size) -> NDArray[np.bool_]:
        """Return which visible pixels lie on an infrared pixel that has a value.

        Args:
            infrared: H x W; masked pixels have none.
            visible_size: Height and width of the visible picture.

        Raises:
            SizeMismatchError: If a size has another shape than it was estimated for.
        """
        fitting = self.scaled((infrared.shape[0], infrared.shape[1]), visible_size)
        return _warped_onto(fitting, _seen(infrared)).view(np.bool_)

    def shown(self, infrared_size: Size, visible_size: Size) -> NDArray[np.bool_]:
        """Return which infrared pixels lie inside the visible picture, H x W of the infrared size.

        Raises:
            SizeMismatchError: If a size has another shape than it was estimated for.
        """
        fitting = self.scaled(infrared_size, visible_size)
        height, width = visible_size
        along, zero = np.linspace(0, 1, _OUTLINE), np.zeros(_OUTLINE)
        x = np.concatenate((along, zero + 1, along[::-1], zero)) * (width - 1)
        y = np.concatenate((zero, along, zero + 1, along[::-1])) * (height - 1)
        outline = fitting.place(np.stack((x, y), axis=1))
        outline = np.clip(outline[np.isfinite(outline).all(axis=1)], -_FAR, _FAR)
        inside = np.zeros(infrared_size, np.uint8)
        cv2.fillPoly(inside, [np.rint(outline).astype(np.int32)], 1)
        return inside.view(np.bool_)

    def spot(self, x: float, y: float, infrared_size: Size, visible_size: Size) -> tuple[int, int]:
        """Return x and y of the visible pixel that shows an infrared pixel, or the nearest one."""
        across, down = _places(self.scaled(infrared_size, visible_size))
        row, column = np.unravel_index(np.argmin(np.hypot(across - x, down - y)), visible_size)
        return int(column), int(row)

    def save(self, path: Path | str, *, overwrite: bool = False) -> None:
        """Write it as JSON, whole or not at all.

        Raises:
            UsageError: If the file exists.
            OutputError: If it cannot be written.
        """
        path = Path(path)
        if path.exists() and not overwrite:
            raise UsageError(f"{path}: exists already; choose another name or allow overwriting")
        write_json(path, self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return what `save` writes."""
        lenses = {"infrared_lens": self.infrared_lens, "visible_lens": self.visible_lens}
        return {
            "piafusion_alignment": VERSION,
            "kind": self.kind,
            "matrix": [list(row) for row in self.rows],
            "infrared": {"width": self.infrared_size[1], "height": self.infrared_size[0]},
            "visible": {"width": self.visible_size[1], "height": self.visible_size[0]},
            "quality": asdict(self.quality),
            **{name: asdict(lens) for name, lens in lenses.items() if lens},
        }


@lru_cache(maxsize=8)
def _places(fitting: Alignment) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the x and y at which the infrared picture is looked up for each visible pixel."""
    x, y = np.moveaxis(over_grid(fitting.place, fitting.visible_size), -1, 0)
    return tuple(np.nan_to_num(each, nan=-1e4, copy=False) for each in (x.copy(), y.copy()))


def _pulled(fitting: Alignment, infrared: Image, how: int, border: int) -> Image:
    """Warp an infrared picture of the size that an alignment is for."""
    if fitting.infrared_lens or fitting.visible_lens or fitting.shifts:
        return np.asarray(cv2.remap(infrared, *_places(fitting), how, borderMode=border))
    size = fitting.visible_size[::-1]
    flags = how | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(infrared, fitting.matrix, size, flags=flags, borderMode=border)
    return np.asarray(warped)


@lru_cache(maxsize=8)
def _coverage(fitting: Alignment, margin: int = 0) -> NDArray[np.float32]:
    inside = _warped_onto(fitting, np.ones(fitting.infrared_size, np.uint8))
    strip = int(_STRIP * min(fitting.visible_size))
    square = np.ones((2 * strip + 1, 2 * strip + 1), np.uint8)
    inside = np.asarray(cv2.morphologyEx(inside, cv2.MORPH_CLOSE, square), np.uint8)
    if margin and not inside.all():
        outward = cv2.distanceTransform(1 - inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        inside = (outward <= margin + _edge(fitting.visible_size)).astype(np.uint8)
    share = _softened(inside)
    share.setflags(write=False)
    return share


def _edge(visible_size: Size) -> float:
    """Return the width of the soft edge in pixels."""
    return max(2.0, _SOFT_EDGE * min(visible_size))


def _softened(inside: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return 0 where `inside` is 0, rising over a soft edge inside to 1."""
    if inside.all():
        return np.ones(inside.shape, np.float32)
    edge = _edge((inside.shape[0], inside.shape[1]))
    inward = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    share = np.clip(inward / np.float32(edge), 0, 1).astype(np.float32)
    return np.asarray(share * share * (3 - 2 * share))  # no crease at either end


def _warped_onto(
    fitting: Alignment, seen: NDArray[np.uint8], border: int = cv2.BORDER_CONSTANT
) -> NDArray[np.uint8]:
    """Return where a visible pixel lies on a part of the infrared picture that is not 0."""
    return np.asarray(_pulled(fitting, seen, cv2.INTER_NEAREST, border), np.uint8)


def _seen(infrared: Image) -> NDArray[np.uint8]:
    """Return 1 where an infrared picture has a value, 0 where it is masked."""
    return (~np.ma.getmaskarray(infrared)).view(np.uint8)
