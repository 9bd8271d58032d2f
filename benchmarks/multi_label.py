"""Claim: any number of labels a row costs one factorisation, at scikit-learn's accuracy.

CLINC150 with two labels a row, its intent and its domain (160 labels), and digits with three that overlap (is even, is
prime, has a loop). Ridge with the same penalty, and discriminants with the same shrinkage, fitted and used once,
against one model a label. Then sessions in which the labels of all other sessions are absent, ten on CLINC150 and three
on digits: with rows learned anew each time they come, and with further labels given to rows that are known; beside L3A,
which learns them anew and makes labels up.

    python benchmarks/multi_label.py [sessions]         # the sessions alone
"""

import json
import sys

import numpy as np
from _common import RESULTS, machine, race
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier

from analytic_cl import LDAClassifier, RandomProjection, RLSClassifier, load_clinc150
from analytic_cl.baselines import L3AClassifier
from analytic_cl.metrics import label_set_f1, mean_average_precision
from analytic_cl.scenarios import parse

FEATURES = 2000  # random ones, as L3A has in front


def clinc():
    data = load_clinc150()
    of_class = np.hstack([np.eye(150, dtype=int), np.eye(10, dtype=int)[data.class_domain]])
    return data.X_train, of_class[data.y_train], data.X_test, of_class[data.y_test]


def digits():
    X, y = load_digits(return_X_y=True)
    Y = np.stack([y % 2 == 0, np.isin(y, [2, 3, 5, 7]), np.isin(y, [0, 6, 8, 9])], axis=1).astype(int)
    return X[:1200], Y[:1200], X[1200:], Y[1200:]


def scores_of(model, X):
    if hasattr(model, "decision_function"):
        return model.decision_function(X)
    return np.stack([each.decision_function(X) for each in model.estimators_], axis=1)


def judged(scores, Y, threshold=0.0):
    """mAP, CF1 and OF1 with their threshold, and what they would be with the best one."""
    found = label_set_f1(Y, scores, threshold=threshold)
    shares = np.clip(1 - Y.mean() * np.linspace(0.4, 1.6, 25), 0, 1)  # as if .4 to 1.6 times as many were named
    given = [scores > at for at in np.quantile(scores, shares)]
    best = max(2 * (each & (Y == 1)).sum() / (each.sum() + Y.sum()) for each in given)
    return {
        "mAP": mean_average_precision(Y, scores),
        "CF1": found.cf1,
        "OF1": found.of1,
        "threshold": found.threshold,
        "OF1 at the best threshold of the test rows": float(best),
    }


def show(name, numbers):
    print(f"  {name:48s} " + "  ".join(f"{key} {value:.4f}" for key, value in numbers.items()))


def compared(title, pack, slow):
    """Times of one fit and one prediction, side by side, and accuracies."""
    X, Y, X_test, Y_test = pack
    ridge, lda = RidgeClassifier(1.0), LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)
    models = {
        "RLSClassifier(1.0)": RLSClassifier(1.0),
        "RidgeClassifier(1.0)": ridge,
        "OneVsRest, RidgeClassifier(1.0)": OneVsRestClassifier(ridge),
        "MultiOutput, RidgeClassifier(1.0)": MultiOutputClassifier(ridge),
        "LDAClassifier(.1)": LDAClassifier(0.1),
        "OneVsRest, LDA lsqr(.1)": OneVsRestClassifier(lda),
        "RLSClassifier()": RLSClassifier(),
        "LDAClassifier()": LDAClassifier(),
    }

    def run(model):
        return lambda: model.fit(X, Y).predict(X_test)

    def some(names):
        return {name: run(models[name]) for name in names}

    few = [name for name in models if name.startswith(("OneVsRest", "MultiOutput"))] if slow else []
    race(f"label sets: {title}", some(name for name in models if name not in few), once=some(few))
    return {name: judged(scores_of(model, X_test), Y_test) for name, model in models.items()}


def in_sessions(pack, scenario):
    """mAP over the labels seen, its mean over sessions and the last, for both ways to learn rows that come again."""
    X, Y, X_test, Y_test = pack
    features = RandomProjection(FEATURES)
    ways = {
        f"{kind}, {way}": make
        for kind, make in (("LDA", lambda: LDAClassifier(0.1)), ("ridge", lambda: RLSClassifier(1.0)))
        for way in ("rows anew", "labels added")
    }
    ways |= {
        "L3A": L3AClassifier,
        "L3A, no labels made up": lambda: L3AClassifier(pseudo_threshold=1),
        "L3A, rows weigh the same": lambda: L3AClassifier(weighting=0),
        "L3A, neither": lambda: L3AClassifier(weighting=0, pseudo_threshold=1),
        "L3A, random features": lambda: L3AClassifier(projection=features),
        "L3A, random features, no labels made up": lambda: L3AClassifier(pseudo_threshold=1, projection=features),
        "ridge, random features, labels added": lambda: RLSClassifier(1.0, projection=features),
        "LDA, random features, labels added": lambda: LDAClassifier(0.1, projection=features),
    }
    found = {}
    for name, make in ways.items():
        head, met, means = make(), np.zeros(0, dtype=int), []
        for session in parse(scenario).sessions(Y):
            labels = session.own_labels(Y)
            if not name.endswith("labels added"):
                head.partial_fit(X[session.train], labels)
            else:
                new = ~np.isin(session.train, met)
                if new.any():
                    head.partial_fit(X[session.train[new]], labels[new], sample_id=session.train[new])
                for label in session.new_classes.tolist():
                    rows = session.train[~new & (labels[:, label] == 1)]
                    if rows.size:
                        head.add_label(label, sample_id=rows)
                met = np.union1d(met, session.train)
            rows, seen = session.test_rows(Y_test), session.seen_classes
            scores = head.decision_function(X_test[rows])[:, seen]
            means.append(mean_average_precision(Y_test[rows][:, seen], scores))
        found[name] = {"mean mAP": float(np.mean(means)), **judged(head.decision_function(X_test), Y_test)}
        show(name, found[name])
    return found


def main(sessions_alone):
    packs = (
        ("CLINC150, 160 labels", clinc(), True, "multi-label:10"),
        ("digits, 3 labels", digits(), False, "multi-label:3"),
    )
    record = {"machine": machine()}
    for title, pack, slow, scenario in packs:
        if not sessions_alone:
            record[title] = compared(title, pack, slow)
            print(f"{title}: accuracy")
            for name, numbers in record[title].items():
                show(name, numbers)
        print(f"\n{title}, {scenario}")
        record[f"{title}, {scenario}"] = in_sessions(pack, scenario)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "multi_label.json").write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:] == ["sessions"])
