"""Photos made to look old, for networks to learn from: Lab batches in, degraded batches out."""

import torch
from torch import Tensor


def insert_blank_cards(lab: Tensor, random: torch.Generator, share: float = 1 / 32) -> Tensor:
    """Replace some photos of Lab (N, 3, H, W) by cards of their mean lightness, without colour.

    Where a photo shows nothing, grey is the answer; from photos alone a network learns sky.
    """
    drawn = torch.rand((len(lab), 1, 1, 1), generator=random)
    is_card = drawn.to(lab.device, non_blocking=True) < share
    cards = lab.mean(dim=(2, 3), keepdim=True) * lab.new_tensor([1, 0, 0])[:, None, None]
    return torch.where(is_card, cards, lab)


def degrade(lightness: Tensor, random: torch.Generator) -> Tensor:
    """Make lightness (N, 1, H, W) look as old photos do: other contrast, and grain.

    Every other photo gets another gamma, whose logarithm has a standard deviation of 0.2; every
    fourth one noise with a standard deviation of up to 4 units of L. A GPU draws the grain itself,
    and so another one than a CPU.
    """
    device = lightness.device
    shape = (len(lightness), 1, 1, 1)
    drawn = torch.rand(2, *shape, generator=random)
    gamma = (0.2 * torch.randn(shape, generator=random) * (drawn[0] < 0.5)).exp()
    strength = 4 * torch.rand(shape, generator=random) * (drawn[1] < 0.25)
    if device.type != "cpu":
        seed = int(torch.randint(2**62, (), generator=random))
        random = torch.Generator(device).manual_seed(seed)
    grain = torch.randn(lightness.shape, generator=random, device=device)
    grain = grain * strength.to(device, non_blocking=True)
    gamma = gamma.to(device, non_blocking=True)
    return (100 * (lightness / 100).clamp(0, 1) ** gamma + grain).clamp(0, 100)
