"""The learned methods: what the registry says of them; their networks are `models/comparison/`."""

from __future__ import annotations

from piafusion.methods._spec import MethodSpec

_DATA = "Trained on crops of msrs/train, on a short schedule, instead of the paper's data."


def _learned(name: str, title: str, paper: str, *departures: str) -> MethodSpec:
    return MethodSpec(name, title, paper, "learned", (*departures, _DATA), weights="onnx")


LEARNED = (
    _learned(
        "densefuse",
        "DenseFuse",
        "Li, Wu: DenseFuse: A fusion approach to infrared and visible images, IEEE Transactions "
        "on Image Processing 28, 2019",
        "Features are added; the l1-norm rule is there for one's own export "
        "(`--set rule=l1`).",
    ),
    _learned(
        "drf",
        "DRF",
        "Xu, Wang, Ma: DRF: Disentangled representation for visible and infrared image fusion, "
        "IEEE Transactions on Instrumentation and Measurement 70, 2021",
        "Widths and depths are ours: 32 channels, two residual blocks on each side, eight "
        "attributes.",
        "Translation is compared with the other source itself, pixel by pixel, since the pairs "
        "are aligned.",
        "Scenes and attributes are averaged to fuse.",
    ),
    _learned(
        "csf",
        "CSF",
        "Xu, Zhang, Ma: Classification saliency-based rule for visible and infrared image fusion, "
        "IEEE Transactions on Computational Imaging 7, 2021",
        "Widths are ours: 16, 32 and 64 channels.",
        "The classifier is two fully connected layers on the means of the features, so that its "
        "derivative can be written out and no back-propagation is needed to fuse.",
        "Autoencoder and classifier are trained at the same time; the classifier shapes no "
        "feature.",
    ),
    _learned(
        "fusiongan",
        "FusionGAN",
        "Ma, Yu, Liang, Li, Jiang: FusionGAN: A generative adversarial network for infrared and "
        "visible image fusion, Information Fusion 48, 2019",
        "Generator and discriminator take one step each at the same time, instead of two steps of "
        "the discriminator for one of the generator.",
        "Reflect padding instead of crops that shrink; the discriminator averages its features "
        "over the crop.",
    ),
    _learned(
        "ifcnn",
        "IFCNN",
        "Zhang, Liu, Sun, Yan, Zhao, Zhang: IFCNN: A general image fusion framework based on "
        "convolutional neural network, Information Fusion 54, 2020",
        "The first layer is learned with the others: a pretrained ResNet-101, whose first layer "
        "the paper keeps, is not at hand. It has one input channel.",
        "In place of the perceptual loss, which needs the same ResNet-101, Laplacians are "
        "compared.",
        "Fused by elementwise maximum, as the paper does with infrared and visible pictures.",
    ),
    _learned(
        "pmgi",
        "PMGI",
        "Zhang, Xu, Xiao, Guo, Ma: Rethinking the image fusion: A fast unified image fusion "
        "network based on proportional maintenance of gradient and intensity, AAAI 2020",
        "The four weights of the loss are ours, ordered as the paper asks: infrared leads in "
        "intensities, visible in gradients.",
        "Gradients are compared as Laplacians.",
    ),
    _learned(
        "u2fusion",
        "U2Fusion",
        "Xu, Ma, Jiang, Guo, Ling: U2Fusion: A unified unsupervised image fusion network, IEEE "
        "Transactions on Pattern Analysis and Machine Intelligence 44, 2022",
        "Information is measured by squared Laplacians on five scales of the picture: a pretrained "
        "VGG-16, on whose features the paper measures it, is not at hand.",
        "One task, so the elastic weight consolidation, which keeps earlier tasks, has nothing to "
        "do.",
    ),
)
