"""Five unequal clients learn at home; the server sums masked states, and sees the sum alone. Then one client leaves.

The sum is, bit for bit, the model of all rows in one place; without the client that left, the model that never had it.
Needs the extra `store`, which brings the package cryptography. What all this hides and what not: docs/federated.md.
"""

import numpy as np

from analytic_cl import LDAClassifier
from analytic_cl.datasets import load_clinc150
from analytic_cl.distributed.masking import Agreement, Participant, unmasked

data = load_clinc150()
X, y = data.X_train, data.y_train

# Half of the rows at one client, a hundredth at another; the last ten classes at one client only.
names = ["bank", "shop", "clinic", "school", "kiosk"]
owner = np.random.default_rng(0).choice(names, size=len(X), p=[0.5, 0.3, 0.14, 0.05, 0.01])
owner[y >= 140] = "clinic"

# At each client: a model of its own rows, and a key for this one sum.
heads = {name: LDAClassifier().fit(X[owner == name], y[owner == name]) for name in names}
participants = {name: Participant(name) for name in names}

# Public: who takes part, and the classes that anyone has.
classes = sorted({label for head in heads.values() for label in head.classes_.tolist()})
public_keys = {name: participant.public_key for name, participant in participants.items()}
agreement = Agreement.of(heads["bank"].moments_, classes, public_keys)

# From each client to the server: numbers that look random, as many from the kiosk as from the bank.
messages = {name: participants[name].masked(heads[name].moments_, agreement) for name in names}
server = LDAClassifier.from_moments(unmasked(messages, agreement))
assert server.state_digest() == LDAClassifier().fit(X, y).state_digest()

together = server.score(data.X_test, data.y_test)
print(f"together: accuracy {together:.3f}, {messages['bank'].nbytes / 1e6:.2f} MB from each client")
for name, head in heads.items():
    alone = head.score(data.X_test, data.y_test)
    print(f"  {name:7s} alone {alone:.3f}: {(owner == name).sum():5d} rows of {len(head.classes_):3d} classes")

# A client leaves: it gives its state to be subtracted, and the server deletes it. Or all others sum again without it.
receipt = server.unmerge(LDAClassifier.from_moments(heads["clinic"].moments_))
left = owner != "clinic"
assert server.state_digest() == LDAClassifier().fit(X[left], y[left]).state_digest()
print(f"the clinic left with {receipt.removed} rows and {len(receipt.classes_emptied)} classes: as if never there")
