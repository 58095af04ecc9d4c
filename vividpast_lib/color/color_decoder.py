"""One colour out of a distribution over bins: annealed mean, mode, sample, the likeliest few."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .ab_bins import BIN_SIZE, bin_centers, rebalancing
from .gamut import fit_to_srgb
from .upsampling import guided_smooth

#: Largest chroma of a tilted mean beside that of the mean: a wall with a hint of colour stays pale.
MOST_TILTED = 2.5
#: Chroma that no tilt exceeds, in Lab units: few things in photos are more colourful.
STRONGEST_TILTED = 60.0
#: Distance from which on two colours count as different suggestions, in Lab units.
DISTINCT = 25.0


def annealed_mean(logits: Tensor, temperature: float = 0.38) -> Tensor:
    """Mean colour of a distribution that is sharpened first.

    Parameters
    ----------
    logits : Tensor, shape (N, Q, H, W)
        Before the softmax.
    temperature : float
        1 gives the mean, towards 0 the mode. Zhang 2016 chose 0.38.

    Returns
    -------
    Tensor, shape (N, 2, H, W)
        ab in Lab units.
    """
    probabilities = (logits / temperature).movedim(1, -1).softmax(dim=-1)  # (N, H, W, Q)
    return (probabilities @ bin_centers().to(probabilities)).movedim(-1, 1)


def sample(logits: Tensor, random: torch.Generator, temperature: float = 0.38) -> Tensor:
    """Draw one of the many colourings that a distribution holds plausible.

    Drawn pixel by pixel, colours would be confetti. So the Gumbel noise that decides between
    the bins is drawn once a photo: pixels with like distributions get like colours.

    Parameters
    ----------
    logits : Tensor, shape (N, Q, H, W)
        Before the softmax.
    random : torch.Generator
        On the CPU.
    temperature : float
        Of the `annealed_mean` that is taken around the drawn colour, so that bins leave no steps.

    Returns
    -------
    Tensor, shape (N, 2, H, W)
        ab in Lab units.

    References
    ----------
    Maddison et al., A* sampling, 2014, for the largest of logits and Gumbel noise as a draw.
    """
    uniform = torch.rand(len(logits), logits.shape[1], 1, 1, generator=random)
    gumbel = -(-uniform.clamp(min=1e-9).log()).log()
    return annealed_mean(logits + gumbel.to(logits), temperature)


def tilted_mean(logits: Tensor, tilt: float) -> Tensor:
    """Mean colour of a distribution that is tilted towards stronger colours of its own hue.

    A mean is duller than the colours that it averages. A gain would make up for it everywhere,
    also where it is right already. A tilt changes little where the distribution is narrow, as on
    skin, and little where its colours contradict each other; it is strong where they differ in
    strength more than in hue.

    Parameters
    ----------
    logits : Tensor, shape (N, Q, H, W)
        Before the softmax, sharpened or not.
    tilt : float
        Change of a logit for each bin in the direction of the mean, where all colours agree on the
        hue and their strengths have a standard deviation of one bin. It is multiplied by that
        deviation, in bins, and by how sure the hue is: the length of the mean beside the mean
        chroma. No colour becomes more than `MOST_TILTED` times as strong, nor more so than
        `STRONGEST_TILTED`.

    Returns
    -------
    Tensor, shape (N, 2, H, W)
        ab in Lab units.
    """
    centers = bin_centers().to(logits) / BIN_SIZE  # (Q, 2)
    logits = logits.movedim(1, -1)  # (N, H, W, Q)
    probabilities = logits.softmax(dim=-1)
    mean = probabilities @ centers  # (N, H, W, 2)
    length = mean.norm(dim=-1, keepdim=True).clamp(min=1e-4)
    sure = length / (probabilities @ centers.norm(dim=1, keepdim=True)).clamp(min=1e-4)
    strength = (mean / length) @ centers.T  # (N, H, W, Q), in the hue of the mean
    variance = (probabilities * strength.square()).sum(dim=-1, keepdim=True) - length.square()
    tilted = logits + tilt * sure * variance.clamp(min=0).sqrt() * strength
    stronger = tilted.softmax(dim=-1) @ centers  # (N, H, W, 2)
    limit = torch.minimum(MOST_TILTED * length, length.clamp(min=STRONGEST_TILTED / BIN_SIZE))
    chroma = stronger.norm(dim=-1, keepdim=True).clamp(min=1e-4)
    return BIN_SIZE * ((limit / chroma).clamp(max=1) * stronger).movedim(-1, 1)


@dataclass(frozen=True)
class ColorDecoder:
    """A way from a distribution to one colour: smoothing, rebalancing, annealed mean, tilt, gain.

    Parameters
    ----------
    temperature : float
        Of the `annealed_mean`.
    uniform : float
        Of the `rebalancing`, 0 to 1; 1 leaves the distribution as it is.
    gain : float
        Factor of ab in the end.
    radius : float
        Of what `smooth` does, as a share of the shorter side: on even surfaces, such as walls,
        pixels this near agree on a colour instead of getting blotches. 0 is none.
    tilt : float
        How much likelier strong colours count, where the hue is sure and the strength is not; see
        `tilted_mean`. 0 is none.
    """

    temperature: float = 0.38
    uniform: float = 1.0
    gain: float = 1.0
    radius: float = 0.0
    tilt: float = 0.0

    def smooth(self, features: Tensor, lightness: Tensor) -> Tensor:
        """Smooth a network's last features, or the logits, where the lightness is even.

        Logits are a linear function of the features, and so smoothing is the same before and after
        it, up to rounding. There are fewer features than logits.

        Parameters
        ----------
        features : Tensor, shape (N, C, h, w)
        lightness : Tensor, shape (N, 1, H, W)
            Of the photos, L in [0, 100], at any size.

        Returns
        -------
        Tensor, shape (N, C, h, w)
        """
        # int and min, as `torch.export` keeps them open for photos of any shape.
        radius = torch.sym_int(self.radius * torch.sym_min(*features.shape[-2:]))
        return guided_smooth(features, lightness, radius)

    def __call__(self, logits: Tensor, shares: Tensor) -> Tensor:
        """Decode one ab for each pixel, without smoothing.

        Parameters
        ----------
        logits : Tensor, shape (N, Q, h, w)
        shares : Tensor, shape (Q,)
            As from `bin_shares`.

        Returns
        -------
        Tensor, shape (N, 2, h, w)
            In Lab units.
        """
        weights = rebalancing(shares, self.uniform)[:, None, None]
        logits = (logits + weights.log()) / self.temperature
        ab = tilted_mean(logits, self.tilt) if self.tilt else annealed_mean(logits, 1)
        return self.gain * ab

    def interpolate(self, other: "ColorDecoder", share: float) -> "ColorDecoder":
        """Make a decoder between this one, at a share of 0, and another, at 1.

        Temperature and gain, which act as factors, lie between the two on a log scale, the others
        on a linear one, but for the tilt: its effect levels off, so it rises late. From the shipped
        faithful decoder to the vivid one, the colourfulness of photos then rises step by step.
        """
        rest = 1 - share
        return ColorDecoder(
            temperature=self.temperature**rest * other.temperature**share,
            uniform=rest * self.uniform + share * other.uniform,
            gain=self.gain**rest * other.gain**share,
            radius=rest * self.radius + share * other.radius,
            tilt=(1 - share**1.5) * self.tilt + share**1.5 * other.tilt,
        )


def mode(logits: Tensor) -> Tensor:
    """Colour (N, 2, H, W) of the likeliest bin of logits (N, Q, H, W), in Lab units."""
    return bin_centers().to(logits)[logits.argmax(dim=1)].movedim(-1, 1)


def likeliest(
    logits: Tensor, lightness: float, count: int = 5
) -> list[tuple[tuple[float, float], float]]:
    """List the different colours that a distribution holds plausible for one pixel.

    Neighbouring bins are one colour to the eye. So the likeliest bins that are `DISTINCT` are
    taken, each other bin counts for the nearest of these, and each group answers with its mean.

    Parameters
    ----------
    logits : Tensor, shape (Q,)
        Before the softmax.
    lightness : float
        L of the pixel, in [0, 100]: colours are weakened until sRGB can show them.
    count : int
        Largest number of colours; dark and light pixels can't show many.

    Returns
    -------
    list of (ab, probability)
        ab as two floats in Lab units, likeliest first; the probabilities sum to 1.
    """
    probabilities, centers = logits.detach().float().cpu().softmax(dim=0), bin_centers()
    lab = torch.cat([torch.full((len(centers), 1), float(lightness)), centers], dim=1)
    shown = fit_to_srgb(lab.T[:, :, None])[1:, :, 0].T  # (Q, 2)

    chosen: list[int] = []
    left = probabilities.clone()
    while len(chosen) < count and left.max() > 0:
        chosen.append(int(left.argmax()))
        left[(shown - shown[chosen[-1]]).norm(dim=1) < DISTINCT] = 0
    group = torch.cdist(shown, shown[chosen]).argmin(dim=1)
    # Sums over groups, as a product with who belongs to whom: (groups, Q).
    belongs = (group == torch.arange(len(chosen))[:, None]) * probabilities
    totals = belongs.sum(dim=1)
    means = belongs @ shown / totals[:, None]
    return [
        ((means[index, 0].item(), means[index, 1].item()), totals[index].item())
        for index in totals.argsort(descending=True).tolist()
    ]
