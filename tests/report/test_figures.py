import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PolyCollection

from memsim.errors import MemsimError
from memsim.report import facts
from memsim.report.figures import style
from memsim.report.figures.energy import MAX_BARS, draw_energy
from memsim.report.figures.floorplan import busiest_link, draw_floorplan
from memsim.report.figures.roofline import Peak, Roof, bound_of, draw_roofline
from memsim.report.figures.timeline import READABLE_EVENTS, draw_timeline, family, readable_window
from tests.report.fakes import TRACE, FakeLedger, make_result

ROOFS = [Roof("dram", 256e9, 2_097_152), Roof("sram", 2048e9, 83_886_080), Roof("reg", 65e12)]
PEAKS = [Peak("matrix bf16", 8.192e12), Peak("matrix fp8", 16.384e12, used=False), Peak("vector", 0.512e12)]
FLOPS = 2 * 512**3


def texts(figure):
    return [text.get_text() for text in style.all_texts(figure)]


def figures(result):
    title = facts.title_of(result)
    return {
        "energy": draw_energy(result.energy.by("part", "tensor"), title),
        "roofline": draw_roofline(
            facts.roofs(result), facts.peaks(result), result.flops, result.time_s, title, "matmul"
        ),
        "timeline": draw_timeline(result.trace, 0, None, title),
        "floorplan": draw_floorplan(
            facts.cores(result), facts.memories(result), facts.links(result), result.chip.core.pitch, title
        ),
    }


@pytest.fixture(scope="module")
def drawn():
    return figures(make_result())


@pytest.mark.parametrize("name", ["energy", "roofline", "timeline", "floorplan"])
def test_no_two_texts_overlap_and_all_are_on_the_page(drawn, name):
    figure = drawn[name]
    assert style.overlaps(figure) == []
    for text in style.all_texts(figure):
        box = style.extent(text)
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1, text.get_text()


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("energy", ["energy (µJ)"]),
        ("roofline", ["arithmetic intensity (FLOP per byte of the level)", "speed (FLOP/s)"]),
        ("timeline", ["time (µs)"]),
        ("floorplan", ["x (mm)", "y (mm)", "traffic of a link, each direction (kB)"]),
    ],
)
def test_axes_carry_their_units(drawn, name, labels):
    assert set(labels) <= set(texts(drawn[name]))


def test_overlaps_are_found_where_there_are_some():
    figure = style.new_figure(4, 3)
    axes = figure.subplots()
    axes.text(0.5, 0.5, "one")
    axes.text(0.5, 0.5, "two")
    assert ("one", "two") in style.overlaps(figure)


# Energy --------------------------------------------------------------------------------------------------------------


def bars_of(axes):
    """Length of the whole bar at each row."""
    rows = {}
    for container in axes.containers:
        for bar in container:
            row = round(bar.get_y() + bar.get_height() / 2)
            rows[row] = rows.get(row, 0.0) + bar.get_width()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    return {labels[row]: length for row, length in rows.items()}


def test_bars_are_as_long_as_the_ledger_says(drawn):
    parts, tensors = drawn["energy"].axes
    assert bars_of(parts) == pytest.approx({
        "dram": 7.6, "matrix": 4.0, "sram": 3.8, "static": 2.0, "wires": 1.6, "reg": 0.4, "routers": 0.1,
        "vector": 0.02,
    })  # fmt: skip
    assert bars_of(tensors) == pytest.approx({"C": 5.92, "B": 5.9, "A": 5.7})
    assert list(bars_of(parts)) == sorted(bars_of(parts), key=lambda name: -bars_of(parts)[name])


def test_only_static_energy_is_hatched(drawn):
    hatched = [bar for axes in drawn["energy"].axes for c in axes.containers for bar in c if bar.get_hatch()]
    assert [bar.get_width() for bar in hatched] == pytest.approx([2.0])


def test_a_part_has_one_colour_in_both_panels(drawn):
    upper, lower = drawn["energy"].axes
    rows = {label.get_text(): y for y, label in enumerate(upper.get_yticklabels())}
    dram = {c[0].get_facecolor() for c in upper.containers if round(c[0].get_y() + 0.36) == rows["dram"]}
    assert len(dram) == 1
    assert dram <= {c[0].get_facecolor() for c in lower.containers}


def test_the_smallest_of_many_parts_are_summed():
    rows = [(f"part{i}", f"t{i}", "load", "x", 0, "read", 0.0, 8, 0, 100.0 - i) for i in range(30)]
    figure = draw_energy(FakeLedger(rows).by("part", "tensor"), "many")
    bars = bars_of(figure.axes[0])
    assert len(bars) == MAX_BARS
    assert sum(bars.values()) == pytest.approx(1e-3 * sum(row[-1] for row in rows))  # nJ
    assert f"{30 - MAX_BARS + 1} others" in bars
    assert style.overlaps(figure) == []


def test_nothing_but_static_energy_still_draws():
    rows = [("static", "-", "static", "static", -1, "static", 0.0, 0, 0, 5.0)]
    figure = draw_energy(FakeLedger(rows).by("part", "tensor"), "idle")
    assert "idle: 5.00 pJ" in texts(figure)


def test_tensors_have_a_scale_of_their_own_beside_an_overwhelming_part():
    rows = [
        ("static", "-", "static", "static", -1, "static", 0.0, 0, 0, 9e9),
        ("dram", "A", "load", "dram", 0, "read", 0.0, 8, 0, 4e6),
    ]
    parts, tensors = draw_energy(FakeLedger(rows).by("part", "tensor"), "idle").axes
    assert (parts.get_xlabel(), tensors.get_xlabel()) == ("energy (mJ)", "energy (µJ)")
    assert bars_of(tensors) == pytest.approx({"A": 4.0})
    assert tensors.get_xlim()[1] < 6


# Roofline ------------------------------------------------------------------------------------------------------------


def test_the_bound_is_the_lowest_roof_over_the_workload():
    speed, by = bound_of(ROOFS, PEAKS, FLOPS)
    assert by == "sram"
    assert speed == pytest.approx(2048e9 * FLOPS / 83_886_080)
    assert bound_of([Roof("dram", 1e12, 1)], PEAKS, FLOPS) == (8.192e12, "matrix bf16")  # fp8 is not used
    assert bound_of([Roof("dram", 1e9)], [], FLOPS) == (float("inf"), "nothing")


def test_the_workload_is_a_dot_a_level_at_its_own_intensity():
    time_s = 50e-6
    (axes,) = draw_roofline(ROOFS, PEAKS, FLOPS, time_s, "r", "mm").axes
    dots = [line.get_xydata()[0] for line in axes.get_lines() if line.get_marker() == "o"]
    assert sorted(dots, key=lambda d: d[0]) == [
        pytest.approx([FLOPS / 83_886_080, FLOPS / time_s]),
        pytest.approx([FLOPS / 2_097_152, FLOPS / time_s]),
    ]


def test_each_roof_and_each_peak_is_named_with_its_value():
    shown = texts(draw_roofline(ROOFS, PEAKS, FLOPS, 50e-6, "r", "mm"))
    for words in ("dram 256 GB/s", "sram 2.05 TB/s", "reg 65.0 TB/s", "matrix bf16 8.19 TFLOP/s", "vector 512 GFLOP/s"):
        assert words in shown
    assert "mm: 5.37 TFLOP/s\n81.9 % of the sram bound" in shown


def test_names_stay_apart_where_roofs_are_close():
    close = [Roof(f"level{i}", 1e12 * 1.12**i, 10**7) for i in range(5)]
    figure = draw_roofline(close, PEAKS, FLOPS, 1e-3, "close", "mm")
    assert style.overlaps(figure) == []
    assert sum(name.startswith("level") for name in texts(figure)) >= 5


def test_a_workload_without_operations_is_not_on_the_plot():
    (axes,) = draw_roofline(ROOFS, PEAKS, 0, 1e-3, "copy").axes
    assert not [line for line in axes.get_lines() if line.get_marker() == "o"]


def test_no_roof_no_plot():
    with pytest.raises(MemsimError, match="needs a memory with a bandwidth"):
        draw_roofline([], PEAKS, FLOPS, 1.0)


# Timeline ------------------------------------------------------------------------------------------------------------


def widths(axes):
    """Total length of all bars of each colour but the hatched gaps."""
    total = {}
    for bars in axes.collections:
        if isinstance(bars, PolyCollection) and not bars.get_hatch() and len(bars.get_facecolor()):
            colour = tuple(np.round(bars.get_facecolor()[0], 3))
            total[colour] = total.get(colour, 0.0) + sum(np.ptp(p.vertices[:, 0]) for p in bars.get_paths())
    return sorted(total.values())


def test_bars_are_as_long_as_the_instructions():
    trace = make_result().trace
    figure = draw_timeline(trace, 1, (0.0, 7e-6), "t")
    lengths = (trace["end_s"] - trace["start_s"])[trace["core"] == 1].groupby(trace["op"]).sum() * 1e6
    assert widths(figure.axes[-1]) == pytest.approx(sorted(lengths))


def test_waiting_is_drawn_between_instructions():
    rows = [("k", 0, 0, "compute", "mma", "C", a * 1e-9, b * 1e-9, a, b, 0, "matrix") for a, b in [(0, 10), (30, 40)]]
    (axes,) = draw_timeline(pd.DataFrame(rows, columns=TRACE), 0).axes
    (gap,) = [p for bars in axes.collections if bars.get_hatch() for p in bars.get_paths()]
    assert (gap.vertices[:, 0].min(), gap.vertices[:, 0].max()) == pytest.approx((10, 30))  # ns
    assert "mma C" in texts(axes.figure)


def test_a_long_run_shows_its_beginning_and_where_it_lies(drawn):
    overview, axes = drawn["timeline"].axes
    start, end = (x * 1e-6 for x in axes.get_xlim())
    assert (start, end) == pytest.approx(readable_window(make_result().trace.query("core == 0")))
    assert end < 2e-6
    assert "this core until 6.50 µs" in overview.get_title("left")


def test_a_readable_window_holds_a_readable_number_of_instructions():
    trace = make_result().trace.query("core == 0")
    _start, end = readable_window(trace)
    assert READABLE_EVENTS <= (trace["end_s"] <= end).sum() <= 3 * READABLE_EVENTS
    assert ((trace["op"] == "mma") & (trace["end_s"] <= end)).sum() >= 3
    few = trace.head(20)
    assert readable_window(few) == (few["start_s"].min(), few["end_s"].max())


def test_transfers_that_overlap_have_lanes_of_their_own():
    trace = make_result().trace
    axes = draw_timeline(trace, 0, (0.0, 0.1e-6), "t").axes[-1]
    spans = [
        (p.vertices[:, 0].min(), p.vertices[:, 0].max(), p.vertices[:, 1].min(), p.vertices[:, 1].max())
        for bars in axes.collections if not bars.get_hatch() for p in bars.get_paths()
    ]  # fmt: skip
    for i, a in enumerate(spans):
        for b in spans[i + 1 :]:
            apart = a[1] <= b[0] + 1e-9 or b[1] <= a[0] + 1e-9 or a[3] <= b[2] + 1e-9 or b[3] <= a[2] + 1e-9
            assert apart, (a, b)


def test_queues_are_in_the_order_in_which_data_meets_them(drawn):
    assert [label.get_text() for label in drawn["timeline"].axes[-1].get_yticklabels()] == ["load", "compute", "store"]


def test_a_core_or_a_window_without_events():
    trace = make_result().trace
    with pytest.raises(MemsimError, match="core 7 has no events") as caught:
        draw_timeline(trace, 7)
    assert "cores 0 to 1" in caught.value.mend
    with pytest.raises(MemsimError, match="no events between"):
        draw_timeline(trace, 0, (1.0, 2.0))
    with pytest.raises(MemsimError, match="trace is empty"):
        draw_timeline(trace.iloc[:0], 0)


def test_families():
    assert family("mma")[0] == "matrix" and family("exp2")[0] == "vector" and family("gather")[0] == "load"


# Floorplan -----------------------------------------------------------------------------------------------------------


def test_links_are_drawn_where_they_lie_and_wider_with_more_bytes(drawn):
    axes = drawn["floorplan"].axes[0]
    quiet, busy = (c for c in axes.collections if isinstance(c, LineCollection))
    links = make_result().links
    assert len(quiet.get_segments()) == ((links["bytes"] == 0) & (links["mm"] > 0)).sum()
    assert len(busy.get_segments()) == ((links["bytes"] > 0) & (links["mm"] > 0)).sum()
    assert list(busy.get_linewidths()) == sorted(busy.get_linewidths())
    assert max(busy.get_linewidths()) > 2 * min(busy.get_linewidths())


def test_gauges_are_as_high_as_their_units_were_busy(drawn):
    assert "core 5" in texts(drawn["floorplan"])
    cores = facts.cores(make_result())
    shown = texts(drawn["floorplan"])
    for share in cores["matrix"]:
        assert f"{100 * share:.0f}%" in shown


def test_a_chip_without_traffic_has_no_colour_bar():
    result = make_result()
    silent = facts.links(result).assign(bytes=0)
    figure = draw_floorplan(facts.cores(result), facts.memories(result), silent, (1.0, 1.0), "idle")
    assert len(figure.axes) == 1
    assert busiest_link(silent) == "no traffic"


def test_the_busiest_link_in_words():
    assert busiest_link(facts.links(make_result())) == "dram0 to r0: 400 kB"


# Style ---------------------------------------------------------------------------------------------------------------


def test_every_palette_colour_reads_with_its_ink():
    assert style.ink_on(style.BLUE) == "white" and style.ink_on(style.YELLOW) == style.INK


def test_colours_are_fixed_for_known_names_and_different_for_the_others():
    colours = style.colour_of(["dram", "x", "y", "static"])
    assert colours["dram"] == style.BLUE and len(set(colours.values())) == 4


def test_labels_that_find_no_room_are_left_out():
    figure = style.new_figure(4, 3)
    axes = figure.subplots()
    style.settle(figure)
    inside = axes.get_window_extent()
    taken = [inside]
    text = axes.text(0.5, 0.5, "crowded", in_layout=False)
    assert not style.place(text, [(0.5, 0.5), (0.1, 0.1)], taken, inside)
    assert "crowded" not in texts(figure)
    text = axes.text(0.5, 0.5, "free", in_layout=False)
    assert style.place(text, [(5, 5), (0.1, 0.1)], [], inside)
    assert text.get_position() == (0.1, 0.1)


def test_drawing_leaves_the_users_settings_alone():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    draw_energy(make_result().energy.by("part", "tensor"))
    assert dict(mpl.rcParams) == before
