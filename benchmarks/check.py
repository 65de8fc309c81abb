"""Run every benchmark on tiny inputs: does it still run, and print its table?

    python benchmarks/check.py [NAME ...]

`make bench-check` runs all of them, which takes minutes. Each one runs as a program of its own, on
the two shipped scenes or on files made here. What they measure is not looked at. Left out are those
that need hours, a cluster or a chosen file system: distributed, kills, soak, tradeoff.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from piafusion.scenes.synthetic import demo_scenes_root

ROOT = Path(__file__).parents[1]
SCENES = str(demo_scenes_root())
TINY = ("--size", "96x72")

# Arguments, and a word of the last lines. FOLDER is replaced by a folder with `prepare`'s files.
RUNS: dict[str, list[tuple[tuple[str, ...], str]]] = {
    "against": [
        (("piafusion-fast", *TINY, "--frames", "3"), "other / this"),
        ((str(ROOT), *TINY, "--frames", "3"), "95 % interval"),
    ],
    "agreement": [((SCENES, "--pairs", "1"), "torch - onnx")],
    "alignment": [
        ((SCENES,), "other scene accepted"),
        ((SCENES, "--elastic"), "and --local"),
        (("--rig", "4"), "and --local"),
    ],
    "calm": [(("--frames", "2", "--only", "fog", "--methods", "piafusion-fast"), "| fog |")],
    "cards": [(("--check",), "as the manifest says")],
    "conformance": [(("FOLDER/published",), "1 images: 1 of mine.")],
    "content_optimum": [((SCENES, "FOLDER/content"), "")],
    "curves": [(("FOLDER/run", "FOLDER/curves.png"), "")],
    "day_to_night": [((*TINY, "--scenes", "2", "--steps", "3"), "pairs of 96x72 a second")],
    "detector": [
        (
            ("FOLDER/detector", "visible", "maximum", "--output", "FOLDER/answers", "--seeds", "1")
            + ("--painted", "1", "--painted-steps", "1", "--steps", "1"),
            "less maximum",
        )
    ],
    "enhancement": [((*TINY, "--scenes", "2"), "signal to noise")],
    "illumination": [((SCENES,), "street_D to street_D, 1:")],
    "methods": [(("FOLDER/methods.jpg",), "")],
    "metrics": [((SCENES, "--rounds", "1"), "the paper's four")],
    "palettes": [((f"{SCENES}/ir",), "| cividis |")],
    "precision": [((SCENES,), "Qabf")],
    "quality": [((SCENES, "--models", "piafusion-fast"), "by night")],
    "readme_table": [((SCENES, SCENES, "--output", "FOLDER/table"), "pixelwise maximum")],
    "running_times": [((*TINY, "--rounds", "1"), "| `piafusion` |")],
    "serving": [
        (
            (SCENES, "--model", "piafusion-fast", "--clients", "2", "--seconds", "0.6"),
            "memory, MiB",
        ),
        (
            (SCENES, "--model", "piafusion-fast", "--seconds", "0.1", "--batching"),
            "2 runs of 8 pairs",
        ),
    ],
    "stream": [((*TINY, "--frames", "5"), "growth over the second half")],
    "views": [((*TINY, "--rounds", "1"), "| flicker |")],
    "time_profile": [((*TINY, "--frames", "2", "--threads", "1"), "GFLOP")],
}


def main() -> None:
    """Run those that were named, or all; exit with 1 if one fails."""
    names = sys.argv[1:] or list(RUNS)
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        for name in names:
            for arguments, word in RUNS[name]:
                given = [argument.replace("FOLDER", folder) for argument in arguments]
                command = [sys.executable, "-m", f"benchmarks.{name}", *given]
                done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
                runs = done.returncode == 0 and word in done.stdout
                print(f"{name}: {'runs' if runs else 'FAILS'}", flush=True)
                if not runs:
                    failed.append(name)
                    print(done.stdout, done.stderr, f"expected {word!r}", sep="\n")
    if failed:
        raise SystemExit(f"{len(failed)} fail: {', '.join(failed)}")


def prepare(folder: Path) -> None:
    """Write a published sheet with its pictures, boxes, and the log of a training."""
    scenes = Path(SCENES)
    published = folder / "published"
    (published / "published").mkdir(parents=True)
    for link, part in (("ir", "ir"), ("vi", "vi"), ("published/mine", "vi")):
        (published / link).symlink_to(scenes / part)
    (published / "published_metrics.csv").write_text(
        "image,method,EN,CC\nstreet_D.png,mine,7.5,0.5\nstreet_N.png,absent,7.5,0.5\n"
    )
    for split in ("train", "test"):
        boxes = folder / "detector" / split / "boxes" / "infrared"
        boxes.mkdir(parents=True)
        for part in ("ir", "vi"):
            (boxes.parents[1] / part).symlink_to(scenes / part)
        (boxes / "street_D.txt").write_text("0 0.5 0.5 0.1 0.3\n2 0.2 0.5 0.2 0.2\n")
    (folder / "run" / "log").mkdir(parents=True)
    (folder / "run" / "log" / "metrics.csv").write_text(
        "epoch,step,loss,validation/day/VIF,validation/score\n"
        "0,0,2.0,,\n0,50,1.0,,\n0,60,,0.9,1.5\n"
    )


if __name__ == "__main__":
    main()
