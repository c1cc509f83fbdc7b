"""Make digits.npz: tensors of a small classifier of scikit-learn's handwritten digits, as training really has them.

    python tests/data/make_digits.py

A 64-64-64-10 perceptron with ReLU and softmax cross-entropy, plain NumPy in FP32, SGD with momentum, everything seeded.
The same NumPy on the same kind of machine writes the same file. Arrays, all float32 unless said otherwise:

    w1 w2 w3, b1 b2 b3        weights (outputs, inputs) and biases after training
    x1 x2 x3                  inputs of each layer for one training batch, (64, inputs)
    g1 g2 g3                  gradients of the mean loss at each layer's output before its ReLU, (64, outputs)
    test_images, test_labels  what was held out, (360, 64) and uint8 (360)
    test_correct              int, how many of them the network gets right in FP32
    provenance                str, JSON: source, this script's SHA-256, versions, seed and training parameters
"""

import hashlib
import itertools
import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.datasets import load_digits

SIZES = (64, 64, 64, 10)
TRAINING = {"seed": 0, "epochs": 20, "batch": 64, "learning_rate": 0.1, "momentum": 0.9, "held_out": 360}


def forward(weights, biases, images):
    """Inputs of every layer, and the logits."""
    inputs = [images]
    for weight, bias in zip(weights, biases, strict=True):
        last = inputs[-1] @ weight.T + bias
        inputs.append(np.maximum(last, 0))
    return inputs[:-1], last


def output_gradients(weights, inputs, logits, labels):
    """Gradients of the mean cross-entropy at every layer's output before its ReLU."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    gradient = odds / odds.sum(axis=1, keepdims=True)
    gradient[np.arange(len(labels)), labels] -= 1
    gradients = [gradient / np.float32(len(labels))]
    for weight, layer_input in zip(weights[:0:-1], inputs[:0:-1], strict=True):
        gradients.insert(0, (gradients[0] @ weight) * (layer_input > 0))
    return gradients


def train(images, labels, rng):
    """Weights and biases after all epochs."""
    pairs = list(itertools.pairwise(SIZES))
    weights = [(rng.standard_normal((n, k)) * np.sqrt(2 / k)).astype(np.float32) for k, n in pairs]
    parameters = [*weights, *(np.zeros(n, np.float32) for _, n in pairs)]
    velocities = [np.zeros_like(parameter) for parameter in parameters]
    for _ in range(TRAINING["epochs"]):
        order = rng.permutation(len(images))
        for start in range(0, len(order), TRAINING["batch"]):
            batch = order[start : start + TRAINING["batch"]]
            weights, biases = parameters[:3], parameters[3:]
            inputs, logits = forward(weights, biases, images[batch])
            gradients = output_gradients(weights, inputs, logits, labels[batch])
            steps = [g.T @ x for g, x in zip(gradients, inputs, strict=True)] + [g.sum(axis=0) for g in gradients]
            for parameter, velocity, step in zip(parameters, velocities, steps, strict=True):
                velocity *= np.float32(TRAINING["momentum"])
                velocity += step
                parameter -= np.float32(TRAINING["learning_rate"]) * velocity
    return parameters[:3], parameters[3:]


def main():
    """Train, and write the file beside this script."""
    rng = np.random.default_rng(TRAINING["seed"])
    digits = load_digits()
    order = rng.permutation(len(digits.data))
    images = (digits.data[order] / 16).astype(np.float32)  # sixteenths, exact
    labels = digits.target[order].astype(np.uint8)
    held_out = TRAINING["held_out"]
    weights, biases = train(images[held_out:], labels[held_out:], rng)

    batch = slice(held_out, held_out + TRAINING["batch"])
    inputs, logits = forward(weights, biases, images[batch])
    gradients = output_gradients(weights, inputs, logits, labels[batch])
    correct = (forward(weights, biases, images[:held_out])[1].argmax(axis=1) == labels[:held_out]).sum()
    provenance = {
        "source": "scikit-learn load_digits: UCI Optical Recognition of Handwritten Digits, CC BY 4.0",
        "script_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        **TRAINING,
    }
    arrays = {
        f"{name}{layer}": tensor
        for name, tensors in (("w", weights), ("b", biases), ("x", inputs), ("g", gradients))
        for layer, tensor in enumerate(tensors, 1)
    }
    np.savez_compressed(
        Path(__file__).with_name("digits.npz"),
        **arrays,
        test_images=images[:held_out],
        test_labels=labels[:held_out],
        test_correct=np.int64(correct),
        provenance=np.array(json.dumps(provenance)),
    )


if __name__ == "__main__":
    main()
