"""Whom an evaluation is about: a model by name, or a training run with what it was trained on and from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpodata.errors import DataError
from mpotrain.evaluation.merge import is_adapter, merged
from mpotrain.runs import RUN_FILE, read_run


@dataclass(frozen=True, slots=True)
class EvaluatedModel:
    """One model to evaluate."""

    title: str  # what tables call it
    model: str  # a folder, a Hub id, `pocket-chat`
    revision: str | None = None
    run: Mapping[str, Any] = field(default_factory=dict)  # run.json of the training run, where it came from one
    template_from: str | None = None  # whose chat template measures it: a run's, for its base; None: its own

    @property
    def data(self) -> Mapping[str, Any]:
        """Which dataset version it was trained on: reference, version, commit, ...; empty where it was not."""
        data = self.run.get("data")
        return data if isinstance(data, Mapping) else {}

    def base(self) -> "EvaluatedModel | None":
        """The model that the run started from, measured with the template that the run was trained with."""
        name = self.run.get("base_model")
        if not name:
            return None
        title = f"{Path(str(name)).name} (base)"
        return EvaluatedModel(title, str(name), self.run.get("base_revision"), template_from=self.model)


def model_of_run(path: Path) -> EvaluatedModel:
    """The model that a training run wrote; raises DataError where `path` is no finished run."""
    run = read_run(path)
    if "model" not in run:
        raise DataError(f"{path / RUN_FILE} does not say where the trained model is (member 'model').")
    model = Path(str(run["model"]))
    place = model if model.is_absolute() else path / model  # a run folder that was moved still works
    if is_adapter(place):
        place = merged(place)
    name, method = path.resolve().name, str(run.get("method", "trained"))
    return EvaluatedModel(name if method in name else f"{name} ({method})", str(place), None, run)
