"""Polynomials as runs of terms in one arena, and the evaluation of programs over them; compiled.

A polynomial is a run of (monomial, coefficient) pairs in the order of the monomials. All runs lie in one arena; a run
that outgrows its room moves to the arena's end, and the arena is packed when it is full. A monomial is one number:
``v + 1`` for the input ``v``, ``(u + 1) (inputs + 1) + v + 1`` for the product of the inputs ``u <= v``.

``spans`` has the start, the length and the room of each slot's run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from memsim.compiled import bare_inlined, compiled
from memsim.locality.scalar.instructions import Op
from memsim.locality.shells import Array

BOUND = 2**62
"""Coefficients are kept below this in size, so that the sum of two fits int64."""

SHORT = 8
"""Terms that are put into another run one by one, rather than by merging two runs."""

FINE, DEGREE, COEFFICIENT, TERMS = range(4)
"""How evaluation ended: at the end, or with a degree above two, a coefficient too large or too many terms."""

_ADD, _MUL, _COPY = int(Op.ADD), int(Op.MUL), int(Op.COPY)


@compiled
def evaluate(ops: Array, operands: Array, inputs: int, slots: int, limit: int) -> Any:
    """Run a program over polynomials: a status, the instruction that it is about, and the runs of all slots.

    Room for what an instruction may need is made before it runs, so that nothing moves meanwhile.
    """
    keys, coefficients = np.empty(4 * slots + 1024, np.int64), np.empty(4 * slots + 1024, np.int64)
    spans = np.zeros((slots, 3), np.int64)
    for slot in range(slots):
        spans[slot, 0], spans[slot, 1], spans[slot, 2] = slot, slot < inputs, 1
        keys[slot], coefficients[slot] = slot + 1, 1
    top = slots
    for i in range(len(ops)):
        op, d, a = ops[i], operands[i, 0], operands[i, 1]
        b = a if op == _COPY else operands[i, 2]
        needed = spans[a, 1] * spans[b, 1] if op == _MUL else 2 * (spans[a, 1] + spans[b, 1] + 1)
        if top + needed > len(keys):
            if needed > limit or spans[:, 1].sum() > limit:
                return TERMS, i, keys, coefficients, spans
            keys, coefficients, top = _pack(keys, coefficients, spans, needed)
        if op == _MUL:
            end, status, ordered = _multiply(keys, coefficients, spans, a, b, inputs + 1, top)
            if not ordered:
                end, status = _sort(keys, coefficients, top, end)
            if status == FINE:
                top = _settle(keys, coefficients, spans, d, end - top, top)
        elif op == _COPY:
            top, status = _copy(keys, coefficients, spans, d, a, top), FINE
        else:
            top, status = _add(keys, coefficients, spans, d, a, b, 1 if op == _ADD else -1, top)
        if status != FINE:
            return status, i, keys, coefficients, spans
    return FINE, len(ops), keys, coefficients, spans


@compiled
def _pack(keys: Array, coefficients: Array, spans: Array, needed: int) -> tuple[Array, Array, int]:
    """Move all runs to a new arena, without gaps, with as much free as is needed and more."""
    live = 0
    for slot in range(len(spans)):
        live += max(spans[slot, 1], 1)
    size = 4 * live + needed
    new_keys, new_coefficients = np.empty(size, np.int64), np.empty(size, np.int64)
    top = 0
    for slot in range(len(spans)):
        start, length = spans[slot, 0], spans[slot, 1]
        for i in range(length):
            new_keys[top + i], new_coefficients[top + i] = keys[start + i], coefficients[start + i]
        spans[slot, 0], spans[slot, 2] = top, max(length, 1)
        top += max(length, 1)
    return new_keys, new_coefficients, top


@bare_inlined
def _add(
    keys: Array, coefficients: Array, spans: Array, d: int, a: int, b: int, sign: int, top: int
) -> tuple[int, int]:
    """``d = a + b`` or ``a - b``; returns the arena's new end and a status."""
    if d == b and sign > 0:
        a, b = b, a
    if d == a and d != b and spans[b, 1] <= SHORT:
        top = _make_room(keys, coefficients, spans, d, spans[a, 1] + spans[b, 1], top)
        for i in range(spans[b, 0], spans[b, 0] + spans[b, 1]):
            if not _insert(keys, coefficients, spans, d, keys[i], sign * coefficients[i]):
                return top, COEFFICIENT
        return top, FINE
    i, last = spans[a, 0], spans[a, 0] + spans[a, 1]
    j, final = spans[b, 0], spans[b, 0] + spans[b, 1]
    at = top
    while i < last or j < final:
        if j == final or (i < last and keys[i] < keys[j]):
            keys[at], coefficients[at] = keys[i], coefficients[i]
            i += 1
        elif i == last or keys[j] < keys[i]:
            keys[at], coefficients[at] = keys[j], sign * coefficients[j]
            j += 1
        else:
            keys[at], coefficients[at] = keys[i], coefficients[i] + sign * coefficients[j]
            i += 1
            j += 1
        if abs(coefficients[at]) >= BOUND:
            return top, COEFFICIENT
        at += coefficients[at] != 0
    return _settle(keys, coefficients, spans, d, at - top, top), FINE


@bare_inlined
def _insert(keys: Array, coefficients: Array, spans: Array, d: int, key: int, coefficient: int) -> bool:
    """Add one term to a run that has room for it; whether its coefficient stays within bounds."""
    start = spans[d, 0]
    end = start + spans[d, 1]
    at = end
    if at > start and keys[at - 1] >= key:  # most sums grow at their end
        at = _place(keys, start, end, key)
    if at < end and keys[at] == key:
        coefficients[at] += coefficient
        if coefficients[at] == 0:
            for i in range(at, end - 1):
                keys[i], coefficients[i] = keys[i + 1], coefficients[i + 1]
            spans[d, 1] -= 1
            return True
        return bool(abs(coefficients[at]) < BOUND)
    for i in range(end, at, -1):
        keys[i], coefficients[i] = keys[i - 1], coefficients[i - 1]
    keys[at], coefficients[at] = key, coefficient
    spans[d, 1] += 1
    return True


@bare_inlined
def _place(keys: Array, start: int, end: int, key: int) -> int:
    """The first place of a run whose monomial is ``key`` or later."""
    while start < end:
        middle = (start + end) // 2
        if keys[middle] < key:
            start = middle + 1
        else:
            end = middle
    return start


@bare_inlined
def _multiply(
    keys: Array, coefficients: Array, spans: Array, a: int, b: int, radix: int, top: int
) -> tuple[int, int, bool]:
    """Put the terms of ``a b`` at the arena's end; returns where they end, a status, and whether they are in order."""
    at, ordered = top, True
    for i in range(spans[a, 0], spans[a, 0] + spans[a, 1]):
        for j in range(spans[b, 0], spans[b, 0] + spans[b, 1]):
            u, v = keys[i], keys[j]
            if u >= radix or v >= radix:
                return top, DEGREE, True
            if abs(np.float64(coefficients[i]) * np.float64(coefficients[j])) >= BOUND // 2:
                return top, COEFFICIENT, True
            keys[at], coefficients[at] = min(u, v) * radix + max(u, v), coefficients[i] * coefficients[j]
            ordered = ordered and (at == top or keys[at - 1] < keys[at])
            at += 1
    return at, FINE, ordered


@compiled
def _sort(keys: Array, coefficients: Array, start: int, end: int) -> tuple[int, int]:
    """Put terms in order and add up those with one monomial; returns their new end and a status."""
    order = np.argsort(keys[start:end], kind="mergesort")
    old_keys, old_coefficients = keys[start:end][order], coefficients[start:end][order]
    at, i = start, 0
    while i < len(order):
        keys[at], coefficients[at] = old_keys[i], old_coefficients[i]
        i += 1
        while i < len(order) and old_keys[i] == keys[at]:
            coefficients[at] += old_coefficients[i]
            if abs(coefficients[at]) >= BOUND:
                return start, COEFFICIENT
            i += 1
        at += coefficients[at] != 0
    return at, FINE


@bare_inlined
def _copy(keys: Array, coefficients: Array, spans: Array, d: int, a: int, top: int) -> int:
    """``d = a``; returns the arena's new end."""
    if d == a:
        return top
    spans[d, 1] = 0
    top = _make_room(keys, coefficients, spans, d, spans[a, 1], top)
    for i in range(spans[a, 1]):
        keys[spans[d, 0] + i], coefficients[spans[d, 0] + i] = keys[spans[a, 0] + i], coefficients[spans[a, 0] + i]
    spans[d, 1] = spans[a, 1]
    return top


@bare_inlined
def _make_room(keys: Array, coefficients: Array, spans: Array, d: int, wanted: int, top: int) -> int:
    """Move a run to the arena's end, with room for twice what is wanted, unless it fits; returns the new end."""
    if wanted <= spans[d, 2]:
        return top
    for i in range(spans[d, 1]):
        keys[top + i], coefficients[top + i] = keys[spans[d, 0] + i], coefficients[spans[d, 0] + i]
    spans[d, 0], spans[d, 2] = top, 2 * wanted
    return top + 2 * wanted


@bare_inlined
def _settle(keys: Array, coefficients: Array, spans: Array, d: int, length: int, top: int) -> int:
    """Make the terms at the arena's end the run of ``d``: in its own room if they fit; returns the new end."""
    spans[d, 1] = length
    if length > spans[d, 2]:
        spans[d, 0], spans[d, 2] = top, length
        return top + length
    for i in range(length):
        keys[spans[d, 0] + i], coefficients[spans[d, 0] + i] = keys[top + i], coefficients[top + i]
    return top


@compiled
def first_wrong(keys: Array, coefficients: Array, spans: Array, outputs: Array, m: int, k: int, n: int) -> int:
    """The first output that is not its entry of the product; -1 if there is none."""
    radix = m * k + k * n + 1
    for i in range(len(outputs)):
        row, column = i // n, i % n
        start = spans[outputs[i], 0]
        right = spans[outputs[i], 1] == k
        for t in range(k if right else 0):
            key = (row * k + t + 1) * radix + m * k + t * n + column + 1
            right = right and keys[start + t] == key and coefficients[start + t] == 1
        if not right:
            return i
    return -1
