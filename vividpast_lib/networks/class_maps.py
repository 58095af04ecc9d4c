"""Logits of a segmenter in, class maps out as a fusion network takes them."""

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor, nn

from .segmenters import Segmenter
from .voc import VOC_CLASSES

#: How logits can be encoded for a fusion network; "logits" is the encoding of 2018.
ENCODINGS = ("logits", "probabilities", "one-hot")


class ClassMaps(nn.Module):
    """A segmenter and an encoding: what makes the class maps that a fusion network takes.

    Parameters
    ----------
    segmenter : Segmenter
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
    """Encode logits (N, 21, H, W) for a fusion network.

    Parameters
    ----------
    logits : Tensor, shape (N, 21, H, W)
        Of a segmenter.
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
        if logit_max is None:  # an absent class would flip its sign, or explode
            logit_max = logits.amax(dim=(0, 2, 3)).clamp(min=1)
        return logits / logit_max[:, None, None]
    if encoding == "probabilities":
        return logits.softmax(dim=1)
    if encoding == "one-hot":
        one_hot = F.one_hot(logits.argmax(dim=1), logits.shape[1])  # (N, H, W, 21)
        return one_hot.movedim(-1, 1).to(logits.dtype)
    raise ValueError(f"encoding must be one of {', '.join(ENCODINGS)}, but is {encoding!r}.")


#: About the mean logit of a class that is absent.
UNSEEN = -3.0


def paint_class(
    logits: Tensor, mask: Tensor, number: int, logit_max: Tensor, confidence: float = 1.0
) -> Tensor:
    """Replace a segmenter's logits (N, 21, H, W) by those of one class, within a mask (H, W).

    Parameters
    ----------
    logits, mask : Tensor
    number : int
        The class, an index of `VOC_CLASSES`.
    logit_max : Tensor, shape (21,)
        As in `encode`.
    confidence : float
        1 gives the class its ``logit_max``, 0 the logit of an absent class.
    """
    painted = torch.full((len(VOC_CLASSES), 1, 1), UNSEEN).to(logits)
    painted[number] += confidence * (logit_max[number] - UNSEEN)
    return torch.where(mask.to(logits.device), painted, logits)
