"""The report of an iteration: Markdown, a column a round."""

from collections.abc import Mapping, Sequence
from typing import Any

from mpotrain.training.iterate import Iteration, Round

RATINGS = ("mt-bench", "fluency", "correctness")  # utility tasks whose figures are means of ratings, no shares
MAIN_RATES = {"harmful": ("asr", "attack success"), "harmless": ("helpful", "helpful answers")}


def report(iteration: Iteration, rounds: Sequence[Round], stopped: str) -> str:
    """The page: what was built, what survived, what training and evaluation measured."""
    shown = [one for one in rounds if one.number or one.evaluation]
    lines = {**_data(shown), **_training(shown), **_evaluation(shown)}
    heads = ["", *(f"round {one.number}" if one.number else "start" for one in shown)]
    table = [heads, ["---"] * len(heads), *([title, *cells] for title, cells in lines.items())]
    reference = "the policy at the start of the round" if iteration.reference == "round" else iteration.model
    prompts = "other prompts in every round" if iteration.fresh else "the same prompts in all rounds"
    return (
        "\n".join(
            [
                f"# {iteration.recipe.name}: {iteration.rounds} rounds from {iteration.model}",
                "",
                f"Translator {iteration.recipe.translator.name}; reference of training: {reference}; {prompts}.",
                *(["", f"**{stopped}**"] if stopped else []),
                "",
                *(f"| {' | '.join(row)} |" for row in table),
                "",
                *(["Drops are of each dominant pair on its way into a language."] if lines else []),
            ]
        ).rstrip()
        + "\n"
    )


def record(rounds: Sequence[Round], stopped: str) -> dict[str, Any]:
    """The same for a machine."""
    return {
        "schema": 1,
        "stopped": stopped or None,
        "rounds": [
            {
                "round": one.number,
                "version": one.manifest.version if one.manifest else None,
                "rows": {name: config.rows for name, config in one.manifest.configs.items()} if one.manifest else {},
                "survived": one.survived,
                "trained_rows": one.run["data"]["trained_rows"] if one.run else None,
                "metrics": dict(one.run["metrics"]) if one.run else {},
                "rates": _rates(one.evaluation),
            }
            for one in rounds
        ],
    }


def _data(rounds: Sequence[Round]) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {
        "dataset version": [_version(one) for one in rounds],
        "pairs that survived": ["–" if one.survived is None else f"{one.survived:.1%}" for one in rounds],
    }
    configs = dict.fromkeys(name for one in rounds if one.manifest for name in one.manifest.configs)
    for name in configs:
        rows[f"rows in {name}"] = [str(_config(one, name).get("rows", "–")) for one in rounds]
        reasons = dict.fromkeys(reason for one in rounds for reason in _config(one, name).get("dropped", {}))
        for reason in reasons:
            rows[f"dropped from {name}: {reason}"] = [
                str(_config(one, name).get("dropped", {}).get(reason, 0)) if one.manifest else "–" for one in rounds
            ]
    return rows


def _version(one: Round) -> str:
    if one.manifest is None:
        return "–"
    return f"v{one.manifest.version}" if one.manifest.version else "not published"


def _config(one: Round, name: str) -> Mapping[str, Any]:
    if one.manifest is None or name not in one.manifest.configs:
        return {}
    config = one.manifest.configs[name]
    return {"rows": config.rows, "dropped": config.dropped}


def _training(rounds: Sequence[Round]) -> dict[str, list[str]]:
    names = ("train_loss", "eval_loss", "eval_rewards/accuracies", "eval_rewards/margins")
    measured = [name for name in names if any(one.run and name in one.run["metrics"] for one in rounds)]
    rows = {"trained rows": [str(one.run["data"]["trained_rows"]) if one.run else "–" for one in rounds]}
    for name in measured:
        rows[name] = [f"{one.run['metrics'][name]:.4f}" if one.run and name in one.run["metrics"] else "–"
                      for one in rounds]  # fmt: skip
    return rows


def _evaluation(rounds: Sequence[Round]) -> dict[str, list[str]]:
    rates = [_rates(one.evaluation) for one in rounds]
    titles = dict.fromkeys(title for measured in rates for title in measured)
    return {
        title: [f"{100 * measured[title]:.1f} %" if title in measured else "–" for measured in rates]
        for title in titles
    }


def _rates(results: Mapping[str, Any] | None) -> dict[str, float]:
    """Title -> share: safe and useful, the main rate of each cell, utility scores."""
    if results is None:
        return {}
    rates: dict[str, float] = {}
    standing = results.get("standing") or {}
    if standing.get("score"):
        rates["safe and useful"] = standing["score"]["value"]
    for cell in results["cells"]:
        name, title = MAIN_RATES[cell["kind"]]
        value = (cell["rates"].get(name) or {}).get("value")
        if value is not None:
            rates[f"{cell['benchmark']} {cell['language']}: {title}"] = value
    for row in results["utility"]:
        if row["interval"]["value"] is not None and row["task"] not in RATINGS:
            rates[f"{row['title']} {row['language']}"] = row["interval"]["value"]
    return rates
