"""A small network is adapted to the first session, or not, and frozen; digits then come in sessions to heads behind it.

Pre-training knows no digits: 28 x 28 patches of scikit-learn's two photographs, turned, and which way up each is.
First session: digits 0 to 4; later ones: 5 and 6, 7 and 8, 9. Printed: test accuracy on digits of the first session, of
later ones and of all, after the last session; mean of three seeds, and for all digits the standard deviation.

Needs `pip install 'analytic-cl[torch]'` and mnist_pixels.npz (X_train, y_train, X_test, y_test: rows of 784 pixels) in
the folder ANALYTIC_CL_DATA. About two minutes; ROWS=600 takes fewer images, and BASE=2 fewer digits at first.
"""

import os
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_sample_images
from torch import nn

from analytic_cl import ContinualPipeline, LDAClassifier, NearestMeanClassifier, QuantizationWarning, RLSClassifier
from analytic_cl.extractors import ConcatExtractor, TorchExtractor, adapt_first_session
from analytic_cl.metrics import few_shot_accuracy

folder = Path(os.environ.get("ANALYTIC_CL_DATA", Path(__file__).parents[2] / "shared" / "data"))
rows, n_base = int(os.environ.get("ROWS", "6000")), int(os.environ.get("BASE", "5"))
with np.load(folder / "mnist_pixels.npz", allow_pickle=False) as data:
    pixels, digits, new_pixels, new_y = (data[name] for name in ("X_train", "y_train", "X_test", "y_test"))
new_images, new_y = (new_pixels[: 2 * rows] / np.float32(255)).reshape(-1, 1, 28, 28), new_y[: 2 * rows]
warnings.simplefilter(
    "ignore", QuantizationWarning
)  # features of untrained and frozen bodies lose a little at the quantizer
torch.set_num_threads(1)  # threads that wait for each other take longer than so small a network


class Block(nn.Module):
    """Two convolutions beside a shortcut, half the height and width."""

    def __init__(self, before, after):
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after)
        self.second, self.second_norm = nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after)
        self.shortcut = nn.Conv2d(before, after, 1, 2, bias=False)

    def forward(self, x):
        inner = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(self.shortcut(x) + self.second_norm(self.second(inner)))


def untrained(seed):
    torch.manual_seed(seed)
    stem = [nn.Conv2d(1, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*stem, Block(16, 32), Block(32, 64))  # 64 features, averaged over positions


def pretrained(seed):
    random = np.random.RandomState(seed)
    photographs = [photograph.mean(axis=2) / 255 for photograph in load_sample_images().images]
    patches, turns = [], random.randint(4, size=rows)
    for turn in turns:
        photograph = photographs[random.randint(2)]
        top, left = (random.randint(length - 28) for length in photograph.shape)
        patches.append(np.rot90(photograph[top : top + 28, left : left + 28], turn)[None])
    return adapt_first_session(untrained(seed), patches, turns, parameters="full", epochs=5, lr=3e-3, seed=seed)


def accuracies(extractor, images, y):
    """Learn the sessions in order; accuracy of base, later and all digits for each head."""
    pipeline = ContinualPipeline(extractor, LDAClassifier())
    for session in (range(n_base), *(range(first, min(first + 2, 10)) for first in range(n_base, 10, 2))):
        now = np.isin(y, session)
        pipeline.partial_fit(images[now], y[now])
    features, state, found = extractor.transform(new_images), pipeline.head.moments_, []
    for kind in (NearestMeanClassifier, LDAClassifier, RLSClassifier):  # one state serves every head
        guessed = kind.from_moments(state).predict(features)
        base, later, _ = few_shot_accuracy(new_y, guessed, np.arange(n_base))
        found.append([base, later, (guessed == new_y).mean()])
    return found


table = {}
for seed in range(3):
    chosen = np.random.RandomState(seed).permutation(len(digits))[:rows]
    images, y = (pixels[chosen] / np.float32(255)).reshape(-1, 1, 28, 28), digits[chosen]
    first, body = y < n_base, pretrained(seed)
    film = adapt_first_session(body, images[first], y[first], parameters="film", epochs=20, lr=1e-2, seed=seed)
    full = adapt_first_session(body, images[first], y[first], parameters="full", epochs=5, lr=3e-3, seed=seed)
    frozen, film, full = (TorchExtractor(module) for module in (body, film, full))
    extractors = {
        "untrained, frozen": TorchExtractor(untrained(seed)),
        "pre-trained, frozen": frozen,
        "adapted, scale and shift (FSA-FiLM)": film,
        "adapted, all parameters (FSA)": full,
        "frozen beside FiLM (APER)": ConcatExtractor([frozen, film], normalise=True),
        "frozen beside all (APER)": ConcatExtractor([frozen, full], normalise=True),
    }
    for name, extractor in extractors.items():
        table.setdefault(name, []).append(accuracies(extractor, images, y))

print(f"{'base  later  all (sd), per cent':36} {'nearest mean':>23} {'LDA':>23} {'ridge':>23}")
for name, found in table.items():
    mean, spread = 100 * np.mean(found, axis=0), 100 * np.std(found, axis=0, ddof=1)
    cells = [
        f"{mean[head][0]:5.1f} {mean[head][1]:5.1f} {mean[head][2]:5.1f} ({spread[head][2]:3.1f})" for head in range(3)
    ]
    print(f"{name:36} {'  '.join(cells)}")
