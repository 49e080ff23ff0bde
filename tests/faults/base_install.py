"""An installation without any extra, as `pip install mpodata` leaves it: links to what the base needs, nothing else."""

import os
import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def base_install(folder: Path) -> dict[str, str]:
    """The environment of a `python -S` that finds the base's packages alone; `folder` is filled with links to them."""
    folder.mkdir(parents=True, exist_ok=True)
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    seen: set[str] = set()
    while asked:
        name = re.match(r"[\w.-]+", asked.pop())
        assert name is not None
        if name[0].lower() in seen:
            continue
        seen.add(name[0].lower())
        try:
            found = distribution(name[0])
        except PackageNotFoundError:  # for another platform
            continue
        asked += [need for need in found.requires or [] if "extra ==" not in need]
        for top in {file.parts[0] for file in found.files or [] if file.parts[0] not in ("..", "__pycache__")}:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(found.locate_file(top))))
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "PYTHONNOUSERSITE": "1"}
