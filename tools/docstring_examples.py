"""Show the `>>>` examples of docstrings as code on the documentation site (`mkdocs.yml`)."""

from __future__ import annotations

import re

import griffe

EXAMPLE = re.compile(r"(?:^|(?<=\n))>>> .*(?:\n(?!\n).+)*")


class FenceExamples(griffe.Extension):
    """Put each example, up to the next empty line, between fences."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Change the text of one docstring."""
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)
