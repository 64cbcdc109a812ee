"""``--set``: taking texts apart, sorting them into workload and chip, and saying what is wrong with them."""

from __future__ import annotations

import pytest

from memsim.cli._settings import convert, parse_settings, split_settings, toml_value
from memsim.errors import MemsimError

PARAMETERS = {"m": 128, "dtype": "bf16", "causal": False, "scale": 0.5}
CHIP_KEYS = ("name", "clock", "core", "dram")


def test_pairs_are_taken_apart_at_the_first_equals_sign() -> None:
    assert parse_settings(["m=4096", " dtype = fp16 ", "a=b=c"]) == {"m": "4096", "dtype": "fp16", "a": "b=c"}


@pytest.mark.parametrize("pair", ["m", "=4", "m=", " = ", ""])
def test_what_is_not_a_pair_is_refused(pair: str) -> None:
    with pytest.raises(MemsimError, match="is not key=value"):
        parse_settings([pair])


def test_a_key_given_twice_is_refused_with_both_values() -> None:
    with pytest.raises(MemsimError, match="m is set twice, to '1' and to '2'"):
        parse_settings(["m=1", "m=2"])


def test_settings_go_to_the_workload_or_to_the_chip() -> None:
    texts = {"m": "64", "causal": "yes", "core.sram.capacity": "512KiB", "clock": "1 GHz", "dram.channels": "8"}
    chosen, changes = split_settings(texts, PARAMETERS, CHIP_KEYS)
    assert chosen == {"m": 64, "causal": True}
    assert changes == {"core.sram.capacity": "512KiB", "clock": "1 GHz", "dram.channels": 8}


def test_a_workload_parameter_wins_over_a_key_of_the_chip() -> None:
    assert split_settings({"name": "x"}, {"name": "y"}, CHIP_KEYS) == ({"name": "x"}, {})


@pytest.mark.parametrize(
    ("key", "nearest"), [("causl", "causal"), ("dtpye", "dtype"), ("cor.sram.capacity", "core"), ("drm", "dram")]
)
def test_an_unknown_key_gets_the_nearest_name(key: str, nearest: str) -> None:
    with pytest.raises(MemsimError, match=f"nothing is called '{key}'") as error:
        split_settings({key: "1"}, PARAMETERS, CHIP_KEYS)
    assert error.value.mend == f"did you mean {nearest!r}?"


def test_an_unknown_key_unlike_any_other_gets_the_whole_list() -> None:
    with pytest.raises(MemsimError) as error:
        split_settings({"zzzzzz": "1"}, PARAMETERS, CHIP_KEYS)
    assert error.value.mend == "choose from causal, clock, core, dram, dtype, m, name, scale"


@pytest.mark.parametrize(
    ("text", "like", "value"),
    [
        ("12", 1, 12),
        ("4_096", 1, 4096),
        ("-3", 1, -3),
        ("1e-5", 0.5, 1e-5),
        ("No", True, False),
        ("fp16", "bf16", "fp16"),
    ],
)
def test_values_take_the_type_of_the_default(text: str, like: object, value: object) -> None:
    converted = convert("key", text, like)
    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(
    ("text", "like", "cause"),
    [
        ("many", 128, "m takes a whole number, found 'many'"),
        ("1.5", 128, "m takes a whole number, found '1.5'"),
        ("0x10", 128, "m takes a whole number, found '0x10'"),
        ("small", 0.5, "m takes a number, found 'small'"),
        ("nan", 0.5, "m takes a number, found 'nan'"),
        ("1e999", 0.5, "m takes a number, found '1e999'"),
        ("perhaps", True, "m takes true or false, found 'perhaps'"),
    ],
)
def test_values_of_the_wrong_type_are_refused(text: str, like: object, cause: str) -> None:
    with pytest.raises(MemsimError) as error:
        convert("m", text, like)
    assert error.value.cause.startswith(cause)
    assert error.value.where == "--set m"


@pytest.mark.parametrize(
    ("text", "value"),
    [("8", 8), ("0.9", 0.9), ("[4, 2]", [4, 2]), ("true", True), ("512 KiB", "512 KiB"), ("n7", "n7"), ('"n7"', "n7")],
)
def test_chip_values_are_read_as_a_chip_file_would(text: str, value: object) -> None:
    assert toml_value(text) == value
