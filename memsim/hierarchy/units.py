"""Quantities as text with a unit: sizes, rates, durations, frequencies, lengths, powers and energies.

Numbers are read exactly, as `fractions.Fraction`: 3 GHz has a period of 1/3000000000 s, not of 333 ps. Units are
decimal with SI prefixes (``kB`` is 1000 bytes) and binary with IEC ones (``KiB`` is 1024 bytes).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

from memsim.hierarchy.problems import nearest, problem, shown

if TYPE_CHECKING:
    import pint


@dataclass(frozen=True, slots=True)
class Rate:
    """A bandwidth: ``value`` bytes per second or per cycle of the core clock."""

    value: Fraction
    per: Literal["s", "cycle"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", Fraction(self.value))

    def __str__(self) -> str:
        return f"{decimal(self.value)} B/cycle" if self.per == "cycle" else f"{scaled(self.value)}B/s"


@dataclass(frozen=True, slots=True)
class Duration:
    """A time: ``value`` seconds, or cycles of the core clock."""

    value: Fraction
    unit: Literal["s", "cycle"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", Fraction(self.value))

    def __str__(self) -> str:
        return f"{decimal(self.value)} cycles" if self.unit == "cycle" else f"{scaled(self.value)}s"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A kind of number in a chip description: what it is, its units (the first is the base) and an example."""

    noun: str
    units: tuple[str, ...]
    example: str


SIZE = Quantity("a size in bytes", ("B",), "256 KiB")
BANDWIDTH = Quantity("a bandwidth", ("B/s", "B/cycle"), "64 B/cycle")
TIME = Quantity("a duration", ("cycle", "s"), "30 cycles")
FREQUENCY = Quantity("a frequency", ("Hz",), "1.5 GHz")
LENGTH = Quantity("a length", ("mm",), "2 mm")
POWER = Quantity("a power", ("W",), "70 W")
ACCESS_ENERGY = Quantity("an energy per bit", ("pJ/bit",), "15 fJ/bit")
WIRE_ENERGY = Quantity("an energy per bit and millimetre", ("pJ/bit/mm",), "60 fJ/bit/mm")
MAC_ENERGY = Quantity("an energy per multiply-accumulate", ("pJ/MAC",), "0.6 pJ/MAC")
OP_ENERGY = Quantity("an energy per element operation", ("pJ/op",), "0.3 pJ/op")
EVENT_ENERGY = Quantity("an energy", ("pJ",), "20 pJ")
AREA = Quantity("an area", ("mm2",), "814 mm2")
BIT_AREA = Quantity("an area per bit", ("um2/bit",), "0.048 um2/bit")
MAC_AREA = Quantity("an area per multiply-accumulator", ("um2/MAC",), "300 um2/MAC")
DENSITY = Quantity("a density of transistors", ("MTr/mm2",), "91 MTr/mm2")
POWER_DENSITY = Quantity("a power per area", ("W/mm2",), "80 mW/mm2")
CLOCK_ENERGY = Quantity("an energy per area and cycle", ("pJ/mm2/cycle",), "85 pJ/mm2/cycle")
VOLTAGE = Quantity("a voltage", ("V",), "0.75 V")
CAPACITANCE = Quantity("a capacitance per length", ("pF/mm",), "0.42 pF/mm")
WIRE_DELAY = Quantity("a delay per length", ("ps/mm",), "400 ps/mm")
GATE_DELAY = Quantity("a delay", ("ps",), "50 ps")
NODE = Quantity("the name of a node", ("nm",), "7 nm")

_DEFINITIONS = """
femto- = 1e-15 = f-
pico- = 1e-12 = p-
nano- = 1e-9 = n-
micro- = 1e-6 = u- = µ- = μ-
milli- = 1e-3 = m-
kilo- = 1e3 = k-
mega- = 1e6 = M-
giga- = 1e9 = G-
tera- = 1e12 = T-
peta- = 1e15 = P-
kibi- = 1024 = Ki-
mebi- = 1048576 = Mi-
gibi- = 1073741824 = Gi-
tebi- = 1099511627776 = Ti-
second = [time] = s
meter = [length] = m
gram = [mass] = g
volt = [voltage] = V
kelvin = [temperature] = K
bit = [information]
byte = 8 * bit = B
joule = [energy] = J
watt = joule / second = W
hertz = 1 / second = Hz
cycle = [cycle] = cycle = clk
flop = [operation] = flop = op
mac = 2 * flop = MAC
square_millimeter = 1e-6 * meter ** 2 = mm2
square_micrometer = 1e-12 * meter ** 2 = um2
transistor = [transistor] = Tr
farad = joule / volt ** 2 = F
"""
_COMMON_UNITS = """
B KiB MiB GiB TiB kB MB GB TB B/s MB/s GB/s TB/s B/cycle B/clk cycles ns us ms s Hz MHz GHz mm um W mW
pJ/bit fJ/bit pJ/bit/mm fJ/bit/mm pJ/MAC fJ/MAC pJ/flop pJ/op fJ/op pJ nJ
mm2 um2 um2/bit um2/MAC MTr/mm2 W/mm2 mW/mm2 pJ/mm2/cycle V mV pF/mm fF/mm ps/mm ps nm
"""
_LONGEST = 80
_TEXT = re.compile(r"\s*([+-]?\d+(?:\.\d*)?(?:/\d+)?(?:[eE][+-]?\d{1,9})?|[+-]?nan|[+-]?inf)\s*(.*?)\s*", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?(/\d+)?(e[+-]?\d+)?")
_UNIT = re.compile(r"[A-Za-zµμ]+2?([*/][A-Za-zµμ]+2?){0,3}")
_LARGEST, _SMALLEST = Fraction(10) ** 30, Fraction(1, 10**30)


@cache
def _registry() -> pint.UnitRegistry[Any]:
    import pint  # 0.3 s, and only chips need it

    registry: pint.UnitRegistry[Any] = pint.UnitRegistry(None, non_int_type=Fraction)
    for line in _DEFINITIONS.strip().splitlines():
        registry.define(line)
    return registry


@cache
def _factor(unit: str, target: str) -> Fraction | str:
    """How many ``target`` a ``unit`` is; where it is none, the dimension that the unit has instead ("" if unknown)."""
    import pint

    registry = _registry()
    try:
        return Fraction(registry.convert(Fraction(1), registry.parse_units(unit), registry.parse_units(target)))
    except pint.DimensionalityError as e:
        return str(e.dim1).replace("[", "").replace("]", "") or "a plain number"
    except (pint.UndefinedUnitError, pint.DefinitionSyntaxError):
        return ""


def parse(value: object, quantity: Quantity, *, units_needed: bool = False) -> tuple[Fraction, str]:
    """Read a quantity as (exact number, unit), where the unit is one of ``quantity.units``.

    ``units_needed`` refuses numbers without a unit, zero excepted.
    """
    mend = f'write {quantity.noun}, such as "{quantity.example}"'
    if isinstance(value, str):
        return _parse_text(value, quantity, mend)
    if not is_number(value):
        raise problem(f"{shown(value)} is not {quantity.noun}", mend)
    number = exact(value, mend)
    if units_needed and number:
        raise problem(f"{shown(value)} has no unit", mend)
    return number, quantity.units[0]


def _parse_text(text: str, quantity: Quantity, mend: str) -> tuple[Fraction, str]:
    match = _TEXT.fullmatch(text) if len(text) <= _LONGEST else None
    if not match:
        raise problem(f"{shown(text)} is not {quantity.noun}", mend)
    number, unit = exact(match[1], mend), match[2].replace(" ", "")
    if not unit:
        raise problem(f"{shown(text)} has no unit", mend)
    found = [_factor(unit, target) for target in quantity.units] if _UNIT.fullmatch(unit) else [""]
    for factor, target in zip(found, quantity.units, strict=False):
        if isinstance(factor, Fraction):
            return number * factor, target
    if found[0]:
        raise problem(f"{shown(text)} is not {quantity.noun}: its unit is {found[0]}", mend)
    raise problem(f"unknown unit {shown(unit)} in {shown(text)}", f"{nearest(unit, _COMMON_UNITS.split())}; {mend}")


def is_number(value: object) -> bool:
    """Whether the value is a plain number, of Python or numpy."""
    return isinstance(value, Real) and not isinstance(value, bool)


def exact(value: object, mend: str = "") -> Fraction:
    """A number or its decimal text as an exact fraction; refuses what is not finite, or absurdly large or small."""
    text = (repr(float(value)) if isinstance(value, float) else str(value)).strip().lower()
    if text.lstrip("+-") in ("nan", "inf"):
        raise problem(f"{text} is not a finite number", mend)
    if len(text) <= _LONGEST and not _NUMBER.fullmatch(text):
        raise problem(f"{shown(text)} is not a number", mend)
    mantissa, _, exponent = text.partition("e")
    top, _, bottom = mantissa.partition("/")
    if len(text) > _LONGEST or abs(int(exponent or 0)) > 40:
        raise problem(f"{shown(text)} is out of all proportion", mend)
    if bottom and not int(bottom):
        raise problem(f"{shown(text)} divides by 0", mend)
    number = Fraction(top) / int(bottom or 1) * Fraction(10) ** int(exponent or 0)
    if number and not _SMALLEST < abs(number) < _LARGEST:
        raise problem(f"{shown(text)} is out of all proportion", mend)
    return number


# Writing ---------------------------------------------------------------------------------------------------------

_PREFIXES = ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("", 0), ("m", -3), ("u", -6), ("n", -9), ("p", -12), ("f", -15)


def decimal(number: Fraction) -> str:
    """The number as decimal text if it has one, else as ``numerator/denominator``; `exact` reads it back."""
    rest = number.denominator
    digits = 0
    for prime in (2, 5):
        power = 0
        while rest % prime == 0:
            rest, power = rest // prime, power + 1
        digits = max(digits, power)
    if rest != 1 or digits > 20:
        return f"{number.numerator}/{number.denominator}"
    whole_part, fraction = divmod(abs(number.numerator) * 10**digits // number.denominator, 10**digits)
    sign = "-" if number < 0 else ""
    return f"{sign}{whole_part}.{fraction:0{digits}d}" if digits else f"{sign}{whole_part}"


def scaled(number: Fraction) -> str:
    """The number with the SI prefix that keeps it at 1 or more, as ``"1.3 u"``; the unit's symbol follows."""
    for prefix, power in _PREFIXES:
        value = number / Fraction(10) ** power
        if abs(value) >= 1:
            return f"{decimal(value)} {prefix}"
    return f"{decimal(number)} "


def size_text(size: int) -> str:
    """Bytes with the largest binary (else decimal) prefix that leaves a whole number."""
    for unit, factor in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("GB", 10**9), ("KiB", 2**10)):
        if size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} B"


def text_of(value: object, quantity: Quantity | None) -> Any:
    """A field's value as a chip file writes it."""
    match value:
        case Rate() | Duration():
            return str(value)
        case tuple():
            return [text_of(v, quantity) for v in value]
    if quantity is None:
        return _plain(value) if isinstance(value, Fraction) else value
    if quantity is SIZE and isinstance(value, int):
        return size_text(value)
    if quantity is FREQUENCY and isinstance(value, Fraction):
        return f"{scaled(value)}Hz"
    assert isinstance(value, float)
    return f"{int(value) if value.is_integer() else value!r} {quantity.units[0]}"


def _plain(number: Fraction) -> int | float | str:
    """The simplest that a file can hold and `exact` reads back."""
    if number.denominator == 1:
        return number.numerator
    near = float(number)
    return near if Fraction(repr(near)) == number else decimal(number)
