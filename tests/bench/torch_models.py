"""Our models in PyTorch with our weights, for the benchmark: built by walking ours, layer by layer."""

import torch
from torch import nn

from golden.nn.activation import ReLU
from golden.nn.compose import Residual, Sequential
from golden.nn.conv import Conv2d
from golden.nn.layer import Layer
from golden.nn.linear import Linear
from golden.nn.norm import BatchNorm
from golden.nn.pooling import GlobalAveragePool, MaxPool
from golden.nn.shape import Flatten, PadChannels


class Sum(nn.Module):
    """body(x) + shortcut(x)."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Both, added."""
        return self.body(x) + self.shortcut(x)


class PaddedIdentity(nn.Module):
    """Option A of He et al. 2016."""

    def __init__(self, layer: PadChannels) -> None:
        super().__init__()
        self.added, self.stride = layer.added, layer.stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W)."""
        return nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))


class ChannelsLastFlatten(nn.Module):
    """Features in our order, so that our weights fit."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, H W C)."""
        return x.permute(0, 2, 3, 1).flatten(1) if x.ndim == 4 else x


def torch_model(name: str, layer: Layer) -> nn.Module:
    """The PyTorch twin of one of our layers; TypeError for a kind that no benchmark needs."""
    match layer:
        case Sequential():
            return nn.Sequential(*(torch_model(key, child) for key, child in layer.children().items()))
        case Residual():
            shortcut = nn.Identity() if layer.shortcut is None else torch_model(name, layer.shortcut)
            return Sum(torch_model(name, layer.body), shortcut)
        case Conv2d():
            kh, kw, inputs, outputs = layer.weight.value.shape
            twin: nn.Module = nn.Conv2d(
                inputs, outputs, (kh, kw), layer.stride, layer.padding, bias=layer.bias is not None
            )
            weight = layer.weight.value.transpose(3, 2, 0, 1)
        case Linear():
            twin = nn.Linear(*layer.weight.value.shape, bias=layer.bias is not None)
            weight = layer.weight.value.T
        case BatchNorm():
            return nn.BatchNorm2d(len(layer.scale.value), eps=layer.eps, momentum=layer.momentum)
        case MaxPool():
            return nn.MaxPool2d(layer.kernel, layer.stride)
        case GlobalAveragePool():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case ReLU():
            return nn.ReLU()
        case Flatten():
            return ChannelsLastFlatten()
        case PadChannels():
            return PaddedIdentity(layer)
        case _:
            raise TypeError(f"{name}: no PyTorch twin of {type(layer).__name__}")
    with torch.no_grad():
        twin.get_parameter("weight").copy_(torch.from_numpy(weight.copy()))
        if layer.bias is not None:
            twin.get_parameter("bias").copy_(torch.from_numpy(layer.bias.value))
    return twin
