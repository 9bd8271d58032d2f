"""Two sites learn on their own rows and exchange states: the merged model is, bit for bit, the one of all rows."""

from analytic_cl import LDAClassifier, NearestMeanClassifier, RLSClassifier
from analytic_cl.datasets import load_clinc150

data = load_clinc150()
here, there = slice(0, 9000), slice(9000, None)

one = RLSClassifier().fit(data.X_train[here], data.y_train[here])
two = RLSClassifier().fit(data.X_train[there], data.y_train[there])
joint = RLSClassifier().fit(data.X_train, data.y_train)

alone = one.score(data.X_test, data.y_test)
one.merge(two)
assert one.state_digest() == joint.state_digest()
print(f"one site alone {alone:.3f}, merged {one.score(data.X_test, data.y_test):.3f}: the bits of a joint fit")

# The state serves every head; no row is touched again.
for kind in (LDAClassifier, NearestMeanClassifier):
    head = kind.from_moments(one.moments_)
    print(kind.__name__, round(head.score(data.X_test, data.y_test), 3))
