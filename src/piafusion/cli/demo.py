"""`piafusion demo`: fuse the shipped scenes and show them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from piafusion.cli.options import DeviceOption, JsonOption, ModelOption, OverwriteOption, option
from piafusion.cli.printing import say, say_json
from piafusion.errors import UsageError
from piafusion.weights import DEFAULT_MODEL


def demo(
    output: Annotated[
        Path, option("Folder for the fused images and the sheet.", None, "--output", "-o")
    ] = Path("piafusion-demo"),
    model: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fuse two road scenes that come with piafusion, one by day and one by night."""
    from piafusion.fuser import Fuser
    from piafusion.imaging.contact_sheet import contact_sheet
    from piafusion.imaging.io import read_image, write_image
    from piafusion.lab.data.folders import dataset_pairs
    from piafusion.scenes.synthetic import demo_scenes_root

    sheet_path = output / "contact-sheet.png"
    if sheet_path.exists() and not overwrite:
        raise UsageError(f"{sheet_path}: exists already; add --overwrite or choose another folder")
    began = time.perf_counter()
    fuser = Fuser(model=model, device=device)
    rows, seconds = [], {}
    for pair in dataset_pairs(demo_scenes_root()).pairs:
        infrared, visible = read_image(pair.infrared), read_image(pair.visible)
        start = time.perf_counter()
        fused = fuser(infrared, visible)
        seconds[pair.stem] = time.perf_counter() - start
        write_image(output / f"{pair.stem}.png", fused, overwrite=overwrite)
        rows.append({"infrared": infrared, "visible": visible, "fused": fused})
    write_image(sheet_path, contact_sheet(rows), overwrite=overwrite)
    total = time.perf_counter() - began
    if as_json:
        report = {"sheet": str(sheet_path), "seconds": total, "fusing_seconds": seconds}
        say_json({"model": fuser.model, **report})
        return
    each = ", ".join(f"{stem} {value * 1000:.0f} ms" for stem, value in seconds.items())
    say(f"contact sheet: {sheet_path.resolve()}")
    say(f"fused {len(rows)} scenes with {fuser.model}: {each}; all in all {total:.2f} s")
