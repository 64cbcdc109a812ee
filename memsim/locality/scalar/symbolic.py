"""Proof that a program computes a matrix product: each output as a polynomial of the inputs, exactly.

A program of ``add``, ``sub``, ``mul`` and ``copy`` over unbounded integers computes polynomials with integer
coefficients, and two polynomials that agree for all integers have the same coefficients. So a program is right when
each of its outputs is, as a polynomial, the sum of products that it should be; nothing is left to chance. Degrees above
two are refused, as in the Sutro Group's public rules of autumn 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

from memsim.errors import ProgramError
from memsim.locality.scalar._runs import BOUND, COEFFICIENT, DEGREE, FINE, TERMS, evaluate, first_wrong
from memsim.locality.scalar.dally1 import check_machine
from memsim.locality.scalar.program import ScalarProgram, check_initialised

Monomial = tuple[int, ...]
"""The numbers of the inputs that are multiplied, ascending; one or two."""

MAX_TERMS = 2**26
"""Terms of all polynomials that live at a time; 16 bytes each."""

SHOWN = 8
"""Terms of a polynomial that a message shows."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether a program computes a matrix product.

    Attributes
    ----------
    holds
        ``True`` or ``False``, for all integers; ``None`` where that was not decided.
    reason
        How it was proved; or the first wrong output, what it computes and what it should; or why it was not decided.
    shape
        ``(m, k, n)``: the inputs are A, m x k, then B, k x n, the outputs C, m x n, each row by row.
    """

    holds: bool | None
    reason: str
    shape: tuple[int, int, int]


def prove_product(program: ScalarProgram, shape: tuple[int, int, int] | None = None) -> Proof:
    """Prove that a program computes ``C = A B`` over the integers, or find the first output that is wrong.

    Parameters
    ----------
    program
        Of ``add``, ``sub``, ``mul`` and ``copy``.
    shape
        ``(m, k, n)``; of two square matrices, unless given.

    Raises
    ------
    ProgramError
        If the program has another instruction, reads what was never written, or has not the inputs and outputs of
        the shape.
    """
    check_machine(program, "matmul")
    check_initialised(program)
    shape = _shape(program, shape)
    runs = _Runs(program)
    if runs.status != FINE:
        return Proof(False if runs.status == DEGREE else None, runs.complaint(), shape)
    wrong = first_wrong(runs.keys, runs.coefficients, runs.spans, program.outputs, *shape)
    if wrong >= 0:
        return Proof(False, _difference(runs.polynomial(wrong), wrong, program, shape), shape)
    m, k, n = shape
    sums = "product" if k == 1 else f"sum of {k} products"
    return Proof(True, f"proved for all integers: each of the {m * n} outputs is its {sums} of inputs", shape)


def polynomials(program: ScalarProgram) -> list[dict[Monomial, int]]:
    """What each output of a program computes: the coefficient of each monomial that has one.

    Raises
    ------
    ProgramError
        If the program has an instruction besides ``add``, ``sub``, ``mul`` and ``copy``, reads what was never written,
        or computes what has a degree above two, a coefficient of `BOUND` or more, or more than `MAX_TERMS` terms.
    """
    check_machine(program, "matmul")
    check_initialised(program)
    runs = _Runs(program)
    if runs.status != FINE:
        raise ProgramError(runs.complaint(), mend="use programs of degree two with smaller coefficients")
    return [runs.polynomial(i) for i in range(len(program.outputs))]


class _Runs:
    """The polynomial of each slot after the last instruction, or the instruction at which that had to end."""

    def __init__(self, program: ScalarProgram) -> None:
        self._program = program
        self._inputs = len(program.inputs)
        self.status, self._at, self.keys, self.coefficients, self.spans = evaluate(
            program.ops, program.operands, self._inputs, len(program.addresses), MAX_TERMS
        )

    def complaint(self) -> str:
        """Why evaluation ended, and where."""
        place, text = self._program.place(self._at), self._program.instruction(self._at)
        return {
            DEGREE: f"{place}: `{text}` makes a product of more than two inputs; a matrix product needs two",
            COEFFICIENT: f"not decided: {place}: `{text}` makes a coefficient of 2^62 or more",
            TERMS: f"not decided: {place}: the polynomials have more than {MAX_TERMS:,} terms",
        }[self.status]

    def polynomial(self, output: int) -> dict[Monomial, int]:
        """What an output computes."""
        start, length, _ = self.spans[self._program.outputs[output]].tolist()
        keys, coefficients = (column[start : start + length].tolist() for column in (self.keys, self.coefficients))
        pairs = (divmod(key, self._inputs + 1) for key in keys)
        monomials = ((v - 1,) if u == 0 else (u - 1, v - 1) for u, v in pairs)
        return dict(zip(monomials, coefficients, strict=True))


# Shapes and messages ------------------------------------------------------------------------------------------------


def _shape(program: ScalarProgram, shape: tuple[int, int, int] | None) -> tuple[int, int, int]:
    """The shape that was given, or that of two square matrices; the program has its inputs and outputs."""
    counts = len(program.inputs), len(program.outputs)
    n = isqrt(counts[1])
    m, k, n = shape if shape is not None else (n, n, n)
    if min(m, k, n) >= 1 and counts == (m * k + k * n, m * n):
        return m, k, n
    wanted = f"a product of {m} x {k} and {k} x {n}" if shape is not None else "a product of two square matrices"
    needs = f"{m * k + k * n} inputs and {m * n} outputs" if shape is not None else "2 n^2 inputs and n^2 outputs"
    raise ProgramError(
        f"{counts[0]} inputs and {counts[1]} outputs are not those of {wanted}, {needs}",
        where=program.end(),
        mend="name A and then B, row by row, on the first line, and C on the last; give the shape if it is not square",
    )


def _difference(found: dict[Monomial, int], output: int, program: ScalarProgram, shape: tuple[int, int, int]) -> str:
    """What an output computes, and what it should; the difference alone, where that is easier to read."""
    m, k, n = shape
    row, column = divmod(output, n)
    wanted: dict[Monomial, int] = {(row * k + t, m * k + t * n + column): 1 for t in range(k)}
    name = f"output {output} (address {program.addresses[program.outputs[output]]})"
    if max(len(found), len(wanted)) <= SHOWN:
        return f"{name} is {_text(found, shape)}; it should be {_text(wanted, shape)}"
    terms = sorted({*found, *wanted})
    rest = {term: found.get(term, 0) - wanted.get(term, 0) for term in terms}
    rest = {term: coefficient for term, coefficient in rest.items() if coefficient}
    return f"{name}, less C[{row},{column}], which it should be, is {_text(rest, shape)}; it should be 0"


def _text(polynomial: dict[Monomial, int], shape: tuple[int, int, int]) -> str:
    """A polynomial in the entries of A and B; no more than its first `SHOWN` terms."""
    words = ""
    for term, coefficient in list(polynomial.items())[:SHOWN]:
        size = "" if abs(coefficient) == 1 else f"{abs(coefficient)}*"
        sign = (" - " if words else "-") if coefficient < 0 else (" + " if words else "")
        words += sign + size + "*".join(_entry(v, shape) for v in term)
    left = len(polynomial) - SHOWN
    return (words or "0") + (f" and {left} terms more" if left > 0 else "")


def _entry(number: int, shape: tuple[int, int, int]) -> str:
    """The entry of A or B that an input is."""
    m, k, n = shape
    row, column = divmod(number, k) if number < m * k else divmod(number - m * k, n)
    return f"{'A' if number < m * k else 'B'}[{row},{column}]"


__all__ = ["BOUND", "MAX_TERMS", "Monomial", "Proof", "polynomials", "prove_product"]
