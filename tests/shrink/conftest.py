import numpy as np
import pytest
import torch

from spikewise.network import build_model

BUILDS = {
    "vgg5": ("vgg5", (1, 8, 8), {}),
    "largest sums": ("vgg7", (3, 16, 16), {}),
    "means of sums, odd maps": ("vgg9", (2, 14, 14), {"pooling": "average"}),
    "residual, odd maps": ("resnet19", (3, 14, 14), {"width": 0.06}),
    "residual, learned decay": ("resnet18", (1, 9, 9), {"width": 0.06, "trains_decay": True}),
}


def unsettled_network(name, in_shape, options, seed=0):
    """A network whose normalisations do something, some with a negative scale, and images for it."""
    generator = torch.Generator().manual_seed(seed)
    network = build_model(name, in_shape, 10, **{"width": 0.15, **options}, seed=seed)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            n = module.num_features
            module.running_mean.copy_(0.3 * torch.randn(n, generator=generator))
            module.running_var.copy_(0.3 + torch.rand(n, generator=generator))
            module.weight.data = 1 + 0.7 * torch.randn(n, generator=generator)
            module.bias.data = 0.3 * torch.randn(n, generator=generator)
    images = np.random.default_rng(seed).integers(0, 256, (9, *in_shape), dtype=np.uint8)
    network.normalize_by(torch.as_tensor(images))
    return network.eval(), images


@pytest.fixture(scope="session", params=BUILDS)
def network_and_images(request):
    return unsettled_network(*BUILDS[request.param])


@pytest.fixture(scope="session")
def small():
    return unsettled_network(*BUILDS["vgg5"])


@pytest.fixture(scope="session")
def unsettled():
    return unsettled_network


@pytest.fixture(scope="session")
def residual():
    return unsettled_network(*BUILDS["residual, odd maps"])
