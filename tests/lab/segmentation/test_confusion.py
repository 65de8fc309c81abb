import numpy as np

from piafusion.lab.segmentation.confusion import IGNORED, confusion, intersection_over_union


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
