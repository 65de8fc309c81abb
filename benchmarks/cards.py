"""Write the facts of the model cards in docs/cards from the manifest of the shipped weights.

    python benchmarks/cards.py [--check]

Everything above the line `BY_HAND` is written anew; what stands below it (intended use, known
failures) is kept. `--check` writes nothing, and fails if a card is not as the manifest says.
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import Any

from piafusion.weights import WeightsRecord, load_manifest

CARDS = Path(__file__).parents[1] / "docs" / "cards"
BY_HAND = "<!-- Below: by hand. Above: python benchmarks/cards.py -->"


def main() -> None:
    """Write all cards, or check them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    CARDS.mkdir(exist_ok=True)
    for name, record in load_manifest().items():
        path = CARDS / f"{name}.md"
        written = path.read_text(encoding="utf-8") if path.exists() else BY_HAND + "\n"
        by_hand = written[written.index(BY_HAND) :]
        card = f"{facts(record)}\n{by_hand}"
        if not options.check:
            path.write_text(card, encoding="utf-8")
        elif card != written or "## Known failures" not in by_hand:
            raise SystemExit(f"{path}: is not as the manifest says; run python benchmarks/cards.py")
    print("all cards are as the manifest says")


def facts(record: WeightsRecord) -> str:
    """Return the generated part of a card."""
    training = record.training
    settings = training["settings"]
    rows = {
        "parameters": f"{record.parameters:,}",
        "trained on": f"{training['data']}, {training['pairs']} pairs, "
        f"sha256 `{training['data_sha256'][:16]}`",
        "command": f"`{training['command']}`",
        "schedule": f"{training['steps']:,} steps of {settings['batch']} crops of "
        f"{settings['crop']}x{settings['crop']}, {settings['sampling']}; Adam at "
        f"{settings['learning_rate']:g}, decayed exponentially to {settings['decay']:g} of it",
        "seed": str(training["seed"]),
        "hardware": f"{training['hardware']}, torch {training['torch']}",
        "time": f"{training['seconds'] / 60:.0f} minutes{_speed(training)}",
        "sha256 (ONNX)": f"`{record.sha256['onnx']}`",
    }
    if "loss" in settings:
        rows["loss"] = ", ".join(f"{name} {value}" for name, value in settings["loss"].items())
    if settings.get("cmdaf"):
        rows["CMDAF"] = settings["cmdaf"]
    leg, place = training.get("start"), "started from"
    while leg:
        command = leg["training"].get("command", "an unknown training")
        rows[place] = f"sha256 `{leg['sha256'][:16]}`, `{command}`"
        leg, place = leg["training"].get("start"), f"{place}, which"
    if "light" in training:
        light = training["light"]
        command = light["training"].get("command", "an unknown training")
        rows["light"] = f"sha256 `{light['sha256'][:16]}`, `{command}`"
    if settings.get("start_from") and "start" not in training:
        rows["started from"] = f"the weights of `{settings['start_from']}` before it"
    if "validation" in training:
        held = training["validation"]
        rows["validation"] = (
            f"{len(held['pairs'])} pairs of the training set held apart; step "
            f"{held['chosen_step']:,} was chosen"
        )
    if "context" in training:
        context = training["context"]
        settings = context["settings"]
        rows["context: command"] = f"`{context['command']}`"
        rows["context: trained on"] = (
            f"{context['data']}, {context['pairs']} pairs, sha256 `{context['data_sha256'][:16]}`, "
            f"and what the command names; {context['steps']:,} steps of {settings['batch']} crops "
            f"of {settings['crop']}x{settings['crop']}, {context['seconds'] / 60:.0f} minutes"
        )
    lines = [f"# {record.name}", "", record.summary, "", "| | |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join([*lines, "", *_scores(record.scores), ""])


def _speed(training: dict[str, Any]) -> str:
    speed = training.get("pixels_per_second")
    return f", {speed:,} pixels a second" if speed else ""


def _scores(scores: dict[str, Any]) -> list[str]:
    sets = {name: values for name, values in scores.items() if name != "command"}
    if not sets:
        return ["Not scored yet."]
    first, *_ = sets.values()
    columns = [name for name in first if name != "interval95"]
    lines = ["| data | " + " | ".join(columns) + " |", "| --- " * (len(columns) + 1) + "|"]
    for name, values in sets.items():
        cells = [_cell(column, values) for column in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    note = f"Measured by `{scores['command']}`"
    if "interval95" in first:
        note += "; in brackets the 95 % interval of the mean, by bootstrap over the pairs"
    return [*lines, "", *textwrap.wrap(f"{note}.", 100)]


def _cell(column: str, values: dict[str, Any]) -> str:
    value = values[column]
    text = f"{value:.0f}" if column in ("pairs", "images", "patches") else f"{value:.3f}"
    if column in values.get("interval95", {}):
        low, high = values["interval95"][column]
        text += f" ({low:.3f} to {high:.3f})"
    return text


if __name__ == "__main__":
    main()
