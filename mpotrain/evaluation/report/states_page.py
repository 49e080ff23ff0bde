"""Figure 5 on a page of its own: states of prompts with appended answers, one panel per model and language."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from mpodata.runtime.whole_files import write_text
from mpotrain.evaluation import folder
from mpotrain.evaluation.report.figures import clouds
from mpotrain.evaluation.report.page import TEMPLATES
from mpotrain.evaluation.report.pca import plane, separation
from mpotrain.evaluation.states import States


def write_states_page(states: Mapping[str, States], source: str, out: Path) -> dict[str, Any]:
    """Write the page `out` and its JSON twin; returns what the twin holds.

    Args: states: model's title -> "sw/safe", "sw/unsafe" -> (n, d).
    """
    record = states_record(states, source)
    drawn = clouds(states)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), undefined=jinja2.StrictUndefined, autoescape=True,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    explained = record["explained"]
    page = environment.get_template("states.html.j2").render(
        title="States of safe and unsafe answers",
        source=source,
        pairs=max(panel["pairs"] for model in record["models"].values() for panel in model.values()),
        explained=f"{100 * sum(explained):.0f} %" if explained else "none",
        clouds=drawn,
    )
    write_text(out.with_suffix(".html"), page)
    folder.write_json(out.with_suffix(".json"), record)
    return record


def _finite(value: float) -> float | None:
    """`value`; None where the clouds have no spread, as of a single pair: JSON knows no infinity."""
    return value if np.isfinite(value) else None


def states_record(states: Mapping[str, States], source: str) -> dict[str, Any]:
    """Separation of safe and unsafe answers per model and language, in the shared plane and in all dimensions.

    Models of different width share no plane: `explained` is then None and so is the separation in it.
    """
    arrays = [array for one in states.values() for array in one.values()]
    fitted = plane(arrays) if len({array.shape[1] for array in arrays}) == 1 else None
    models: dict[str, dict[str, Any]] = {}
    for title, one in states.items():
        for code in dict.fromkeys(name.split("/")[0] for name in one):
            safe, unsafe = one[f"{code}/safe"], one[f"{code}/unsafe"]
            models.setdefault(title, {})[code] = {
                "pairs": len(safe),
                "separation": _finite(separation(fitted(safe), fitted(unsafe))) if fitted else None,
                "separation_all_dimensions": _finite(separation(safe.astype(np.float64), unsafe.astype(np.float64))),
            }
    return {"source": source, "explained": list(fitted.explained) if fitted else None, "models": models}
