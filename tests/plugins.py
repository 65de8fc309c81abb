"""Packages with entry points, as an installer would leave them."""

import os
import subprocess
import sys
from pathlib import Path


def install(folder: Path, module: str, group: str, entry: str) -> None:
    """Put a package of one module, `extra_package`, and its entry point into a folder."""
    (folder / "extra_package.py").write_text(module)
    info = folder / "extra_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extra-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{entry}\n")


def run_with(folder: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a command of `piafusion` in a process that sees the folder's packages."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    return subprocess.run(
        [sys.executable, "-m", "piafusion", *map(str, arguments)],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
