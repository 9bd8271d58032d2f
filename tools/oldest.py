"""Print the oldest versions that pyproject.toml admits, one a line, as constraints for pip: see `make test-oldest`."""

import re
import tomllib
from pathlib import Path

about = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
extras = about["project"]["optional-dependencies"]
asked = [*about["project"]["dependencies"], *about["dependency-groups"]["test"]]
asked += [need for name in ("plots", "store", "parquet", "faiss") for need in extras[name]]
for need in sorted(set(asked)):
    name, bound = re.fullmatch(r"([\w-]+)(?:\[[\w,]+\])?>=([\d.]+)", need).groups()
    print(f"{name}=={bound}")
