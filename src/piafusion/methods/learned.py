"""The methods that are networks: their registry entries, and how a network becomes a rule.

The torch modules, with the losses that train them, are in `lab/models/comparison/`, one file each.
Here ONNX Runtime runs the exported networks.
"""

from __future__ import annotations

import numpy as np

from piafusion.methods._spec import WEIGHTS, MethodSpec, Plane, Rule
from piafusion.weights import read_weights

_DENSEFUSE = (
    "Li, Wu: DenseFuse: A fusion approach to infrared and visible images, IEEE Transactions on "
    "Image Processing 28, 2019"
)
_SHORT = (
    "Trained on crops of msrs/train for minutes on one core, not on the paper's data; half of the "
    "crops, but for DenseFuse and CSF, are shown in another exposure."
)
_CLIPPED = ("ifcnn",)
"""The values of these are clipped to the range, as their authors do.

The released code of the others saves a picture by a function of SciPy that stretches it, so that
its darkest pixel is black and its brightest one white; so do the methods here.
"""


def stretch(fused: Plane) -> Plane:
    """Return a plane, H x W, stretched to [0, 1]; a flat one stays as it is."""
    low, high = fused.min(), fused.max()
    return fused if high - low < 1 / 255 else (fused - low) / (high - low)


def _create(name: str, threads: int) -> Rule:
    """Return the rule of a network, loaded from its shipped weights."""
    from piafusion.engines.onnx import OnnxEngine

    engine = OnnxEngine(read_weights(name, "onnx", "fusion", WEIGHTS), "cpu", threads)

    def fuse(infrared: Plane, luminance: Plane) -> Plane:
        """Fuse two planes, H x W, in [0, 1]."""
        batches = (np.ascontiguousarray(plane[None, None]) for plane in (infrared, luminance))
        fused = np.asarray(engine.fuse(*batches)[0, 0])
        return fused if name in _CLIPPED else stretch(fused)

    return fuse


def _learned(name: str, title: str, paper: str, *departures: str) -> MethodSpec:
    return MethodSpec(
        name=name,
        create=lambda threads: _create(name, threads),
        title=title,
        paper=paper,
        kind="network",
        departures=(*departures, _SHORT),
        weights="onnx",
        trained_as=name.removesuffix("-l1"),
    )


LEARNED = (
    _learned(
        "densefuse",
        "DenseFuse",
        _DENSEFUSE,
        "Added features are halved: their sum decodes to about the sum of both pictures.",
    ),
    _learned("densefuse-l1", "DenseFuse, l1-norm rule", _DENSEFUSE),
    _learned(
        "drf",
        "DRF",
        "Xu, Wang, Ma: DRF: Disentangled representation for visible and infrared image fusion, "
        "IEEE Transactions on Instrumentation and Measurement 70, 2021",
        "Widths are ours: 16, 32 and 64 channels at full, half and quarter size, eight attributes.",
        "No normalisation inside, so that a crop and a whole picture are treated alike.",
        "One generator gives both modalities; the attribute alone tells which.",
        "Weights of the loss are ours.",
    ),
    _learned(
        "csf",
        "CSF",
        "Xu, Zhang, Ma: Classification saliency-based rule for visible and infrared image fusion, "
        "IEEE Transactions on Computational Imaging 7, 2021",
        "The classifier has ELU and mean pooling in the place of leaky ReLU, batch normalisation "
        "and maximum pooling: its derivative, which the rule needs, is then smooth.",
        "The derivative is taken at the first of ten points between the sources; the next ones "
        "weigh a quarter of the one before.",
        "Saliencies are divided by 8 times their mean, since a classifier's derivative depends on "
        "its scale.",
        "Autoencoder and classifier are trained at the same time; the classifier shapes no "
        "feature.",
    ),
    _learned(
        "fusiongan",
        "FusionGAN",
        "Ma, Yu, Liang, Li, Jiang: FusionGAN: A generative adversarial network for infrared and "
        "visible image fusion, Information Fusion 48, 2019",
        "Generator and discriminator take one step each at the same time, instead of two of the "
        "discriminator for one of the generator.",
        "Reflect padding instead of crops that shrink; the discriminator averages its features "
        "over the crop.",
    ),
    _learned(
        "ifcnn",
        "IFCNN",
        "Zhang, Liu, Sun, Yan, Zhao, Zhang: IFCNN: A general image fusion framework based on "
        "convolutional neural network, Information Fusion 54, 2020",
        "The first layer has 64 fixed filters (edges, lines, spots and means, each beside its "
        "negative); the paper keeps that of a pretrained ResNet-101.",
        "In the place of the perceptual loss, which needs the same ResNet-101, Laplacians are "
        "compared.",
        "Training pairs are blurred in random regions, where the paper blurs by depth, and one "
        "source is brighter, the other darker than the answer.",
    ),
    _learned(
        "pmgi",
        "PMGI",
        "Zhang, Xu, Xiao, Guo, Ma: Rethinking the image fusion: A fast unified image fusion "
        "network based on proportional maintenance of gradient and intensity, AAAI 2020",
        "The four weights of the loss are ours, ordered as the paper asks: infrared leads in "
        "intensities, visible in gradients.",
        "Gradients are compared as Laplacians.",
        "Normalisation by the picture itself takes the training pictures for the usual ones, so "
        "the training went on with roadscene/train, which is as bright as the paper's TNO.",
    ),
    _learned(
        "u2fusion",
        "U2Fusion",
        "Xu, Ma, Jiang, Guo, Ling: U2Fusion: A unified unsupervised image fusion network, IEEE "
        "Transactions on Pattern Analysis and Machine Intelligence 44, 2022",
        "Information is measured by squared Laplacians on five scales of the picture; the paper "
        "measures it on features of a pretrained VGG-16.",
        "One task, so the elastic weight consolidation, which keeps earlier tasks, has nothing to "
        "do.",
    ),
)
