"""TODO."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor

from ..color.metrics import class_iou, confusion_matrix
from ..networks.segmenters import EfficientNetSegmenter, SegmentationHead, save_head
from ..networks.voc import VOC_CLASSES
from ..photos.crops import CropBatch
from ..photos.loader import MemoryPhotos
from ..photos.photo_set import PhotoSet
from ..runtime.distributed import batch_means, summed, total, world_size
from .settings import Settings
from .task import Batch, Row, Task


class Segmenting(Task):
    """Learn `semantics.EfficientNetSegmenter`'s head: to see in grey what a teacher saw in the colour photo.

    The loss is the cross-entropy with the teacher's class maps. Most pixels are background, so
    each class is weighted by one over the square root of its share.
    """

    def __init__(
        self, train: PhotoSet, val: PhotoSet, settings: Settings, device: torch.device
    ) -> None:
        super().__init__(train, val, settings, device)
        self.segmenter = EfficientNetSegmenter(head_file=None).to(device)
        self.network: SegmentationHead = self.segmenter.head.requires_grad_(True)
        self.kept_features: dict[PhotoSet, tuple[Tensor, ...]] = {}

    def compute_statistics(self) -> dict[str, list[float]]:
        """Measure the share of each class in the training photos."""
        assert self.train.class_maps is not None
        counts = np.bincount(self.train.class_maps.ravel(), minlength=len(VOC_CLASSES))
        return {"class_shares": (counts / counts.sum()).tolist()}

    def apply_statistics(self, statistics: dict[str, list[float]]) -> None:
        """Make the weights of the classes, 1 on the average over all pixels."""
        shares = torch.tensor(statistics["class_shares"], device=self.device)
        weights = shares.clamp(min=1e-5).rsqrt()
        self.weights = weights / (weights * shares).sum()

    def batch(self, photos: PhotoSet, squares: CropBatch) -> Batch:
        """Make class maps (N, 64, 64) and the feature pyramid of the grey photos."""
        assert squares.class_maps is not None
        true = squares.class_maps.to(self.device).long()
        if not isinstance(photos, MemoryPhotos):
            return true, *self._features(photos, squares.values)
        if photos not in self.kept_features:
            parts = [self._features(photos, part) for part in photos.crops.split(64)]
            scales = zip(*parts, strict=True)
            self.kept_features[photos] = tuple(torch.cat(scale).half().cpu() for scale in scales)
        features = (scale[squares.indices] for scale in self.kept_features[photos])
        return true, *(scale.to(self.device).float() for scale in features)

    def _features(self, photos: PhotoSet, values: Tensor) -> tuple[Tensor, ...]:
        lightness = photos.to_lab(values.to(self.device))[:, :1]
        with self.autocast():
            return self.segmenter.features(lightness.expand(-1, 3, -1, -1) / 100)

    def compute_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the weighted cross-entropy, and the share of pixels that agree."""
        true, *features = batch
        logits = self._logits(features, true)
        loss = F.cross_entropy(logits, true, self.weights)
        if world_size() > 1:
            # It is a mean by weight: make it one by photos, which can be process_group with others'.
            own, photos = self.weights[true].sum().item(), len(true)
            own_of_all, photos_of_all = total(own, photos)
            loss = loss * own / max(photos, 1) * photos_of_all / own_of_all
        return {"loss": loss, "accuracy": (logits.argmax(dim=1) == true).float().mean()}

    def _logits(self, features: list[Tensor], true: Tensor) -> Tensor:
        with self.autocast():
            logits = self.network(features)
        return F.interpolate(logits.float(), size=true.shape[-2:], mode="bilinear")

    def validate(self) -> Row:
        """Compare with the teacher on the validation photos, grey."""
        sums = {"loss": 0.0, "accuracy": 0.0}
        counts = torch.zeros(len(VOC_CLASSES), len(VOC_CLASSES), dtype=torch.int64)
        all_photos = 0
        for batch, photos in self.val_batches():
            true, *features = batch
            for name, mean in batch_means(self.compute_losses(batch), len(true)).items():
                sums[name] += mean * photos
            counts += confusion_matrix(self._logits(features, true).argmax(dim=1), true).cpu()
            all_photos += photos
        means = {f"val_{name}": value / all_photos for name, value in sums.items()}
        return {**means, "val_mean_iou": class_iou(summed(counts)).nanmean().item()}

    def save(self, path: Path) -> None:
        """Write the head."""
        save_head(self.network, path)
