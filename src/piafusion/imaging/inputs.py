"""Pictures that users pass, as checked arrays: NumPy, PIL, torch, or a file's path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import ImageError, UsageError
from piafusion.imaging.arrays import Image, native
from piafusion.imaging.tone_curve import fill, masked_like

Picture: TypeAlias = Any
"""A NumPy array H x W or H x W x 3, masked or not; a PIL picture; a torch CPU tensor H x W or
C x H x W; or the path of a file."""

Check: TypeAlias = Callable[[Image], Image]
"""Returns a picture if it can be used, or raises an error."""

ColorOrder = Literal["rgb", "bgr"]

_PIL_AS_ARRAY = ("L", "RGB", "RGBA", "I", "I;16", "I;16L", "I;16B", "F")


@dataclass(frozen=True)
class InputPicture:
    """A checked picture as an array.

    Attributes:
        image: H x W or H x W x 3 RGB in native byte order; masked pixels are filled below the mask.
        shape: The shape that the array came with, without alpha.
        masked: H x W; True where a masked array or file has no value. None for other pictures.
        hidden: The value below the mask.
        dtype: The dtype that the array came with, byte order and all; None for other pictures.
    """

    image: Image
    shape: tuple[int, ...]
    masked: NDArray[np.bool_] | None = None
    hidden: Any = None
    dtype: np.dtype[Any] | None = None


def check_color_order(order: str) -> None:
    """Raise `UsageError` unless the order is "rgb" or "bgr"."""
    if order not in ("rgb", "bgr"):
        raise UsageError(f"expected a color_order of rgb or bgr, found {order!r}")


def read_input(
    picture: Picture,
    name: str,
    read: Callable[[Path | str, Check], Image],
    check: Check,
    color_order: ColorOrder = "rgb",
) -> InputPicture:
    """Return any picture that `Fuser` takes as a checked array.

    Args:
        picture: Any of the types of `Picture`.
        name: The name that errors call it.
        read: Reads and checks a file.
        check: Checks an array. A masked pixel first gets the value of the nearest other one.
        color_order: Channel order of arrays and tensors; files and PIL pictures know their own.

    Raises:
        ImageError: If it is None, of another type, on another device, masked as a whole, or
            refused by `check`.
    """
    if isinstance(picture, (str, Path)):
        image = read(picture, check)
        return InputPicture(image, image.shape, *_masked(image))
    if picture is None:
        raise ImageError(
            f"{name}: expected a picture, found None; OpenCV's imread returns None for a file "
            "that it cannot read: check the path, or pass the path itself"
        )
    kind = type(picture).__module__.partition(".")[0]
    if kind == "PIL":
        image = check(_from_pil(picture))
        return InputPicture(image, image.shape)
    if kind == "torch":
        image = _from_torch(picture, name)
    elif isinstance(picture, np.ndarray):
        image = picture
    else:
        raise ImageError(
            f"{name}: expected a NumPy array, a PIL picture, a torch tensor or a path, found "
            f"{type(picture).__name__}; convert it"
        )
    (masked, hidden), dtype = _masked(image), image.dtype
    image = in_order(native(np.ma.getdata(image)), color_order)
    shape = image.shape
    if masked is not None and masked.any():
        if masked.all():
            raise ImageError(f"{name}: expected values, found a picture masked as a whole")
        image = fill(image, masked)[0]
    image = check(image)
    shape = shape if shape[2:] == (1,) else image.shape
    return InputPicture(masked_like(image, masked), shape, masked, hidden, dtype)


def _masked(image: Image) -> tuple[NDArray[np.bool_] | None, Any]:
    """Return the mask of a picture, H x W, and the value below it; None for one without a mask."""
    if not isinstance(image, np.ma.MaskedArray):
        return None, None
    mask: NDArray[np.bool_] = np.asarray(np.ma.getmaskarray(image))
    return np.logical_or.reduce(mask, axis=2) if mask.ndim == 3 else mask, image.fill_value


def in_order(image: Image, color_order: ColorOrder) -> Image:
    """Turn RGB or RGBA into the order, or back; a grey image has none."""
    if color_order == "rgb" or image.ndim == 2 or image.shape[-1] not in (3, 4):
        return image
    if image.shape[-1] == 4:
        return np.ascontiguousarray(image[..., [2, 1, 0, 3]])
    if image.size and image.dtype in (np.uint8, np.uint16, np.float32):  # 70 times as fast
        rows = image.reshape(-1, *image.shape[-2:])
        return np.asarray(cv2.cvtColor(rows, cv2.COLOR_BGR2RGB)).reshape(image.shape)
    return np.ascontiguousarray(image[..., ::-1])


def like_input(fused: Image, given: InputPicture, color_order: ColorOrder) -> Image:
    """Give a fused RGB image the shape, channel order, byte order and mask of the visible one."""
    image = in_order(fused.reshape(given.shape), color_order)
    if given.dtype is not None:
        image = image.astype(given.dtype, copy=False)
    if given.masked is None:
        return image
    mask = given.masked if image.ndim == 2 else given.masked[..., None]
    wide = np.broadcast_to(mask, image.shape)
    masked: Image = np.ma.masked_array(image, wide, fill_value=given.hidden)
    return masked


def _from_pil(picture: Any) -> Image:  # noqa: ANN401 - PIL is not a dependency
    """Return the array of a PIL picture; palettes and other colour spaces become RGB."""
    if picture.mode == "1":
        picture = picture.convert("L")
    elif picture.mode not in _PIL_AS_ARRAY:
        has_alpha = picture.mode in ("LA", "PA") or "transparency" in picture.info
        picture = picture.convert("RGBA" if has_alpha else "RGB")
    return native(np.asarray(picture))


def _from_torch(tensor: Any, name: str) -> Image:  # noqa: ANN401 - torch may not be installed
    """Return the array of a tensor, channels last."""
    if tensor.device.type != "cpu":
        raise ImageError(
            f"{name}: expected a tensor in the processor's memory, found one on {tensor.device}; "
            "pass tensor.cpu()"
        )
    tensor = tensor.detach()
    if tensor.is_floating_point() and tensor.dtype.itemsize < 4:  # NumPy has no bfloat16
        tensor = tensor.float()
    image: Image = tensor.numpy()
    if image.ndim == 2:
        return image
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ImageError(
            f"{name}: expected a tensor of H x W, 1 x H x W or 3 x H x W, found the shape "
            f"{tuple(image.shape)}; pass one picture, channels first"
        )
    return np.ascontiguousarray(image.transpose(1, 2, 0))
