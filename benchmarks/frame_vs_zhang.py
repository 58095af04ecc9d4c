"""Time one 256 px frame of each model beside the network of Zhang et al. 2016.

Semantics included, it may take a quarter of that network's time. That network is rebuilt from its
paper with random weights, only to be timed: Zhang, Isola and Efros, Colorful image colorization,
ECCV 2016, table 4.
"""

import argparse
from functools import partial

import torch
from measure import Result, medians, run
from torch import Tensor, nn

from vividpast_lib.colorize.colorizer import load_colorizers
from vividpast_lib.networks.checkpoints import DEFAULT_MODEL, shipped_models

LIMIT = 0.25
SIDE = 256  # pixels
COLORS = 313  # bins of ab


def block(first: int, width: int, convs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Stack 3 x 3 convolutions with ReLU and a batch norm at the end; the last has the stride."""
    layers: list[nn.Module] = []
    for index in range(convs):
        last = index == convs - 1
        layers += [
            nn.Conv2d(
                first if index == 0 else width,
                width,
                3,
                stride=stride if last else 1,
                padding=dilation,
                dilation=dilation,
            ),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.BatchNorm2d(width))


class Zhang2016(nn.Module):
    """The network of the paper: lightness (N, 1, H, W) in, ab (N, 2, H, W) out."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            block(1, 64, 2, stride=2),  # conv1, 1/1 => 1/2
            block(64, 128, 2, stride=2),  # conv2 => 1/4
            block(128, 256, 3, stride=2),  # conv3 => 1/8
            block(256, 512, 3),  # conv4
            block(512, 512, 3, dilation=2),  # conv5
            block(512, 512, 3, dilation=2),  # conv6
            block(512, 512, 3),  # conv7
        )
        self.conv8 = nn.Sequential(
            *(nn.ConvTranspose2d(512, 256, 4, stride=2, padding=1), nn.ReLU()),  # => 1/4
            *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
            nn.Conv2d(256, COLORS, 1),
        )
        self.colors = nn.Conv2d(COLORS, 2, 1, bias=False)  # the ab of each bin
        self.temperature = 0.38

    def forward(self, lightness: Tensor) -> Tensor:
        """Take the annealed mean of each pixel's distribution, at 1/4, and enlarge it."""
        logits = self.conv8(self.features(lightness))  # (N, 313, H/4, W/4)
        ab = self.colors((logits / self.temperature).softmax(dim=1))
        return nn.functional.interpolate(ab, scale_factor=4, mode="bilinear")


@torch.inference_mode()
def measure(options: argparse.Namespace) -> list[Result]:
    """Compare each way in which a shipped model colours."""
    torch.manual_seed(0)
    lightness = torch.rand(1, 1, SIDE, SIDE, device=options.device) * 100
    zhang = Zhang2016().eval().to(options.device)
    limit = LIMIT if options.device == "cpu" else None  # a GPU waits for kernels to be launched
    results = []
    for colorizer in load_colorizers(shipped_models(), options.device):
        times = medians(
            {
                "Zhang": partial(zhang, (lightness - 50) / 100),
                "ours": partial(colorizer.predict, lightness),
            },
            options.rounds,
            options.device,
        )
        default = colorizer.name == DEFAULT_MODEL
        suffix = "" if default else f"_{colorizer.name.replace(' --', '_')}"
        summary = f"{1 / times['ours']:.1f} frames/s, Zhang et al. {1 / times['Zhang']:.1f}"
        results.append(
            Result(
                f"frame_vs_zhang{suffix}", times["ours"] / times["Zhang"], summary, at_most=limit
            )
        )
    return results


if __name__ == "__main__":
    run(__doc__, measure)
