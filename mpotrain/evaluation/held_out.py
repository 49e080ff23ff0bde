"""What a model's own probabilities and states say of a version's held-out pairs: reward gaps and last-layer states."""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from trl import ModelConfig

from mpodata.errors import DataError
from mpodata.runtime.journal import Journal
from mpotrain.data import TrainingRow, tokenise
from mpotrain.evaluation import states as kept
from mpotrain.evaluation.gaps import as_json, reward_gaps
from mpotrain.evaluation.model import EvaluatedModel
from mpotrain.model.batches import Batch, Tokens, pack, pad
from mpotrain.model.loading import load_policy, load_tokenizer
from mpotrain.model.states import States
from mpotrain.objective.reference import ReferenceRequest, measure_reference
from mpotrain.tables import is_paired, open_dataset, pairs_of

MOST_PAIRS = 100  # per language in the picture of states: more dots hide each other
LONGEST = 2048  # tokens of prompt and answer
BETA = 0.1  # of the DPO form; the paper's baselines search 0.01 to 0.1


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Measured on the harmful pairs of one split; `gaps["data"]["split"]` says which."""

    gaps: Mapping[str, Any]  # as `mpotrain gap --json` prints
    states: kept.States


def held_out(
    evaluated: EvaluatedModel,
    base: EvaluatedModel | None,
    reference: str,
    languages: Sequence[str] | None,
    journal: Journal,
    split: str | None = None,
) -> HeldOut:
    """Gaps (in the DPO form too, where there is a base to compare with) and states of `evaluated` on `reference`.

    split: train, test or all; by default test, or train where the version has no test rows.
    Raises DataError for a version without harmful pairs of that split in the `languages` asked for.
    """
    version = open_dataset(reference)
    split = split or version.measured_split()
    configs = version.manifest.configs.values()
    translated = version.languages() if is_paired(version) else sorted({config.language for config in configs})
    wanted = [code for code in translated if not languages or code in languages]
    pairs = [pair for pair in pairs_of(version, split, languages=wanted) if pair.kind == "harmful"] if wanted else []
    if not pairs:
        raise DataError(
            f"{reference} has no harmful {split} pair in {', '.join(languages or translated)}: add --gap off."
        )
    settings = _settings(evaluated)
    whose = (evaluated.template_from, None) if evaluated.template_from else (evaluated.model, evaluated.revision)
    rows = tokenise(pairs, load_tokenizer(*whose), LONGEST)
    gaps = reward_gaps(
        settings, rows.trained("all"), base=None if base is None else _settings(base), beta=BETA, journal=journal
    )
    record = {
        "data": {"reference": version.reference, "commit": version.commit, "split": split, "kind": "harmful"},
        "dominant": rows.dominant_language,
        "base": None if base is None else base.title,
        "beta": BETA,
        "languages": as_json(gaps),
    }
    return HeldOut(record, response_states(settings, rows.trained("all"), journal))


def response_states(settings: ModelConfig, rows: Sequence[TrainingRow], journal: Journal) -> kept.States:
    """Last-layer states at the last token of each chosen ("safe") and rejected ("unsafe") response, per language."""
    policy = load_policy(settings)
    packs = policy.packs
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    policy.model.to(device)

    def layout(sequences: Sequence[Tokens]) -> Batch:
        return (pack if packs else pad)(sequences, device)

    groups: dict[str, list[Tokens]] = {}
    for row in rows:
        for side, tokens in (("safe", row.chosen), ("unsafe", row.rejected)):
            group = groups.setdefault(f"{row.language}/{side}", [])
            if len(group) < MOST_PAIRS:
                # The whole exchange as a "prompt": the state at its last token is that of the response's end.
                group.append(Tokens(tokens.input_ids, len(tokens.input_ids), scored=False))
    end = States("last_prompt")
    wanted = [ReferenceRequest(tokens, (end,)) for group in groups.values() for tokens in group]
    measured = measure_reference(policy.model, wanted, layout, identity=policy.identity, journal=journal)
    del policy
    gc.collect()
    return {name: measured.states(group, end).float().cpu().numpy() for name, group in groups.items()}


def _settings(evaluated: EvaluatedModel) -> ModelConfig:
    revision = {"model_revision": evaluated.revision} if evaluated.revision else {}
    return ModelConfig(model_name_or_path=evaluated.model, dtype="float32", **revision)
