"""Clocks under a limit of power: against closed forms on a chip where only products, or only DRAM, cost anything."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim.engine import simulate
from memsim.engine.power import mean_power_w, running_chip, simulate_capped, with_normal_data
from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.hierarchy.toggling import normal_toggle
from memsim.isa import Program, ProgramBuilder
from tests.engine.machines import plain_chip
from tests.engine.test_closed_forms import stream

PRODUCTS = 2000
MACS = 16**3
LINE = {
    "clock": "1 GHz",
    "voltage": "1 V",
    "floor_clock": "600 MHz",
    "floor_voltage": "0.8 V",
    "lowest": "100 MHz",
    "step": "10 MHz",
}
FREE: dict[str, Any] = {"technology": {"name": "free"}, "dram.read_energy": 0, "dram.write_energy": 0}


def volts(clock_ghz: float) -> float:
    """The line above, by hand."""
    return 0.8 if clock_ghz <= 0.6 else 0.8 + 0.5 * (clock_ghz - 0.6)


def chip_of(tdp_w: float | None = None, **changes: Any) -> Chip:
    limit = {} if tdp_w is None else {"tdp": tdp_w}
    return plain_chip(**{**FREE, "static_power": 0, "dvfs": LINE, **limit}).replace(changes)


def products() -> Program:
    """One tile of each operand, multiplied again and again: a pJ a multiply-add and little else."""
    p = ProgramBuilder("products")
    a_, b_, c_ = (p.tensor(name, "fp32", (16, 16)) for name in "ABC")
    with p.kernel("k", grid={"y": 1}) as k:
        a, b = (k.ring(name, "sram", "fp32", (16, 16)) for name in "ab")
        c = k.ring("c", "reg", "fp32", (16, 16))
        with k.queue("load"):
            a.load(a_[0, 0])
            b.load(b_[0, 0])
        with k.queue("multiply"):
            c.fill(0)
            with k.loop("i", PRODUCTS):
                c.mma(a, b)
            a.pop()
            b.pop()
            c.push()
        with k.queue("store"):
            c_[0, 0].store(c)
            c.pop()
    return p.build(verify=False)


def hot(tdp_w: float | None = None, **changes: Any) -> Chip:
    return chip_of(tdp_w, **{"core.matrix.energy": {"fp32": 1}, **changes})


def test_the_clock_of_products_falls_to_where_f_v_squared_fits() -> None:
    free = simulate(products(), hot())
    watts = PRODUCTS * MACS * 1e-12 / free.time_s
    assert mean_power_w(free) == pytest.approx(watts)
    for share in (0.9, 0.6, 0.3, 0.15):
        capped = simulate_capped(products(), hot(share * watts))
        steps = [n / 100 for n in range(100, 9, -1)]
        fastest = next(f for f in steps if f * volts(f) ** 2 <= share)
        assert capped.power_cap is not None and capped.power_cap.slowed
        assert capped.power_cap.clock_hz == pytest.approx(fastest * 1e9)
        assert capped.ticks == free.ticks  # all is in cycles
        assert capped.time_s == pytest.approx(free.time_s / fastest)
        assert capped.energy_j == pytest.approx(free.energy_j * volts(fastest) ** 2)
        assert mean_power_w(capped) <= share * watts


def test_what_a_slow_dram_bounds_loses_nothing_but_static_power() -> None:
    changes = {
        "dram.bandwidth": "1 GB/s", "dram.latency": "10 ns", "launch": "1 us", "dram.read_energy": 100,
        "static_power": "10 W",
    }  # fmt: skip
    program, chip = stream(200, depth=16), chip_of(**changes)
    free = simulate(program, chip)
    dram_w = 200 * 16 * 16 * 4 * 8 * 100e-12 / free.time_s
    assert mean_power_w(free) == pytest.approx(10 + dram_w)
    capped = simulate_capped(program, chip.replace({"tdp": 9 + dram_w}))
    assert capped.power_cap is not None
    assert capped.power_cap.clock_hz == pytest.approx(0.8e9)  # of which the voltage is 0.9
    assert capped.time_s == pytest.approx(free.time_s, rel=0.01)


def test_where_the_limit_is_kept_the_result_is_that_of_simulate() -> None:
    program, chip = products(), hot(1.0)
    plain, capped = simulate(program, chip), simulate_capped(program, chip)
    assert (capped.ticks, capped.energy_j, capped.chip) == (plain.ticks, plain.energy_j, chip)
    assert capped.power_cap is not None and not capped.power_cap.slowed
    assert plain.power_cap is None
    assert simulate_capped(program, hot()).power_cap is None  # no limit is known


def test_a_run_without_the_limit_need_not_be_repeated() -> None:
    chip = hot(0.5 * mean_power_w(simulate(products(), hot())))
    free = simulate(products(), chip)
    again = simulate_capped(products(), chip, free=free)
    other = simulate_capped(products(), chip, free=simulate(products(), chip.replace({"clock": "300 MHz"})))
    assert again.power_cap == other.power_cap == simulate_capped(products(), chip).power_cap
    assert simulate_capped(products(), chip.replace({"tdp": 100}), free=free).chip.tdp_w == 100


def test_a_chip_without_lower_clocks_says_so() -> None:
    capped = simulate_capped(products(), plain_chip(tdp=0.01))
    assert capped.power_cap is not None and not capped.power_cap.slowed
    assert "no lower clock is known" in str(capped.power_cap)


def test_a_limit_that_no_clock_keeps_ends_at_the_lowest() -> None:
    capped = simulate_capped(products(), hot(1e-6))
    assert capped.power_cap is not None
    assert capped.power_cap.clock_hz == 100e6
    assert "there is no lower clock" in str(capped.power_cap)


@given(
    shares=st.lists(st.floats(0.01, 1.2), min_size=2, max_size=4),
    floor=st.integers(20, 99),
    lowest_volts=st.floats(0.5, 1.0),
    memory=st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_more_power_never_makes_a_run_slower(
    shares: list[float], floor: int, lowest_volts: float, memory: bool
) -> None:
    line = {"dvfs.floor_clock": floor * 10**7, "dvfs.floor_voltage": lowest_volts, "static_power": "0.1 W"}
    program = stream(100, depth=16) if memory else products()
    chip = hot(**line, **{"dram.bandwidth": "6 GB/s", "dram.latency": "50 ns", "dram.read_energy": 3})
    watts = mean_power_w(simulate(program, chip))
    results = [simulate_capped(program, chip.replace({"tdp": share * watts})) for share in sorted(shares)]
    clocks = [float(result.chip.clock) for result in results]
    assert clocks == sorted(clocks)
    times = [result.time_s for result in results]
    assert times == sorted(times, reverse=True)


def test_both_engines_end_at_the_same_clock() -> None:
    chip = hot(0.5 * mean_power_w(simulate(products(), hot())))
    fast, simpy = (simulate_capped(products(), chip, engine=engine) for engine in ("fast", "simpy"))
    assert fast.power_cap == simpy.power_cap
    assert fast.ticks == simpy.ticks


def test_a_trace_is_that_of_the_last_clock() -> None:
    chip = hot(0.5 * mean_power_w(simulate(products(), hot())))
    traced = simulate_capped(products(), chip, trace=True)
    assert traced.power_cap is not None and traced.power_cap.slowed
    assert traced.trace is not None
    assert traced.trace["end_s"].max() == pytest.approx(traced.time_s)


def test_mfu_is_taken_against_the_clock_without_a_limit() -> None:
    free = simulate_capped(products(), hot(1.0))
    slow = simulate_capped(products(), hot(0.5 * mean_power_w(free)))
    assert slow.mfu == pytest.approx(free.mfu * float(slow.chip.clock) / 1e9)


def test_kernels_without_products_may_have_a_clock_of_their_own() -> None:
    chip = hot(1.0, **{"dvfs.vector_clock": "1.1 GHz"})
    assert running_chip(products(), chip) == chip
    assert running_chip(stream(4, 2), chip).clock == 1100 * 10**6
    slowed = chip.replace({"clock": "500 MHz"})  # by the user, who wants that one
    assert running_chip(stream(4, 2), slowed) == slowed
    assert simulate_capped(stream(4, 2), chip).chip.clock == 1100 * 10**6


def test_energies_on_the_die_follow_the_voltage_and_those_of_dram_do_not() -> None:
    chip = Chip.preset("a100_sxm")
    dvfs = chip.dvfs
    assert dvfs is not None
    slow = chip.at_clock(dvfs.floor_clock)
    square = (dvfs.floor_voltage / dvfs.voltage) ** 2
    for what in ("sram", "cache", "reg"):
        assert slow.read_energy(what) == pytest.approx(square * chip.read_energy(what))
    assert slow.mac_energy("bf16") == pytest.approx(square * chip.mac_energy("bf16"))
    assert slow.wire_energy_pj_per_bit_mm == pytest.approx(square * chip.wire_energy_pj_per_bit_mm)
    assert slow.read_energy("dram") == chip.read_energy("dram")
    assert slow.activation_energy == chip.activation_energy
    assert slow.static_power_w == pytest.approx(chip.static_power_w * dvfs.floor_voltage / dvfs.voltage)
    assert chip.at_clock(chip.clock) is chip


def test_parts_of_static_power_follow_voltage_and_clock_each_in_its_way() -> None:
    text = plain_chip().to_toml().replace('static_power = "1 W"\n', "")
    power = {"leakage": "10 W", "clock": "20 W", "dram": "5 W", "idle": "3 W"}
    slow = Chip.from_text(text).replace({"dvfs": LINE, "power": power, "clock": "600 MHz"})
    assert slow.static_powers_w == pytest.approx({"leakage": 6.4, "clock": 20 * 0.64 * 0.6, "dram": 5.0, "idle": 3.0})


@pytest.mark.parametrize(
    ("key", "value"), [("floor_clock", "1.2 GHz"), ("lowest", "2 GHz"), ("floor_voltage", "1.1 V")]
)
def test_a_line_that_goes_the_wrong_way_is_refused(key: str, value: str) -> None:
    with pytest.raises(MemsimError, match=f"dvfs.{key}: {key} is above"):
        chip_of(**{f"dvfs.{key}": value})


def test_only_programs_run_on_chips() -> None:
    with pytest.raises(MemsimError, match="simulate_capped"):
        simulate_capped("matmul", hot())  # type: ignore[arg-type]


def test_data_are_those_of_the_type_that_most_bytes_have() -> None:
    chip = hot()
    p = ProgramBuilder("mixed")
    p.tensor("A", "bf16", (1024, 64))
    p.tensor("C", "fp32", (64, 64))
    with p.kernel("k", grid={"y": 1}):
        pass
    assert with_normal_data(p.build(verify=False), chip).toggle == normal_toggle("bf16") < 0.4
    assert with_normal_data(products(), chip).toggle == normal_toggle("fp32")
    chosen = chip.replace({"toggle": 0.1})
    assert with_normal_data(products(), chosen) is chosen
