"""The networks of the learned comparison methods, each with its own loss.

They are written from the papers; `piafusion.methods` lists the differences.
"""

from __future__ import annotations

from piafusion.lab.models.comparison._terms import ComparisonNet, NormedConv
from piafusion.lab.models.comparison.csf import ClassificationSaliencyNet
from piafusion.lab.models.comparison.densefuse import DenseFuseNet
from piafusion.lab.models.comparison.drf import DisentangledNet
from piafusion.lab.models.comparison.fusiongan import FusionGanNet
from piafusion.lab.models.comparison.ifcnn import IfcnnNet
from piafusion.lab.models.comparison.pmgi import PmgiNet
from piafusion.lab.models.comparison.u2fusion import U2FusionNet

__all__ = ["COMPARISON", "ComparisonNet", "NormedConv"]

COMPARISON: dict[str, type[ComparisonNet]] = {
    "densefuse": DenseFuseNet,
    "drf": DisentangledNet,
    "csf": ClassificationSaliencyNet,
    "fusiongan": FusionGanNet,
    "ifcnn": IfcnnNet,
    "pmgi": PmgiNet,
    "u2fusion": U2FusionNet,
}
"""By the names of the methods."""
