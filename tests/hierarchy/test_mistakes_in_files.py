"""Every mistake in a file gives one message: the place, the value, the cause in plain words, and the mend."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import ChipError
from memsim.hierarchy import Chip

TEXT = """name = "mine"
clock = "1 GHz"

[core]
grid = [4, 4]
pitch = ["1 mm", "1 mm"]

[core.sram]
capacity = "256 KiB"

[core.vector]
lanes = 32

[dram]
capacity = "1 GiB"
bandwidth = "64 GB/s"

[network]
link_bandwidth = "32 B/cycle"
"""


def mistake(text: str) -> str:
    with pytest.raises(ChipError) as caught:
        Chip.from_text(text, file="mine.toml")
    return str(caught.value)


def test_the_text_is_right_before_it_is_made_wrong() -> None:
    assert Chip.from_text(TEXT).core_count == 16


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        (
            '"256 KiB"',
            '"5 kg"',
            "mine.toml: line 9: core.sram.capacity: '5 kg' is not a size in bytes: its unit is mass\n"
            '  mend: write a size in bytes, such as "256 KiB"',
        ),
        (
            '"256 KiB"',
            '"256 KB"',
            "mine.toml: line 9: core.sram.capacity: unknown unit 'KB' in '256 KB'\n"
            "  mend: did you mean 'KiB'?; write a size in bytes, such as \"256 KiB\"",
        ),
        (
            '"256 KiB"',
            "262144",
            "mine.toml: line 9: core.sram.capacity: 262144 has no unit\n"
            '  mend: write a size in bytes, such as "256 KiB"',
        ),
        (
            '"256 KiB"',
            '"256"',
            "mine.toml: line 9: core.sram.capacity: '256' has no unit\n"
            '  mend: write a size in bytes, such as "256 KiB"',
        ),
        (
            '"256 KiB"',
            '"0 B"',
            "mine.toml: line 9: core.sram.capacity: '0 B' must be more than 0\n"
            '  mend: write a size in bytes, such as "256 KiB"',
        ),
        (
            '"256 KiB"',
            '"-1 KiB"',
            "mine.toml: line 9: core.sram.capacity: '-1 KiB' must be more than 0\n"
            '  mend: write a size in bytes, such as "256 KiB"',
        ),
        (
            '"256 KiB"',
            '"0.1 B"',
            "mine.toml: line 9: core.sram.capacity: '0.1 B' is not a whole number of bytes below 2^60\n"
            '  mend: write such as "256 KiB"',
        ),
        (
            '"256 KiB"',
            "nan",
            "mine.toml: line 9: core.sram.capacity: nan is not a finite number\n"
            '  mend: write a size in bytes, such as "256 KiB"',
        ),
        (
            '"256 KiB"',
            '"inf B"',
            "mine.toml: line 9: core.sram.capacity: inf is not a finite number\n"
            '  mend: write a size in bytes, such as "256 KiB"',
        ),
        (
            '"256 KiB"',
            '"1e999999999 B"',
            "mine.toml: line 9: core.sram.capacity: '1e999999999' is out of all proportion\n"
            '  mend: write a size in bytes, such as "256 KiB"',
        ),
        (
            '"256 KiB"',
            "true",
            "mine.toml: line 9: core.sram.capacity: True is not a size in bytes\n"
            '  mend: write a size in bytes, such as "256 KiB"',
        ),
        (
            '"256 KiB"',
            "[1, 2]",
            "mine.toml: line 9: core.sram.capacity: [1, 2] is not a size in bytes\n"
            '  mend: write a size in bytes, such as "256 KiB"',
        ),
        (
            'capacity = "256 KiB"',
            'capaciti = "256 KiB"',
            "mine.toml: line 9: core.sram.capaciti: unknown key 'capaciti'\n  mend: did you mean 'capacity'?",
        ),
        (
            'capacity = "256 KiB"',
            "",
            'mine.toml: line 8: core.sram: capacity is missing\n  mend: add it, such as capacity = "256 KiB"',
        ),
        (
            '[dram]\ncapacity = "1 GiB"\nbandwidth = "64 GB/s"\n',
            "",
            "mine.toml: dram is missing\n  mend: add dram",
        ),
        (
            '"64 GB/s"',
            '"64 GB"',
            "mine.toml: line 16: dram.bandwidth: '64 GB' is not a bandwidth: its unit is information\n"
            '  mend: write a bandwidth, such as "64 B/cycle"',
        ),
        (
            '"1 GHz"',
            "1e9",
            'mine.toml: line 2: clock: 1000000000.0 has no unit\n  mend: write a frequency, such as "1.5 GHz"',
        ),
        (
            '"1 GHz"',
            '"2 PHz"',
            "mine.toml: line 2: clock: a clock of 2000 THz is faster than 1 PHz\n  mend: slow it down",
        ),
        (
            "grid = [4, 4]",
            "grid = [4000, 4000]",
            "mine.toml: line 5: core.grid: 4000 x 4000 cores are more than 65536\n  mend: model a part of the chip",
        ),
        (
            "grid = [4, 4]",
            "grid = [4, 0]",
            "mine.toml: line 5: core.grid: 0 is not from 1 to 1048576\n  mend: write a whole number from 1 to 1048576",
        ),
        (
            "grid = [4, 4]",
            "grid = 16",
            "mine.toml: line 5: core.grid: 16 is not [columns, rows]\n  mend: write such as [4, 4]",
        ),
        (
            "grid = [4, 4]",
            "grid = [4, 4]\ncount = 17",
            "mine.toml: line 6: core.count: 17 cores do not fit on 16 sites\n  mend: make the grid larger",
        ),
        (
            '["1 mm", "1 mm"]',
            '["1 mm", "0 mm"]',
            "mine.toml: line 6: core.pitch: ['1 mm', '0 mm'] must be more than 0\n"
            '  mend: write such as "2 mm" or ["2 mm", "1.5 mm"]',
        ),
        (
            "lanes = 32",
            'lanes = "32"',
            "mine.toml: line 12: core.vector.lanes: '32' is not a whole number\n"
            "  mend: write a whole number from 1 to 1048576",
        ),
        (
            "[core.vector]\nlanes = 32",
            "vector = 32",
            "mine.toml: line 11: core.sram.vector: unknown key 'vector'\n"
            "  mend: use one of: bandwidth, banks, capacity, latency, ports, read_energy, sram_family, write_energy",
        ),
        (
            'link_bandwidth = "32 B/cycle"',
            'link_bandwidth = "32 B/cycle"\ntopology = "messh"',
            "mine.toml: line 20: network.topology: 'messh' is not a choice here\n  mend: did you mean 'mesh'?",
        ),
        (
            'link_bandwidth = "32 B/cycle"',
            'link_bandwidth = "32 B/cycle"\ntopology = "graph"',
            "mine.toml: line 18: network.edges: topology graph needs edges\n"
            '  mend: write such as topology = "graph", edges = [["core0", "dram0"]]',
        ),
        (
            'bandwidth = "64 GB/s"',
            'bandwidth = "64 GB/s"\nefficiency = 1.5',
            "mine.toml: line 17: dram.efficiency: 1.5 is more than 1\n"
            '  mend: write a number above 0 and up to 1, such as 0.9 or "9/10"',
        ),
        (
            'bandwidth = "64 GB/s"',
            'bandwidth = "64 GB/s"\nchannels = 3\nat = [["0 mm", "1 mm"], ["0 mm", "2 mm"]]',
            "mine.toml: line 17: dram.channels: 3 channels cannot be shared evenly by 2 ports\n"
            "  mend: make them a multiple of 2, or change the places in at",
        ),
        (
            'bandwidth = "64 GB/s"',
            'bandwidth = "64 GB/s"\nat = [["0 mm", "-1 mm"]]',
            "mine.toml: line 17: dram.at: '-1 mm' must be at least 0\n  mend: write a length, such as \"2 mm\"",
        ),
        (
            'bandwidth = "64 GB/s"',
            'bandwidth = "64 GB/s"\nkind = "HBM9"',
            "mine.toml: line 17: dram.kind: no energy is known for DRAM of kind 'HBM9'\n"
            "  mend: give dram.read_energy and dram.write_energy, or a known kind; did you mean 'HBM4'?",
        ),
        (
            'bandwidth = "64 GB/s"',
            'bandwidth = "64 GB/s"\nclock = "1.0000001 GHz"',
            "mine.toml: line 17: dram.clock: a core clock of 1 GHz and a DRAM clock of "
            "1.0000001 GHz have no common tick above 1 fs\n  mend: use clocks with a large common divisor, such as "
            "whole MHz, or leave dram.clock out",
        ),
        (
            'bandwidth = "64 GB/s"',
            'bandwidth = "64.123456789123 GB/s"',
            "mine.toml: line 16: dram.bandwidth: 64.123456789123 GB/s is 64123456789123/1000000000000 bytes a "
            "tick for each server, too long a fraction to reckon with exactly\n  mend: "
            "give it, and the clocks, with fewer digits",
        ),
        (
            'name = "mine"',
            'name = "mine"\ntechnology = "n6"',
            "mine.toml: line 2: technology: unknown technology 'n6'\n  mend: did you mean 'n16'?",
        ),
        (
            'name = "mine"',
            'name = "mine"\ntechnology = {base = "n7", wire_energy = "1 mm"}',
            "mine.toml: line 2: technology.wire_energy: '1 mm' is not an energy per bit and millimetre: "
            "its unit is length\n"
            '  mend: write an energy per bit and millimetre, such as "60 fJ/bit/mm"',
        ),
        (
            'name = "mine"',
            'name = "mine"\nsources = {"core.sram.capcity" = "a paper"}',
            "mine.toml: line 2: sources: a source is given for 'core.sram.capcity', which is no value\n"
            "  mend: did you mean 'core.sram.capacity'?",
        ),
        (
            'name = "mine"',
            'name = "mine"\nstatic_power = "-3 W"',
            "mine.toml: line 2: static_power: '-3 W' must be at least 0\n  mend: write a power, such as \"70 W\"",
        ),
        (
            'name = "mine"',
            "name = 3",
            'mine.toml: line 1: name: 3 is not a name\n  mend: write such as name = "mine"',
        ),
        (
            'name = "mine"',
            'name = "mine"\ndescription = 3',
            "mine.toml: line 2: description: 3 is not text\n  mend: write it between quotation marks",
        ),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_line(right: str, wrong: str, message: str) -> None:
    assert right in TEXT
    assert mistake(TEXT.replace(right, wrong, 1)) == message


def test_lines_are_found_in_dotted_keys_and_inline_tables() -> None:
    dotted = TEXT.replace("[core.vector]", "[core.matrix]\nnative.bf17 = [1, 1, 1, 1]\n\n[core.vector]")
    assert mistake(dotted).startswith("mine.toml: line 12: core.matrix.native.bf17: unknown operand type 'bf17'")
    inline = TEXT.replace("[core.vector]", "[core.matrix]\nnative = {bf16 = [1, 1]}\n\n[core.vector]")
    assert mistake(inline).startswith("mine.toml: line 12: core.matrix.native.bf16: [1, 1] is not [m, n, k, cycles]")


def test_the_first_six_mistakes_are_told_and_the_others_counted() -> None:
    wrong = TEXT.replace("[core.vector]", "[core.reg]\ncapacity = 1\nbandwidth = 1\nlatency = 1\n\n[core.vector]")
    wrong = wrong.replace("lanes = 32", "lanes = 0\nspecial_lanes = 0\nlatency = 1").replace("1 GHz", "fast")
    told = mistake(wrong).splitlines()
    assert len(told) == 8
    assert told[-2:] == ["  and 1 more", '  mend: write a frequency, such as "1.5 GHz"']


def test_several_mistakes_are_told_at_once() -> None:
    text = TEXT.replace("256 KiB", "5 kg").replace("lanes = 32", "lanes = 0").replace("64 GB/s", "fast")
    assert mistake(text) == (
        "mine.toml: line 9: core.sram.capacity: '5 kg' is not a size in bytes: its unit is mass\n"
        "  also mine.toml: line 12: core.vector.lanes: 0 is not from 1 to 1048576\n"
        "  also mine.toml: line 16: dram.bandwidth: 'fast' is not a bandwidth\n"
        '  mend: write a size in bytes, such as "256 KiB"'
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "mine', "mine.toml: not TOML: "),
        ("name = \n", "mine.toml: not TOML: Invalid value (at line 1, column 8)"),
        ('name = "a"\nname = "b"', "mine.toml: not TOML: Cannot overwrite a value"),
        ("", "mine.toml: name is missing\n  mend: add name"),
        ("x = " + "[" * 5000, "mine.toml: not TOML: "),
    ],
)
def test_what_is_no_chip_file_is_refused(text: str, message: str) -> None:
    assert mistake(text).startswith(message)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "huge.toml").write_text("# " + "x" * (1 << 20), encoding="utf-8")
    for name, cause in [
        ("none.toml", "there is no such file"),
        ("binary.toml", "the file is not UTF-8 text"),
        ("huge.toml", "the file is larger than 1048576 bytes"),
        ("", "the file cannot be read: Is a directory"),
    ]:
        with pytest.raises(ChipError, match=cause) as caught:
            Chip.from_toml(tmp_path / name)
        assert caught.value.where == str(tmp_path / name)
        assert "give the path of a chip file, or the name of a preset, such as a100_pcie, " in caught.value.mend


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("h100", "did you mean one of: h100_pcie, h100_sxm"),
        ("A100-SXM4-40GB", "did you mean 'a100_sxm_40'"),
        ("NVIDIA GeForce RTX 4090", "did you mean 'rtx_4090'"),
        ("wse", "did you mean one of: wse_2, wse_3"),
        ("tpuv4", "did you mean 'tpu_v4'"),
    ],
)
def test_an_unknown_preset_names_the_nearest(name: str, advice: str) -> None:
    with pytest.raises(ChipError, match=f"unknown preset '{name}'\n  mend: {advice}"):
        Chip.preset(name)


def test_a_preset_is_no_path() -> None:
    with pytest.raises(ChipError, match=r"unknown preset '\.\./toy'"):
        Chip.preset("../toy")


@given(st.text(alphabet='abc.[]{}="#\n1-', max_size=40))
def test_any_text_is_a_chip_file_or_a_clear_mistake(text: str) -> None:
    assert mistake(text).startswith("mine.toml: ")
    assert "\n  mend: " in mistake(text)


# A DRAM part ---------------------------------------------------------------------------------------------------------


def with_part(part: str, bandwidth: str = '"64 GB/s"') -> str:
    """Two channels of a part; HBM2 at 2 Gb/s has 32 GB/s in each."""
    lines = f'part = "{part}"\nchannels = 2\n' + (f"bandwidth = {bandwidth}\n" if bandwidth else "")
    return TEXT.replace('bandwidth = "64 GB/s"\n', lines)


@pytest.mark.parametrize("bandwidth", ['"64 GB/s"', '"64 B/cycle"', '"63 GB/s"', ""])
def test_the_bandwidth_of_a_part_is_its_own(bandwidth: str) -> None:
    chip = Chip.from_text(with_part("hbm2_2000", bandwidth))
    assert float(chip.rate_per_tick(chip.dram.bandwidth)) == pytest.approx(64, rel=0.02)
    assert Chip.from_text(chip.to_toml()) == chip
    assert ("bandwidth" in chip.dram.model_fields_set) == bool(bandwidth)


def test_a_bandwidth_that_is_filled_in_follows_the_channels() -> None:
    chip = Chip.from_text(with_part("hbm2_2000", "")).replace({"dram.channels": 4})
    assert chip.rate_per_tick(chip.dram.bandwidth) == 128


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            with_part("hbm2_2001x"),
            "mine.toml: line 16: dram.part: no DRAM part 'hbm2_2001x'; hbm2 goes from 1400 to 2430 Mb/s a pin\n"
            "  mend: did you mean 'hbm2_2400'?",
        ),
        (with_part("hmb3_6400"), "mine.toml: line 16: dram.part: no DRAM part 'hmb3_6400'\n  mend: did you mean "),
        (
            with_part("hbm2_2000", '"60 GB/s"'),
            "mine.toml: line 18: dram.bandwidth: 60 GB/s is not the bandwidth of 2 channels of hbm2_2000, 64 GB/s\n"
            "  mend: leave it out, or change dram.channels or the speed in dram.part",
        ),
        (
            with_part("hbm2_2000", '"60 B/cycle"'),
            "mine.toml: line 18: dram.bandwidth: 60 B/cycle is not the bandwidth of 2 channels of hbm2_2000, 64 GB/s\n",
        ),
        (
            TEXT.replace('bandwidth = "64 GB/s"\n', ""),
            "mine.toml: line 14: dram: bandwidth is missing\n"
            '  mend: add it, such as bandwidth = "1 TB/s", or name a part',
        ),
    ],
)
def test_a_mistake_about_a_part_is_told_where_it_stands(text: str, message: str) -> None:
    assert mistake(text).startswith(message)
