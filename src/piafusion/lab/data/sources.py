"""Public data sets: where they are, how they are laid out, and under what terms."""

from __future__ import annotations

from dataclasses import dataclass, field


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
