"""Two engines that agree on every cycle; a makespan between what waiting allows and what the serial scorer says."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given

from memsim.locality.spatial import Machine, SpatialProgram, SpatialResult, score, simulate
from memsim.locality.spatial.accesses import accesses_of, tile_numbers
from memsim.locality.spatial.bounds import loads
from tests.locality.spatial.programs import SMALL, Memory, Step, priced, program_of, steps

SLOW = Machine(columns=3, rows=3, side=40, words=1200, hop=3, wire_fj_per_um=Fraction(5, 2), name="slow")
"""Hops of three cycles."""


def same(a: SpatialResult, b: SpatialResult) -> None:
    for name in ("starts", "ends", "stalls", "links", "scratchpads", "ports", "tiles", "busy"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name
    assert {**a.to_json(), "engine": ""} == {**b.to_json(), "engine": ""}


@given(steps())
def test_the_engines_agree(found: list[Step]) -> None:
    program = program_of(found)
    same(simulate(program, SMALL), simulate(program, SMALL, "simpy"))


@given(steps(SLOW, cores=9))
def test_the_engines_agree_where_hops_take_longer(found: list[Step]) -> None:
    program = program_of(found)
    same(simulate(program, SLOW), simulate(program, SLOW, "simpy"))


@pytest.mark.parametrize("machine", [SMALL, replace(SMALL, hop=2)], ids=["one cycle", "two cycles"])
@pytest.mark.parametrize("seed", range(3))
def test_the_engines_agree_on_crowded_meshes(machine: Machine, seed: int) -> None:
    """Every core reads and writes words of two tiles: long queues, full buffers, responses against requests."""
    program = crowd(machine, 30, seed)
    fast = simulate(program, machine)
    same(fast, simulate(program, machine, "simpy"))
    assert fast.stalls[:, 1].sum() > 100, "cores waited for links"
    assert fast.stalls[:, 2].sum() > 100, "and for scratchpads"


def crowd(machine: Machine, each: int, seed: int) -> SpatialProgram:
    generator = np.random.default_rng(seed)
    found: list[Step] = []
    targets = [(1, 1), (2, 1)]
    number = 0
    for _ in range(each):
        for j in range(machine.rows):
            for i in range(machine.columns):
                a, b = generator.integers(2, size=2)
                number += 1
                cells = [(t[0] * 128 + number % 128, t[1] * 128 + number // 128) for t in (targets[a], targets[b])]
                name = ("copy", "recv", "send")[int(generator.choice(3, p=[0.8, 0.1, 0.1]))]
                own = (i * 128 + number % 128, j * 128)
                found.append(((i, j), "copy", *cells) if name == "copy" else ((i, j), name, own))
    return program_of(found)


@given(steps())
def test_the_makespan_is_between_its_bounds_and_the_serial_time(found: list[Step]) -> None:
    result = simulate(program_of(found), SMALL)
    assert max(result.bounds.values()) <= result.makespan <= result.serial_cycles
    assert result.serial_cycles == priced(found, SMALL)[1]
    assert result.energy_fj == priced(found, SMALL)[0] == score(program_of(found), SMALL).cost


@given(steps())
def test_every_cycle_of_every_core_is_accounted_for(found: list[Step]) -> None:
    result = simulate(program_of(found), SMALL)
    assert (result.idle >= 0).all()
    assert result.busy.sum() == result.serial_cycles
    assert sum(result.shares.values()) == pytest.approx(1)
    last = [int(result.ends[[k for k, s in enumerate(found) if s[0] == (t % 4, t // 4)]].max()) for t in result.tiles]
    assert result.idle.tolist() == [result.makespan - end for end in last]


@given(steps())
def test_words_take_the_routes_that_the_rules_give(found: list[Step]) -> None:
    program = program_of(found)
    accesses = accesses_of(program, SMALL)
    static = loads(accesses, tile_numbers(program, SMALL), SMALL)
    result = simulate(program, SMALL)
    assert np.array_equal(static.links, result.links)
    assert np.array_equal(static.scratchpads, result.scratchpads)
    assert np.array_equal(static.ports, result.ports)


@given(steps(cores=1))
def test_on_one_core_time_is_the_serial_scorers(found: list[Step]) -> None:
    result = simulate(program_of(found), SMALL)
    assert result.makespan == score(program_of(found), SMALL).details["cycles"] == result.critical_path
    assert result.stalls.sum() == 0


@given(steps())
def test_on_a_chain_over_many_cores_time_is_the_serial_scorers(found: list[Step]) -> None:
    """Every instruction reads what the one before wrote: ``add`` with the chain's word in between."""
    chained: list[Step] = []
    token = (0, 0)
    for step in found:
        target = next(c for c in step[2:] if isinstance(c, tuple))
        chained.append((step[0], "add", target, target, token))
        token = target
    program = program_of(chained)
    result = simulate(program, SMALL)
    assert result.makespan == score(program, SMALL).details["cycles"] == result.critical_path


@given(steps())
def test_values_do_not_depend_on_time(found: list[Step]) -> None:
    """Reads when an instruction begins and writes when it ends, in the engine's order, give the sequential values."""
    result = simulate(program_of(found), SMALL)
    sequential, timed = Memory(found), Memory(found)
    for k in range(len(found)):
        sequential.write(k, sequential.read(k))
    events = [(int(end), 0, k) for k, end in enumerate(result.ends)]
    events += [(int(start), 1, k) for k, start in enumerate(result.starts)]
    pending: dict[int, list[int]] = {}
    for _, begins, k in sorted(events):
        if begins:
            pending[k] = timed.read(k)
        else:
            timed.write(k, pending.pop(k))
    assert timed.words == sequential.words
    assert timed.sent == sequential.sent


# Small cases by hand --------------------------------------------------------------------------------------------------


def test_what_a_result_tells_fits_a_screen_and_json() -> None:
    result = simulate(crowd(SMALL, 30, 0), SMALL)
    text = str(result)
    assert max(map(len, text.splitlines())) <= 80
    assert len(text.splitlines()) < 40
    for told in ("waiting for links", "busiest scratchpad", f"{result.makespan:,} cycles", "Most words on a link"):
        assert told in text
    found = json.loads(json.dumps(result.to_json()))
    assert (found["cycles"], found["serial_cycles"]) == (result.makespan, result.serial_cycles)
    assert found["stalls"]["links"] == result.stalls[:, 1].sum()
    way = ("east", "west", "north", "south").index(found["busiest_link"]["direction"])
    i, j = found["busiest_link"]["tile"]
    assert result.links[way, j, i] == found["bounds"]["busiest link"] == found["busiest_link"]["words"]
    assert 0 < found["utilisation"]["links"]["mean"] <= found["utilisation"]["links"]["busiest"] <= 1


def run(*found: Step) -> SpatialResult:
    results = [simulate(program_of(found), SMALL, engine) for engine in ("simpy", "fast")]
    same(*results)
    return results[1]


def test_two_readers_of_a_scratchpad_take_turns() -> None:
    """Both requests reach tile 1,0 in cycle 1; the lower core is served first, the other a cycle later."""
    result = run(((0, 0), "send", (64, 0)), ((2, 0), "send", (320, 0)))
    assert result.ends.tolist() == [2, 2]
    result = run(((0, 0), "abs", (64, 0), (192, 0)), ((2, 0), "abs", (320, 0), (193, 0)))
    assert result.ends.tolist() == [4, 5], "2L + 1 = 3, and a local write"
    assert result.stalls.sum(axis=0).tolist() == [0, 0, 1, 0]


def test_words_on_the_same_link_take_turns() -> None:
    """0,0 writes to 2,0 and 1,0 writes to 3,0 over the link from 1,0 eastward: the older goes first."""
    far = ((0, 0), "set", (320, 0), 1), ((1, 0), "set", (448, 0), 1)
    result = run(*far)
    assert result.ends.tolist() == [4, 4], "one is a cycle ahead of the other"
    late = ((0, 0), "set", (320, 0), 1), ((1, 0), "copy", (448, 0), (192, 0))
    result = run(*late)
    assert result.ends.tolist() == [4, 6], "a local read, and a cycle for the older word: 1 + 4 + 1"
    assert result.stalls.sum(axis=0).tolist() == [0, 1, 0, 0]


def test_a_full_buffer_holds_up_what_is_behind_it() -> None:
    """Words for the scratchpad of 3,0, whose own core keeps it busy: each word is older than its next access."""
    own: list[Step] = [((3, 0), "select", (448, 0), (448, 0), (448, 0), (448, 0))] * 2
    found: list[Step] = [*own, *(((i, 0), "set", (449 + i, 0), 1) for i in range(3))]
    result = run(*found)
    assert result.serial_cycles == 8 + 5 + 4 + 3
    assert result.links[0, 0].tolist() == [1, 2, 3, 0]
    assert result.makespan == 11, "eight accesses of its own, and three words that go before some of them"


def test_the_tape_gives_a_word_a_port_and_cycle() -> None:
    """Words 0 and 4 of the tape share port 0 of the four; the second waits a cycle."""
    found: list[Step] = [((i % 4, i // 4), "recv", ((i % 4) * 128, i // 4 * 128)) for i in range(8)]
    result = run(*found)
    assert result.ends.tolist() == [2, 2, 2, 2, 4, 4, 4, 4]
    assert result.stalls.sum(axis=0).tolist() == [0, 0, 0, 4]
    assert result.ports.tolist() == [2, 2, 2, 2]


def test_a_reader_waits_for_a_value_of_another_core() -> None:
    result = run(((0, 0), "set", (192, 0), 1), ((1, 0), "copy", (193, 0), (192, 0)))
    assert result.starts.tolist() == [0, 3], "the write over one tile takes three cycles"
    assert result.stalls.sum(axis=0).tolist() == [3, 0, 0, 0]


def test_a_writer_waits_for_readers_of_the_old_value() -> None:
    result = run(((3, 0), "copy", (384, 0), (0, 0)), ((0, 0), "set", (0, 0), 1))
    assert result.starts.tolist() == [0, 8], "a read over three tiles and a local write"


def test_bounds_are_met_where_only_one_thing_is_short() -> None:
    """Twelve cores read one scratchpad: it serves one of them a cycle, up to the first and the last one's way."""
    found: list[Step] = []
    for k in range(240):
        i, j = k % 4, k // 4 % 3
        found.append(((i, j), "copy", (i * 128 + k // 12, j * 128), (128 + k % 128, 128 + k // 128)))
    result = run(*found)
    assert result.bounds["busiest scratchpad"] >= 240
    assert result.makespan < 1.6 * result.bounds["busiest scratchpad"]
    assert result.speedup > 3
