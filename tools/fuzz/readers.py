"""What is done with a damaged input, reader by reader, and what must hold for what comes of it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from piafusion.errors import MissingExtraError, PiafusionError, UsageError
from tools.fuzz import mutate
from tools.fuzz.mutate import Mutator

TONE = "percentile:1,99"  # takes infrared pictures of every kind of number
Result = Any
"""Arrays, bytes, numbers, texts, and lists of them: what a reader has made of an input."""


class Broken(Exception):  # noqa: N818 - it is a verdict
    """A promise that was not kept though nothing was raised."""


@dataclass(frozen=True)
class Input:
    """A damaged input.

    Attributes:
        path: The file, alone in its folder or among the whole ones that belong to it.
        data: Its content.
        seed: Name of the whole input that it was.
        number: Of the case.
        corpus: Folder of the whole inputs.
    """

    path: Path
    data: bytes
    seed: str
    number: int
    corpus: Path


@dataclass(frozen=True)
class Reader:
    """One way into the program.

    Attributes:
        name: As the table shows it.
        read: Does what a user would; called twice for each case, with different memory.
        mutators: Those that know the format.
        corpus: Whose whole inputs it takes, if not its own.
        share: Of the cases, compared with others.
        leaves: Patterns of what may lie beside the input afterwards.
        limit: Seconds for a case.
    """

    name: str
    read: Callable[[Input], Result]
    mutators: tuple[Mutator, ...] = ()
    corpus: Sequence[str] = ()
    share: float = 1.0
    leaves: tuple[str, ...] = ()
    limit: float = 20.0
    twice: bool = True

    @property
    def folders(self) -> Sequence[str]:
        """The folders of its whole inputs."""
        return self.corpus or (self.name,)


@cache
def _fuser() -> Any:
    from piafusion.fuser import Fuser

    return Fuser("piafusion-fast", device="cpu", threads=1)


@contextmanager
def _refusals(found: list[Result]) -> Iterator[None]:
    """Note a refusal as a result where the next step does not depend on it."""
    try:
        yield
    except PiafusionError as error:
        message = one_line(error)
        asked = isinstance(error, UsageError) and "this format" not in message
        if asked or isinstance(error, MissingExtraError):
            raise Broken(f"asked wrongly: {message}") from error
        found.append(message)


def one_line(error: BaseException) -> str:
    """Return the message of an error.

    Raises:
        Broken: If it is not one printable line.
    """
    message = str(error)
    if not message or not message.isprintable():
        raise Broken(f"{type(error).__name__} is no printable line: {message[:300]!r}")
    return message


def picture(given: Input) -> Result:
    """Look at the header, read the picture in both ways, and fuse it with a whole one."""
    from piafusion.imaging.false_colour import to_levels
    from piafusion.imaging.headers import read_header
    from piafusion.imaging.io import decode_photo, read_image, read_infrared
    from piafusion.imaging.tone import as_tone

    found: list[Result] = []
    header = None
    with _refusals(found):
        header = read_header(given.data)
    visible = infrared = None
    refused: PiafusionError | None = None
    try:
        visible = read_image(given.path)
    except PiafusionError as error:
        refused = error
    with _refusals(found):
        infrared = read_infrared(given.path, as_tone(TONE).check)
    for image in (visible, infrared):
        if image is None:
            continue
        found.append(image)
        height, width = image.shape[:2]
        if header and height * width > header.pixels and given.path.suffix != ".jpg":
            raise Broken(f"{width}x{height} pixels, the header said {header.width}x{header.height}")
    if given.path.suffix == ".jpg":
        with _refusals(found):
            found.append(decode_photo(given.data, "photo").infrared)
    if visible is not None and visible.ndim == 3:
        with _refusals(found):
            found.append(to_levels(visible))
    for name in ("infrared", "visible"):
        with _refusals(found):
            found.append(_fuse(given, name, TONE if name == "infrared" else "full"))
    if refused is not None:
        raise refused
    return found


def _fuse(given: Input, as_what: str, tone: str) -> Result:
    """Fuse the file with a whole one of its size, and read what was written."""
    from piafusion.imaging.io import read_image

    size = "64x48" if "exif" not in given.seed else "48x64"
    whole = given.corpus / "pairs" / f"{'vi' if as_what == 'infrared' else 'ir'}_{size}.png"
    pair = (given.path, whole) if as_what == "infrared" else (whole, given.path)
    output = given.path.with_name("fused.png")
    if given.path.suffix == ".tif":
        output = output.with_suffix(".tiff")
    try:
        fused = _fuser().adjusted(tone).fuse_files(*pair, output, overwrite=True)
    except PiafusionError:
        if output.exists():
            raise Broken(f"{output.name} is there after an error") from None
        raise
    written = read_image(output)
    if written.shape != fused.image.shape:
        raise Broken(f"{output.name} holds {written.shape}, not {fused.image.shape}")
    output.unlink()
    return fused.image


def windows(given: Input) -> Result:
    """Fuse a georeferenced file in windows, as `piafusion fuse` does."""
    from piafusion.batch import FailedPair, PairJob, fuse_job

    found: list[Result] = []
    output = given.path.with_name("fused.tif")
    whole = given.corpus / "pairs" / "ir_64x48.png"
    done = fuse_job(_fuser(), PairJob(whole, given.path, output), overwrite=True)
    if isinstance(done, FailedPair):
        if output.exists():
            raise Broken(f"{output.name} is there after an error")
        if "expected " not in done.error:
            raise Broken(f"no error of ours: {done.error}")
        raise PiafusionError(done.error)
    from piafusion.imaging.io import read_image

    with _refusals(found):
        found.append(read_image(output))
    output.unlink()
    return found


def video(given: Input) -> Result:
    """Fuse a damaged clip with a whole one, on either side, or as one with both halves."""
    from fractions import Fraction

    from piafusion.video.frames import Matching
    from piafusion.video.inputs import open_halves, open_two
    from piafusion.video.pipeline import fuse_video
    from piafusion.video.writers import MovieWriter

    frames: list[Result] = []

    class Collector:
        def write(self, frame: Any) -> None:
            frames.append((str(frame.time), frame.image))

        def finish(self) -> None:
            """Nothing is open."""

        discard = finish

    matching = Matching(Fraction(0), Fraction(10), 0.0, lambda line: None)
    whole, movie = str(given.corpus / "video" / "infrared.mkv"), given.number % 4 == 0
    output = given.path.with_name("fused.mp4")
    if given.number % 3 == 0:
        inputs = open_halves(str(given.path), "side-by-side", matching)
    elif given.number % 3 == 1:
        inputs = open_two(str(given.path), whole, matching)
    else:
        inputs = open_two(whole, str(given.path), matching)
    run = fuse_video(
        inputs,
        _blend,
        lambda kind, width, height: (
            MovieWriter(output, kind, width, height) if movie else Collector()
        ),
    )
    problems = [one_line(each) for each in (run.error, *map(Exception, inputs.problems)) if each]
    if movie:
        if not output.exists():
            raise Broken(f"{run.frames} frames and no {output.name}")
        _play(output)
        output.unlink()
    return [run.frames, problems, frames]


def sequence(given: Input) -> Result:
    """Read the temperatures of a sequence."""
    from piafusion.video.sequence import TemperatureSource

    source = TemperatureSource(given.path.name, given.path)
    try:
        frames = [frame.image for frame in source.frames(lambda frame: frame)]
        return [frames, source.problem(read_to_end=True)]
    finally:
        source.close()


def _blend(infrared: Any, visible: Any) -> Any:
    """Return half of each: what either holds shows, and no time is lost in a network."""
    from piafusion.imaging.arrays import as_infrared, as_visible, check_minimum, check_same_size

    ir, vi = as_infrared(infrared), as_visible(visible)
    check_same_size(ir, vi)
    check_minimum(vi, 8)
    grey = ir // 2 if ir.dtype == np.uint8 else (ir >> 9).astype(np.uint8)
    return vi // 2 + (grey[..., None] if vi.ndim == 3 else grey)


def _play(path: Path) -> None:
    import av

    try:
        with av.open(str(path)) as file:
            list(file.decode(video=0))
    except (av.FFmpegError, IndexError) as error:
        raise Broken(f"{path.name} does not play: {error}") from error


def boxes(given: Input) -> Result:
    """Read boxes and measure the people in them."""
    from piafusion.metrics import evaluate, read_boxes

    found = read_boxes(given.path, 48, 64)
    picture = np.random.default_rng(0).integers(0, 256, (48, 64), dtype=np.uint8)
    return [evaluate(picture, picture, picture, ["targets"], boxes=found)["targets"], len(found)]


def alignment(given: Input) -> Result:
    """Read an alignment, and use one that was accepted."""
    from piafusion.imaging.align import read_alignment
    from piafusion.imaging.io import read_pair

    rig = read_alignment(given.path)
    whole = [given.corpus / "pairs" / f"{name}_64x48.png" for name in ("ir", "vi")]
    with _refusals([]):
        rig.save(given.path.with_name("again.json"))
    given.path.with_name("again.json").unlink(missing_ok=True)
    return _fuser().adjusted(alignment=rig)(*read_pair(*whole))


def manifest(given: Input) -> Result:
    """Read the manifest of a bulk run and write it again."""
    from piafusion.manifest import read_manifest, write_manifest

    entries = read_manifest(given.path)
    write_manifest(given.path, entries, [])
    return len(entries)


def hashes(given: Input) -> Result:
    """Verify an archive against recorded hashes, and record its own."""
    from piafusion.lab.data.download import remember, verify
    from tools.fuzz.states import ARCHIVE

    archive = given.path.with_name("a.zip")
    archive.write_bytes(ARCHIVE)
    found = verify(archive, archive.name, None, given.path)
    remember(archive.name, found[0], given.path)
    return found[0]


def fetched(given: Input) -> Result:
    """Unpack the archive of a data set."""
    from piafusion.lab.data.fetch import unpack
    from tools.fuzz.states import SET

    output = given.path.with_name("set")
    try:
        count = unpack(given.path, output, SET)
    except PiafusionError:
        if output.exists():
            raise Broken("the folder is there after an error") from None
        raise
    files = sorted(path for path in output.rglob("*") if path.is_file())
    if not files or any(path.parent.parent != output for path in files):
        raise Broken(f"files in the wrong place: {files}")
    shutil.rmtree(output)
    return [count, [path.name for path in files]]


def weights(given: Input) -> Result:
    """Load a model of one's own, beside its manifest, and run it."""
    from piafusion.engines import create_engine

    found: list[Result] = []
    tensor = np.full((1, 1, 16, 16), 0.5, np.float32)
    for suffix, engine in (("onnx", "onnx"), ("safetensors", "torch")):
        with _refusals(found):
            model = str(given.path.with_name(f"m.{suffix}"))
            run = create_engine(model, kind="fusion", device="cpu", engine=engine, threads=1)
            found.append(run.fuse(tensor, tensor))
    if given.path.name != "manifest.json" and found and isinstance(found[0], str):
        raise PiafusionError(found[0])
    return found


def safetensors(given: Input) -> Result:
    """Load weights that no manifest describes, and run them if they are accepted."""
    from piafusion.engines import create_engine

    engine = create_engine(str(given.path), kind="fusion", device="cpu", engine="torch", threads=1)
    tensor = np.full((1, 1, 16, 16), 0.5, np.float32)
    return engine.fuse(tensor, tensor)


def settings(given: Input) -> Result:
    """Read the settings of a training run."""
    from piafusion.lab.training.run import SETTINGS, load_settings

    given.path.rename(given.path.with_name(SETTINGS))
    try:
        return load_settings(given.path.parent).model_dump_json()
    finally:
        given.path.with_name(SETTINGS).rename(given.path)


def run(given: Input) -> Result:
    """Read all that the folder of a training run holds."""
    from piafusion.files import read_json
    from piafusion.lab.models import load
    from piafusion.lab.training.checkpoints import find_checkpoint
    from piafusion.lab.training.run import RECORD, WEIGHTS, load_settings
    from tools.fuzz.states import small_network

    folder = given.path.parent
    found = load_settings(folder).model_dump_json()
    record = read_json(folder / RECORD, dict, "the record of a finished run", "train again")
    if given.path.suffix == ".safetensors":
        load((folder / WEIGHTS).read_bytes())
    checkpoint = find_checkpoint(folder, small_network(), writes=False)
    return [found, record, str(checkpoint)]


def build(given: Input) -> Result:
    """Go on with a build, or look at a finished one."""
    from piafusion.lab.data.msrs import build_msrs
    from tools.fuzz.states import BUILD

    root = given.path.parent.parent
    name = "half" if given.path.parent.name.startswith("half") else "whole"
    done = build_msrs(root / "source", root / name, BUILD)
    if done.failed and not all("expected" in why for why in done.failed.values()):
        raise Broken(f"no error of ours: {done.failed}")
    return None


def journal(given: Input) -> Result:
    """Go on with an evaluation: what is fused, what is scored, what the rows say."""
    from piafusion.lab.evaluation.methods import read_methods
    from piafusion.lab.evaluation.predict import runtime
    from piafusion.lab.evaluation.run import fuse_sets
    from piafusion.lab.evaluation.scoring import Scoring
    from piafusion.lab.evaluation.sets import read_sets
    from tools.fuzz.states import METRICS

    root = next(path for path in given.path.parents if (path / "set" / "ir").is_dir())
    sets = read_sets([f"set={root / 'set'}"])
    methods, output = read_methods([], sets), root / "out"
    problems = fuse_sets(sets, methods, output)
    if problems:
        raise Broken(f"problems with whole pictures: {problems[0]}")
    scoring = Scoring.plan(methods, sets, output, METRICS, "float")
    for method in methods:
        runtime(method, sets[0], output)  # type: ignore[arg-type]
    return [(row.method, row.stem, sorted(row.values.items())) for row in scoring.scores()]


@cache
def _client() -> Any:
    from starlette.testclient import TestClient

    from piafusion.server.app import create_app
    from piafusion.server.settings import ServerSettings

    limits = ServerSettings(
        model="piafusion-fast",
        workers=1,
        max_megabytes=1,
        max_megapixels=1,
        max_pairs=8,
        timeout=15,
    )
    client = TestClient(create_app(limits), base_url="http://127.0.0.1")
    client.__enter__()
    return client


_GREY = ("grey.", "grey8", "grey16", "u", "f", "i", "white", "bits", "raw", "png", "parts")


def upload(given: Input) -> Result:
    """Send a picture to the server, as one of a pair."""
    whole = given.corpus / "pairs"
    files = {
        "infrared": (whole / "ir_64x48.png").read_bytes(),
        "visible": (whole / "vi_64x48.png").read_bytes(),
    }
    grey = given.seed.startswith(_GREY)
    side = "infrared" if grey and given.number % 2 else "visible"
    files[side] = given.data
    form = {
        "show": ("fused", side)[given.number // 2 % 2],
        "tone": TONE if side == "infrared" else "full",
    }
    return _answer("/v1/fuse", files, form)


def batch(given: Input) -> Result:
    """Send a zip to the server."""
    from piafusion.errors import ImageError

    answer = _answer("/v1/fuse/batch", {"pairs": given.data}, {})
    import zipfile

    with zipfile.ZipFile(io.BytesIO(answer)) as file:
        if file.testzip():
            raise ImageError("a damaged answer")
        return [(each.filename, file.read(each)) for each in file.infolist()]


def _answer(route: str, files: dict[str, bytes], form: dict[str, str]) -> bytes:
    answer = _client().post(route, files={n: (n, d) for n, d in files.items()}, data=form)
    content: bytes = answer.content
    if answer.status_code == 200:
        return content
    if 400 <= answer.status_code < 500:
        problem = PiafusionError(answer.json()["detail"])
        one_line(problem)
        raise problem
    raise Broken(f"the server says {answer.status_code}: {content[:300]!r}")


_IMAGES = ("png", "jpeg", "tiff", "webp", "bmp", "flir")
_TEXT = (mutate.text,)

READERS: dict[str, Reader] = {
    reader.name: reader
    for reader in (
        Reader("png", picture, (mutate.png,), share=2),
        Reader("jpeg", picture, (mutate.jpeg,), share=2),
        Reader("tiff", picture, (mutate.tiff,), share=4),
        Reader("webp", picture, (mutate.riff,), share=1.5),
        Reader("bmp", picture, (mutate.bmp,), share=1.5),
        Reader("flir", picture, (mutate.flir, mutate.jpeg), share=1.5),
        Reader("sequence", sequence, (mutate.flir,), share=0.5),
        Reader("geotiff", windows, (mutate.tiff,), share=1.5),
        Reader("upload", upload, (mutate.picture,), _IMAGES, share=1.5),
        Reader("video", video, (mutate.riff,), share=3, limit=40),
        Reader("batch", batch, (mutate.zipped,), share=1),
        Reader("fetch", fetched, (mutate.zipped,), share=1),
        Reader("alignment", alignment, _TEXT),
        Reader("boxes", boxes, _TEXT, share=0.5),
        Reader("journal", journal, _TEXT, leaves=("*",), twice=False),
        Reader("build", build, _TEXT, leaves=("*",), twice=False, share=0.5),
        Reader("manifest", manifest, _TEXT, twice=False),
        Reader("settings", settings, _TEXT),
        Reader("run", run, _TEXT),
        Reader("hashes", hashes, _TEXT, leaves=("a.zip*",), twice=False),
        Reader("weights", weights, _TEXT, share=0.5),
        Reader("safetensors", safetensors, (), share=0.5),
    )
}
