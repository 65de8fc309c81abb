"""The spine: an infrared and a visible image in, one fused image out.

1. Read the pair and check types, values and sizes: `read_input`, or `read_pair` for files.
2. Map the infrared picture to [0, 1]: the tone.
3. Split the visible picture into luminance and chroma.
4. Warp the infrared picture onto the visible one: the alignment, if there is one.
5. Fuse infrared and luminance: the engine, which runs a network or a comparison method.
6. Take, place by place, as much of the fused luminance as the strength asks for.
7. Join the fused luminance with the chroma.

Large pictures take steps 3 to 7 tile by tile. `steps.py` has what each of these does and
`pair_files.py` how files are read and written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from piafusion import pair_files
from piafusion.engines import Engine, create_engine
from piafusion.errors import UsageError
from piafusion.imaging.align import Alignment, read_alignment
from piafusion.imaging.arrays import Image, check_minimum, check_same_size, full_scale, to_unit
from piafusion.imaging.buffers import BufferPool, Buffers
from piafusion.imaging.calm import Calm, Carried
from piafusion.imaging.colour import luminance
from piafusion.imaging.formats import Photo
from piafusion.imaging.inputs import (
    ColorOrder,
    Picture,
    check_color_order,
    in_order,
    like_input,
    read_input,
)
from piafusion.imaging.io import read_infrared, read_photo, read_visible
from piafusion.imaging.natural import NATURAL, check_strength, judge, weigh
from piafusion.imaging.strips import Strips
from piafusion.imaging.tiling import (
    Floats,
    Tile,
    Window,
    WindowReader,
    WindowWriter,
    check_side,
    gather_share,
    plan_tiles,
)
from piafusion.imaging.tone import (
    AnyTone,
    Full,
    SmoothedTone,
    Tone,
    advise_visible,
    as_tone,
    parse_tone,
    parse_visible_tone,
    show_visible,
)
from piafusion.imaging.tone_curve import InfraredRange
from piafusion.imaging.views import Seen, View, parse_view
from piafusion.methods import create_method
from piafusion.run.pool import Turn
from piafusion.run.progress import Progress, counted, silent
from piafusion.steps import (
    MIN_SIDE,
    SEEN,
    Frame,
    Whole,
    calm,
    join,
    onto,
    run_network,
    split,
)
from piafusion.weights import DEFAULT_MODEL

if TYPE_CHECKING:
    from piafusion.imaging.align import Local


@dataclass(frozen=True)
class Fused:
    """A fused pair.

    Attributes:
        image: The fused picture, with the shape and dtype of the visible one; a masked array
            where the visible picture was one.
        tone: The range of infrared values that was used.
        alignment: The alignment that was applied, if there was one.
        note: A line for the user about how a photo was read and aligned.
        measured: The values measured at each place that was asked for.
        unit: The unit of these values: "°C", or "" if it is not known.
        conditions: The values that the temperatures of a photo were computed with: emissivity
            and so on.
    """

    image: Image
    tone: InfraredRange
    alignment: Alignment | None = None
    note: str = ""
    measured: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    unit: str = ""
    conditions: Mapping[str, float] = field(default_factory=dict)


class Fuser:
    """Fuses pairs with one model; make it once, call it for each pair, from any thread.

    >>> fuser = Fuser()
    >>> infrared = np.zeros((48, 64), np.uint8)
    >>> visible = np.full((48, 64, 3), 200, np.uint8)
    >>> fuser(infrared, visible).shape
    (48, 64, 3)
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        device: str = "auto",
        engine: str = "onnx",
        threads: int | None = None,
        tone: str | AnyTone = "full",
        alignment: Alignment | Path | str | None = None,
        tile: int | None = None,
        method: str | None = None,
        color_order: ColorOrder = "rgb",
        polarity: str = "white-hot",
        palette: str | None = None,
        visible_tone: str | Tone = "full",
        keep_metadata: bool = True,
        view: str | View = "fused",
        strength: float | None = None,
        precision: str = "auto",
        local: bool | Local = False,
    ) -> None:
        """Load the weights of a model, or get a comparison method ready.

        Args:
            model: A shipped model (`piafusion models` lists them) or the path of an exported
                `.onnx` or `.safetensors` file.
            device: "auto" (CUDA where it works; else OpenVINO where it is installed and the
                processor computes in bf16 or int8; else ONNX Runtime on the processor), "cpu",
                "cuda", "tensorrt" or "openvino" (needs the `openvino` extra).
            engine: "onnx" (ONNX Runtime, or OpenVINO on that device) or "torch" (needs the
                `train` extra).
            threads: Threads of the processor; one for each usable core by default. Give 1 where
                several processes or threads fuse at the same time, one for each core.
            tone: The map of raw infrared values to [0, 1]: "full" (by the dtype), "percentile",
                "span:LOW,HIGH", "bits:COUNT", "plateau" or "clahe" (see `piafusion.imaging.tone`),
                or an object of that module; `SmoothedTone` for the frames of a video.
            alignment: The transform of the infrared picture onto the visible one, or its file;
                the two may then have different sizes.
            tile: Largest side, in pixels, of the tiles that a picture is fused in; the result is
                the same for every side. By default large pictures are fused in tiles, those
                of more than 4 megapixels always.
            method: A comparison method (`piafusion methods` lists them) in place of model and
                engine. It fuses pictures as a whole.
            color_order: Channel order of visible arrays and tensors, and of all results: "rgb",
                or "bgr" as OpenCV has it. Files and PIL pictures know their own order.
            polarity: "white-hot", or "black-hot" for infrared pictures in which hot things are
                dark: they are inverted.
            palette: For infrared pictures in false colours: their palette (see
                `piafusion.imaging.palettes`), or "auto" for the one that fits.
            visible_tone: The range of visible values that becomes black to white: "full" (by the
                dtype), "bits:12" for 12 bits in a dtype of 16, "span:LOW,HIGH" or "percentile".
            keep_metadata: Whether place, time and camera (EXIF, XMP) and the colour profile go from
                the visible picture's file to the fused one.
            view: The picture to draw of each pair: "fused", or another picture of
                `piafusion.imaging.views`, such as "edges"; an object of that module has a palette
                and a colour bar too. Pictures of other views than "fused" have 8 bits.
            strength: How much infrared comes in: 0 is the visible picture, 0.5 (the default) the
                natural one, in which targets stand out, what is dark is filled and all else stays
                as it is, and 1 has all of the infrared that is brighter. Only for a model that can
                judge places, as our own models can.
            precision: The numbers that the network computes in: "float", "bf16" or "int8", or
                "auto" for the fastest on this machine. In float "auto" runs ONNX Runtime, and a
                picture is the same everywhere; bf16 changes it by 0.01 to 0.06 grey levels in the
                mean, and by 0.4 that of `paper`.
            local: Whether near things are shifted on top of the alignment, pair by pair; a
                `piafusion.imaging.align.Local` of its own for the frames of a video in their order.

        Raises:
            UsageError: If the model, method, device, engine, precision, tone, polarity or colour
                order is unknown, the tile no size, or the strength not in [0, 1] or not for this
                model.
            WeightsError: If the weights are missing or corrupt.
            DeviceError: If the engine cannot use the device, or has not the precision.
            MissingExtraError: If the engine is not installed.
            AlignmentError: If the file holds no alignment.
        """
        check_color_order(color_order)
        self._settings = {
            **{"model": model, "device": device, "engine": engine, "threads": threads},
            **{"tile": tile, "method": method, "color_order": color_order},
            **{"keep_metadata": keep_metadata, "view": view, "precision": precision},
        }
        self.keep_metadata = keep_metadata
        self.model = method or model
        self.color_order: ColorOrder = color_order
        self.tone = as_tone(tone, polarity, palette)
        self.visible_tone = (
            parse_visible_tone(visible_tone) if isinstance(visible_tone, str) else visible_tone
        )
        self.show = partial(show_visible, tone=self.visible_tone)
        self.engine: Engine = (
            create_method(method, device=device, threads=threads, precision=precision)
            if method
            else create_engine(
                model,
                kind="fusion",
                device=device,
                engine=engine,
                threads=threads,
                precision=precision,
            )
        )
        if isinstance(alignment, (str, Path)):
            alignment = read_alignment(alignment)
        self.alignment = alignment
        self.tile = check_side(tile, self.engine.reach, self.model)
        self.view = parse_view(view) if isinstance(view, str) else view
        self.strength = self._check_strength(strength)
        self.local = _local(local)
        self._buffers = BufferPool()
        self._strips = Strips(self.engine.threads)

    def _check_strength(self, strength: float | None) -> float | None:
        """Return the strength to fuse with, None if the model judges nothing."""
        if self.engine.context_side is not None:
            return NATURAL if strength is None else check_strength(strength)
        if check_strength(strength) is not None:
            raise UsageError(
                f"strength: expected a model that judges places, as {DEFAULT_MODEL} does, found "
                f"{self.model}; leave the strength out"
            )
        return None

    def adjusted(
        self,
        tone: str | AnyTone | None = None,
        alignment: Alignment | None = None,
        visible_tone: Tone | None = None,
        strength: float | None = None,
        view: View | None = None,
    ) -> Fuser:
        """Return a fuser with the same engine, other tones, alignment, strength and view.

        It costs nothing. Use it where pairs come from different cameras.

        Args:
            tone: A tone as the constructor takes it; by default that of this fuser.
            alignment: None for pairs that are aligned.
            visible_tone: A tone for the visible picture; by default that of this fuser.
            strength: By default that of this fuser.
            view: By default that of this fuser.

        Raises:
            UsageError: If the tone is unknown, or the strength cannot be used.
        """
        other = Fuser.__new__(Fuser)
        other.__dict__.update(self.__dict__)
        other.tone = parse_tone(tone) if isinstance(tone, str) else tone or self.tone
        other.visible_tone = visible_tone or self.visible_tone
        other.show = partial(show_visible, tone=other.visible_tone)
        other.alignment = alignment
        other.view = view or self.view
        other.strength = self.strength if strength is None else self._check_strength(strength)
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings: a copy in another process loads the network again."""
        own: dict[str, Any] = {"tone": self.tone, "visible_tone": self.visible_tone}
        own |= {"alignment": self.alignment, "strength": self.strength}
        own |= {"local": self.local or False}
        return {**self._settings, **own}

    def __setstate__(self, settings: dict[str, Any]) -> None:
        """Make the fuser that the settings describe."""
        Fuser.__init__(self, **settings)

    def __call__(self, infrared: Picture, visible: Picture | None = None) -> Image:
        """Fuse one pair of the same height and width, or of any that the alignment fits.

        Each picture is a NumPy array, a PIL picture, a torch CPU tensor (C x H x W or H x W) or
        the path of a file. The dtype decides the range: all of it for integers, [0, 1] for
        floats; for the infrared picture the tone decides. Pictures have at least 8 x 8 pixels.

        Args:
            infrared: H x W, or H x W x 3 with three equal channels; uint8, uint16 or float, or
                whatever the tone takes. Masked pixels have no value and are filled.
            visible: H x W grey or H x W x 3; uint8, uint16 or float. Masked pixels stay masked.
                None for the file of a thermal camera that holds both pictures.

        Returns:
            The fused image as a NumPy array with the height, width, channels and dtype of
            `visible` and its chroma, channels last in the fuser's `color_order`.

        Raises:
            ImageError: If a type, shape, dtype or value cannot be used.
            SizeMismatchError: If the sizes differ, or do not fit the alignment.
        """
        return self.fuse(infrared, visible).image

    def fuse(self, infrared: Picture, visible: Picture | None = None) -> Fused:
        """Fuse one pair and tell what was done; arguments and errors are those of a call."""
        if visible is None and isinstance(infrared, (str, Path)):
            fused = self.fuse_photo(read_photo(infrared))
            return replace(fused, image=in_order(fused.image, self.color_order))
        return self._fuse_pair(infrared, visible)

    def fuse_photo(self, photo: Photo) -> Fused:
        """Fuse the two pictures of one file of a thermal camera.

        The infrared is placed on the visible picture by the fuser's alignment or, without one,
        by the file's own mapping (see `piafusion.imaging.photos.place`). Temperatures have no
        range of their own: for them the tone full means plateau.

        Args:
            photo: As `piafusion.imaging.io.read_photo` returns it.

        Returns:
            The fused picture, with the shape and dtype of the visible one, in RGB.

        Raises:
            ImageError: If the tone cannot take the infrared values.
            AlignmentError: If the file has no mapping and none that can be trusted was found.
        """
        from piafusion.imaging.photos import place, tone_for

        infrared, visible = photo.both()
        check_minimum(visible, MIN_SIDE)
        tone = tone_for(photo, self.tone)
        infrared = tone.check(infrared)
        alignment, note = self.alignment, ""
        if alignment is None:
            alignment, note = place(photo, tone(infrared)[0])
        unit = "°C" if photo.unit == "celsius" else ""
        fuser = self.adjusted(tone, alignment)
        fused = fuser.fuse_checked(infrared, visible, unit)
        found = fuser.advised(fused.tone, infrared, visible)
        note = "; ".join(filter(None, (photo.note, note)))
        return replace(fused, tone=found, note=note, unit=unit, conditions=photo.conditions)

    def _fuse_pair(
        self, infrared: Picture, visible: Picture | None, frame: Frame | None = None
    ) -> Fused:
        """Fuse two pictures, perhaps the frame of a video."""
        ir = read_input(infrared, "infrared", read_infrared, self.tone.check)
        vi = read_input(visible, "visible", read_visible, self.show, self.color_order)
        if self.alignment is None:
            check_same_size(ir.image, vi.image)
        check_minimum(vi.image, MIN_SIDE)
        fused = self.fuse_checked(ir.image, vi.image, frame=frame)
        tone = fused.tone if frame else self.advised(fused.tone, ir.image, vi.image)
        if not self.view.plain:
            return replace(fused, tone=tone, image=in_order(fused.image, self.color_order))
        return replace(fused, tone=tone, image=like_input(fused.image, vi, self.color_order))

    def fuse_checked(
        self, ir: Image, vi: Image, unit: str = "", frame: Frame | None = None
    ) -> Fused:
        """Fuse two pictures whose types, values and sizes were checked, and draw the view.

        `advised` adds what the user should know about their ranges.
        """
        vi = np.ma.getdata(vi)
        if self.local:
            shown = self.tone.tone if isinstance(self.tone, SmoothedTone) else self.tone
            other = self.adjusted(alignment=self.local(shown(ir)[0], vi, self.alignment))
            other.local = None
            return other.fuse_checked(ir, vi, unit, frame)
        tiles = self.plan(*vi.shape[:2])
        if len(tiles) > 1 and frame is None:
            image, tone = self._fuse_large(ir, vi, tiles)
            fused = Fused(image, tone, self.alignment)
            return fused if self.view.plain else self._viewed(fused, self.tone(ir)[0], ir, vi, unit)
        with self._buffers.lend() as buffers:
            thermal, tone = self._toned(ir, buffers)  # step 2
            image = self._fuse(thermal, vi, buffers, self.alignment, frame=frame, tiles=tiles)
            fused = Fused(image, tone, self.alignment)
            return fused if self.view.plain else self._viewed(fused, thermal, ir, vi, unit)

    def _fuse(
        self,
        ir: Image,
        vi: Image,
        buffers: Buffers,
        alignment: Alignment | None = None,
        whole: Whole | None = None,
        start: tuple[int, int] = (0, 0),
        frame: Frame | None = None,
        tiles: Sequence[Tile] = (),
    ) -> Image:
        """Take steps 3 to 7; all but the warp and the network in strips.

        Args:
            ir: Infrared whose dtype tells the range, the whole picture or a part.
            vi: The visible picture, or the same part.
            buffers: Memory.
            alignment: The alignment of the whole picture.
            whole: For a part: what was measured of the whole picture.
            start: Rows above the part and columns left of it.
            frame: For the frame of a video: its place there. It is joined as a whole.
            tiles: Those that the network sees one after the other, if there are several.
        """
        shape = (vi.shape[0], vi.shape[1])
        planes = split(ir, vi, buffers, self._strips, same_size=alignment is None)  # step 3
        y, thermal = planes.y, onto(planes.thermal, planes.y, alignment, margin=SEEN)  # step 4
        if whole is None:
            judgement = judge(
                self.engine, shape, lambda rows: (thermal[rows], y[rows]), self._strips
            )
            fitting = alignment.coverage((ir.shape[0], ir.shape[1]), shape) if alignment else None
            whole = Whole(None, judgement, fitting)
        fused_y = run_network(self.engine, thermal, y, whole.share, tiles)  # step 5
        judgement, strength = whole.judgement, self.strength or 0.0
        if frame and judgement:
            fused_y = calm(frame, judgement, strength, (thermal, y), fused_y)

        def weights(rows: slice) -> Iterator[Floats]:  # step 6
            if judgement and not frame:
                yield weigh(judgement, thermal, strength, rows, start)
            if whole.coverage is not None:
                area = slice(start[0] + rows.start, start[0] + rows.stop)
                yield whole.coverage[area, start[1] : start[1] + shape[1]]

        return join(planes, fused_y, weights, vi, self._buffers, self._strips)  # step 7

    def _toned(self, ir: Image, buffers: Buffers | None = None) -> tuple[Image, InfraredRange]:
        """Map infrared to [0, 1], or leave it to `_fuse` if only the dtype tells the range."""
        if isinstance(self.tone, Full) and not isinstance(ir, np.ma.MaskedArray):
            return ir, InfraredRange(0.0, float(full_scale(ir.dtype)))
        return self.tone(ir, buffers("toned", ir.shape, np.float32) if buffers else None)

    def advised(self, found: InfraredRange, ir: Image, vi: Image | None) -> InfraredRange:
        """Add the advice about the ranges of both pictures."""
        advice = [self.tone.advise(ir)]
        if vi is not None and isinstance(self.visible_tone, Full):
            advice.append(advise_visible(vi))
        return replace(found, advice="; ".join(filter(None, advice)))

    def _viewed(self, fused: Fused, thermal: Image, ir: Image, vi: Image, unit: str) -> Fused:
        """Draw the view that was asked for in place of the fused picture."""
        seen = Seen(vi, to_unit(thermal), fused.image, ir, self.alignment, unit)
        return replace(fused, image=self.view(seen))

    def _fuse_large(
        self, ir: Image, vi: Image, tiles: Sequence[Tile]
    ) -> tuple[Image, InfraredRange]:
        """Fuse in tiles, after the steps that need the whole picture: a measured tone, a warp."""
        ir, tone = self._toned(ir)
        coverage = None
        if self.alignment:
            coverage = self.alignment.coverage(ir.shape[:2], vi.shape[:2])
            ir = onto(to_unit(ir), luminance(to_unit(vi)), self.alignment, margin=SEEN)
        fused = np.empty(vi.shape, vi.dtype)
        self.fuse_tiles(ir, vi, fused, tiles, coverage=coverage)
        return fused, tone

    def fuse_tiles(
        self,
        ir: WindowReader,
        vi: WindowReader,
        fused: WindowWriter,
        tiles: Sequence[Tile],
        progress: Progress = silent,
        coverage: Floats | None = None,
    ) -> None:
        """Fuse a pair tile by tile, with the result that it has as a whole.

        Args:
            ir: Infrared picture, H x W; uint8, uint16 or float in [0, 1]. Where it is masked it
                has no value; then it is float.
            vi: Visible picture, H x W or H x W x 3.
            fused: Receives the parts of the result; it has the shape and dtype of `vi`.
            tiles: The plan for H x W.
            progress: Receives the number of finished tiles.
            coverage: How much each pixel may take of the infrared picture, H x W in [0, 1].
        """

        def planes(window: Window) -> tuple[Floats, Floats]:
            y = luminance(to_unit(np.ma.getdata(vi[window])))
            return onto(to_unit(ir[window]), y, None), y

        def difference(tile: Tile) -> Floats:
            thermal, y = planes(tile.crop)
            return self.engine.encode(thermal[None, None], y[None, None])

        share = None
        if len(tiles) > 1:
            share = gather_share(counted(tiles, "measuring", progress), difference)
        height, width = (max(tile.area[axis].stop for tile in tiles) for axis in (0, 1))
        size, strips = (height, width), Strips(1, rows=256)  # one after the other: it may be a file
        judgement = judge(self.engine, size, lambda rows: planes((rows, slice(0, width))), strips)
        whole = Whole(share, judgement, coverage)
        for tile in counted(tiles, "fusing", progress):
            with self._buffers.lend() as buffers:
                start = (tile.crop[0].start, tile.crop[1].start)
                seen = np.ma.getdata(vi[tile.crop])
                part = self._fuse(ir[tile.crop], seen, buffers, None, whole, start)
            fused[tile.area] = part[tile.pixels]

    def plan(self, height: int, width: int) -> list[Tile]:
        """Return the tiles that a picture of that size is fused in; one if it goes as a whole."""
        return plan_tiles(height, width, self.engine.reach, self.tile)

    def sequence(self, rate: float) -> Callable[..., Callable[[Picture, Picture], Image]]:
        """Get ready for the frames of one video, which are fused calmly.

        The decisions on a frame are carried to the next one, along with the motion (see
        `piafusion.imaging.calm`), if the model judges places; a cut begins anew. Call the result
        once for each frame, in their order: it returns the function that fuses this frame, as a
        call of the fuser does. Start these functions in the same order, in any threads.

        Args:
            rate: Frames a second.

        Returns:
            A function without arguments, or of another fuser with this one's engine, from
            `adjusted`, if its settings are to hold from this frame on.
        """
        calmed, last = Calm(rate), cast("Turn[Carried] | None", None)

        def next_frame(fuser: Fuser = self) -> Callable[[Picture, Picture], Image]:
            nonlocal last
            frame = Frame(calmed, Turn(last))
            last = frame.turn

            def fuse(infrared: Picture, visible: Picture) -> Image:
                with frame.turn:
                    return fuser._fuse_pair(infrared, visible, frame).image

            return fuse

        return next_frame

    def fuse_files(
        self,
        infrared: Path | str,
        visible: Path | str | None,
        output: Path | str,
        *,
        overwrite: bool = False,
        temperature: Path | str | None = None,
        places: Sequence[str] = (),
    ) -> Fused:
        """Read a pair, fuse it, write the result whole or not at all, and return it.

        Where a TIFF file says "no data", the infrared has no value, and the visible picture stays
        as it is. From TIFF to TIFF the visible's georeference is kept.

        Args:
            infrared: Grey PNG, TIFF, JPEG, BMP or WebP, or a radiometric JPEG; of any dtype that
                the tone takes.
            visible: PNG, TIFF, JPEG, BMP or WebP of 8 or 16 bits, or float TIFF, grey or colour;
                None if the first file is a photo of a thermal camera that holds both pictures.
            output: File to write; its suffix decides the format.
            overwrite: Replace an existing file.
            temperature: TIFF file to write as well: the temperatures as the infrared file has
                them, on the visible picture's pixels; NaN outside the infrared picture.
            places: Spots and boxes on these pixels to measure, as
                `piafusion.imaging.views.parse_place` takes them.

        Raises:
            ImageError: If a file or the pair cannot be used; the message names the file.
            UsageError: If the output exists or its format is unknown.
            OutputError: If the result cannot be written.
        """
        return pair_files.fuse_files(
            self,
            infrared,
            visible,
            output,
            overwrite=overwrite,
            temperature=temperature,
            places=places,
        )

    def fuse_rasters(
        self,
        infrared: Path | str,
        visible: Path | str,
        output: Path | str,
        *,
        overwrite: bool = False,
        progress: Progress = silent,
    ) -> tuple[int, int]:
        """Fuse TIFF files of any size in little memory, and keep the visible's georeference.

        Needs the `geo` extra. The files are read and the result is written tile by tile, of two
        pictures of one size. A tone that measures the picture looks at a reduced one first. With
        an alignment, a tone of several places (clahe) or of several pictures, use `fuse_files`.

        Args:
            infrared: One grey band, or three equal ones, of any dtype that the tone takes; pixels
                without data have no value.
            visible: One band or red, green and blue; an alpha band is passed on, and so are
                the pixels that have no data.
            output: TIFF file to write, whole or not at all.
            overwrite: Replace an existing file.
            progress: Receives the number of finished tiles.

        Returns:
            Height and width.

        Raises:
            MissingExtraError: If rasterio is not installed.
            ImageError: If a file or the pair cannot be used; the message names the file.
            UsageError: If the output exists.
            OutputError: If the result cannot be written.
        """
        files = Path(infrared), Path(visible), Path(output)
        return pair_files.fuse_windows(self, *files, overwrite=overwrite, progress=progress)[0]


def _local(local: bool | Local) -> Local | None:
    if local is True:
        from piafusion.imaging.align import Local

        return Local()
    return local or None
