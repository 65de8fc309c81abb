"""`piafusion models`: what is shipped."""

from __future__ import annotations

import json
from dataclasses import asdict

from piafusion.cli.options import JsonOption
from piafusion.weights import DEFAULT_MODEL, load_manifest


def models(as_json: JsonOption = False) -> None:
    """List the shipped models with their training and scores."""
    from rich.console import Console
    from rich.table import Table

    records = load_manifest()
    if as_json:
        print(json.dumps({name: asdict(record) for name, record in records.items()}, indent=2))
        return
    table = Table("model", "for", "parameters", "about", box=None)
    for record in records.values():
        name = f"{record.name} (default)" if record.name == DEFAULT_MODEL else record.name
        table.add_row(name, record.kind, f"{record.parameters:,}", record.summary)
    Console().print(table)
