"""An extractor of one's own: pairs of letters of a word, counted, and languages told apart by them."""

import hashlib
import zlib

import numpy as np

from analytic_cl import ContinualPipeline, FixedPoint, LDAClassifier
from analytic_cl.extractors import Extractor


class LetterPairs(Extractor):
    """How often pairs of letters occur in a text, hashed to `n_features` columns."""

    name = "LetterPairs"

    def __init__(self, n_features=512):
        self.n_features = n_features

    def transform(self, texts):
        out = np.zeros((len(texts), self.n_features), dtype=np.float32)
        for row, text in zip(out, texts, strict=True):
            word = f" {text.lower()} "
            for i in range(len(word) - 1):
                row[zlib.crc32(word[i : i + 2].encode()) % self.n_features] += 1
        return out

    def fingerprint(self):
        return hashlib.sha256(f"letter pairs 1, {self.n_features}".encode()).hexdigest()


def head():
    """Counts in few of many columns: 16 bits, so that short words are not clipped."""
    return LDAClassifier(quantizer=FixedPoint(16, norm="l2"))


def main():
    words = {
        "english": "the house that the weather would not wash away with the other things they thought through",
        "italian": "una casa bella nella piazza della citta dove il sole e il vino sono buoni come gli amici",
        "german": "das haus und der garten sind schon auch wenn nicht jeder zwischen den wolken schlafen kann",
    }
    texts = [word for text in words.values() for word in text.split()]
    labels = [language for language, text in words.items() for _ in text.split()]
    ids = [f"word {i}" for i in range(len(texts))]

    pipeline = ContinualPipeline(LetterPairs(), head()).fit(texts, labels, sample_id=ids)
    print("spoken by:", pipeline.predict(["through", "bello", "schlaf"]).tolist())

    pipeline.forget(sample_id=ids[:3])
    never = ContinualPipeline(LetterPairs(), head()).fit(texts[3:], labels[3:])
    print("forgotten like never learned:", pipeline.state_digest() == never.state_digest())

    try:
        pipeline.head.merge(ContinualPipeline(LetterPairs(256), head()).fit(texts, labels).head)
    except ValueError as refusal:
        print("another extractor is refused:", str(refusal)[:60], "...")


if __name__ == "__main__":
    main()
