"""A page that describes the API; it is made from the schema and loads nothing from other sites."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.responses import Response

from piafusion.report.document import Block, Document, Section, Table, Text
from piafusion.report.html import html

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'"
_MOST = 8  # values that are listed; longer lists are told by /v1/models


def add_manual(app: FastAPI, schema: dict[str, Any]) -> None:
    """Add the route /docs to an application with this OpenAPI schema."""
    page = html(manual(schema)).encode()

    @app.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    async def docs() -> Response:
        headers = {"Content-Security-Policy": _POLICY}
        return Response(page, headers=headers, media_type="text/html; charset=utf-8")


def manual(schema: dict[str, Any]) -> Document:
    """Return the routes of an OpenAPI schema, their fields and their answers."""
    introduction: list[Block] = [Text(schema["info"].get("summary", ""))]
    introduction.append(Text("The same for programs: /openapi.json.", note=True))
    known = schema.get("components", {}).get("schemas", {})
    sections = [
        _section(f"{method.upper()} {path}", route, known)
        for path, methods in schema["paths"].items()
        for method, route in methods.items()
    ]
    title = f"{schema['info']['title']} {schema['info']['version']}: HTTP API"
    return Document(title, introduction, sections)


def _section(name: str, route: dict[str, Any], known: dict[str, Any]) -> Section:
    said = route.get("summary", ""), route.get("description", "")
    blocks: list[Block] = [Text(_plain(text)) for text in said if text]
    fields = [
        (each["name"], {**each["schema"], **each}, each.get("required", False))
        for each in route.get("parameters", [])
    ]
    for kind, content in route.get("requestBody", {}).get("content", {}).items():
        body = content["schema"]
        body = known.get(body.get("$ref", "").rpartition("/")[2], body)
        fields += [
            (field, about, field in body.get("required", []))
            for field, about in body.get("properties", {}).items()
        ]
        blocks.append(Text(f"Body: {kind}.", note=True))
    if fields:
        rows = [[field, _kind(about, required), _about(about)] for field, about, required in fields]
        blocks.append(Table(["field", "kind", "what"], rows, title="Fields", prose=True))
    answers, headers = [], []
    for status, answer in route["responses"].items():
        kinds = ", ".join(answer.get("content", {}))
        answers.append([status, _plain(answer["description"]), kinds])
        headers += [[key, each["description"]] for key, each in answer.get("headers", {}).items()]
    if headers:
        blocks.append(Table(["header", "what"], headers, title="Headers", prose=True, folded=True))
    blocks.append(
        Table(["status", "when", "content"], answers, title="Answers", prose=True, folded=True)
    )
    return Section(name, blocks)


def _kind(about: dict[str, Any], required: bool) -> str:
    """Return the type of a field in words, and its default."""
    choices = [about, *about.get("anyOf", [])]
    kind = next((each["type"] for each in choices if each.get("type", "null") != "null"), "text")
    if any(each.get("format") == "binary" for each in choices):
        kind = "file"
    kind = {"string": "text", "boolean": "true or false"}.get(kind, kind)
    default = about.get("default")
    if required:
        return f"{kind}, required"
    return kind if default in (None, "") else f"{kind}; {str(default).lower()} by default"


def _about(about: dict[str, Any]) -> str:
    values = about.get("enum", [])
    listed = ", ".join(value for value in values if value) if len(values) <= _MOST else ""
    described = _plain(about.get("description", ""))
    return " ".join(filter(None, (described, listed and f"One of {listed}.")))


def _plain(text: str) -> str:
    return text.replace("`", "")
