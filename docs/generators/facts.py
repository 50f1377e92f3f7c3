"""The page of the facts, from the structs that hold them."""

from __future__ import annotations

import typing

import msgspec

from cudadoctor.facts.machine import Machine


def page() -> str:
    """Return the page."""
    parts = [
        "# Facts\n",
        "`--save` writes them, `--facts` reads them, `--format json` holds them under `facts`.",
        'A value is `{"state": "known", "value": ..., "source": ...}` or `{"state": "missing", "reason": ...}`,',
        "and so is a whole section, whose own fields then stand beside `state`.\n",
    ]
    seen: set[type] = set()
    for field in msgspec.structs.fields(Machine):
        section = next(item for item in typing.get_args(field.type) if item.__name__ != "Missing")
        parts += _struct(section, f"## {field.encode_name}", seen)
    return "\n".join(parts) + "\n"


def _struct(struct: typing.Any, heading: str, seen: set[type]) -> list[str]:
    seen.add(struct)
    text = "\n\n".join(" ".join(block.split()) for block in (struct.__doc__ or "").split("\n\n"))
    parts = [f"{heading}\n", f"{text}\n", "| field | type |", "|---|---|"]
    inner: list[typing.Any] = []
    for field in msgspec.structs.fields(struct):
        parts.append(f"| `{field.encode_name}` | {_type(field.type)} |")
        inner += [item for item in _structs_in(field.type) if item not in seen]
    parts.append("")
    for item in inner:
        if item not in seen:
            parts += _struct(item, f"### {item.__name__}", seen)
    return parts


def _structs_in(annotation: typing.Any) -> list[typing.Any]:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return [] if annotation.__name__ in ("Known", "Missing") else [annotation]
    if getattr(typing.get_origin(annotation), "__name__", "") == "Known":
        return []
    return [struct for item in typing.get_args(annotation) for struct in _structs_in(item)]


def _type(annotation: typing.Any) -> str:
    arguments = typing.get_args(annotation)
    names = [getattr(item, "__name__", str(item)) for item in arguments]
    if "Missing" in names and any(name.startswith("Known") for name in names):
        known = next(item for item in arguments if getattr(item, "__name__", "").startswith("Known"))
        return f"fact: {_type(typing.get_args(known)[0])}"
    if typing.get_origin(annotation) is tuple and arguments[-1] is Ellipsis:
        return f"list of {_type(arguments[0])}"
    if typing.get_origin(annotation) is typing.Literal:
        return " or ".join(f"`{item}`" for item in arguments)
    if arguments and typing.get_origin(annotation) is not dict:
        return " or ".join(_type(item) for item in arguments)
    if typing.get_origin(annotation) is dict:
        return "texts by name"
    return {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "NoneType": "null"}.get(
        getattr(annotation, "__name__", str(annotation)), f"`{getattr(annotation, '__name__', annotation)}`"
    )
