"""Lab scaled linearly to what a network takes and answers, and back."""

from dataclasses import dataclass

from torch import Tensor

from .lab import check_channels


@dataclass(frozen=True)
class Scaling:
    """Linear scaling of Lab for a network: ``scaled = (value - mean) / scale``.

    Parameters
    ----------
    lightness_mean, lightness_scale : float
        For L, in Lab units.
    ab_mean, ab_scale : tuple of two floats
        For a and b, in Lab units.
    """

    lightness_mean: float
    lightness_scale: float
    ab_mean: tuple[float, float]
    ab_scale: tuple[float, float]

    def scale_lightness(self, lightness: Tensor) -> Tensor:
        """Scale L in Lab units, any shape, for a network."""
        return (lightness - self.lightness_mean) / self.lightness_scale

    def scale_ab(self, ab: Tensor) -> Tensor:
        """Scale ab in Lab units, shape (..., 2, H, W), for a network."""
        mean, scale = self._ab_constants(ab)
        return (ab - mean) / scale

    def unscale_ab(self, scaled: Tensor) -> Tensor:
        """Undo `scale_ab`: what a network answers, in Lab units."""
        mean, scale = self._ab_constants(scaled)
        return scaled * scale + mean

    def _ab_constants(self, ab: Tensor) -> tuple[Tensor, Tensor]:
        check_channels("ab", ab, 2)
        mean, scale = ab.new_tensor(self.ab_mean), ab.new_tensor(self.ab_scale)
        return mean[:, None, None], scale[:, None, None]


#: L in [0, 100] and every ab of sRGB come to lie within [-1, 1].
UNIT_SCALING = Scaling(50.0, 50.0, (0.0, 0.0), (110.0, 110.0))

#: The 2018 project's (x - mean) / (2 std) on OpenCV's 8-bit Lab (L * 255 / 100, ab + 128), its
#: constants taken over to Lab units.
SCALING_2018 = Scaling(
    101.3 * 100 / 255, 142.9 * 100 / 255, (130.6 - 128, 135.2 - 128), (27.6, 39.8)
)

#: Scalings by the names that checkpoints and the command line use.
SCALINGS = {"unit": UNIT_SCALING, "2018": SCALING_2018}
