"""A person asks to be forgotten, another to be corrected; the model is saved and compared with one retrained."""

import tempfile
from pathlib import Path

import numpy as np

import analytic_cl
from analytic_cl import LDAClassifier
from analytic_cl.datasets import load_clinc150

data = load_clinc150()
people = np.array([f"user{i % 300:03d}/{i}" for i in range(len(data.X_train))])
head = LDAClassifier().fit(data.X_train, data.classes[data.y_train], sample_id=people)
print("accuracy:", round(head.score(data.X_test, data.classes[data.y_test]), 3))

# user017 leaves: first see what would go, then let it go.
theirs = [name for name in people if name.startswith("user017/")]
print("would remove:", head.forget(sample_id=theirs, dry_run=True).removed)
receipt = head.forget(sample_id=theirs)
print("removed:", receipt.removed, "at", receipt.time)

# A query of user018 had the wrong intent.
head.rectify(data.X_train[18:19], ["weather"], sample_id=["user018/18"])

# Proof: a model that never saw user017, and saw user018 as it should have.
keep = np.array([not name.startswith("user017/") for name in people])
labels = data.classes[data.y_train].copy()
labels[18] = "weather"
retrained = LDAClassifier().fit(data.X_train[keep], labels[keep])
assert head.state_digest() == retrained.state_digest()
print("same digest as a model retrained without them:", head.state_digest()[:16], "...")

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "intents.safetensors"
    head.save(path)
    assert analytic_cl.load(path).state_digest() == head.state_digest()
    assert b"user017/" not in path.read_bytes()
