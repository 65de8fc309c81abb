import torch

from piafusion.lab.models import IlluminationNet, ProgressiveFusionNet
from piafusion.lab.models.folding import fold
from tests.lab.models.test_networks import images, parameters
from tests.tolerances import FLOAT32_SUMS


@torch.no_grad()
def test_a_folded_paper_network_answers_alike_with_fewer_weights() -> None:
    torch.manual_seed(0)
    network = ProgressiveFusionNet().eval()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    folded = fold(network)
    for size in ((8, 9), (33, 20)):
        pair = images(2, 1, *size), images(2, 1, *size, seed=1)
        torch.testing.assert_close(folded(*pair), network(*pair), atol=FLOAT32_SUMS, rtol=0)
    assert parameters(network) - parameters(folded) == 128 * 256 * 9
    assert not folded.training
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())


def test_what_has_nothing_to_fold_is_left_alone() -> None:
    network = IlluminationNet()
    assert fold(network) is network
