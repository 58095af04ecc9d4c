"""TODO."""

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor, nn

from .segmenters import Segmenter
from .voc import VOC_CLASSES

#: What a fusion network can be given of a class map; "logits" is the way of 2018.
ENCODINGS = ("logits", "probabilities", "one-hot")


class ClassMaps(nn.Module):
    """What a fusion network is given besides the lightness: class maps, encoded.

    Parameters
    ----------
    segmenter : Segmenter
        Sees the photo.
    encoding : {"logits", "probabilities", "one-hot"}
        Logits are divided by each class's largest one over the training photos, as in 2018.
    """

    logit_max: Tensor

    def __init__(self, segmenter: Segmenter, encoding: str = "logits") -> None:
        super().__init__()
        self.segmenter = segmenter
        self.encoding = encoding
        self.register_buffer("logit_max", torch.ones(len(VOC_CLASSES)))

    def forward(self, lightness: Tensor) -> Tensor:
        """Make class maps (N, 21, ceil(H/8), ceil(W/8)) of unscaled lightness (N, 1, H, W)."""
        return encode(self.segmenter(lightness).logits, self.encoding, self.logit_max)


def encode(logits: Tensor, encoding: str, logit_max: Tensor | None = None) -> Tensor:
    """Encode logits (N, 21, H, W) as a fusion network is given them.

    Parameters
    ----------
    logits : Tensor, shape (N, 21, H, W)
        What a segmenter answers.
    encoding : {"logits", "probabilities", "one-hot"}
        Logits divided by ``logit_max``; their softmax; or 1 for the likeliest class, else 0.
    logit_max : Tensor, shape (21,), optional
        Each class's largest logit over many photos, at least 1; by default that of this batch.

    Returns
    -------
    Tensor, shape (N, 21, H, W)

    Raises
    ------
    ValueError
        If there is no such encoding.
    """
    if encoding == "logits":
        if logit_max is None:  # a class that is not there would change its sign, or explode
            logit_max = logits.amax(dim=(0, 2, 3)).clamp(min=1)
        return logits / logit_max[:, None, None]
    if encoding == "probabilities":
        return logits.softmax(dim=1)
    if encoding == "one-hot":
        one_hot = F.one_hot(logits.argmax(dim=1), logits.shape[1])  # (N, H, W, 21)
        return one_hot.movedim(-1, 1).to(logits.dtype)
    raise ValueError(f"encoding must be one of {', '.join(ENCODINGS)}, but is {encoding!r}.")


#: About the mean logit of a class that the segmenter does not see.
UNSEEN = -3.0


def paint_class(
    logits: Tensor, mask: Tensor, number: int, logit_max: Tensor, confidence: float = 1.0
) -> Tensor:
    """Say what is where, against what the segmenter saw.

    Parameters
    ----------
    logits : Tensor, shape (N, 21, H, W)
        What the segmenter answers.
    mask : Tensor of bool, shape (H, W)
        Where to change it.
    number : int
        The class that is there, an index of `VOC_CLASSES`.
    logit_max : Tensor, shape (21,)
        Each class's largest logit over many photos, as in `encode`.
    confidence : float
        1: as confidence as the segmenter ever was; towards 0, no class is seen there.

    Returns
    -------
    Tensor, shape (N, 21, H, W)
        The same where nothing is painted.
    """
    told = torch.full((len(VOC_CLASSES), 1, 1), UNSEEN).to(logits)
    told[number] += confidence * (logit_max[number] - UNSEEN)
    return torch.where(mask.to(logits.device), told, logits)
