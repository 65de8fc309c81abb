"""`piafusion live`: fuse two cameras or files and watch them in a browser."""

from __future__ import annotations

import secrets
import socket
import webbrowser
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from piafusion.cli.align import AlignmentOption
from piafusion.cli.options import (
    INPUT,
    INTERRUPTED,
    OUTPUT,
    BarOption,
    DeviceOption,
    ModelOption,
    PaletteOption,
    PolarityOption,
    PrecisionOption,
    RadiometryOption,
    StrengthOption,
    ToneOption,
    ViewOption,
    ViewPaletteOption,
    option,
    set_conditions,
)
from piafusion.cli.printing import say, warn
from piafusion.cli.serve import (
    NETWORK,
    AllowHostOption,
    HostOption,
    LogLevelOption,
    PortOption,
    TokenFileOption,
    check_level,
    read_token,
)
from piafusion.cli.stopping import StopSignals
from piafusion.cli.video import (
    VIDEO_MODEL,
    HalfOption,
    LayoutOption,
    MaxGapOption,
    OffsetOption,
    ReconnectOption,
    StreamsOption,
    estimated_offset,
    exact,
    infrared_first,
    parse_offset,
    parse_streams,
    refuse_one_for_both,
)
from piafusion.errors import UsageError, VideoError, needing

if TYPE_CHECKING:
    from piafusion.live.session import Controls, OpenInputs
    from piafusion.video.inputs import VideoInputs


def live(
    infrared: Annotated[
        str | None,
        typer.Argument(
            metavar="[IR]",
            help="Infrared file, URL or device; or one video that shows both cameras. Nothing: a "
            "synthetic street.",
        ),
    ] = None,
    visible: Annotated[
        str | None, typer.Argument(metavar="[VI]", help="Visible file, URL or device.")
    ] = None,
    *,
    output: Annotated[
        Path, option("Folder for recordings and rig files.", OUTPUT, "--output", "-o")
    ] = Path(),
    loop: Annotated[bool, option("Play files again and again.", INPUT, "--loop")] = False,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8010,
    allow_host: AllowHostOption = None,
    token_file: TokenFileOption = None,
    log_level: LogLevelOption = "warning",
    browser: Annotated[
        bool, option("Open the page in this machine's browser.", NETWORK, "--browser")
    ] = False,
    view: ViewOption = "fused",
    view_palette: ViewPaletteOption = None,
    bar: BarOption = False,
    radiometry: RadiometryOption = None,
    layout: LayoutOption = None,
    half: HalfOption = None,
    streams: StreamsOption = None,
    offset: OffsetOption = "0",
    max_gap: MaxGapOption = 0.5,
    reconnect: ReconnectOption = 30.0,
    model: ModelOption = VIDEO_MODEL,
    strength: StrengthOption = None,
    tone: ToneOption = "full",
    polarity: PolarityOption = "white-hot",
    palette: PaletteOption = None,
    alignment: AlignmentOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
) -> None:
    """Fuse two files, streams or cameras, and watch them in a browser."""
    from piafusion.imaging.natural import check_strength

    check_strength(strength)
    set_conditions(radiometry)
    given = parse_offset(offset)
    if streams and not layout:
        visible = visible or infrared
    if infrared is None:
        visible = "the synthetic street"  # it has both
    first = infrared_first(visible, layout, half)
    numbers = parse_streams(streams, auto=bool(given is None or layout))
    if infrared is not None:
        refuse_one_for_both(infrared, visible, apart=numbers[0] != numbers[1])
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output}: expected a folder, found a file; choose another --output")
    from piafusion.imaging.tone import parse_tone
    from piafusion.imaging.views import parse_view

    with needing("serve", "piafusion live"):
        from piafusion.server.run import LOOPBACK, is_loopback, listen, run
    check_level(log_level)
    from piafusion.live.app import check_view, create_live_app
    from piafusion.live.session import Controls, LiveSession
    from piafusion.server.settings import ServerSettings

    drawn = check_view(parse_view(view, view_palette, bar=bar))
    controls = Controls(strength, drawn, parse_tone(tone, polarity))
    later = given
    if later is None:
        if infrared is None:
            raise UsageError("--offset: expected two files for auto, found none; leave it out")
        later, _ = estimated_offset(infrared, visible)
    controls = replace(controls, offset=later)

    token, names = read_token(token_file), tuple(name.lower() for name in allow_host or ())
    if is_loopback(host):
        names = (*LOOPBACK, *names)
    elif token is None:
        token = secrets.token_urlsafe(9)
    settings = ServerSettings(model=model, device=device, hosts=names, token=token, timeout=10)
    opens = _opener(
        infrared, visible, layout, palette, exact(max_gap), reconnect, numbers, first=first
    )
    from piafusion.fuser import Fuser

    with StopSignals() as stop:
        fuser = Fuser(model, device, alignment=alignment, precision=precision)
        try:
            session = LiveSession(
                lambda asked, stopped, tell: opens(asked, lambda: stopped() or stop.asked(), tell),
                fuser,
                controls,
                output,
                lambda line: warn(f"piafusion: {line}"),
                loop=loop,
            )
        except VideoError:
            if stop.asked():
                raise typer.Exit(stop.exit_code) from None
            raise
    with closing(session):
        bound = listen(host, port)
        address = _address(bound, host) + (f"#token={token}" if token else "")
        if not is_loopback(host):
            say(f"to watch: {address}")
        if browser:
            webbrowser.open(address)
        if run(settings, bound, partial(create_live_app, session), log_level):
            raise typer.Exit(INTERRUPTED)


def _opener(
    infrared: str | None,
    visible: str | None,
    layout: str | None,
    palette: str | None,
    max_gap: Fraction,
    reconnect: float,
    streams: tuple[int, int],
    *,
    first: bool,
) -> OpenInputs:
    """Return what opens the sources."""
    from piafusion.live.scene import open_scene
    from piafusion.video.frames import Layout, Matching
    from piafusion.video.inputs import open_halves, open_two

    def opens(
        controls: Controls, stopped: Callable[[], bool], tell: Callable[[str], None]
    ) -> VideoInputs:
        matching = Matching(controls.offset, max_gap, reconnect, tell)
        swapped = controls.swapped
        if infrared is None:
            return open_scene(matching, swapped=swapped)
        if layout is not None:
            which = cast("Layout", layout)
            return open_halves(
                infrared, which, matching, stopped,
                infrared_first=first != swapped, palette=palette,
            )  # fmt: skip
        pairs = list(zip((infrared, cast("str", visible)), streams, strict=True))
        (ir, ir_stream), (vi, vi_stream) = reversed(pairs) if swapped else pairs
        return open_two(ir, vi, matching, stopped, palette=palette, streams=(ir_stream, vi_stream))

    return opens


def _address(bound: socket.socket, host: str) -> str:
    """Return the address of the page, with a name that other machines can use."""
    port = bound.getsockname()[1]
    if host.strip("[]") in ("0.0.0.0", "::"):  # noqa: S104 - all addresses; which one reaches far?
        host = "127.0.0.1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            try:
                asking.connect(("192.0.2.1", 9))  # sends nothing
                host = asking.getsockname()[0]
            except OSError:
                pass
    return f"http://[{host}]:{port}/" if ":" in host.strip("[]") else f"http://{host}:{port}/"
