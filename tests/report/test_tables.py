import json
import math

import numpy as np
import pytest

from memsim.report import to_json
from tests.report.fakes import make_result

ASKED = {
    "workload", "chip", "engine", "time_s", "cycles", "energy_j", "energy_by_part", "bytes_by_level", "flops", "mfu",
    "mbu", "checked", "max_rel_err",
}  # fmt: skip


def test_it_has_every_promised_key_and_survives_json(result):
    data = to_json(result, checked=True, max_rel_err=1e-3)
    assert set(data) >= ASKED
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["checked"] is True and data["max_rel_err"] == 1e-3


def test_parts_add_up_to_the_total(result):
    data = to_json(result)
    assert sum(data["energy_by_part"].values()) == pytest.approx(data["energy_j"])
    assert sum(data["energy_by_tensor"].values()) == pytest.approx(data["energy_j"])
    assert data["energy_by_part"]["dram"] == pytest.approx(7.6e-6)
    assert data["checked"] is False and data["max_rel_err"] is None


def test_numbers_are_exact_where_they_are_whole(result):
    data = to_json(result)
    assert data["ticks"] == 48_000 and data["tick_s"] == "1/1000000000"
    assert data["flops"] == 2 * 512**3
    assert data["power_w"] == pytest.approx(19.52e-6 / 48e-6)


def test_numpy_numbers_and_infinities_become_json():
    odd = make_result(mfu=math.inf, mbu=math.nan, bytes_by_level={"dram": np.int64(7)}, flops=np.int64(5))
    data = json.loads(json.dumps(to_json(odd), allow_nan=False))
    assert data["mfu"] is None and data["mbu"] is None
    assert data["bytes_by_level"] == {"dram": 7} and data["flops"] == 5


def test_an_empty_run_has_no_power():
    assert to_json(make_result(ticks=0))["power_w"] == 0.0
