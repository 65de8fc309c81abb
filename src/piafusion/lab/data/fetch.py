"""Public data sets: their terms, and a download verified and unpacked into `ir` and `vi`."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from piafusion.errors import DownloadError, OutputError, PiafusionError, UsageError
from piafusion.files import whole_folder
from piafusion.imaging.formats import IMAGE_SUFFIXES
from piafusion.lab.data.download import check_hash, download, remember, verify
from piafusion.run.progress import Progress, silent

HASHES = "sha256.json"


@dataclass(frozen=True)
class Fetched:
    """The result of a download.

    Attributes:
        root: Folder of the set.
        archive: Where the archive is kept.
        sha256: Hash of the archive.
        trusted: Whether this hash was only now trusted and recorded.
        files: How many pictures it has.
    """

    root: Path
    archive: Path
    sha256: str
    trusted: bool
    files: int


def cache_folder() -> Path:
    """Where archives are kept: `PIAFUSION_CACHE`, or `piafusion` in the user's cache folder."""
    own = os.environ.get("PIAFUSION_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(own) if own else (Path(base) if base else Path.home() / ".cache") / "piafusion"


def fetch(
    name: str,
    output: Path,
    *,
    url: str | None = None,
    sha256: str | None = None,
    progress: Progress = silent,
) -> Fetched:
    """Get a public data set.

    Args:
        name: Name in `SOURCES`.
        output: New folder for the set.
        url: A mirror of the archive.
        sha256: Expected hash of the archive; by default the first one that comes is trusted.
        progress: Shows the progress of the download.

    Raises:
        UsageError: If the name is unknown, the set has no plain download or the output exists.
        DownloadError: If the download fails, or the archive is not the expected one.
        OutputError: If it cannot be written.
    """
    source = find_source(name)
    if url is None and source.url is None:
        raise UsageError(f"{name}: has no plain download. See {source.page}: {source.steps}")
    if output.exists():
        raise UsageError(f"{output}: exists already; choose another folder or remove it")
    check_hash(sha256)
    archive = cache_folder() / f"{name}.zip"
    if not archive.is_file():
        download(url or source.url or "", archive, progress)
    record = cache_folder() / HASHES
    digest, trusted = verify(archive, archive.name, sha256, record)
    files = unpack(archive, output, source)
    remember(archive.name, digest, record)
    return Fetched(output, archive, digest, trusted, files)


def find_source(name: str) -> PublicSet:
    """Return a set by its name; raise `UsageError` if there is none."""
    if name not in SOURCES:
        raise UsageError(f"{name}: expected one of {', '.join(SOURCES)}")
    return SOURCES[name]


def unpack(archive: Path, output: Path, source: PublicSet) -> int:
    """Unpack the pictures of a set's folders into a new folder, whole or not at all.

    Raises:
        DownloadError: If the archive is damaged, has unsafe names, or lacks pictures of the set.
        OutputError: If it cannot be written.
    """
    try:
        with whole_folder(output) as work, zipfile.ZipFile(archive) as file:
            chosen = _chosen(file.infolist(), archive, source)
            for entry, target in chosen:
                place = work / target
                place.parent.mkdir(parents=True, exist_ok=True)
                with file.open(entry) as packed, place.open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked)
    except PiafusionError:
        raise
    except OSError as error:
        raise OutputError(f"{output}: could not be written ({error}); check the space") from error
    except Exception as error:  # damage shows as anything, from zlib.error to NotImplementedError
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DownloadError(
            f"{archive}: expected a whole zip archive, found damage ({reason}); remove it and "
            "download it again"
        ) from error
    return len(chosen)


def _chosen(
    entries: Sequence[zipfile.ZipInfo], archive: Path, source: PublicSet
) -> list[tuple[zipfile.ZipInfo, str]]:
    """Return the pictures of the set's folders, with their new names."""
    chosen = []
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        link = stat.S_ISLNK(entry.external_attr >> 16)
        unsafe = not path.parts or path.is_absolute() or ".." in path.parts
        if unsafe or ":" in path.parts[0] or link:
            raise DownloadError(
                f"{archive}: has an unsafe name, {entry.filename!r}; nothing was unpacked, do not "
                "use this archive"
            )
        folder = "/".join(path.parts[1:-1])
        if folder in source.folders and path.suffix.lower() in IMAGE_SUFFIXES:
            chosen.append((entry, f"{source.folders[folder]}/{path.name}"))
    got = {target.rsplit("/", 1)[0] for _, target in chosen}
    needed = {folder for folder in source.folders.values() if not folder.endswith("label")}
    missing = sorted(needed - got)
    if missing:
        raise DownloadError(
            f"{archive}: expected pictures for {', '.join(missing)}, found none; the set may have "
            "a new layout: unpack it by hand"
        )
    return chosen


@dataclass(frozen=True)
class PublicSet:
    """A public data set.

    Attributes:
        title: Title of the set.
        page: Where people read about it.
        terms: Its known terms of use.
        url: A zip archive that downloads plainly, or None.
        folders: Folder in the archive, below its one top folder, to folder in the result.
        steps: Steps to do by hand if there is no plain download.
    """

    title: str
    page: str
    terms: str = "no licence is stated; ask the authors before other than research use"
    url: str | None = None
    folders: dict[str, str] = field(default_factory=dict)
    steps: str = ""


SOURCES: dict[str, PublicSet] = {
    "msrs": PublicSet(
        "MSRS: 1,444 pairs of 480x640 by day and night, with labels (Tang et al., 2022)",
        "https://github.com/Linfeng-Tang/MSRS",
        url="https://github.com/Linfeng-Tang/MSRS/archive/refs/heads/main.zip",
        folders={
            f"{split}/{theirs}": f"{split}/{ours}"
            for split in ("train", "test")
            for theirs, ours in (
                ("ir", "ir"),
                ("vi", "vi"),
                ("label", "label"),
                ("Segmentation_labels", "label"),
            )
        },
    ),
    "roadscene": PublicSet(
        "RoadScene: 221 pairs of FLIR's road videos (Xu et al., 2020)",
        "https://github.com/hanna-xu/RoadScene",
        url="https://github.com/hanna-xu/RoadScene/archive/refs/heads/master.zip",
        folders={"cropinfrared": "ir", "crop_LR_visible": "vi"},
    ),
    "tno": PublicSet(
        "TNO Image Fusion Dataset: multispectral military scenes (Toet, 2014)",
        "https://figshare.com/articles/dataset/TNO_Image_Fusion_Dataset/1008029",
        terms="CC BY-NC-SA, as its page says; check there",
        steps="download the archive from its page and put the pairs you use into ir and vi",
    ),
    "m3fd": PublicSet(
        "M3FD: 4,200 pairs with boxes, 300 for fusion (Liu et al., 2022)",
        "https://github.com/JinyuanLiu-CV/TarDAL",
        steps="follow the link to the shared folder on its page; rename Ir to ir and Vis to vi",
    ),
    "llvip": PublicSet(
        "LLVIP: 15,488 pairs at night (Jia et al., 2021)",
        "https://bupt-ai-cz.github.io/LLVIP/",
        steps="ask for the data on its page; rename infrared to ir and visible to vi",
    ),
    "mfnet": PublicSet(
        "MFNet: 1,569 RGB-thermal pairs in 4-channel PNG, with labels (Ha et al., 2017)",
        "https://www.mi.t.u-tokyo.ac.jp/static/projects/mil_multispectral/",
        steps="download it from its page, then: piafusion data build-msrs MFNET OUT",
    ),
}
