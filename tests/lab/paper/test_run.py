"""All steps on a handful of tiny scenes, and what is left of them where things are missing."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from piafusion.errors import UsageError
from piafusion.files import write_bytes
from piafusion.lab.data.writing import Recipe, write_scenes
from piafusion.lab.evaluation.sets import read_sets
from piafusion.lab.evaluation.timing import measure_here
from piafusion.lab.paper.comparison import find_scenes
from piafusion.lab.paper.datasets import PaperData, find_data
from piafusion.lab.paper.experiment import OURS, TABLE_2, UNTESTED, Experiment
from piafusion.lab.paper.run import NUMBERS, PAGE, STEPS, TEXT, ReproductionPlan, reproduce
from piafusion.lab.training.config import resolve
from piafusion.weights import fusion_models, load_manifest, read_weights, save_record

TINY = ReproductionPlan(
    STEPS,
    ["laplacian", "guided"],
    scenes=1,
    sizes=((32, 24),),
    budget=0.05,
    feature_pairs=1,
    ablation={"steps": "2", "batch": "1", "crop": "16"},
    segmentation={"steps": "2", "batch": "2", "widths": "4,8", "decoder": "4", "crop": "32,32"},
    remarks=("A remark.",),
    no_verdicts="tiny",
)

SOURCES = ("infrared", "visible", OURS)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scenes")
    for part, seed in (("train", 0), ("test", 1000)):
        write_scenes(root / part, 4, Recipe(seed, 64, 80, nights=0.5))
    return root


@pytest.fixture(scope="module")
def materials(scenes: Path) -> PaperData:
    return find_data({"msrs": scenes})


@pytest.fixture(scope="module")
def output(materials: PaperData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reproduction")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("piafusion.lab.training.export.export_run", take_shipped)
        patch.setattr("piafusion.lab.paper.segmentation.SOURCES", SOURCES)
        # Processes of their own have tests of their own, and take longer than these pictures.
        patch.setattr("piafusion.lab.paper.efficiency.measure", measure_here)
        patch.setattr("piafusion.lab.evaluation.scoring.usable_cores", lambda: 1)
        reproduce(materials, folder, TINY)
    return folder


def take_shipped(run: Path, folder: Path, *, name: str) -> None:
    """Stand in for an export, which takes long: the shipped network under another name."""
    assert (run / "weights.safetensors").is_file()
    write_bytes(folder / f"{name}.onnx", read_weights(OURS, "onnx", "fusion"))
    save_record(replace(load_manifest()[OURS], name=name), folder)


class Loads(HTMLParser):
    """Notes what a page would load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        places = [value or "" for name, value in attrs if name in ("src", "href")]
        self.found += [place for place in places if not place.startswith(("data:", "#"))]


def test_a_folder_with_train_and_test_gives_both(scenes: Path, materials: PaperData) -> None:
    assert materials.training == scenes / "train"
    assert materials.labelled == scenes
    assert [pair.stem for pair in materials.tests["msrs"].pairs] == sorted(
        path.stem for path in (scenes / "test" / "ir").iterdir()
    )
    alone = find_data({"msrs": scenes / "test"})
    assert (alone.training, alone.labelled) == (None, None)
    with pytest.raises(UsageError, match="--tno: expected a folder"):
        find_data({"tno": scenes / "none"})


def test_published_pictures_belong_to_tno(scenes: Path, tmp_path: Path) -> None:
    for kind in ("ir", "vi"):
        (tmp_path / kind).symlink_to(scenes / "test" / kind)
    assert find_data({"tno": tmp_path}).published is None
    (tmp_path / "published").mkdir()
    assert find_data({"tno": tmp_path}).published == tmp_path / "published"
    assert find_data({"roadscene": tmp_path}).published is None


def test_every_step_leaves_numbers_and_claims(output: Path) -> None:
    found = json.loads((output / NUMBERS).read_text())
    assert list(found["steps"]) == list(STEPS)
    sections = [claim["section"] for claim in found["claims"]]
    assert list(dict.fromkeys(sections)) == ["4.4", "4.5", "4.6", "4.7", "4.8", "4.9.1", "4.9.2"]
    assert {claim["verdict"] for claim in found["claims"]} == {"cannot be tested here"}
    assert all(claim["evidence"].endswith("; tiny") for claim in found["claims"])
    by_text = {claim["text"]: claim for claim in found["claims"]}
    road = by_text["on RoadScene the method is first in MI"]
    assert road["evidence"] == "no pairs: --roadscene; tiny"
    values = found["steps"]
    scores = values["comparison"]["values"]["msrs"]["float"]["tables"][0]["methods"]
    assert {"average", "maximum", *fusion_models(), "laplacian", "guided"} < set(scores)
    assert values["efficiency"]["values"]["32x24"][OURS]["parameters"] == 1_076_785
    assert values["efficiency"]["values"]["table 3"]["laplacian"]["msrs"][0] > 0
    assert set(values["ablation"]["values"]["night"]) == {
        "full",
        "without illumination loss",
        "without CMDAF",
        "CMDAF as released",
    }
    assert (
        "Ablations: 2 steps of 1 crops of 16x16 and 1 seed" in values["ablation"]["deviations"][0]
    )


def test_the_page_holds_everything_and_loads_nothing(output: Path) -> None:
    page = (output / PAGE).read_text()
    loads = Loads()
    loads.feed(page)
    assert loads.found == []
    assert page.count("data:image/webp") > 12
    for text in ("A remark.", "What the paper claims", "Table 4 of the paper", "Fig. 18, 0100"):
        assert text in page
    text = (output / TEXT).read_text()
    printed = TABLE_2["gtf"][0]
    assert f"| gtf | {printed:.4f} | - |" in text  # not among the methods of this plan
    assert "data:image" not in text


def test_what_is_done_is_not_done_again(
    output: Path, materials: PaperData, monkeypatch: pytest.MonkeyPatch
) -> None:
    from piafusion.lab.training import run

    def never(*_: object, **__: object) -> None:
        raise AssertionError("done again")

    before = json.loads((output / NUMBERS).read_text())
    monkeypatch.setattr("piafusion.lab.paper.segmentation.SOURCES", SOURCES)
    monkeypatch.setattr(run, "start", never)
    monkeypatch.setattr("piafusion.lab.paper.efficiency.measure", never)
    monkeypatch.setattr("piafusion.Fuser.__call__", never)
    monkeypatch.setattr("piafusion.lab.segmentation.learning.train", never)
    monkeypatch.setattr("piafusion.lab.paper.features.shares_of", never)
    reproduce(materials, output, TINY)
    assert json.loads((output / NUMBERS).read_text()) == before


SHEET = "image,method,MI,SD,VIF,Qabf\n" + "".join(
    f"{index:02d}.png,{method},{mi + index / 100},1,{0.9 + index % 2 * shake},0.5\n"
    for index in range(12)
    for method, mi, shake in (("PIAFusion", 3, 0.1), ("IFCNN", 2, -0.1), ("SDNet", 9, 1))
)


def test_the_authors_sheet_is_judged_for_the_papers_methods(scenes: Path, tmp_path: Path) -> None:
    for kind in ("ir", "vi"):
        (tmp_path / kind).symlink_to(scenes / "test" / kind)
    (tmp_path / "published").mkdir()
    sheet = tmp_path / "published_metrics.csv"
    sheet.write_text(SHEET)
    plan = ReproductionPlan(["comparison"], [], scenes=1)
    data = find_data({"tno": tmp_path}, limit=1)
    (experiment,) = reproduce(data, tmp_path / "done", plan)
    mi, _, qabf = [each for each in experiment.claims if each.basis == "published scores"]
    assert (mi.verdict, mi.data) == ("holds", "tno, 2 of the 10 methods")
    assert mi.evidence.startswith("MI 3.055, best of the others ifcnn 2.055; higher on 12 of 12")
    assert qabf.verdict == UNTESTED
    sheet.write_text(SHEET.replace("MI", "XY"))
    with pytest.raises(UsageError, match=r"metrics\.csv: expected a table with the columns"):
        reproduce(data, tmp_path / "done", plan)


def test_the_papers_scenes_are_found_by_name_or_by_the_authors_number() -> None:
    assert find_scenes("tno", ["04", "05", "kaptein_1123"]) == {
        "05": "bench (05)",
        "kaptein_1123": "Kaptein_1123",
    }
    assert find_scenes("roadscene", ["FLIR_06570", "108"]) == {
        "FLIR_06570": "FLIR_06570",
        "108": "FLIR_06570 (108)",
    }
    assert find_scenes("synthetic", ["05"]) == {}


def test_without_pairs_to_train_on_the_ablation_says_so(scenes: Path, tmp_path: Path) -> None:
    (data,) = read_sets([f"tno={scenes / 'test'}"])
    plan = ReproductionPlan(["features", "ablation"], [])
    experiments = reproduce(PaperData({"tno": data}), tmp_path, plan)
    assert [each.name for each in experiments] == ["features", "ablation"]
    verdicts = {claim.verdict for each in experiments for claim in each.claims}
    assert verdicts == {"cannot be tested here"}
    assert "give --msrs a folder with train and test" in (tmp_path / PAGE).read_text()


def test_the_papers_schedule_trains_the_paper_first_and_takes_its_loss(
    materials: PaperData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}

    def train(data: Path, output: Path, **_: object) -> Path:
        seen.update(data=data, output=output)
        return tmp_path / "paper.onnx"

    def compare(*arguments: object) -> Experiment:
        seen["model"] = arguments[-1]
        return Experiment("comparison")

    def ablate(*arguments: object) -> Experiment:
        settings = resolve("ablation", tmp_path, arguments[4])
        whole = resolve("paper", tmp_path, {})
        assert settings.model_dump(exclude={"preset"}) == whole.model_dump(exclude={"preset"})
        return Experiment("ablation")

    monkeypatch.setattr("piafusion.lab.training.algorithm.train_paper", train)
    monkeypatch.setattr("piafusion.lab.paper.comparison.compare", compare)
    monkeypatch.setattr("piafusion.lab.paper.ablation.ablate", ablate)
    plan = ReproductionPlan(["comparison", "ablation"], [], whole=True)
    reproduce(materials, tmp_path / "out", plan)
    assert seen == {
        "data": materials.training,
        "output": tmp_path / "out" / "training",
        "model": str(tmp_path / "paper.onnx"),
    }
    with pytest.raises(UsageError, match="--schedule paper: expected --msrs with train and test"):
        reproduce(replace(materials, training=None), tmp_path / "out", plan)
