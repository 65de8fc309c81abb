from pathlib import Path

import numpy as np
import pytest

from piafusion.errors import TrainingError
from piafusion.imaging.pairs import Pair
from piafusion.lab.evaluation.sets import DataSet
from piafusion.lab.evaluation.statistics import PairedTest
from piafusion.lab.paper.ablation import (
    CMDAF,
    FULL,
    LIGHT,
    Tests,
    Values,
    ablate,
    judge,
    preservation,
)
from piafusion.lab.paper.experiment import Verdict
from piafusion.lab.training.config import FusionSettings
from piafusion.metrics import evaluate
from piafusion.run.progress import silent

STEMS = ("1D", "2D", "3N", "4N")
MEASURES = ("targets", "visible edges")


def data_set(stems: tuple[str, ...] = STEMS) -> DataSet:
    pairs = [Pair(stem, Path(f"ir/{stem}.png"), Path(f"vi/{stem}.png")) for stem in stems]
    return DataSet("msrs", pairs, {}, frozenset(stems), [])


def training(full: float, without: float) -> Values:
    """Return what one training of each variant gives, the same on all pairs."""
    means = {FULL: full, LIGHT: without, CMDAF: without}
    return {v: {stem: dict.fromkeys(MEASURES, mean) for stem in STEMS} for v, mean in means.items()}


def compared(p: float) -> dict[str, Tests]:
    found = {
        (variant, measure): PairedTest(variant, measure, 2, 0, 2, -0.1, -1, p, p)
        for variant in (LIGHT, CMDAF)
        for measure in MEASURES
    }
    return {"day": found, "night": found}


@pytest.mark.parametrize(
    ("seeds", "p", "verdict"),
    [
        ([(0.9, 0.8), (0.7, 0.6)], 0.01, "holds"),
        ([(0.9, 0.7), (0.7, 0.8)], 0.01, "cannot be tested here"),  # by one training only
        ([(0.9, 0.8), (0.7, 0.6)], 0.3, "cannot be tested here"),
        ([(0.7, 0.9), (0.7, 0.6)], 0.01, "cannot be tested here"),
        ([(0.7, 0.9), (0.6, 0.7)], 0.01, "does not hold"),
        ([(0.7, 0.9), (0.6, 0.7)], 0.3, "cannot be tested here"),
        ([(0.9, 0.8)], 0.01, "holds"),
    ],
)
def test_a_part_has_to_help_with_every_training(
    seeds: list[tuple[float, float]], p: float, verdict: Verdict
) -> None:
    claims = judge(data_set(), [training(*means) for means in seeds], compared(p))
    assert {claim.verdict for claim in claims} == {verdict}
    assert ("lead by training" in claims[0].evidence) == (len(seeds) > 1)


def test_the_evidence_tells_means_and_leads() -> None:
    (claim, *_) = judge(data_set(), [training(0.9, 0.8), training(0.7, 0.5)], compared(0.04))
    assert claim.evidence == (
        "0.800 with it, 0.650 without; higher on 2 of 2 pairs, p = 0.040; "
        "lead by training +0.100, +0.200"
    )


def test_a_seed_that_cannot_be_trained_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def fail(settings: FusionSettings, folder: Path, progress: object) -> Path:
        tried.append(folder.name)
        raise TrainingError("step 29: expected a gradient, found none; look at the batch")

    monkeypatch.setattr("piafusion.lab.training.run.start", fail)
    experiment = ablate(data_set(), tmp_path, tmp_path, 2, {}, 1, silent)
    assert tried == ["ablation-0", "ablation-1"]
    assert experiment.deviations == [
        f"Seed {seed} is left out: full: step 29: expected a gradient, found none"
        for seed in (0, 1)
    ]
    assert {claim.verdict for claim in experiment.claims} == {"cannot be tested here"}


def test_without_lights_nothing_is_judged() -> None:
    claims = judge(data_set(("a", "b")), [training(0.9, 0.8)], {})
    assert {claim.verdict for claim in claims} == {"cannot be tested here"}


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    """Two warm spots on a cold ground, and stripes."""
    infrared = np.full((96, 128), 40, np.uint8)
    infrared[20:26, 30:36] = infrared[60:66, 90:96] = 240
    visible = np.repeat((np.arange(128) // 4 % 2 * 120 + 60).astype(np.uint8)[None], 96, axis=0)
    return infrared, visible


def test_each_source_leaves_its_own_preservation(pair: tuple[np.ndarray, np.ndarray]) -> None:
    infrared, visible = pair
    warm, cold = preservation(infrared, visible, infrared), preservation(infrared, visible, visible)
    assert warm["targets"] == pytest.approx(1)
    assert abs(cold["targets"]) < 0.1
    assert warm["infrared edges"] > 0.9 > 0.3 > warm["visible edges"]
    assert cold["visible edges"] > 0.9 > 0.3 > cold["infrared edges"]


def test_half_the_contrast_is_half_the_targets(pair: tuple[np.ndarray, np.ndarray]) -> None:
    infrared, visible = pair
    half = preservation(infrared, visible, (infrared // 2).astype(np.uint8))
    assert half["targets"] == pytest.approx(0.5, abs=0.01)


def test_the_edges_are_qabf_against_one_source(pair: tuple[np.ndarray, np.ndarray]) -> None:
    infrared, visible = pair
    fused = np.maximum(infrared, visible)
    found = preservation(infrared, visible, fused)
    for name, source in (("infrared edges", infrared), ("visible edges", visible)):
        expected = evaluate(source, source, fused, metrics=["Qabf"])["Qabf"]
        assert found[name] == pytest.approx(expected, abs=1e-5)


def test_without_targets_nothing_is_said_of_them() -> None:
    flat = np.full((64, 64), 90, np.uint8)
    assert set(preservation(flat, flat, flat)) == {"infrared edges", "visible edges"}


def test_colour_and_depth_do_not_matter(pair: tuple[np.ndarray, np.ndarray]) -> None:
    infrared, visible = pair
    colour = np.repeat(visible[..., None], 3, axis=2)
    deep = [image.astype(np.uint16) * 257 for image in (infrared, colour, colour)]
    assert preservation(*deep) == pytest.approx(preservation(infrared, visible, visible), abs=1e-5)
