"""What each threshold means, as `pattern_engine.thresholds` says it to those who read the code."""

from __future__ import annotations

import ast
import inspect
from functools import cache

from pattern_engine.thresholds import Thresholds


@cache
def thresholds() -> dict[str, str]:
    """The meaning of each threshold by its name: the text below its field."""
    (declared,) = ast.parse(inspect.getsource(Thresholds)).body
    assert isinstance(declared, ast.ClassDef)  # noqa: S101  getsource gives the class
    return {
        field.target.id: inspect.cleandoc(text.value.value).replace("\n", " ").replace("`", "")
        for field, text in zip(declared.body, declared.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
