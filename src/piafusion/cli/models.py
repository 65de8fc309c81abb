"""`piafusion models`: what is shipped."""

from __future__ import annotations

from dataclasses import asdict

from piafusion.cli.options import JsonOption
from piafusion.cli.printing import say_json
from piafusion.cli.table import print_table
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
