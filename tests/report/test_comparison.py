import pandas as pd
import pytest

from memsim.report import compare
from memsim.report.screen import WIDTH
from tests.report.fakes import LEDGER, FakeLedger, ledger_rows, make_chip, make_result


def halved_dram():
    """The same run with a quarter of the DRAM bits and joules of tensor A, and 36 µs instead of 48."""
    rows = []
    for row in ledger_rows():
        values = dict(zip(LEDGER, row, strict=True))
        if values["part"] == "dram" and values["tensor"] == "A":
            values["bits"] //= 4
            values["energy_pj"] /= 4
        rows.append(tuple(values.values()))
    moved = {"dram": 1_310_720, "sram": 83_886_080, "network": 5_242_880}
    return make_result(energy=FakeLedger(rows), ticks=36_000, bytes_by_level=moved)


def row_of(comparison, group, name):
    table = comparison.table
    (row,) = table[(table["group"] == group) & (table["name"] == name)].to_dict("records")
    return row


def test_differences_are_after_minus_before():
    c = compare(make_result(), halved_dram())
    assert row_of(c, "time", "time")["difference"] == pytest.approx(-12e-6)
    dram = row_of(c, "energy by part", "dram")
    assert dram["difference"] == pytest.approx(-2.25e-6)
    assert dram["share"] == pytest.approx(1.0)
    assert row_of(c, "bytes by level", "dram")["ratio"] == pytest.approx(0.625)
    assert row_of(c, "energy by part", "matrix")["difference"] == 0


def test_parts_account_for_the_whole_difference_and_the_largest_is_first():
    more = [*ledger_rows(), ("cache", "A", "load", "cache", 0, "read", 0.0, 800, 0, 5e5)]
    other = make_result(energy=FakeLedger([(*r[:-1], r[-1] * (2 if r[0] == "sram" else 1)) for r in more]))
    table = compare(make_result(), other).table
    parts = table[table["group"] == "energy by part"]
    total = table.loc[table["group"] == "energy", "difference"].sum()
    assert parts["difference"].sum() == pytest.approx(total)
    assert parts["share"].sum() == pytest.approx(1.0)
    assert parts["difference"].abs().is_monotonic_decreasing
    assert parts.iloc[0]["name"] == "sram"
    assert parts.set_index("name").loc["cache", "ratio"] == float("inf")


def test_sentences_name_the_tensor_that_accounts_for_the_bytes():
    told = compare(make_result(), halved_dram()).sentences
    assert "Time: 1.33x less (48.0 µs → 36.0 µs). Still bound by matrix units, busy 82% of the time." in told
    (energy,) = [s for s in told if s.startswith("Energy")]
    assert energy == "Energy: 1.13x less (−2.25 µJ): dram −2.25 µJ."  # noqa: RUF001
    (moved,) = [s for s in told if s.startswith("Bytes")]
    assert moved.startswith("Bytes: dram moves 1.60x less; tensor A alone −786 kB (1.05 MB → 262 kB)")  # noqa: RUF001


def test_a_new_bottleneck_is_told():
    after = make_result(bottleneck="dram channels, busy 91% of the time")
    assert (
        "Bound by matrix units, busy 82% of the time before; by dram channels, busy 91% of the time now."
        in (compare(make_result(), after).sentences[0])
    )


def test_waits_and_bounds_that_moved_are_told():
    after = make_result(
        bounds=pd.DataFrame(
            [("roofline: matrix units", 16.4e-6, 0.5), ("critical path", 30e-6, 0.9)],
            columns=["bound", "time_s", "of_time"],
        ),
        stalls=pd.DataFrame(
            [("compute", "working", 16e-6, 0.4), ("compute", "waiting for data in a", 24e-6, 0.6)],
            columns=["queue", "reason", "time_s", "share"],
        ),
    )
    told = compare(make_result(), after).sentences
    assert "Lower bounds: critical path 4.00 µs → 30.0 µs." in told
    assert any(
        s.startswith("Of the computing queue's time: waiting for data in a 15.0 % → 60.0 %; working 80.0 % → 40.0 %")
        for s in told
    )


def test_changed_keys_of_the_chip_are_told_and_its_name_and_sources_are_not():
    other = make_chip().replace({"core.sram.capacity": "512 KiB", "name": "mine"})
    c = compare(make_result(), make_result(chip=other))
    assert list(c.chip_changes) == ["core.sram.capacity"]
    assert c.sentences[-1] == "Chip: core.sram.capacity 256 KiB → 512 KiB."


def test_many_changed_keys_are_counted():
    other = make_chip().replace({
        "core.sram.capacity": "512 KiB", "dram.bandwidth": "512 GB/s", "core.vector.lanes": 64,
        "network.link_bandwidth": "32 B/cycle", "dram.channels": 8, "clock": "2 GHz",
    })  # fmt: skip
    assert compare(make_result(), make_result(chip=other)).sentences[-1].endswith(", and 2 more keys.")


def test_the_number_of_kernels_is_told_where_it_changed():
    two = pd.DataFrame([("a", 0, 1), ("b", 1, 2)], columns=["kernel", "start_s", "end_s"])
    assert "Kernels: 2 → 1." in compare(make_result(kernels=two), make_result()).sentences
    assert not any("Kernels" in s for s in compare(make_result(), make_result()).sentences)


def test_what_is_equal_is_told_as_equal():
    c = compare(make_result(), make_result())
    assert (c.table["difference"] == 0).all() and (c.table["ratio"] == 1).all()
    assert c.sentences[0].startswith("Time: the same")
    assert c.sentences[1:] == ("Energy: the same.", "Bytes: the same at every level.")


def test_as_text_it_fits_the_screen_and_names_both():
    long = make_result(workload="a_long_name_of_a_workload_" * 3, bottleneck="latency (" + "x" * 100 + ")")
    lines = str(compare(long, halved_dram())).splitlines()
    assert max(len(line) for line in lines) <= max(WIDTH, 109)  # a word longer than the screen stays whole
    assert "on toy" in "\n".join(lines[:3])
    assert any(line.startswith("  dram") and "100 % of all changes" in line for line in lines)


def test_the_last_bit_of_a_sum_is_no_change():
    rows = [(*row[:-1], row[-1] * (1 + 1e-15)) for row in ledger_rows()]
    c = compare(make_result(), make_result(energy=FakeLedger(rows)))
    assert (c.table["difference"] == 0).all()
    assert "Energy: the same." in c.sentences


def test_shares_of_changes_that_cancel_stay_below_one():
    rows = [(*r[:-1], r[-1] * {"sram": 2.0, "dram": 0.5}.get(r[0], 1.0)) for r in ledger_rows()]
    table = compare(make_result(), make_result(energy=FakeLedger(rows))).table
    parts = table[table["group"] == "energy by part"]
    assert parts["share"].between(0, 1).all()
    assert parts["share"].sum() == pytest.approx(1.0)
