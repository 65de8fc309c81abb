"""What case N of a reader is, and the folder of whole inputs that all cases start from."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from tools.fuzz.mutate import mutate
from tools.fuzz.planted import PLANTED
from tools.fuzz.readers import READERS, Reader

ALL: dict[str, Reader] = {**READERS, **PLANTED}
_INTACT = 0.01  # share of the cases that stay whole: readers that refuse everything are noticed
_INDEX = "index.json"


def write_corpus(folder: Path, readers: list[str]) -> None:
    """Make the whole inputs of some readers: `GROUP/NAME`, and the folders they lie in."""
    from tools.fuzz import clips, pictures, states

    around, index = folder / "around", {}
    around.mkdir(parents=True)
    for name in sorted({group for reader in readers for group in ALL[reader].folders}):
        if name in states.STATES:
            alike = states.make(name, around)
            index[name] = alike.folder
            _write(folder / name, alike.files)
        else:
            _write(folder / name, clips.every() if name == "video" else pictures.make(name))
    pairs = {"ir_64x48": pictures.GREY, "vi_64x48": pictures.COLOUR,
             "ir_48x64": pictures.GREY.T, "vi_48x64": pictures.COLOUR.swapaxes(0, 1)}  # fmt: skip
    _write(folder / "pairs", {f"{n}.png": pictures.png(image) for n, image in pairs.items()})
    (folder / _INDEX).write_text(json.dumps(index))


def _write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)


class Corpus:
    """The whole inputs, and the cases made from them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self._seed = folder, seed
        self._around: dict[str, str] = json.loads((folder / _INDEX).read_text())
        self._files: dict[str, list[Path]] = {}

    def around(self, reader: Reader) -> Path | None:
        """Return the folder that an input of a reader lies in, if it is not alone."""
        name = self._around.get(reader.folders[0], "")
        return self.folder / "around" / name if name else None

    def wholes(self, reader: Reader) -> list[Path]:
        """Return the whole inputs of a reader."""
        if reader.name not in self._files:
            folders = [self.folder / name for name in reader.folders]
            self._files[reader.name] = sorted(p for each in folders for p in each.iterdir())
        return self._files[reader.name]

    def case(self, reader: Reader, number: int) -> tuple[str, bytes]:
        """Return the name of the whole input that a case starts from, and its damaged bytes.

        Case -1 is the first whole input itself, -2 the second, and so on.
        """
        if number < 0:
            whole = self.wholes(reader)[-number - 1]
            return whole.name, whole.read_bytes()
        random = Random(f"{self._seed}:{reader.name}:{number}")
        wholes = self.wholes(reader)
        whole, other = random.choice(wholes), random.choice(wholes)
        data = whole.read_bytes()
        if random.random() >= _INTACT:
            data = mutate(data, random, other.read_bytes(), reader.mutators)
        return whole.name, data


def shares(names: list[str], total: int) -> dict[str, int]:
    """Return how many cases each reader gets of a total."""
    whole = sum(ALL[name].share for name in names)
    return {name: max(1, round(total * ALL[name].share / whole)) for name in names}
