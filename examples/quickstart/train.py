"""A classifier of handwritten digits: one hidden layer, trained by stochastic gradient descent in plain numpy."""

from __future__ import annotations

import os

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

EPOCHS = int(os.environ.get("EPOCHS", "15"))
HIDDEN, BATCH, LEARNING_RATE = 64, 32, 0.2

Arrays = tuple[np.ndarray, ...]


def forward(weights: Arrays, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The hidden layer and the probability of each digit, one row an image."""
    to_hidden, hidden_bias, to_digit, digit_bias = weights
    hidden = np.maximum(0, images @ to_hidden + hidden_bias)
    scores = hidden @ to_digit + digit_bias
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return hidden, scores / scores.sum(axis=1, keepdims=True)


def step(weights: Arrays, images: np.ndarray, digits: np.ndarray) -> float:
    """Move the weights a little down the gradient of the cross entropy; returns the loss before."""
    hidden, probability = forward(weights, images)
    rows = np.arange(len(digits))
    loss = float(-np.log(probability[rows, digits] + 1e-12).mean())
    error = probability.copy()
    error[rows, digits] -= 1
    error /= len(digits)
    hidden_error = (error @ weights[2].T) * (hidden > 0)
    gradients = (images.T @ hidden_error, hidden_error.sum(axis=0), hidden.T @ error, error.sum(axis=0))
    for weight, gradient in zip(weights, gradients, strict=True):
        np.subtract(weight, LEARNING_RATE * gradient, out=weight)
    return loss


def accuracy(weights: Arrays, images: np.ndarray, digits: np.ndarray) -> float:
    """The share of images whose most probable digit is the right one."""
    return float((forward(weights, images)[1].argmax(axis=1) == digits).mean())


def main() -> None:
    """Train on four fifths of the data and measure on the rest."""
    images, digits = load_digits(return_X_y=True)
    split = train_test_split(images / 16.0, digits, test_size=0.2, random_state=0, stratify=digits)
    train_images, test_images, train_digits, test_digits = split
    print(f"{len(train_images)} images to train on, {len(test_images)} to test on")

    random = np.random.default_rng(0)
    weights = (
        random.normal(0, 0.1, (train_images.shape[1], HIDDEN)),
        np.zeros(HIDDEN),
        random.normal(0, 0.1, (HIDDEN, 10)),
        np.zeros(10),
    )
    for epoch in range(1, EPOCHS + 1):
        order = random.permutation(len(train_images))
        batches = np.array_split(order, len(order) // BATCH)
        loss = np.mean([step(weights, train_images[batch], train_digits[batch]) for batch in batches])
        print(f"epoch {epoch:2d}  loss {loss:.4f}  accuracy {accuracy(weights, test_images, test_digits):.4f}")
    print(f"final accuracy: {accuracy(weights, test_images, test_digits):.4f}")


if __name__ == "__main__":
    main()
