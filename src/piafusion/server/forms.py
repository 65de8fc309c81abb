"""Multipart forms: parsed within limits, every field known and given once, then checked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import IO, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, ValidationError, WithJsonSchema
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from piafusion.errors import AlignmentError, PiafusionError, UsageError
from piafusion.imaging.align import Alignment, parse_alignment
from piafusion.imaging.align.geometry import parse_fov
from piafusion.imaging.tone import parse_tone, parse_visible_tone
from piafusion.imaging.views import parse_view
from piafusion.metrics import check_names
from piafusion.server.fusers import FuserCache
from piafusion.server.kept import KeptPair, KeptPairs
from piafusion.server.problems import HttpProblem
from piafusion.server.service import Format, FusionRequest, ShownPicture

File = Annotated[InstanceOf[UploadFile], WithJsonSchema({"type": "string", "format": "binary"})]

_MOST_FILES, _MOST_FIELDS, _LONGEST_FIELD = 2, 20, 2**16
Form = TypeVar("Form", bound="PairOptions")


class PairOptions(BaseModel):
    """Options for a pair, or for all pairs of a batch."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field("", description="A model of `/v1/models`.")
    method: str = Field("", description="A comparison method of `/v1/models`, in place of a model.")
    tone: str = Field(
        "full",
        description="How infrared values become grey: full, percentile:LOW,HIGH, span:LOW,HIGH, "
        "bits:COUNT, plateau:LIMIT or clahe:CLIP.",
    )
    polarity: str = Field(
        "white-hot", description="white-hot, or black-hot: hot things are dark in the infrared."
    )
    palette: str = Field(
        "", description="Palette of an infrared picture in false colours, or auto."
    )
    visible_tone: str = Field(
        "full",
        description="Range of the visible values: full, bits:COUNT, span:LOW,HIGH or "
        "percentile:LOW,HIGH.",
    )
    strength: float | None = Field(
        None,
        ge=0,
        le=1,
        description="How much infrared comes in: 0 is the visible picture, 0.5 (default) the "
        "natural one, 1 has all of the infrared that is brighter.",
    )
    alignment: str = Field("", description="JSON of `piafusion align`, or auto.")
    fov: str = Field(
        "",
        description="For auto: horizontal fields of view of both cameras in degrees, as 20.6,45.",
    )
    view: str = Field(
        "fused",
        description="Picture to draw: a view of `/v1/models`, such as edges, some with a value: "
        "edges:0.5, hot:95%, isotherm:20..30,60.. .",
    )
    view_palette: str = Field("", description="Colours of the view: a palette of `/v1/models`.")
    bar: bool = Field(False, description="Draw a colour bar with its values beside the view.")
    format: Format = Field("png", description="Format of the fused pictures.")
    local: bool = Field(
        False, description="Shift near things on top of the alignment, as with `--local`."
    )
    metadata: Literal["keep", "strip"] = Field(
        "keep",
        description="Whether place, time, camera (EXIF, XMP) and colour profile of the visible "
        "picture go to the fused one.",
    )


class PairForm(PairOptions):
    """Two pictures of one scene, or a photo of a thermal camera that holds both."""

    infrared: File | None = Field(
        None, description="PNG, TIFF, JPEG, BMP or WebP, grey; or such a photo."
    )
    visible: File | None = Field(
        None, description="PNG, TIFF, JPEG, BMP or WebP, grey or colour; not for such a photo."
    )
    metrics: str = Field(
        "", description="Names of metrics, such as MI,SD,VIF,Qabf, for `Piafusion-Metrics`."
    )
    show: ShownPicture = Field(
        "fused",
        description="The view; the same in 8 bits (`preview`), so that any format holds it; one of "
        "the two pictures as it is fused, in 8 bits; the values of "
        "the infrared on the visible picture's pixels, as float32, little-endian, row by row, NaN "
        "where there are none; or the view's colour bar.",
    )
    keep: bool = Field(
        False,
        description="Keep the pair in memory for ten minutes after its last use; the answer's "
        "`Piafusion-Pair` is its name.",
    )
    pair: str = Field("", description="Name of a pair that is kept, in place of the files.")


class BatchForm(PairOptions):
    """Many pairs."""

    pairs: File = Field(description="A zip of ir/NAME and vi/NAME, matched without the suffix.")
    match: str = Field(
        "", description="How the two names of a pair differ, such as *_ir=*_vi, if they do."
    )


class _Parser(MultiPartParser):
    spool_max_size = 2**23  # bytes of a file that stay in memory; the rest is in one without a name
    ended = False

    def on_end(self) -> None:
        self.ended = True

    def close(self) -> None:
        """Close the files of a form that breaks off, which belong to no item."""
        for file in self._files_to_close_on_error:
            file.close()


@asynccontextmanager
async def read_form(request: Request, kind: type[Form]) -> AsyncIterator[Form]:
    """Read and check the form of a request; its files are gone after the block.

    Raises:
        HttpProblem: If it is no form of that kind.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise HttpProblem(
            415,
            "no-multipart",
            "expected multipart/form-data, found another content type; send the files as a form",
        )
    parser = _Parser(
        request.headers,
        request.stream(),
        max_files=_MOST_FILES,
        max_fields=_MOST_FIELDS,
        max_part_size=_LONGEST_FIELD,
    )
    try:
        data = await parser.parse()
        if not parser.ended:
            parser.close()
            raise MultiPartException("it breaks off")
    except (MultiPartException, FormParserError, UnicodeError) as error:
        reason = getattr(error, "message", None) or str(error)
        raise HttpProblem(
            400,
            "bad-form",
            f"expected a valid multipart form, found one that is not ({reason}); check how it "
            "is made",
        ) from error
    try:
        yield _check_form(data.multi_items(), kind)
    finally:
        await data.close()


def _check_form(items: list[tuple[str, Any]], kind: type[Form]) -> Form:
    names = [name for name, _ in items]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _field_problem(f"expected each field once, found {twice[0]!r} several times")
    given = {name: value for name, value in items if value != ""}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            known = ", ".join(kind.model_fields)
            raise _field_problem(f"expected fields out of {known}, found {name!r}") from error
        if first["type"] == "missing":
            raise _field_problem(f"expected the field {name!r}, found none; add it") from error
        if first["type"] == "is_instance_of":
            raise _field_problem(
                f"{name}: expected a file, found text; send it with a file name"
            ) from error
        found = "a file" if isinstance(first["input"], UploadFile) else repr(first["input"])[:80]
        wanted = first.get("ctx", {}).get("expected", "text")
        raise _field_problem(f"{name}: expected {wanted}, found {found}") from error


def kept_or_sent(form: PairForm, kept: KeptPairs) -> KeptPair | tuple[IO[bytes], IO[bytes] | None]:
    """Return the pair that a form names, or the files that it brings.

    Raises:
        HttpProblem: If it has both, neither, or the pair is not kept any more.
    """
    if not form.pair:
        if form.infrared is None:
            raise _field_problem("expected the field 'infrared', found none; add it")
        return form.infrared.file, form.visible.file if form.visible else None
    if form.infrared or form.visible:
        raise _field_problem("pair: expected a kept pair or files, found both; send one of them")
    found = kept.get(form.pair)
    if found is None:
        raise HttpProblem(
            410, "pair-gone", "expected a pair that is kept, found none of that name; send files"
        )
    return found


def _field_problem(detail: str) -> HttpProblem:
    return HttpProblem(422, "bad-field", detail)


def fusion_request(form: PairForm | BatchForm, fusers: FuserCache) -> FusionRequest:
    """Return the request of a form.

    Raises:
        UsageError: If a name is not on offer.
        AlignmentError: If the alignment is none.
    """
    alignment: Alignment | Literal["auto"] | None = None
    if form.alignment:
        alignment = "auto" if form.alignment == "auto" else _parse(form.alignment)
    shows_bar = isinstance(form, PairForm) and form.show == "bar"
    wanted = FusionRequest(
        fusers.check(form.model, form.method),
        parse_tone(form.tone, form.polarity, form.palette),
        alignment,
        form.format,
        visible_tone=parse_visible_tone(form.visible_tone),
        keep_metadata=form.metadata == "keep",
        view=parse_view(form.view, form.view_palette or None, bar=form.bar or shows_bar),
        strength=form.strength,
        local=form.local,
        fov=parse_fov(form.fov) if form.fov else None,
    )
    if isinstance(form, BatchForm):
        return wanted
    names = tuple(name.strip() for name in form.metrics.split(",") if name.strip())
    check_names(names, "float")
    if len(set(names)) < len(names):
        raise UsageError("metrics: expected each name once, found one several times")
    return replace(wanted, shown=form.show, metrics=names)


def _parse(alignment: str) -> Alignment:
    """Return the alignment of a field; any fault in it is an error of the sender."""
    try:
        return parse_alignment(alignment)
    except PiafusionError:
        raise
    except Exception as error:
        raise AlignmentError(
            f"alignment: expected JSON of piafusion align, found a {type(error).__name__}"
            " in it; estimate it again"
        ) from error


def request_body(kind: type[PairOptions], fusers: FuserCache) -> dict[str, Any]:
    """Return the schema of the body for a route that reads such a form."""
    schema = kind.model_json_schema()
    for name, known in (("model", fusers.models), ("method", fusers.methods)):
        schema["properties"][name] |= {"enum": ["", *known]}
    if kind is PairForm:
        schema["anyOf"] = [{"required": ["infrared"]}, {"required": ["pair"]}]
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def header_json(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    """Return JSON on one line of ASCII, fit for a header."""
    return json.dumps(value, separators=(",", ":"))
