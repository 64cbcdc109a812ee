import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim.errors import ProgramError
from memsim.isa import _token_fold, parse, tokens
from memsim.isa._token_fold import Folder
from memsim.isa.expr import Expr, maximum, minimum, var
from memsim.isa.interpret import interpret
from memsim.isa.model import Loop, Pop
from memsim.isa.sites import sites_of
from memsim.isa.tokens import check_tokens
from tests.isa.token_programs import load, program, read, send, token_programs
from tests.strategies import programs

HUGE = 10**12
k, i, y = var("k"), var("i"), var("y")


def outcome(drawn, fold=True):
    """None if the tokens are in order, else the error."""
    try:
        check_tokens(list(sites_of(drawn)), fold=fold)
    except ProgramError as error:
        return str(error)
    return None


def loop(name, count, *body):
    return Loop(name, count if isinstance(count, Expr) else Expr(count), body)


# ---- folding changes nothing ----


@settings(max_examples=400)
@given(token_programs(totals=(12, 24, 60, 210)))
def test_folding_comes_to_the_same_end(drawn):
    """Also to the same words: an error names counters and fills, which folding has to advance exactly."""
    assert outcome(drawn) == outcome(drawn, fold=False)


@settings(max_examples=150)
@given(token_programs(totals=(12, 24, 60)))
def test_interpret_comes_to_the_same_end(drawn):
    """Its rings hold tiles and its queues are generators: another machine for the same rules."""
    try:
        interpret(drawn, {})
        ran = True
    except ProgramError:
        ran = False
    assert (outcome(drawn) is None) == ran


@given(programs(max_executions=1000))
def test_folding_accepts_valid_programs(drawn):
    assert outcome(drawn) is None
    assert outcome(drawn, fold=False) is None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_more_rounds_of_a_good_program_are_good(data):
    """Scaling a total by a million must neither change the end of a run nor make it long."""
    seed = data.draw(st.integers(0, 10**6))
    short, long = (_scaled(seed, total) for total in (600, 600 * 10**6))
    if outcome(short, fold=False) is None:
        assert outcome(long) is None


def _scaled(seed, total):
    """The same shapes of loops around ``total`` tiles."""
    inner, uneven, idle = 2 + seed % 4, seed // 4 % 2, seed // 8 % 4
    uneven_loop = loop("k", total // 3, Loop("i", k % 2 * 2 + 2, (load("a"),)))
    fill = uneven_loop if uneven else loop("k", total // inner, loop("i", inner, load("a")))
    guard = Loop("g", minimum(maximum(k - idle, 0), 1), (read("a"), Pop("a")))
    return program({"p": (fill,), "q": (loop("k", total + idle + 1, guard),)}, {"a": 1 + seed // 32 % 5})


# ---- trip counts cost nothing ----


def quick(drawn, seconds=1):
    start = time.perf_counter()
    found = outcome(drawn)
    assert time.perf_counter() - start < seconds
    return found


@pytest.mark.parametrize(
    ("fill", "drain"),
    [
        ([loop("k", HUGE, load("a"), load("a"))], [loop("k", 2 * HUGE, read("a"), Pop("a"))]),
        ([loop("k", HUGE, loop("i", 6, load("a")))], [loop("k", 2 * HUGE, loop("i", 3, Pop("a")))]),
        ([loop("k", 10**6, loop("i", 10**6, load("a")))], [loop("k", HUGE, Pop("a"))]),
        ([loop("k", 10**5, loop("i", 10**7, load("a")))], [loop("k", 10**7, loop("i", 10**5, Pop("a")))]),
        ([load("a"), load("a"), loop("k", HUGE, load("a"))], [loop("k", HUGE + 1, Pop("a")), Pop("a")]),
        ([loop("k", HUGE, Loop("i", minimum(k + 1, 4), (load("a"),)))], [loop("k", 4 * HUGE - 6, Pop("a"))]),
        ([loop("k", HUGE, Loop("i", k % 3, (load("a"),)))], [loop("k", HUGE - 1, Pop("a"))]),
        ([loop("k", HUGE, Loop("i", k // HUGE + 1, (load("a"),)))], [loop("k", HUGE, Pop("a"))]),
        ([loop("k", HUGE, load("a"))], [loop("i", HUGE), loop("k", HUGE, read("a"), Pop("a")), loop("i", HUGE)]),
    ],
)
@pytest.mark.parametrize("depth", [2, 5])
def test_a_trillion_iterations_are_folded(fill, drain, depth):
    assert quick(program({"p": tuple(fill), "q": tuple(drain)}, {"a": depth})) is None


@pytest.mark.parametrize("depth", [1, 2, 8])
def test_an_unequal_rate_is_found_behind_a_trillion_iterations(depth):
    drawn = program({"p": (loop("k", HUGE, load("a")),), "q": (loop("k", HUGE, Pop("a")), Pop("a"))}, {"a": depth})
    found = quick(drawn)
    assert f"ring a is filled {HUGE} times by queue p, and popped {HUGE + 1} times by queue q" in found


def test_a_deadlock_is_found_behind_a_trillion_iterations():
    """The last round waits for both rings in opposite order."""
    last = {"p": (load("a"), load("a"), load("b")), "q": (Pop("b"), Pop("a"), Pop("a"))}
    drawn = program(
        {
            "p": (loop("k", HUGE, load("a"), load("b")), *last["p"]),
            "q": (loop("k", HUGE, Pop("a"), Pop("b")), *last["q"]),
        },
        {"a": 1, "b": 1},
    )
    found = quick(drawn)
    assert "deadlock" in found
    assert f"{HUGE} pushed so far" in found
    assert "give ring a depth 2" in found


def test_a_long_run_is_skipped_not_walked(monkeypatch):
    """The folds do the work: without them the same program is out of steps."""
    monkeypatch.setattr(tokens, "MAX_STEPS", 1000)
    drawn = program({"p": (loop("k", 5000, load("a")),), "q": (loop("k", 5000, Pop("a")),)}, {"a": 2})
    assert outcome(drawn) is None
    assert "more than 1,000 steps do not repeat" in outcome(drawn, fold=False)


def test_text_that_never_repeats_is_refused_with_the_reason(monkeypatch):
    monkeypatch.setattr(tokens, "MAX_STEPS", 5000)
    triangle = {
        "p": (loop("k", 10**6, Loop("i", k + 1, (load("a"),))),),
        "q": (loop("k", 10**6, Loop("i", k + 1, (Pop("a"),))),),
    }
    found = outcome(program(triangle, {"a": 2}))
    assert re.search(r"kernel main: cannot decide .* more than 5,000 steps do not repeat .* come to .*k=", found)
    assert "independent of outer counters" in found


def test_a_triangle_folds_its_inner_loops(monkeypatch):
    monkeypatch.setattr(tokens, "MAX_STEPS", 20_000)
    triangle = {
        "p": (loop("k", 100, Loop("i", k * 10**6 + 1, (load("a"),))),),
        "q": (loop("k", 100, Loop("i", k * 10**6 + 1, (Pop("a"),))),),
    }
    assert outcome(program(triangle, {"a": 2})) is None


# ---- which blocks run ----


def runs(monkeypatch, drawn):
    """How many sets of blocks are run to verify a program."""
    networks = []
    original = Folder.__init__

    def spy(self, network, actors):
        if network not in networks:
            networks.append(network)
        original(self, network, actors)

    monkeypatch.setattr(Folder, "__init__", spy)
    assert outcome(drawn) is None
    return [len(network.blocks) for network in networks]


def test_equal_blocks_run_once(monkeypatch):
    queues = {"p": (loop("k", 9, load("a")),), "q": (loop("k", 9, Pop("a")),)}
    assert runs(monkeypatch, program(queues, {"a": 2}, grid=512)) == [1]


def test_blocks_of_equal_trip_counts_run_once(monkeypatch):
    trips = minimum(y + 1, 3)
    queues = {"p": (loop("k", trips, load("a")),), "q": (loop("k", trips, Pop("a")),)}
    assert runs(monkeypatch, program(queues, {"a": 2}, grid=512)) == [1, 1, 1]


def test_blocks_that_no_transfer_joins_run_apart(monkeypatch):
    """Pairs in a cooperative kernel: every pair is like the first."""
    to = y // 2 * 2 + (1 - y % 2)
    queues = {
        "p": (loop("k", 9, load("a")),),
        "n": (loop("k", 9, send("b", "a", to), Pop("a")),),
        "q": (loop("k", 9, Pop("b")),),
    }
    assert runs(monkeypatch, program(queues, {"a": 2, "b": 2}, grid=64, cooperative=True)) == [2]


# ---- clusters ----


def exchange(first, second, depth=1, grid=4, trips=5):
    """Each block loads tiles, and sends each to the next block of a circle."""
    order = {"send": send("b", "a", (y + 1) % grid), "pop": Pop("b")}
    net = loop("k", trips, order[first], order[second], Pop("a"))
    queues = {"p": (loop("k", trips, load("a")),), "n": (net,)}
    return program(queues, {"a": 2, "b": depth}, grid, cooperative=True)


def test_sends_in_a_circle():
    assert outcome(exchange("send", "pop")) is None
    found = outcome(exchange("pop", "send"))
    assert "deadlock" in found
    for block in range(4):
        assert f"queue n (block y={block}, iteration k=0) waits at `pop b` for a tile of ring b (0 resident" in found
    assert "no small ring depth breaks this circle" in found


def test_a_scatter_changes_its_target_with_its_counter():
    """One block sends a tile to each; the target depends on the loop, which must not be folded over."""
    one = maximum(1 - y, 0)
    queues = {
        "p": (Loop("o", one, (loop("k", 8, load("a")),)),),
        "n": (Loop("o", one, (loop("k", 8, send("b", "a", k), Pop("a")),)),),
        "q": (Pop("b"),),
    }
    assert outcome(program(queues, {"a": 2, "b": 1}, grid=8, cooperative=True)) is None
    short = {**queues, "n": (Loop("o", one, (loop("k", 8, send("b", "a", minimum(k, 6)), Pop("a")),)),)}
    found = outcome(program(short, {"a": 2, "b": 2}, grid=8, cooperative=True))
    assert "ring b is filled 2 times by queue n, and popped once by queue q (block y=6)" in found


def test_a_target_that_goes_round_is_folded_by_whole_rounds():
    one, trips = maximum(1 - y, 0), 3 * 10**9
    queues = {
        "p": (Loop("o", one, (loop("k", trips, load("a")),)),),
        "n": (Loop("o", one, (loop("k", trips, send("b", "a", k % 3), Pop("a")),)),),
        "q": (loop("k", trips // 3, Pop("b")),),
    }
    assert quick(program(queues, {"a": 2, "b": 2}, grid=3, cooperative=True)) is None


def test_two_blocks_may_not_fill_one_ring():
    queues = {
        "p": (load("a"),),
        "n": (send("b", "a", Expr(0)), Pop("a")),
        "q": (Pop("b"),),
    }
    found = outcome(program(queues, {"a": 1, "b": 2}, grid=2, cooperative=True))
    assert "ring b of block y=0 has two producers: queue n here, and queue n of block y=0 (block y=1)" in found


def test_two_queues_may_not_fill_one_ring():
    queues = {"p": (load("a"),), "o": (load("a"),), "q": (Pop("a"), Pop("a"))}
    assert "has two producers: queue o here, and queue p" in outcome(program(queues, {"a": 2}))


def test_two_groups_feed_each_other():
    text = """
    program pipe
    tensor A dram fp32 [8]
    tensor C dram fp32 [8]
    kernel pipe cooperative {{
      group first blocks (i 2) {{
        ring a sram fp32 [4] depth 2
        queue load {{ loop k {trips} {{ load a <- A[i*4] }} }}
        queue net {{ loop k {trips} {{ send b to second(i) <- a  pop a }} }}
      }}
      group second blocks (j 2) {{
        ring b sram fp32 [4] depth 2
        queue drain {{ loop k {drain} {{ pop b }} }}
      }}
    }}"""
    assert outcome(parse(text.format(trips=HUGE, drain=HUGE))) is None
    found = outcome(parse(text.format(trips=8, drain=7)))
    assert "ring b is filled 8 times by queue net, and popped 7 times by queue drain" in found
    assert "(block j=0 of group second)" in found


# ---- slots ----

SLOTS = """
program slots
tensor X dram fp32 [4]
tensor Y dram fp32 [4]
kernel main blocks (y 1) {{
  ring x sram fp32 [4] depth 2
  ring s sram fp32 [4]
  ring o sram fp32 [4]
  queue load {{ load x <- X[0] }}
  queue compute {{ {compute} }}
  queue store {{ store Y[0] <- o  pop o }}
}}"""


def test_open_slots_may_be_read_and_rewritten():
    assert outcome(parse(SLOTS.format(compute="s = add(x, x)  s = mul(s, s)  o = add(s, x)  pop x  push o"))) is None


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        ("o = add(s, x)  s = add(x, x)  pop x  push o", "o = add): ring s has no open slot (block y=0)"),
        ("pop x  push o  o = add(s, s)", "push o): ring o has no open slot"),
        ("o = add(x, x)  push o  pop x  push o", "push o): ring o has no open slot"),
        ("o = add(x@1, x)  pop x  push o", "ring x is read ahead beyond the last of its tiles (1 in all)"),
        ("o = add(x, x)  pop x  push o  o = cast(o)", "o = cast): ring o has no open slot"),
    ],
)
def test_slots_that_are_not_open_may_not_be_used(compute, message):
    assert message in outcome(parse(SLOTS.format(compute=compute)))


def test_a_producer_reads_its_ring_as_a_consumer_once_it_has_pushed():
    text = SLOTS.format(compute="s = add(x, x)  push s  o = add(s, x)  pop s  pop x  push o")
    assert outcome(parse(text)) is None


def test_every_consumer_holds_the_slot():
    """The slot is free once both have popped: a slow one stops the producer."""
    queues = {
        "p": (loop("k", 4, load("a")), load("b")),
        "q": (loop("k", 4, Pop("a")),),
        "r": (Pop("b"), loop("k", 4, Pop("a"))),
    }
    found = outcome(program(queues, {"a": 2, "b": 1}))
    assert "queue p (block y=0, iteration k=2) waits at `load a` for a free slot of ring a (all 2 full)" in found
    assert "queue r (block y=0) waits at `pop b` for a tile of ring b (0 resident, 0 pushed so far)" in found
    assert "give ring a depth 4" in found
    assert outcome(program(queues, {"a": 4, "b": 1})) is None


def test_too_many_different_blocks_are_refused():
    queues = {"p": (loop("k", y + 1, load("a")),), "q": (loop("k", y + 1, Pop("a")),)}
    assert "cannot look at 1,000,000 blocks" in outcome(program(queues, {"a": 2}, grid=10**6))
    same = {"p": (loop("k", 9, load("a")),), "q": (loop("k", 9, Pop("a")),)}
    assert outcome(program(same, {"a": 2}, grid=10**9)) is None


@pytest.mark.parametrize(("fills", "depth"), [(9, 2), (9, 1), (HUGE, 4)])
def test_a_ring_that_is_filled_too_often(fills, depth):
    """Its producer is stuck when the consumer has ended: the error tells how often it would have filled the ring."""
    queues = {"p": (loop("k", fills, load("a")),), "q": (loop("k", 4, Pop("a")),)}
    expected = f"ring a is filled {fills} times by queue p, and popped 4 times by queue q (block y=0)"
    assert expected in quick(program(queues, {"a": depth}))


def test_many_queues_are_folded_by_few_patterns():
    """Seven queues of two loops each would make 128 choices of the loop that advances."""
    rings = [f"r{number}" for number in range(6)]
    queues = {"q0": (loop("i", 10**6, loop("k", 10**6, load("r0"))),)}
    for number, (before, after) in enumerate(pairwise(rings), start=1):
        queues[f"q{number}"] = (loop("i", 10**6, loop("k", 10**6, Pop(before), load(after))),)
    queues["q6"] = (loop("i", 10**6, loop("k", 10**6, Pop("r5"))),)
    assert quick(program(queues, dict.fromkeys(rings, 2)), 5) is None


def test_a_short_history_still_folds(monkeypatch):
    monkeypatch.setattr(_token_fold, "_MAX_HISTORY", 20)
    queues = {"p": (loop("k", HUGE, load("a")),), "q": (loop("k", HUGE, Pop("a")),)}
    assert quick(program(queues, {"a": 2})) is None
