"""MobileNetV2 as a frozen feature pyramid (Sandler et al., CVPR 2018, arXiv:1801.04381).

Reads and writes nothing; the weights come from an asset. Module names follow the published
checkpoints (`features.N.conv.K`), so a state dict loads without renaming.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# expansion, channels, repeats, stride of each stage (table 2 of the paper)
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
# The last block at each stride: 8 -> 32 channels, 16 -> 96, 32 -> 320.
PYRAMID_BLOCKS = (6, 13, 17)
VECTOR_WIDTH = 1280
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def _conv_bn(c_in: int, c_out: int, kernel: int, stride: int, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(c_out)]


class InvertedResidual(nn.Module):
    """Expand by 1x1, filter in depth by 3x3, project by 1x1 without activation."""

    def __init__(self, c_in: int, c_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = c_in * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += [*_conv_bn(c_in, hidden, 1, 1), nn.ReLU6()]
        layers += [*_conv_bn(hidden, hidden, 3, stride, groups=hidden), nn.ReLU6()]
        layers += _conv_bn(hidden, c_out, 1, 1)
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, h, w) -> (B, c_out, h/stride, w/stride)."""
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


class MobileNetPyramid(nn.Module):
    """Pictures to three feature maps and one global vector.

    The normalisation the weights were trained with is inside, so the runtime takes the bytes
    that the decoder gives.
    """

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = [nn.Sequential(*_conv_bn(3, 32, 3, 2), nn.ReLU6())]
        width = 32
        for expansion, channels, repeats, stride in STAGES:
            for k in range(repeats):
                step = stride if k == 0 else 1
                blocks.append(InvertedResidual(width, channels, step, expansion))
                width = channels
        blocks.append(nn.Sequential(*_conv_bn(width, VECTOR_WIDTH, 1, 1), nn.ReLU6()))
        self.features = nn.Sequential(*blocks)
        self.register_buffer(
            "mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1) * 255, persistent=False
        )
        self.register_buffer(
            "std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1) * 255, persistent=False
        )
        self.mean: Tensor
        self.std: Tensor

    def forward(self, rgb: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(B, H, W, 3) uint8 -> strides 8, 16, 32 as (B, C, h, w) and the vector (B, 1280).

        At 224 px: (32, 28, 28), (96, 14, 14), (320, 7, 7).
        """
        x = (rgb.permute(0, 3, 1, 2).float() - self.mean) / self.std
        maps = []
        for index, block in enumerate(self.features):
            x = block(x)
            if index in PYRAMID_BLOCKS:
                maps.append(x)
        return maps[0], maps[1], maps[2], x.mean(dim=(2, 3))
