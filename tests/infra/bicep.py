"""Reading Bicep files, as far as the tests of the templates need it.

A file is parsed by tree-sitter-bicep; a value becomes what Python has for it: text, bool, int, list, dict. What only
Azure can know stays an Expr with its source text, and a call of a function a Call with its arguments.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

INFRA = Path(__file__).parents[2] / "infra"

_PARSER = Parser(Language(tree_sitter_bicep.language()))

_WRAPPERS = {"for_statement", "if_statement", "parenthesized_expression"}


@dataclass(frozen=True, slots=True)
class Expr:
    """What is known only while deploying: a name, a member, an interpolation."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function."""

    name: str
    args: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource: its file, symbol, type (without the version) and body; ``existing`` ones are only referred to."""

    file: str
    symbol: str
    kind: str
    existing: bool
    body: Mapping[str, Any]

    def at(self, path: str) -> Any:
        """The value at a path such as ``properties.siteConfig``; None where there is none."""
        value: Any = self.body
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def __str__(self) -> str:
        return f"{self.file}: {self.symbol}"


@dataclass(frozen=True, slots=True)
class Template:
    """One parsed file."""

    name: str
    root: Node

    def nodes(self, *kinds: str) -> Iterator[Node]:
        """All nodes of these kinds."""
        return (node for node in walk(self.root) if node.type in kinds)

    def resources(self) -> Iterator[Resource]:
        """All resources, also those referred to as existing."""
        for node in self.nodes("resource_declaration"):
            symbol, kind = _text(node.named_children[0]), value_of(node.named_children[1])
            existing = any(_text(child) == "existing" for child in node.children)
            body = value_of(node.named_children[-1])
            yield Resource(self.name, symbol, str(kind).partition("@")[0], existing, body)

    def code(self) -> str:
        """The text without comments."""
        text = self.root.text or b""
        for node in sorted(self.nodes("comment"), key=lambda node: -node.start_byte):
            text = text[: node.start_byte] + text[node.end_byte :]
        return text.decode()


def templates(sources: Mapping[str, str]) -> list[Template]:
    """Parse files, given by their names within infra/."""
    return [_parsed(name, text) for name, text in sorted(sources.items())]


@cache
def _parsed(name: str, text: str) -> Template:
    return Template(name, _PARSER.parse(text.encode()).root_node)


def sources() -> dict[str, str]:
    """The project's own Bicep files."""
    return {path.relative_to(INFRA).as_posix(): path.read_text(encoding="utf-8") for path in INFRA.rglob("*.bicep")}


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it."""
    yield node
    for child in node.children:
        yield from walk(child)


def value_of(node: Node) -> Any:
    """The value of an expression; of a loop or a condition, that of its body."""
    while node.type in _WRAPPERS:
        node = node.named_children[-1]
    match node.type:
        case "object":
            return {key: value_of(value) for key, value in _properties(node)}
        case "array":
            return [value_of(child) for child in node.named_children if child.type != "comment"]
        case "string" if all(child.type != "interpolation" for child in node.named_children):
            return "".join(_text(child) for child in node.named_children) or _bare(node)
        case "boolean":
            return _text(node) == "true"
        case "number":
            return int(_text(node))
        case "call_expression":
            arguments = node.named_children[-1].named_children
            return Call(_text(node.named_children[0]), tuple(value_of(argument) for argument in arguments))
        case _:
            return Expr(_text(node))


def _bare(node: Node) -> str:
    """A multi-line string has its text in no child of its own."""
    return _text(node).strip("'").strip("\n")


def _properties(node: Node) -> Iterator[tuple[str, Node]]:
    for child in node.named_children:
        if child.type == "object_property":
            key = child.named_children[0]
            name = value_of(key) if key.type == "string" else _text(key)
            yield name.text if isinstance(name, Expr) else name, child.named_children[-1]


def _text(node: Node) -> str:
    return (node.text or b"").decode()


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter: its type, its default (None: it has none), and its decorators."""

    name: str
    kind: str
    default: Any
    decorators: Mapping[str, Any]


def params(template: Template) -> dict[str, Param]:
    """The parameters of a file, with what stands above each."""
    found: dict[str, Param] = {}
    decorators: dict[str, Any] = {}
    for group in template.root.named_children:
        for node in group.named_children if group.type == "infrastructure" else [group]:
            if node.type == "decorators":
                calls = [value_of(decorator.named_children[0]) for decorator in node.named_children]
                decorators = {
                    call.name: call.args[0] if call.args else True for call in calls if isinstance(call, Call)
                }
            elif node.type == "parameter_declaration":
                name, kind, *default = node.named_children
                value = value_of(default[0]) if default else None
                found[_text(name)] = Param(_text(name), _text(kind), value, decorators)
                decorators = {}
            else:
                decorators = {}
    return found


def declared(template: Template) -> set[str]:
    """Every name that a file declares."""
    kinds = ("parameter_declaration", "variable_declaration", "resource_declaration", "module_declaration")
    names = {_text(node.named_children[0]) for node in template.nodes(*kinds)}
    return names | {_text(node) for node in template.nodes("loop_variable", "loop_enumerator")} | _loop_names(template)


def _loop_names(template: Template) -> set[str]:
    return {
        _text(child)
        for node in template.nodes("for_statement")
        for part in node.named_children[:1]
        for child in walk(part)
        if child.type in {"identifier", "loop_variable", "loop_enumerator"}
    }


def used(template: Template) -> set[str]:
    """Every name that the expressions of a file use, functions left out."""
    names: set[str] = set()
    for node in template.nodes("identifier"):
        parent = node.parent
        if parent is None:
            continue
        first = parent.named_children[0] == node
        declares = parent.type.endswith("_declaration") and first
        key = parent.type == "object_property" and first
        called = parent.type == "call_expression" and first
        if not (declares or key or called):
            names.add(_text(node))
    return names


def outputs_used(template: Template) -> set[tuple[str, str]]:
    """The outputs of modules that a file uses, as (module, output)."""
    return set(re.findall(r"(\w+)!?\.outputs\.(\w+)", template.code()))
