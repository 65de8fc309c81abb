"""The learned methods: what the registry says of them; their networks are in `networks/`."""

from __future__ import annotations

from piafusion.methods._spec import MethodSpec

_NO_VGG = (
    "Pretrained {features} cannot be shipped here; in their place {substitute}."
)


def _learned(name: str, title: str, paper: str, *departures: str) -> MethodSpec:
    return MethodSpec(name, title, paper, "learned", departures, weights="onnx")


LEARNED = (
    _learned(
        "densefuse",
        "DenseFuse",
        "Li, Wu: DenseFuse: A fusion approach to infrared and visible images, IEEE Transactions "
        "on Image Processing 28, 2019",
        "The autoencoder is trained on MSRS instead of MS-COCO.",
    ),
)
