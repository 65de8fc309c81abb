"""`piafusion models` and `piafusion methods`: lists of all models and methods."""

from __future__ import annotations

from dataclasses import asdict

from piafusion.cli.options import JsonOption
from piafusion.cli.printing import print_table, say_json
from piafusion.weights import DEFAULT_MODEL, load_manifest


def models(as_json: JsonOption = False) -> None:
    """List the shipped models with their training and scores."""
    records = load_manifest()
    if as_json:
        say_json({name: asdict(record) for name, record in records.items()})
        return
    rows = []
    for record in records.values():
        name = f"{record.name} (default)" if record.name == DEFAULT_MODEL else record.name
        rows.append([name, record.kind, f"{record.parameters:,}", record.summary])
    print_table(["model", "for", "parameters", "about"], rows)


def methods(as_json: JsonOption = False) -> None:
    """List the comparison methods and the extra that each needs; --json names their papers, too."""
    from piafusion.methods import list_methods

    if as_json:
        listed = {
            name: {
                "title": spec.title,
                "paper": spec.paper,
                "kind": spec.kind,
                "departures": spec.departures,
                "needs": spec.needs,
            }
            for name, spec in list_methods().items()
        }
        say_json(listed)
        return
    rows = [
        [name, spec.title, spec.kind, spec.needs or ""] for name, spec in list_methods().items()
    ]
    print_table(["method", "title", "kind", "extra"], rows)
