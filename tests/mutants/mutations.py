"""Small faults that can be put into a pure module, one at a time: what a slip of the pen would do."""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
CHANGED = (
    ast.Compare,
    ast.BinOp,
    ast.BoolOp,
    ast.UnaryOp,
    ast.AugAssign,
    ast.Constant,
    ast.Continue,
)
NAMES = {"max": "min", "min": "max", "any": "all", "all": "any"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one fault: where it is and what became of what stood there."""

    line: int
    before: str
    after: str
    tree: ast.Module


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module. Annotations, docstrings, `__all__` and sentences for people are left
    alone."""
    tree = ast.parse(source)
    for number, node in enumerate(_places(tree)):
        for variant in range(len(_variants(node))):
            changed = copy.deepcopy(tree)
            place = _places(changed)[number]
            before = ast.unparse(place)
            after = _variants(place)[variant]
            _Replace(place, after).visit(changed)
            ast.fix_missing_locations(changed)
            yield Mutant(getattr(node, "lineno", 0), before, ast.unparse(after), changed)


class _Replace(ast.NodeTransformer):
    def __init__(self, place: ast.AST, after: ast.AST) -> None:
        self._place = place
        self._after = after

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self._place:
            return ast.copy_location(self._after, self._place)
        return self.generic_visit(node)


def _places(tree: ast.Module) -> list[ast.AST]:
    """The nodes that can be changed, always in the same order."""
    found: list[ast.AST] = []

    def walk(node: ast.AST) -> None:
        if _is_left_alone(node):
            return
        named = isinstance(node, ast.Name) and node.id in NAMES
        if named or isinstance(node, CHANGED):
            found.append(node)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_params"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    walk(child)

    walk(tree)
    return found


def _is_left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True  # a docstring
    if isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr | ast.Raise):
        return True  # names, and sentences for people
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(
        isinstance(target, ast.Name) and (target.id == "__all__" or _is_type(node)) for target in targets
    )


def _is_type(node: ast.AST) -> bool:
    """An alias such as `Floor = Literal["NORM", ...]`: a type, checked by mypy."""
    value = node.value if isinstance(node, ast.Assign) else None
    return isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name)


def _variants(node: ast.AST) -> list[ast.AST]:
    """What can become of a node: other nodes of the same place."""
    changed = copy.copy(node)
    if isinstance(node, ast.Compare) and isinstance(changed, ast.Compare):
        changed.ops = [COMPARISONS[type(node.ops[0])](), *node.ops[1:]]
    elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(changed, ast.BinOp | ast.AugAssign):
        if type(node.op) not in OPERATORS:
            return []
        changed.op = OPERATORS[type(node.op)]()
    elif isinstance(node, ast.BoolOp) and isinstance(changed, ast.BoolOp):
        changed.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.UnaryOp):
        return [node.operand]
    elif isinstance(node, ast.Continue):
        return [ast.Break()]
    elif isinstance(node, ast.Name):
        return [ast.Name(NAMES[node.id], node.ctx)]
    elif isinstance(node, ast.Constant):
        return _constants(node.value)
    return [changed]


def _constants(value: object) -> list[ast.AST]:
    if isinstance(value, bool):
        return [ast.Constant(not value)]
    if isinstance(value, int):
        return [ast.Constant(value + 1)]
    if isinstance(value, str) and value and " " not in value:
        return [ast.Constant(value + "?")]
    return []
