import numpy as np

from piafusion.lab.segmentation.result import COLOURS, coloured, laid_over


def test_labels_become_colours():
    labels = np.array([[0, 3], [255, 1]], np.uint8)
    drawn = coloured(labels)
    assert (drawn[0, 1] == COLOURS[3]).all()
    assert (drawn[1, 0] == 200).all()


def test_background_stays_and_classes_lie_over_the_picture():
    picture = np.full((1, 2, 3), 100, np.uint8)
    drawn = laid_over(picture, np.array([[0, 2]], np.uint8))
    assert (drawn[0, 0] == 100).all()
    assert drawn[0, 1].tolist() == [201, 87, 74]  # 35 % of 100 and 65 % of (255, 80, 60)
