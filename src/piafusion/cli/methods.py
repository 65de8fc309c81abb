"""`piafusion methods`: the comparison methods."""

from __future__ import annotations

from piafusion.cli.options import JsonOption
from piafusion.cli.printing import say_json
from piafusion.cli.table import print_table


def methods(as_json: JsonOption = False) -> None:
    """List the comparison methods and the extra that each needs; --json tells of papers too."""
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
