"""The task of the segmenter: grey photos and a teacher's class maps in, losses and a head out."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor

from ..color.metrics import class_iou
from ..networks.segmenters import EfficientNetSegmenter, SegmentationHead, save_head
from ..networks.voc import VOC_CLASSES
from ..photos.crops import CropBatch
from ..photos.loader import MemoryPhotos
from ..photos.photo_set import PhotoSet
from ..runtime.distributed import all_reduce_sum, mean_losses, world_size
from .settings import Settings
from .task import Batch, Row, Task


class Segmenting(Task):
    """Learn the head of `EfficientNetSegmenter`: in grey photos, what a teacher saw in colour ones.

    The loss is the cross-entropy with the teacher's class maps. Most pixels are background, so
    each class is weighted by one over the square root of its share.
    """

    needs_class_maps = True

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

    def batch(self, photos: PhotoSet, crops: CropBatch) -> Batch:
        """Make class maps (N, 64, 64) and the feature pyramid of the grey photos."""
        assert crops.class_maps is not None
        true = crops.class_maps.to(self.device).long()
        if not isinstance(photos, MemoryPhotos):
            return Batch(true, self._features(photos, crops.values))
        if photos not in self.kept_features:
            parts = [self._features(photos, part) for part in photos.crops.split(64)]
            scales = zip(*parts, strict=True)
            self.kept_features[photos] = tuple(torch.cat(scale).half().cpu() for scale in scales)
        features = (scale[crops.indices] for scale in self.kept_features[photos])
        return Batch(true, tuple(scale.to(self.device).float() for scale in features))

    def _features(self, photos: PhotoSet, values: Tensor) -> tuple[Tensor, ...]:
        lightness = photos.to_lab(values.to(self.device))[:, :1]
        with self.autocast():
            return self.segmenter.features(lightness.expand(-1, 3, -1, -1) / 100)

    def compute_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the weighted cross-entropy, and the share of pixels that agree."""
        return self._losses(self._logits(batch), batch.target)

    def _losses(self, logits: Tensor, true: Tensor) -> dict[str, Tensor]:
        loss = F.cross_entropy(logits, true, self.weights)
        if world_size() > 1:
            # Cross-entropy divides by the sum of class weights. Made a mean per photo, so that
            # averaging over ranks gives the loss of the whole batch.
            own, photos = self.weights[true].sum().item(), len(true)
            own_of_all, photos_of_all = all_reduce_sum([own, photos]).tolist()
            loss = loss * own / max(photos, 1) * photos_of_all / own_of_all
        return {"loss": loss, "accuracy": (logits.argmax(dim=1) == true).float().mean()}

    def _logits(self, batch: Batch) -> Tensor:
        with self.autocast():
            logits = self.network(list(batch.inputs))
        return F.interpolate(logits.float(), size=batch.target.shape[-2:], mode="bilinear")

    def validate(self) -> Row:
        """Compare with the teacher on the validation photos, grey."""
        sums: dict[str, float | Tensor] = {"loss": 0.0, "accuracy": 0.0}
        iou = class_iou(len(VOC_CLASSES)).to(self.device)
        all_photos = 0
        for batch, photos in self.val_batches():
            logits = self._logits(batch)
            for name, mean in mean_losses(self._losses(logits, batch.target), len(batch)).items():
                sums[name] += mean * photos
            iou.update(logits.argmax(dim=1), batch.target)
            all_photos += photos
        means = {f"val_{name}": float(value) / all_photos for name, value in sums.items()}
        return {**means, "val_mean_iou": iou.compute().nanmean().item()}

    def save(self, path: Path) -> None:
        """Write the head."""
        save_head(self.network, path)
