"""A function taken out of a notebook, with what it uses and nothing else.

A notebook trains networks and draws figures; an exercise needs its function alone.
"""

import ast
import contextlib
import re
import symtable
from typing import Any, NamedTuple


def statements(cells: list[str]) -> list[ast.stmt]:
    """Parse the code cells of a notebook; what is no Python is left out."""
    found: list[ast.stmt] = []
    for source in cells:
        for text in (source, _MAGIC.sub("", source)):
            with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
                parsed = ast.parse(text).body
                for statement in parsed:
                    names_of(statement)  # a `return` outside a function is no Python either
                found += parsed
                break
    return found


#: Lines for Jupyter: magics (%time), shell commands (!ls) and questions (np.where?).
_MAGIC = re.compile(r"^[ \t]*(%{1,2}[a-z]|!|\?).*$|^.*\?[ \t]*$", re.MULTILINE)


class Names(NamedTuple):
    """Names in a statement of a notebook.

    Parameters
    ----------
    bound : set of str
        It gives them a value.
    changed : set of str
        It changes a part of their value: an element, an attribute, or by a method.
    used : set of str
        It looks them up when it is run.
    used_later : set of str
        What it defines looks them up when it is called.
    """

    bound: set[str]
    changed: set[str]
    used: set[str]
    used_later: set[str]


def names_of(statement: ast.stmt) -> Names:
    """Find the names of a notebook that a statement deals with."""
    table = symtable.symtable(ast.unparse(statement), "<notebook>", "exec")
    symbols = table.get_symbols()
    bound = {each.get_name() for each in symbols if each.is_assigned() or each.is_imported()}
    used = {each.get_name() for each in symbols if each.is_referenced()}
    inside: set[str] = set()
    scopes = table.get_children()
    while scopes:
        scope = scopes.pop()
        scopes += scope.get_children()
        inside |= {each.get_name() for each in scope.get_symbols() if each.is_global()}
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return Names(bound, set(), used, inside - bound)
    if not isinstance(statement, ast.Assign | ast.Import | ast.ImportFrom):
        used |= bound  # `x += 1` and `if ...: x = 1` need what x was before
    changed = {_root(node) for node in ast.walk(statement) if _changes(node)} & used
    return Names(bound, changed, used | inside, set())


def _changes(node: ast.AST) -> bool:
    """Whether a node is `x[0] = ...`, `x.y = ...` or a call `x.append(...)` by itself."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute)
    return isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store)


def _root(node: ast.AST) -> str:
    """Find the name that an expression such as `x.y[0].z()` starts with, or ""."""
    while isinstance(node, ast.Expr | ast.Call | ast.Subscript | ast.Attribute):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def needed_for(name: str, program: list[ast.stmt]) -> list[ast.stmt]:
    """Choose the statements that ``name`` needs: its last definition, and what that uses.

    The definition finds what it found when the notebook had been run down to it.
    """
    names = [names_of(statement) for statement in program]
    where: dict[str, list[int]] = {}
    for index, each in enumerate(names):
        for touched in each.bound | each.changed:
            where.setdefault(touched, []).append(index)
    definitions = [index for index, each in enumerate(names) if name in each.bound]
    if not definitions:
        return []
    end = definitions[-1] + 1
    chosen = {index for index, each in enumerate(program) if _imports_all(each)}
    todo = [(name, len(program))]
    while todo:
        wanted, before = todo.pop()
        touching = where.get(wanted, [])
        # A function may use what is defined below it.
        touching = [index for index in touching if index < before] or touching
        bindings = [index for index in touching if wanted in names[index].bound]
        if bindings and isinstance(program[bindings[-1]], ast.Import | ast.ImportFrom):
            touching = bindings[-1:]  # calls such as `nn.init.ones_(x)` don't change `nn`
        for place in reversed(touching):
            if place not in chosen:
                chosen.add(place)
                todo += [(used, place) for used in names[place].used]
                todo += [(used, end) for used in names[place].used_later]
            if wanted in names[place].bound:
                break
    return [program[place] for place in sorted(chosen)]


def _imports_all(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*"


def define(name: str, program: list[ast.stmt]) -> tuple[Any, Exception | None]:
    """Run what ``name`` needs.

    Returns
    -------
    value
        Of ``name``.
    problem
        The first error on the way, if any: an import of what isn't here, say, that may not be
        needed after all.

    Raises
    ------
    LookupError
        If the notebook defines no such name.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    problem = None
    for statement in needed_for(name, program):
        # Annotations are not looked up: they may name what isn't here.
        module = ast.Module([_FUTURE, statement], type_ignores=[])
        try:
            exec(compile(module, "<notebook>", "exec"), namespace)
        except Exception as error:
            problem = problem or error
    if name not in namespace:
        raise problem or LookupError(f"the notebook defines no {name}")
    return namespace[name], problem


_FUTURE = ast.parse("from __future__ import annotations").body[0]
