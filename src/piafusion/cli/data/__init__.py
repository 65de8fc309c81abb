"""`piafusion data`: check, build, fetch, cut and make data sets."""

from __future__ import annotations

import typer

from piafusion.cli.data import build, check, fetch, patches, synth

app = typer.Typer(help="Check, build, fetch, cut and make data sets.", no_args_is_help=True)
app.command("check")(check.check)
app.command("build-msrs")(build.build_msrs)
app.command("fetch")(fetch.fetch)
app.command("patches")(patches.patches)
app.command("synth")(synth.synth)
