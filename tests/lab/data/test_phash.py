import cv2
import numpy as np

from piafusion.lab.data.phash import ALIKE, BITS, near_duplicates, pair_hash
from tests.conftest import scene


def test_what_is_copied_brighter_smaller_or_as_jpeg_is_alike():
    infrared, visible = scene(120, 160, seed=1)
    original = pair_hash(infrared, visible)
    assert original.shape == (BITS,)
    encoded = cv2.imencode(".jpg", visible, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    changed = (
        (infrared, cv2.convertScaleAbs(visible, alpha=0.9, beta=10)),
        (cv2.resize(infrared, (80, 60)), cv2.resize(visible, (80, 60))),
        (infrared, cv2.imdecode(encoded, cv2.IMREAD_COLOR)),
        (infrared.astype(np.uint16) * 257, visible),
    )
    for pair in changed:
        assert np.count_nonzero(pair_hash(*pair) != original) <= ALIKE


def test_other_scenes_are_not_alike():
    hashes = [pair_hash(*scene(seed=seed)) for seed in range(8)]
    assert [(i, j) for i, j, _ in near_duplicates(hashes, hashes)] == [(i, i) for i in range(8)]
    assert not list(near_duplicates([], hashes))
