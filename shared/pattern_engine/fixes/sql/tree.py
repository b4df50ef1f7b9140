"""Postgres' syntax trees as plain objects: reading them from SQL, and writing them as SQL.

`postgast` hands out the trees of libpg_query as messages of protobuf, in which each node is wrapped
in another message and nothing is None. Here they are objects with the names of Postgres' source:
`ast.SelectStmt` is the class of its struct of that name, `enums.SetOperation.SETOP_NONE` the value
of its enumeration. The places in the text are left out, so equal statements have equal trees.
"""

from collections.abc import Iterator
from enum import IntEnum
from functools import cache
from importlib import import_module
from typing import Any, ClassVar, Final

import postgast
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.internal import api_implementation
from google.protobuf.message import Message
from postgast import pg_query_pb2

#: Any node, untyped: which attributes are set is said by Postgres' grammar, not by a type.
Node = Any
#: The most levels of nodes in a statement.
MAX_DEPTH: Final = 80

# Where a node begins and ends in the text.
_PLACES: Final = frozenset(
    {"location", "name_location", "rexpr_list_start", "rexpr_list_end", "list_start", "list_end"}
)
# The nodes whose text can be empty; an empty text of any other node is not set.
_TEXTS: Final = frozenset({"String", "BitString", "Float"})
_SCHEMA: Final = pg_query_pb2.DESCRIPTOR
_TOKENS: Final = {value.number: value.name for value in _SCHEMA.enum_types_by_name["Token"].values}


class TooDeepError(Exception):
    """The statement has more levels of nodes than the limit."""


class TreeNode:
    """A node; an attribute that is not set is None, or False or 0."""

    unset: ClassVar[dict[str, Any]]
    """The names of the attributes, each with its value if it is not set."""

    def __init__(self, **values: object) -> None:
        self.__dict__ |= self.unset | values

    def __iter__(self) -> Iterator[str]:
        return iter(self.unset)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class _Kinds:
    """The classes of nodes, as attributes."""

    def __getattr__(self, name: str) -> type[TreeNode]:
        return _kind(name).node


class _Enums:
    """The enumerations, as attributes."""

    def __getattr__(self, name: str) -> type[IntEnum]:
        return _enum(name)


#: Untyped, since the attributes of a node are.
ast: Final[Any] = _Kinds()
enums: Final[Any] = _Enums()


class _Kind:
    """How nodes of one kind are read from messages and written to them."""

    def __init__(self, message: Descriptor) -> None:
        fields = [field for field in message.fields if field.name not in _PLACES]
        unset = {_slot(field): _unset(field) for field in fields}
        self.node: type[TreeNode] = type(message.name, (TreeNode,), {"unset": unset})
        self.slots = {field.name: _slot(field) for field in fields}
        self.names = {slot: name for name, slot in self.slots.items()}
        self.alternatives = {slot: _alternatives(message, slot) for slot in message.oneofs_by_name}

    def field(self, slot: str, value: object) -> str:
        """Return the name of the field for an attribute; that of `A_Const.val` varies."""
        names = self.alternatives.get(slot)
        return names[type(value).__name__] if names else self.names[slot]


@cache
def _kind(name: str) -> _Kind:
    return _Kind(_SCHEMA.message_types_by_name[name])


@cache
def _enum(name: str) -> type[IntEnum]:
    values = _SCHEMA.enum_types_by_name[name].values
    return IntEnum(name, [(value.name, value.number) for value in values])  # type: ignore[return-value]


def _alternatives(message: Descriptor, slot: str) -> dict[str, str]:
    """Return the fields of which one is set, by the kind of node that each one takes."""
    return {field.message_type.name: field.name for field in message.oneofs_by_name[slot].fields}


_WRAPPED: Final = _alternatives(_SCHEMA.message_types_by_name["Node"], "node")


def _slot(field: FieldDescriptor) -> str:
    """Return the attribute of a field; the fields of a choice, as of `A_Const`, share one."""
    return str(field.containing_oneof.name if field.containing_oneof else field.json_name)


def _unset(field: FieldDescriptor) -> object:
    if field.message_type or field.enum_type:
        return None
    if field.type == FieldDescriptor.TYPE_STRING:
        return "" if field.containing_type.name in _TEXTS else None
    return field.default_value


def _read(message: Message, level: int) -> Node:
    """Return a message as a node; a list as a tuple; and an element that is not set as None."""
    name = message.DESCRIPTOR.name
    if name == "Node":
        inner = message.WhichOneof("node")
        return _read(getattr(message, inner), level) if inner else None
    if name == "List":
        return tuple(_read(item, level) for item in message.items)
    kind = _kind(name)
    # The values of a node count as a level, as nodes do.
    if level + bool(kind.slots) > MAX_DEPTH:
        raise TooDeepError
    return kind.node(
        **{
            kind.slots[field.name]: _value(field, value, level + 1)
            for field, value in message.ListFields()
            if field.name in kind.slots
        }
    )


def _value(field: FieldDescriptor, value: Node, level: int) -> object:
    if field.enum_type:
        return _enum(field.enum_type.name)(value)
    if not field.message_type:
        return value
    if isinstance(value, Message):
        return _read(value, level)
    return tuple(_read(item, level) for item in value)


def _write(node: object, message: Message) -> None:
    """Write what `_read` returned into an empty message."""
    if node is None:
        return
    if message.DESCRIPTOR.name == "Node":
        message = getattr(message, _WRAPPED[_name(node)])
        message.SetInParent()
    if isinstance(node, tuple):
        _write_value(node, message, "items")
    elif isinstance(node, TreeNode):
        kind = _kind(_name(node))
        for slot, value in vars(node).items():
            if value != node.unset[slot]:
                _write_value(value, message, kind.field(slot, value))


def _write_value(value: object, message: Message, name: str) -> None:
    field = getattr(message, name)
    if isinstance(field, Message):
        field.SetInParent()
        _write(value, field)
    elif isinstance(value, tuple):
        for item in value:
            _write(item, field.add())
    else:
        setattr(message, name, value)


def _name(node: object) -> str:
    return "List" if isinstance(node, tuple) else type(node).__name__


def parse(sql: str) -> list[Node]:
    """Return the statements of a script.

    Raises:
        PgQueryError: if the script is not SQL.
        TooDeepError: if a statement has more levels of nodes than `MAX_DEPTH`.
    """
    try:
        return [_read(statement.stmt, 1) for statement in postgast.parse(sql).stmts]
    except RecursionError as failure:  # protobuf without its C library
        raise TooDeepError from failure


def deparse(statement: TreeNode) -> str:
    """Return a statement as text.

    Raises:
        PgQueryError: if the statement cannot be written.
    """
    result = pg_query_pb2.ParseResult()
    _write(statement, result.stmts.add().stmt)
    return str(postgast.deparse(result))


def scan(sql: str) -> Iterator[str]:
    """Yield the name of each token, such as IDENT or ASCII_40; it is empty for `{` and its like.

    Raises:
        PgQueryError: if a string or comment has no end.
    """
    return (_TOKENS.get(token.token, "") for token in postgast.scan(sql).tokens)


def _allow_depth() -> None:
    """Let protobuf read and write more than its 100 levels of messages, which are 50 of nodes."""
    if api_implementation.Type() == "upb":
        import_module("google._upb._message").SetAllowOversizeProtos(True)
    else:
        import_module("google.protobuf.internal.decoder").SetRecursionLimit(10_000)


_allow_depth()
