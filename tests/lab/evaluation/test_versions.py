import hashlib

import pytest

from piafusion import Fuser
from piafusion.lab.evaluation import methods as versions
from piafusion.metrics import evaluate
from tests.conftest import scene

PICTURES = {
    "average": "3b2a556f627350c1",
    "maximum": "1bc432e76cbd01ea",
}
SCORES = {
    "EN": 7.09912402,
    "MI": 9.54405579,
    "SD": 36.7852231,
    "VIF": 0.39063808,
    "Qabf": 0.6076456,
}


def test_versions_name_this_package_the_results_and_what_computes() -> None:
    assert list(versions.versions("numpy")) == ["piafusion", "results", "numpy"]


def test_other_results_need_another_number() -> None:
    """If this fails for a good reason, raise `RESULTS` and write down the new values."""
    infrared, visible = scene()
    fused = {name: Fuser(method=name)(infrared, visible) for name in PICTURES}
    hashes = {name: hashlib.sha256(each.tobytes()).hexdigest()[:16] for name, each in fused.items()}
    found = evaluate(infrared, visible, fused["maximum"], metrics=list(SCORES))
    assert (versions.RESULTS, hashes) == (1, PICTURES)
    assert found == pytest.approx(SCORES, rel=1e-6)
