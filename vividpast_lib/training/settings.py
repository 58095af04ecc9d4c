"""TODO."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """What a run is trained with; the same settings and photos give the same weights.

    Parameters
    ----------
    network : str
        A key of `networks.registry.MODELS`.
    scaling : str
        A key of `lab.SCALINGS`.
    segmenter, class_maps : str
        For networks with class maps: a key of `semantics.SEGMENTERS`, and what is concatenated,
        one of `semantics.ENCODINGS`.
    size : int
        Side of the square photos, in pixels.
    epochs, batch_size : int
        How often through the set, and photos a step, in all processes together.
    learning_rate, weight_decay : float
        Of AdamW; without decay it is Adam.
    schedule : {"one-cycle", "constant"}
        One-cycle rises over the first tenth and falls to nought along a cosine (Smith 2018).
    augment : bool
        Random squares, mirrored, instead of the middle of each photo.
    upscaled_every : int
        Photos of no more than half the squares' side, which have to be enlarged, are seen in one
        epoch of so many.
    precision : {"float32", "bfloat16"}
        Of the network's arithmetic; weights and loss stay float32.
    seed : int
        Fixes initial weights, order and augmentation.
    """

    network: str = "autoencoder"
    scaling: str = "unit"
    segmenter: str = "lite"
    class_maps: str = "logits"
    size: int = 96
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 0.002
    weight_decay: float = 1e-4
    schedule: str = "one-cycle"
    augment: bool = True
    upscaled_every: int = 1
    precision: str = "float32"
    seed: int = 0


#: What 2018 trained its colorizers with (it took 1,000 photos and about 100 epochs).
RECIPE_2018: dict[str, object] = {
    "scaling": "2018",
    "batch_size": 20,
    "learning_rate": 0.002,
    "weight_decay": 0.0,
    "schedule": "constant",
    "augment": False,
}
