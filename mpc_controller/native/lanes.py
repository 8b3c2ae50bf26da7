"""CasADi functions to C text whose numbers are vectors: the same function of several points at once, one point a lane."""

from __future__ import annotations

import re
from collections.abc import Sequence

import casadi as ca

from mpc_controller.native.codegen import generate_c

_NAME = r"-?[aw]\d+"
_NUMBER = r"-?(?:\d+\.?\d*(?:e[-+]?\d+)?|inf|nan)"
_OPERAND = rf"(?:{_NAME}|{_NUMBER})"
_UNARY = "sin|cos|tan|sqrt|fabs|exp|log|asin|acos|atan|sinh|cosh|tanh|floor|ceil"
_BINARY = "atan2|pow|fmin|fmax"
# Statements of CasADi's code and what they become; a statement that none of these matches cannot be translated.
_STATEMENTS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(\w+)=arg\[(\d+)\]\? arg\[\2\]\[(\d+)\] : 0;", r"\1=arg[\2]? arg[\2][\3] : (vec){0};"),
        (rf"(\w+)=({_NUMBER});", r"\1=splat(\2);"),
        (rf"\w+=\({_OPERAND}[-+*/]{_OPERAND}\);", r"\g<0>"),
        (rf"\w+=\(?{_NAME}\)?;", r"\g<0>"),
        (rf"(\w+)=\w*casadi_sq\(({_NAME})\);", r"\1=(\2*\2);"),
        (rf"(\w+)=\w*?({_UNARY})\(({_NAME})\);", r"\1=lanes_\2(\3);"),
        (rf"(\w+)=\w*?({_BINARY})\(({_NAME}),({_NAME})\);", r"\1=lanes_\2(\3,\4);"),
        (rf"(\w+)=\(({_NAME})(<|<=|==|!=)({_NAME})\);", r"\1=lanes_truth(\2\3\4);"),
        (rf"(\w+)=\(({_NAME})(&&|\|\|)({_NAME})\);", r"\1=lanes_truth(lanes_holds(\2)\3lanes_holds(\4));"),
        (rf"(\w+)=\(!({_NAME})\);", r"\1=lanes_truth(~lanes_holds(\2));"),
        (rf"(\w+)=\(({_NAME})\?({_NAME}):0\);", r"\1=choose(lanes_holds(\2),\3,(vec){0});"),
        (r"if \(res\[(\d+)\]!=0\) res\[\1\]\[\d+\]=\w+;", r"\g<0>"),
        (r"\w+ = w\[\d+\];|w\[\d+\] = \w+;", r"\g<0>"),
        (r"arg\[\d+\] = arg\[\d+\]\? arg\[\d+\] \+ \d+ : 0;|(?:arg|res)\[\d+\]=w\+\d+;", r"\g<0>"),
        (r"if \(casadi_(f\d+)\((.*)\)\) return 1;", r"if (lanes_\1(\2)) return 1;"),
        (r"return casadi_(f\d+)\(arg, res, iw, w, mem\);", r"return lanes_\1(arg, res, iw, w, mem);"),
        (r"return 0;", r"\g<0>"),
    )
)
_FUNCTION = re.compile(
    r"^(static|CASADI_SYMBOL_EXPORT) int (?:casadi_)?(\w+)\(const casadi_real\*\* arg.*?^}", re.MULTILINE | re.DOTALL
)


def generate_lanes(functions: Sequence[ca.Function]) -> str | None:
    """One C text with `int f_lanes(const vec **arg, vec **res, long long *iw, vec *w, int mem)` for every function f.

    None when one of them holds what has no translation. See kernels/lanes.h.
    """
    lines = ['#include "lanes.h"']
    exported = {function.name() for function in functions}
    for match in _FUNCTION.finditer(generate_c(functions)):
        kind, name = match.groups()
        if kind != "static" and name not in exported:
            continue
        head = f"static int lanes_{name}" if kind == "static" else f"int {name}_lanes"
        lines.append(f"{head}(const vec **arg, vec **res, long long *iw, vec *w, int mem) {{")
        for statement in match.group(0).splitlines()[1:-1]:
            text = statement.strip()
            translated = f"vec {text.removeprefix('casadi_real ')}" if text.startswith("casadi_real ") else _translated(text)
            if translated is None:
                return None
            lines.append(translated)
        lines.append("}")
    return "\n".join(lines) + "\n"


def _translated(statement: str) -> str | None:
    for pattern, replacement in _STATEMENTS:
        match = pattern.fullmatch(statement)
        if match:
            return match.expand(replacement).replace("&&", "&").replace("||", "|")
    return None
