"""The types of a part's fields: each reads text with a unit, refuses what cannot be, and names a base unit.

Python code may give plain numbers, in base units: bytes, bytes a second, cycles, Hz, mm, W, pJ. A chip file may not,
because a number without a unit is a mistake waiting to happen.
"""

from __future__ import annotations

from fractions import Fraction
from numbers import Integral
from typing import Annotated, TypeAlias

from pydantic import PlainValidator, ValidationInfo

from memsim.hierarchy.problems import problem, shown
from memsim.hierarchy.units import (
    ACCESS_ENERGY,
    AREA,
    BANDWIDTH,
    BIT_AREA,
    CAPACITANCE,
    CLOCK_ENERGY,
    DENSITY,
    EVENT_ENERGY,
    FREQUENCY,
    GATE_DELAY,
    LENGTH,
    MAC_AREA,
    MAC_ENERGY,
    NODE,
    OP_ENERGY,
    POWER,
    POWER_DENSITY,
    SIZE,
    TIME,
    VOLTAGE,
    WIRE_DELAY,
    WIRE_ENERGY,
    Duration,
    Quantity,
    Rate,
    exact,
    is_number,
    parse,
)

MOST_CORES = 1 << 16
"""Largest number of cores of a chip: each has its own state in the engines."""


def _from_file(info: ValidationInfo) -> bool:
    return bool(info.context and info.context.get("file"))


def _signed(value: object, quantity: Quantity, info: ValidationInfo, *, zero: bool) -> tuple[Fraction, str]:
    number, unit = parse(value, quantity, units_needed=_from_file(info))
    if number < 0 or (number == 0 and not zero):
        least = "at least 0" if zero else "more than 0"
        raise problem(f"{shown(value)} must be {least}", f'write {quantity.noun}, such as "{quantity.example}"')
    return number, unit


def _size(value: object, info: ValidationInfo) -> int:
    number, _ = _signed(value, SIZE, info, zero=False)
    if number.denominator != 1 or number > 1 << 60:
        raise problem(f"{shown(value)} is not a whole number of bytes below 2^60", 'write such as "256 KiB"')
    return int(number)


def _rate(value: object, info: ValidationInfo) -> Rate:
    if isinstance(value, Rate):
        value = str(value)
    number, unit = _signed(value, BANDWIDTH, info, zero=False)
    return Rate(number, "cycle" if unit == "B/cycle" else "s")


def _duration(value: object, info: ValidationInfo) -> Duration:
    if isinstance(value, Duration):
        value = str(value)
    number, unit = _signed(value, TIME, info, zero=True)
    return Duration(number, "cycle" if unit == "cycle" else "s")


def _frequency(value: object, info: ValidationInfo) -> Fraction:
    return _signed(value, FREQUENCY, info, zero=False)[0]


def _real(quantity: Quantity, *, zero: bool = True) -> PlainValidator:
    def read(value: object, info: ValidationInfo) -> float:
        return float(_signed(value, quantity, info, zero=zero)[0])

    return PlainValidator(read)


def _positive(value: object, mend: str) -> Fraction:
    if not (isinstance(value, str) or is_number(value)):
        raise problem(f"{shown(value)} is not a number", mend)
    number = exact(value, mend)
    if number <= 0:
        raise problem(f"{shown(value)} must be more than 0", mend)
    return number


def _factor_of(value: object) -> Fraction:
    return _positive(value, 'write a number above 0, such as 2 or "1/2"')


def _share(value: object) -> Fraction:
    mend = 'write a number above 0 and up to 1, such as 0.9 or "9/10"'
    number = _positive(value, mend)
    if number > 1:
        raise problem(f"{shown(value)} is more than 1", mend)
    return number


def _between_0_and_1(value: object) -> float:
    mend = "write a number from 0 to 1, such as 0.5"
    if not is_number(value):
        raise problem(f"{shown(value)} is not a number", mend)
    number = exact(value, mend)
    if not 0 <= number <= 1:
        raise problem(f"{shown(value)} is not from 0 to 1", mend)
    return float(number)


def _ratio(value: object) -> float:
    mend = "write a number of at least 0, such as 1.5"
    if not is_number(value):
        raise problem(f"{shown(value)} is not a number", mend)
    number = exact(value, mend)
    if number < 0:
        raise problem(f"{shown(value)} must be at least 0", mend)
    return float(number)


def whole(value: object, *, most: int = 1 << 20) -> int:
    """A count of things, from 1 to ``most``."""
    mend = f"write a whole number from 1 to {most}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise problem(f"{shown(value)} is not a whole number", mend)
    if not 1 <= int(value) <= most:
        raise problem(f"{shown(value)} is not from 1 to {most}", mend)
    return int(value)


def _point(value: object, info: ValidationInfo) -> tuple[float, float]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise problem(f"{shown(value)} is not a pair of lengths", 'write such as ["2 mm", "1.5 mm"]')
    x, y = (float(_signed(v, LENGTH, info, zero=True)[0]) for v in value)
    return x, y


def _pitch(value: object, info: ValidationInfo) -> tuple[float, float]:
    pair = value if isinstance(value, (list, tuple)) else (value, value)
    x, y = _point(pair, info)
    if not (x and y):
        raise problem(f"{shown(value)} must be more than 0", 'write such as "2 mm" or ["2 mm", "1.5 mm"]')
    return x, y


def _points(value: object, info: ValidationInfo) -> tuple[tuple[float, float], ...]:
    if not isinstance(value, (list, tuple)):
        raise problem(f"{shown(value)} is not a list of places", 'write such as [["0 mm", "4 mm"]]')
    return tuple(_point(v, info) for v in value)


def _grid(value: object) -> tuple[int, int]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise problem(f"{shown(value)} is not [columns, rows]", "write such as [4, 4]")
    columns, rows = (whole(v) for v in value)
    if columns * rows > MOST_CORES:
        raise problem(f"{columns} x {rows} cores are more than {MOST_CORES}", "model a part of the chip")
    return columns, rows


Bytes: TypeAlias = Annotated[int, PlainValidator(_size), SIZE]
Bandwidth: TypeAlias = Annotated[Rate, PlainValidator(_rate), BANDWIDTH]
Time: TypeAlias = Annotated[Duration, PlainValidator(_duration), TIME]
Hertz: TypeAlias = Annotated[Fraction, PlainValidator(_frequency), FREQUENCY]
Watts: TypeAlias = Annotated[float, _real(POWER), POWER]
BitEnergy: TypeAlias = Annotated[float, _real(ACCESS_ENERGY), ACCESS_ENERGY]
WireEnergy: TypeAlias = Annotated[float, _real(WIRE_ENERGY), WIRE_ENERGY]
MacEnergy: TypeAlias = Annotated[float, _real(MAC_ENERGY), MAC_ENERGY]
OpEnergy: TypeAlias = Annotated[float, _real(OP_ENERGY), OP_ENERGY]
EventEnergy: TypeAlias = Annotated[float, _real(EVENT_ENERGY), EVENT_ENERGY]
Area: TypeAlias = Annotated[float, _real(AREA), AREA]
BitArea: TypeAlias = Annotated[float, _real(BIT_AREA), BIT_AREA]
MacArea: TypeAlias = Annotated[float, _real(MAC_AREA), MAC_AREA]
Density: TypeAlias = Annotated[float, _real(DENSITY), DENSITY]
PowerDensity: TypeAlias = Annotated[float, _real(POWER_DENSITY), POWER_DENSITY]
ClockEnergy: TypeAlias = Annotated[float, _real(CLOCK_ENERGY), CLOCK_ENERGY]
Volts: TypeAlias = Annotated[float, _real(VOLTAGE, zero=False), VOLTAGE]
Capacitance: TypeAlias = Annotated[float, _real(CAPACITANCE), CAPACITANCE]
WireDelay: TypeAlias = Annotated[float, _real(WIRE_DELAY), WIRE_DELAY]
GateDelay: TypeAlias = Annotated[float, _real(GATE_DELAY), GATE_DELAY]
Node: TypeAlias = Annotated[float, _real(NODE, zero=False), NODE]
Fraction01: TypeAlias = Annotated[float, PlainValidator(_between_0_and_1)]
"""A share from 0 to 1, both included."""
Ratio: TypeAlias = Annotated[float, PlainValidator(_ratio)]
"""A plain number of at least 0."""
Count: TypeAlias = Annotated[int, PlainValidator(whole)]
Share: TypeAlias = Annotated[Fraction, PlainValidator(_share)]
Factor: TypeAlias = Annotated[Fraction, PlainValidator(_factor_of)]
Pitch: TypeAlias = Annotated[tuple[float, float], PlainValidator(_pitch), LENGTH]
Point: TypeAlias = Annotated[tuple[float, float], PlainValidator(_point), LENGTH]
Points: TypeAlias = Annotated[tuple[tuple[float, float], ...], PlainValidator(_points), LENGTH]
Grid: TypeAlias = Annotated[tuple[int, int], PlainValidator(_grid)]
