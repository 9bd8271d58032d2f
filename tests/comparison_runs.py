"""A folder as a comparison leaves it, with made-up but plausible numbers."""

import json

import numpy as np

# name: label, kind, accuracy at the end, forgetting, seconds to learn and to solve, bytes
METHODS = {
    "nearest-mean": ("nearest mean", "exact", 0.916, 0.031, 0.11, 0.004, 231_000),
    "nearest-mean-euclidean": ("nearest mean, Euclidean", "exact", 0.909, 0.034, 0.11, 0.004, 231_000),
    "lda": ("LDA", "exact", 0.931, 0.028, 0.11, 0.09, 822_000),
    "ridge": ("ridge", "exact", 0.912, 0.036, 0.11, 0.08, 822_000),
    "ridge-gcv": ("ridge, GCV", "exact", 0.924, 0.033, 0.11, 0.31, 822_000),
    "lda-rp": ("LDA, 5,000 random features", "exact", 0.944, 0.024, 5.2, 11.8, 106_000_000),
    "ridge-rp": ("ridge, 5,000 random features", "exact", 0.952, 0.021, 5.2, 10.4, 106_000_000),
    "key-value": ("key-value bottleneck", "exact", 0.887, 0.045, 0.9, 0.0, 3_100_000),
    "neighbors": ("nearest neighbours", "exact", 0.905, 0.05, 0.14, 0.0, 5_800_000),
    "sgd": ("SGD (scikit-learn)", "peer", 0.252, 0.71, 1.7, 0.0, 462_000),
    "gaussian-nb": ("GaussianNB (scikit-learn)", "peer", 0.861, 0.062, 0.4, 0.0, 922_000),
    "sgd-replay": ("SGD, 2,000 rows replayed", "peer", 0.744, 0.19, 4.9, 0.0, 5_300_000),
    "torch-probe": ("softmax probe (PyTorch)", "peer", 0.31, 0.66, 7.4, 0.0, 231_000),
    "nearest-centroid-joint": ("NearestCentroid, joint", "joint", 0.909, np.nan, 0.2, 0.0, 231_000),
    "ridge-joint": ("RidgeClassifier, joint", "joint", 0.913, np.nan, 0.9, 0.0, 231_000),
    "lda-joint": ("LDA (scikit-learn), joint", "joint", 0.928, np.nan, 5.1, 0.0, 1_400_000),
}
FEATURES = {
    "name": "clinc150_minilm",
    "n_train": 15000,
    "n_test": 4500,
    "n_features": 384,
    "n_classes": 150,
    "sha256": "5f3a" * 16,
}


def plain(value):
    """A number for JSON, null for NaN."""
    return None if value is None or np.isnan(value) else round(float(value), 6)


def run_of(name, seed, n_sessions, requests=True, scenario=None):
    label, kind, last, lost, learn, solve, n_bytes = METHODS[name]
    random = np.random.RandomState(1000 * seed + sum(map(ord, name)))
    best = min(1.0, last + 0.07)
    sessions, tested = [], np.full((n_sessions, n_sessions), np.nan)
    for i in range(n_sessions):
        if kind == "joint" and i < n_sessions - 1:
            seen = np.nan
        else:
            age = (i - np.arange(i + 1)) / max(1, n_sessions - 1)
            row = (
                best - 2 * lost * age**0.5 + random.normal(0, 0.012, i + 1)
                if not np.isnan(lost)
                else np.full(i + 1, last)
            )
            row[:-1] -= max(0.0, lost - 0.3) * (i > 0)
            tested[i, : i + 1] = np.clip(
                row - row.mean() + best + (last - best) * (i / max(1, n_sessions - 1)) ** 0.6, 0, 1
            )
            seen = tested[i, : i + 1].mean() if i < n_sessions - 1 or kind != "exact" else last
        session = {
            "name": f"session {i + 1}",
            "n_train": 15000 // n_sessions,
            "n_seen_classes": 150 * (i + 1) // n_sessions,
            "accuracy": [plain(value) for value in tested[i]],
            "accuracy_seen": plain(seen),
            "macro": plain(seen),
            "tail": plain(seen - 0.1),
            "calibration_error": None,
            "log_loss": None,
            "seconds_learn": learn / n_sessions if kind != "exact" else 0.0,
            "seconds_shared": learn / n_sessions * random.uniform(0.9, 1.1) if kind == "exact" else 0.0,
            "seconds_solve": solve / n_sessions,
            "seconds_predict": 0.05 * random.uniform(0.8, 1.2),
            "state_bytes": n_bytes,
            "digest": f"{random.randint(2**31):08x}" * 8 if kind == "exact" else None,
            "requests": [],
        }
        if requests and kind == "exact" and i % 3 == 2:
            session["requests"].append(
                {
                    "reason": f"subject {random.randint(1000)}",
                    "rows": int(random.randint(1, 90)),
                    "seconds": 0.0021 * random.uniform(0.5, 2) + solve / 20,
                    "seconds_retrain": learn * (i + 1) / n_sessions + solve / 20,
                    "identical": True,
                    "accuracy_forgotten_before": 0.99,
                    "accuracy_forgotten_after": 0.93,
                    "accuracy_retained_after": plain(seen),
                }
            )
        sessions.append(session)
    curve = [session["accuracy_seen"] for session in sessions if session["accuracy_seen"] is not None]
    return {
        "format": 2,
        "method": name,
        "label": label,
        "kind": kind,
        "estimator": "LDAClassifier()",
        "scenario": scenario or f"class-incremental:{n_sessions}",
        "seed": seed,
        "tuned": {"alpha": 0.1} if name == "ridge" else None,
        "features": FEATURES,
        "class_order": list(range(150)),
        "sessions": sessions,
        "summary": {
            "last": curve[-1],
            "average_incremental": float(np.mean(curve)) if kind != "joint" else None,
            "forgetting": plain(lost * random.uniform(0.9, 1.1)),
            "backward_transfer": plain(-lost),
            "macro": curve[-1],
            "seconds_learn": learn,
            "seconds_solve": solve,
            "seconds_predict": 0.5,
            "state_bytes": n_bytes,
        },
        "versions": {"analytic-cl": "0.1.0", "python": "3.12.3", "numpy": "2.3.4", "scikit-learn": "1.7.2"},
        "machine": {"system": "Linux", "processor": "2 cores", "threads": 2, "backend": "native"},
        "quantizer": "embedding: L2, int8, scale 2^9",
        "date": "2026-11-20T12:00:00Z",
    }


def make(folder, methods=tuple(METHODS), seeds=3, n_sessions=15, requests=True, shared=True, change=None):
    """Write settings.json and runs/*.json; `change(run)` may spoil each run first."""
    (folder / "runs").mkdir(parents=True)
    kinds = {name: METHODS[name][1] for name in methods}
    settings = {
        "format": 2,
        "scenario": f"class-incremental:{n_sessions}",
        "heads": [name for name in methods if kinds[name] == "exact"],
        "peers": [name for name in methods if kinds[name] != "exact"],
        "seeds": seeds,
        "features": FEATURES,
        "origin": {"features": {"name": "clinc150_minilm.npz", "extractor": "", "header": None}, "tune": None},
        "tune": None,
        "classes": [f"intent {place}" for place in range(150)],
        "shared": {"one head": 5.9, "all heads": 7.1} if shared else None,
    }
    for name in methods:
        for seed in range(seeds):
            run = run_of(name, seed, n_sessions, requests)
            if change is not None:
                change(run)
            (folder / "runs" / f"{name}-{seed}.json").write_text(json.dumps(run))
    (folder / "settings.json").write_text(json.dumps(settings))
    return folder


ADAPTATIONS = {"label-shift": "label shift", "lame": "LAME", "t3a": "T3A", "growing-memory": "growing memory"}


def make_adapted(folder, methods=("lda", "ridge-rp", "neighbors"), seeds=3, n_batches=10, extra="", last="moments"):
    """Write made-up files of adapted heads beside a comparison; `last` is an adaptation without a colour of its own."""
    place = folder / "adapted" / "label-shift-0.1"
    place.mkdir(parents=True)
    for at, name in enumerate(methods):
        for seed in range(seeds):
            random = np.random.RandomState(10 * at + seed)

            def answered(gain, random=random):
                batches = np.clip(0.9 + gain + random.normal(0, 0.02, n_batches), 0, 1).tolist()
                return {"accuracy": float(np.mean(batches)), "batches": batches, "seconds": 0.02}

            adapted = {
                key: {"label": label + extra, "refused": None, "seconds_first": 2.0} | answered(0.03 - 0.02 * gain)
                for gain, (key, label) in enumerate({**ADAPTATIONS, last: last}.items())
            }
            if at:
                adapted["t3a"] = {"label": "T3A" + extra, "refused": f"not with {name}{extra}"}
            one = {
                "format": 2,
                "method": name,
                "label": METHODS[name][0] + extra,
                "seed": seed,
                "test_stream": "label-shift:0.1",
                "rows": [200] * n_batches,
                "base": answered(0.0),
                "adapted": adapted,
            }
            (place / f"{name}-{seed}.json").write_text(json.dumps(one))
