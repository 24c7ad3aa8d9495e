"""Train a small neural network on handwritten digits, log everything about it, and read it back.

Try: python examples/train_digits.py --root http://127.0.0.1:8081 --prefix me/digits
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from ml_logger import green, logger, percent

parser = argparse.ArgumentParser(description="Train a small neural network on handwritten digits, and log all of it.")
parser.add_argument("--root", help="a folder or the address of a server (what the logger chooses by itself: ./runs)")
parser.add_argument("--prefix", help="folder of this run below the root (with --root none, else a fresh one)")
parser.add_argument("--epochs", type=int, default=12, help="passes over the training images (%(default)s)")
parser.add_argument("--lr", type=float, default=0.1, help="learning rate (%(default)s)")
parser.add_argument("--batch-size", type=int, default=32, help="images in one step of training (%(default)s)")
parser.add_argument("--seed", type=int, default=0, help="seed of the split, the weights, the batches (%(default)s)")
parser.add_argument("--silent", action="store_true", help="print no tables, only the summary at the end")


class Network:
    """One hidden layer and a softmax, trained by gradient descent with momentum."""

    def __init__(self, inputs, hidden, classes, rng):
        self.weights = {
            "hidden": rng.normal(0, np.sqrt(2 / inputs), (inputs, hidden)),
            "hidden_bias": np.zeros(hidden),
            "output": rng.normal(0, np.sqrt(1 / hidden), (hidden, classes)),
            "output_bias": np.zeros(classes),
        }
        self.velocity = {name: np.zeros_like(weight) for name, weight in self.weights.items()}

    def forward(self, x):
        """Return what the hidden layer gives (n, hidden), and the probabilities of the classes (n, classes)."""
        hidden = np.maximum(0, x @ self.weights["hidden"] + self.weights["hidden_bias"])
        logits = hidden @ self.weights["output"] + self.weights["output_bias"]
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return hidden, odds / odds.sum(axis=1, keepdims=True)

    def train(self, x, y, lr, momentum=0.9):
        """Take one step down the gradient; return the loss before it."""
        hidden, probabilities = self.forward(x)
        error = (probabilities - np.eye(probabilities.shape[1])[y]) / len(x)
        hidden_error = (error @ self.weights["output"].T) * (hidden > 0)
        gradients = x.T @ hidden_error, hidden_error.sum(axis=0), hidden.T @ error, error.sum(axis=0)
        for name, gradient in zip(self.weights, gradients, strict=True):
            self.velocity[name] = momentum * self.velocity[name] - lr * gradient
            self.weights[name] += self.velocity[name]
        return cross_entropy(probabilities, y).mean()


def cross_entropy(probabilities, y):
    """Return the loss of each image, in nats."""
    return -np.log(probabilities[np.arange(len(y)), y] + 1e-12)


def picture(x):
    """Return an image of the data, 64 values in [0, 1], as 64 x 64 pixels with a thin frame."""
    return np.pad(np.kron(x.reshape(8, 8), np.ones((8, 8))), 2, constant_values=0.35)


def plot_confusion(y, predicted):
    """Draw how often each digit was taken for each other one."""
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (y, predicted), 1)
    fig, ax = plt.subplots(figsize=(6, 6), layout="constrained")
    ax.imshow(np.log1p(counts), cmap="Blues")  # the logarithm, so that a single mistake can be seen
    for true, guess in np.argwhere(counts):
        color = "white" if true == guess else "firebrick"
        ax.text(guess, true, counts[true, guess], ha="center", va="center", color=color, weight="bold", size=12)
    ax.set(xticks=range(10), yticks=range(10), xlabel="predicted digit", ylabel="true digit")
    ax.set_title(f"{(y != predicted).sum()} of {len(y)} test images were taken for another digit", pad=12)
    ax.set_frame_on(False)
    return fig


def train(args):
    """Train, and log as we go."""
    rng = np.random.default_rng(args.seed)
    images, labels = load_digits(return_X_y=True)
    order = rng.permutation(len(images))
    x, x_test = np.split(images[order] / 16, [-360])
    y, y_test = np.split(labels[order], [-360])
    network = Network(inputs=64, hidden=96, classes=10, rng=rng)

    step = 0
    for epoch in range(args.epochs):
        for batch in np.array_split(rng.permutation(len(x)), max(1, len(x) // args.batch_size)):
            loss = network.train(x[batch], y[batch], args.lr)
            step += 1
            logger.log(step, loss=loss, silent=True)  # stored, and not printed
        _, probabilities = network.forward(x_test)
        losses, predicted = cross_entropy(probabilities, y_test), probabilities.argmax(axis=1)
        accuracy = (predicted == y_test).mean()
        # The step is that of the last batch: these values join its row. The table shows them, without the silent ones.
        logger.log(step, epoch=epoch, test_loss=losses.mean(), test_accuracy=green(accuracy, percent), flush=True)
        logger.log_image(epoch, hardest=picture(x_test[losses.argmax()]))
        logger.log_histogram(step, **network.weights)
        logger.log_module(epoch, network=network.weights)

    logger.savefig("figures/confusion.png", plot_confusion(y_test, predicted), dpi=120, close=True)
    wrong = np.flatnonzero(predicted != y_test)
    if len(wrong):
        logger.log_images([picture(image) for image in x_test[wrong]], "images/mistaken.png")
    logger.save_np(probabilities, "probabilities.npy")


def summarize():
    """Read back what was logged, from wherever it is, and print it."""
    rows = logger.load_pkl("metrics.pkl")
    evaluated = [row for row in rows if "test_accuracy" in row]
    probabilities = logger.load_np("probabilities.npy")
    pictures, checkpoints = logger.glob("**/*.png"), logger.glob("modules/*.pkl")
    [weights] = logger.load_pkl(checkpoints[-1])
    print(f"\nRead back from {logger.abspath()}:")
    print(f"  metrics      {len(rows)} rows, loss {rows[0]['loss']:.3f} -> {rows[-1]['loss']:.3f}")
    print(f"  accuracy     {percent(evaluated[-1]['test_accuracy'])} on {len(probabilities)} test images")
    print(f"  checkpoints  {len(checkpoints)}, each of {sum(array.size for array in weights.values()):,} weights")
    print(f"  pictures     {len(pictures)}, from {pictures[0]} to {pictures[-1]}")
    print(f"  files        {len(logger.glob('**'))} in all")


if __name__ == "__main__":
    args = parser.parse_args()
    logger.configure(root=args.root, prefix=args.prefix, silent=args.silent)
    logger.log_params(Args=vars(args))
    logger.log_file(__file__)
    train(args)
    summarize()
