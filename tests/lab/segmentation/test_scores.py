import numpy as np
import pytest

from piafusion.lab.segmentation.scores import (
    IGNORED,
    confusion,
    intersection_over_union,
    source_scores,
)


def matrix(hits: int, misses: int) -> np.ndarray:
    """Persons that are found, and that are taken for background; and a sure background."""
    counts = np.zeros((4, 4), np.int64)
    counts[0, 0], counts[2, 2], counts[2, 0] = 100, hits, misses
    return counts


@pytest.fixture
def counts() -> dict[str, np.ndarray]:
    """Two seeds, three scenes."""
    return {
        "visible": np.array([[matrix(1, 3), matrix(2, 2), matrix(0, 4)]] * 2),
        "fused": np.array(
            [
                [matrix(3, 1), matrix(4, 0), matrix(2, 2)],
                [matrix(3, 1), matrix(3, 1), matrix(0, 4)],
            ]
        ),
    }


def test_counts_are_summed_over_scenes_and_means_taken_over_seeds(counts):
    rows, _ = source_scores(counts, {"all": [0, 1, 2], "night": [2]}, [])
    assert [(row.part, row.source, row.scenes) for row in rows] == [
        ("all", "visible", 3),
        ("all", "fused", 3),
        ("night", "visible", 1),
        ("night", "fused", 1),
    ]
    person = rows[1].scores["person"]
    assert person.mean == pytest.approx((9 / 12 + 6 / 12) / 2)
    assert person.std == pytest.approx(np.std([9 / 12, 6 / 12], ddof=1))
    reach = 12.7062 * person.std / np.sqrt(2)  # Student's t of one degree of freedom, 97.5 %
    assert person.interval95_seeds == pytest.approx(
        (person.mean - reach, person.mean + reach), abs=1e-4
    )
    assert rows[3].scores["person"].mean == pytest.approx((2 / 4 + 0) / 2)
    assert np.isnan(rows[0].scores["bicycle"].mean)
    background = rows[0].scores["background"].mean
    assert rows[0].scores["mIoU"].mean == pytest.approx((background + 3 / 12) / 2)


def test_the_interval_over_scenes_holds_what_resampling_gives(counts):
    rows, _ = source_scores(counts, {"all": [0, 1, 2]}, [])
    low, high = rows[0].scores["person"].interval95_scenes
    assert low == 0  # only the third scene is drawn in 1 of 27 resamples
    assert high == pytest.approx(2 / 4)


def test_differences_are_paired(counts):
    twin = {"one": counts["fused"], "other": counts["fused"].copy()}
    _, (same,) = source_scores(twin, {"all": [0, 1, 2]}, ["one"])
    assert (
        same.scores["person"].interval95_seeds == same.scores["person"].interval95_scenes == (0, 0)
    )
    _, (each,) = source_scores(counts, {"all": [0, 1, 2]}, ["visible"])
    assert (each.source, each.against) == ("fused", "visible")
    assert each.scores["person"].mean == pytest.approx((6 / 12 + 3 / 12) / 2)
    assert each.scores["person"].interval95_scenes[0] >= 0


def test_two_sources_are_compared_once(counts):
    _, differences = source_scores(counts, {"all": [0]}, ["visible", "fused"])
    assert [(each.source, each.against) for each in differences] == [("fused", "visible")]


def test_one_seed_has_no_interval_over_trainings(counts):
    rows, _ = source_scores({"fused": counts["fused"][:1]}, {"all": [0, 1, 2]}, [])
    person = rows[0].scores["person"]
    assert np.isnan([person.std, *person.interval95_seeds]).all()
    assert person.interval95_scenes[0] < person.mean < person.interval95_scenes[1]


def test_pixels_are_counted_by_label_and_prediction():
    labels = np.array([[0, 0, 1], [2, 2, IGNORED]], np.uint8)
    predicted = np.array([[0, 1, 1], [2, 0, 3]], np.uint8)
    counts = np.zeros((4, 4))
    counts[0, 0] = counts[0, 1] = counts[1, 1] = counts[2, 2] = counts[2, 0] = 1
    np.testing.assert_array_equal(confusion(labels, predicted), counts)


def test_iou_worked_by_hand():
    #            taken for: background, vehicle, person, bicycle
    counts = np.array([[70, 4, 6, 0], [2, 8, 0, 0], [0, 0, 9, 1], [0, 0, 3, 2]], float)
    expected = [70 / (80 + 72 - 70), 8 / (10 + 12 - 8), 9 / (10 + 18 - 9), 2 / (5 + 3 - 2)]
    scores = intersection_over_union(counts)
    np.testing.assert_allclose(scores, [*expected, np.mean(expected)])


def test_a_class_without_labels_has_no_iou_whatever_is_predicted():
    counts = np.zeros((2, 4, 4))
    counts[:, 0, 0] = 6
    counts[:, 1, 1], counts[:, 1, 0] = 1, 1
    counts[1, 0, 3] = 2  # taken for bicycles, which are nowhere
    scores = intersection_over_union(counts)
    np.testing.assert_allclose(scores[0], [6 / 7, 1 / 2, np.nan, np.nan, (6 / 7 + 1 / 2) / 2])
    np.testing.assert_allclose(scores[1], [6 / 9, 1 / 2, np.nan, np.nan, (6 / 9 + 1 / 2) / 2])


def test_nothing_labelled_is_no_score():
    assert np.isnan(intersection_over_union(np.zeros((4, 4)))).all()
