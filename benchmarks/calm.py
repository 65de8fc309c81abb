"""Compare video fused frame by frame with video whose decisions are carried in time.

    python -m benchmarks.calm [CLIPS...] [--methods NAME@STRENGTH,...] [--frames N] [--strip FOLDER]

CLIPS are folders as `piafusion evaluate` takes them; synthetic drives of our own streets, with
people who walk, a camera that turns and the noise of both sensors, are always there. Prints a table
in Markdown. `--strip` writes the six frames around the one where most pixels jump, both ways.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from piafusion import Fuser
from piafusion.imaging.arrays import Image
from piafusion.imaging.io import write_image
from piafusion.lab.data.clips import list_clips, read_clip
from piafusion.metrics import evaluate, evaluate_clip
from piafusion.scenes.compose import paint_street
from piafusion.scenes.hour import hour_of
from piafusion.scenes.plan import plan_street
from piafusion.scenes.sensors import infrared_camera, visible_camera

Frames = list[tuple[Image, Image]]

HEIGHT, WIDTH = 480, 640
WALKER = 1.75  # metres
# name: seed, daylight, fog, pixels that the camera turns a frame, noise of visible and infrared
DRIVES = {
    "day": (3, 1.0, 0.0, 2.5, 3, 2),
    "dusk": (5, 0.22, 0.0, 2.5, 3, 2),
    "night": (3, 0.0, 0.0, 2.5, 3, 2),
    "night, noisy": (8, 0.0, 0.0, 2.5, 8, 3),
    "still camera, noisy": (4, 0.6, 0.0, 0.0, 6, 4),
    "fog": (9, 0.7, 0.7, 2.5, 3, 2),
}


def drive(
    seed: int, daylight: float, fog: float, turn: float, visible: float, infrared: float, count: int
) -> Iterator[tuple[Image, Image]]:
    """Yield the frames of a street: a window that wanders over larger pictures, and noise."""
    random = np.random.default_rng(seed + 1000)
    plan = plan_street(np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0]))
    hour = hour_of(daylight, plan.azimuth, fog)
    speeds = random.uniform(-0.06, 0.06, len(plan.things))
    for number in range(count):
        things = tuple(
            replace(
                thing,
                z=max(4, thing.z - number * {-1: 0.35, 0: 0, 1: 0.1}[thing.beam]),
                x=thing.x + (number * speed if thing.height == WALKER else 0),
            )
            for thing, speed in zip(plan.things, speeds, strict=True)
        )
        canvas = paint_street(replace(plan, things=things), hour, HEIGHT * 5 // 4, WIDTH * 5 // 4)
        pair = (
            infrared_camera(canvas, hour, fog, np.eye(3), random),
            visible_camera(canvas, hour, fog, random),
        )
        zoom = 1 / (1 + 0.003 * number * (turn > 0))
        corner = [
            side * (1 / 8 + (1 - zoom) / 2) + shift
            for side, shift in (
                (WIDTH, turn * (number - count / 2)),
                (HEIGHT, turn * np.sin(0.7 * number)),
            )
        ]
        window = np.array([[zoom, 0, corner[0]], [0, zoom, corner[1]]])
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        frames = []
        for picture, noise in zip(pair, (infrared, visible), strict=True):
            seen = cv2.warpAffine(picture.astype(np.float32), window, (WIDTH, HEIGHT), flags=how)
            seen = seen + random.normal(0, noise, seen.shape)
            frames.append(np.clip(np.rint(seen), 0, 255).astype(np.uint8))
        yield frames[0], frames[1]


def fused(
    frames: Frames, next_frame: Callable[[], Callable[[Image, Image], Image]]
) -> tuple[list[Image], float]:
    """Return the fused frames, and the processor's milliseconds for one."""
    began = time.process_time()
    pictures = [next_frame()(*pair) for pair in frames]
    return pictures, 1000 * (time.process_time() - began) / len(frames)


def row(frames: Frames, pictures: list[Image]) -> dict[str, float]:
    """Return the measures in time, and the mean SF."""
    triples = [(*pair, picture) for pair, picture in zip(frames, pictures, strict=True)]
    sharp = [evaluate(*triple, metrics=["SF"])["SF"] for triple in triples[::10]]
    return evaluate_clip(triples, ["restless", "jumps", "pumping"]) | {"SF": float(np.mean(sharp))}


def strip(frames: Frames, alone: list[Image], calm: list[Image]) -> Image:
    """Return six frames around the worst one: sources, frame by frame, calm; where most jumps."""
    triples = [(*pair, picture) for pair, picture in zip(frames, alone, strict=True)]
    jumps = [
        evaluate_clip(triples[index - 1 : index + 1], ["jumps"])["jumps"]
        for index in range(1, len(triples))
    ]
    worst = int(np.argmax(jumps)) + 1
    first = min(max(worst - 3, 0), len(frames) - 6)
    change = np.abs(alone[worst].astype(float) - alone[worst - 1]).mean(axis=2)
    sources = np.maximum(
        np.abs(frames[worst][0].astype(float) - frames[worst - 1][0]),
        np.abs(frames[worst][1].astype(float) - frames[worst - 1][1]).mean(axis=2),
    )
    side = 160
    found = cv2.boxFilter((change > 20) * (sources <= 4) * change, -1, (side // 2, side // 2))
    row, column = np.unravel_index(int(found.argmax()), found.shape)
    top, left = (
        int(np.clip(at - side // 2, 0, length - side))
        for at, length in ((row, change.shape[0]), (column, change.shape[1]))
    )
    part = (slice(top, top + side), slice(left, left + side))
    rows = [
        [np.repeat(ir[..., None], 3, axis=2) for ir, _ in frames],
        [vi for _, vi in frames],
        alone,
        calm,
    ]
    return np.vstack([np.hstack([each[part] for each in row[first : first + 6]]) for row in rows])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--methods", default="piafusion-fast@0.5,piafusion-fast@1")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--rate", type=float, default=25)
    parser.add_argument("--only", help="Names of clips, separated by semicolons.")
    parser.add_argument("--strip", type=Path, metavar="FOLDER")
    options = parser.parse_args()

    cv2.setNumThreads(1)
    found = []
    for root in options.clips:
        if (clips_here := list_clips(root)) is None:
            parser.error(f"{root}: expected clips in {root / 'ir'} and {root / 'vi'}, found none")
        found.append(clips_here)
    clips: dict[str, Frames] = {
        pair.stem: list(islice(read_clip(pair), options.frames))
        for each in found
        for pair in each.pairs
        if not options.only or pair.stem in options.only.split(";")
    }
    wanted = options.only.split(";") if options.only else [*clips, *DRIVES]
    for name in [name for name in DRIVES if name in wanted]:
        clips[name] = list(drive(*DRIVES[name], min(options.frames, 24)))
    print("| clip | method | restless | jumps, % | pumping | SF | ms |\n|" + " --- |" * 7)
    for name, frames in clips.items():
        for method in options.methods.split(","):
            model, _, strength = method.partition("@")
            fuser = Fuser(model, threads=1, strength=float(strength) if strength else None)
            alone, before = fused(frames, lambda fuser=fuser: fuser)
            calm, after = fused(frames, fuser.sequence(options.rate))
            one, other = row(frames, alone), row(frames, calm)
            cells = [
                f"{one[key]:.{places}f} → {other[key]:.{places}f}"
                for key, places in (("restless", 3), ("jumps", 4), ("pumping", 3), ("SF", 2))
            ]
            print(
                f"| {name} | {method} | {' | '.join(cells)} | {before:.1f} → {after:.1f} |",
                flush=True,
            )
            if options.strip:
                path = options.strip / f"{name}-{method}.png".replace(" ", "-").replace(",", "")
                write_image(path, strip(frames, alone, calm), overwrite=True)


if __name__ == "__main__":
    main()
