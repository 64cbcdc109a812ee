"""What all parts of a chip have in common: they are checked on construction, frozen, and known by their keys."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic._internal._model_construction import ModelMetaclass  # the class of BaseModel; pydantic has no other name

from memsim.hierarchy.problems import chip_error, nearest, problem, shown
from memsim.hierarchy.units import Duration, Quantity

GIVEN_BY_OTHERS = 0  # stands in a default until the fields that decide it are known
NO_TIME = Duration(Fraction(0), "cycle")


class _PartType(ModelMetaclass):
    """Makes a part that is constructed in Python raise `ChipError`, while nested ones keep their path."""

    def __call__(cls, *args: Any, **values: Any) -> Any:
        if args:
            raise TypeError(f"{cls.__name__} takes its values by name, as {cls.__name__}(key=value)")
        try:
            return super().__call__(**values)
        except ValidationError as e:
            error = chip_error(e, lambda path: f"{cls.__name__}.{path}" if path else cls.__name__)
        raise error


class Part(BaseModel, metaclass=_PartType):
    """A part of a chip: immutable, compared by value, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: object) -> object:
        if not isinstance(data, dict):
            raise problem(f"{shown(data)} is not a table of values", "write a table with: " + ", ".join(keys_of(cls)))
        keys = keys_of(cls)
        for key in data:
            if key not in keys and key not in cls.model_fields:
                raise problem(f"unknown key {shown(key)}", nearest(str(key), keys), key=str(key))
        for key, name in keys.items():
            field = cls.model_fields[name]
            if field.is_required() and key not in data and name not in data:
                example = next((m.example for m in field.metadata if isinstance(m, Quantity)), None)
                raise problem(f"{key} is missing", f'add it, such as {key} = "{example}"' if example else f"add {key}")
        return data

    def __hash__(self) -> int:
        values = (getattr(self, name) for name in type(self).model_fields)
        return hash((type(self), *(v for v in values if not isinstance(v, dict))))

    def fill_in(self, name: str, value: object) -> None:
        """Give a field that was left out the value that other fields decide; it still counts as left out."""
        if name not in self.model_fields_set:
            self.__dict__[name] = value


def keys_of(part: type[Part]) -> dict[str, str]:
    """The keys of a part in a chip file, each with the name of its field in Python."""
    return {field.alias or name: name for name, field in part.model_fields.items()}


def values_of(part: Part) -> dict[str, Any]:
    """The values that were given, by key, nested parts as dictionaries too: what makes an equal part again."""
    values: dict[str, Any] = {}
    for key, name in keys_of(type(part)).items():
        value = getattr(part, name)
        if name in part.model_fields_set:
            values[key] = values_of(value) if isinstance(value, Part) else value
    return values
