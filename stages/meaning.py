"""What code means: its text without comments, docstrings and layout."""

import ast
import hashlib
from functools import cache


@cache
def meaning(source: bytes) -> str:
    """SHA-256 of the syntax tree, found once for a text. Raises `SyntaxError` for what is no module."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _documented(node):
            del node.body[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def means_the_same(one: bytes, other: bytes) -> bool:
    """Whether two texts differ in nothing that a program does. What is no module, such as half of one, does not."""
    try:
        return one == other or meaning(one) == meaning(other)
    except (SyntaxError, ValueError):  # ValueError: null bytes
        return False


def _documented(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return ast.get_docstring(node, clean=False) is not None
