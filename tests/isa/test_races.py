import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim.errors import ProgramError
from memsim.isa import parse
from memsim.isa._race_cells import Cores, find_meeting
from memsim.isa._race_proofs import access_of, never_meet, writes_once
from memsim.isa._verify_races import check_races
from memsim.isa.expr import Expr, maximum, minimum, var
from memsim.isa.model import Group, Kernel, Load, Loop, Program, Queue, Region, Ring, Store, Target, Tensor, Tile
from memsim.isa.sites import sites_of
from tests.strategies import programs

SHAPE = (24, 10)


@st.composite
def starts(draw, names, extent):
    """Starts of the kinds that occur: tiles, digits of a tile number, clips, and what does not fit together at all."""
    e = Expr(draw(st.integers(0, 3)))
    for name in names:
        match draw(st.sampled_from(("none", "none", "times", "times", "quotient", "remainder", "clip"))):
            case "times":
                e = e + var(name) * draw(st.sampled_from((1, 2, 3, 4, 6, 8)))
            case "quotient":
                e = e + var(name) // draw(st.integers(2, 3)) * draw(st.sampled_from((1, 2, 4)))
            case "remainder":
                e = e + var(name) % draw(st.integers(2, 3)) * draw(st.sampled_from((1, 2, 4)))
            case "clip":
                e = e + minimum(var(name) * 2, 3)
    if draw(st.booleans()) and len(names) > 1:
        tile = var(names[0]) * draw(st.integers(1, 4)) + var(names[1])
        by = draw(st.integers(2, 4))
        e = draw(st.sampled_from((tile // by, tile % by))) * draw(st.sampled_from((1, 2, 4)))
    return maximum(e, 0) if draw(st.booleans()) else e


@st.composite
def regions(draw, names):
    at = tuple(draw(starts(names, extent)) for extent in SHAPE)
    sizes = tuple(draw(st.integers(1, 4)) for _ in SHAPE)
    steps = tuple(draw(st.sampled_from((1, 1, 1, 2, 3))) for _ in SHAPE)
    return Region("T", at, sizes, steps, clip=True)


@st.composite
def accessing(draw, role="dram"):
    """A program whose stores and loads touch one small tensor; it keeps no rule on rings."""
    grid = tuple((name, draw(st.integers(1, 4))) for name in draw(st.sampled_from((("y",), ("y", "x")))))
    cluster = tuple(draw(st.sampled_from([c for c in (1, 2) if n % c == 0])) for _, n in grid)
    queues = []
    for number in range(draw(st.integers(1, 2))):
        names, loops = [name for name, _ in grid], []
        for name in ("k", "j")[: draw(st.integers(0, 2))]:
            count = draw(st.sampled_from((Expr(1), Expr(2), Expr(3), var("y") + 1, maximum(var("y") - 1, 0))))
            loops.append((name, count))
            names.append(name)
        region = draw(regions(names))
        writes = number == 0 or draw(st.booleans())
        body = (Store(region, Tile("t")) if writes else Load(Target("t"), region),)
        for name, count in reversed(loops):
            body = (Loop(name, count, body),)
        queues.append(Queue(f"q{number}", body))
    group = Group("main", grid, (Ring("t", "sram", "fp32", (1,)),), tuple(queues), cluster)
    cores = None if role == "dram" else 4
    return Program("races", (Tensor("T", role, "fp32", SHAPE),), (Kernel("main", (group,)),), cores)


def touched(site, region, cores=None):
    """Each element that each execution of an instruction touches, with the core's number first."""
    group = site.group
    for block in range(group.block_count):
        copy = block % cores if cores else 0
        for env in _iterations([(loop.var, loop.count) for loop in site.loops], group.coordinates(block)):
            axes = [
                [s for i in range(size) if (s := start.evaluate(env) + i * step) < extent]
                for start, size, step, extent in zip(region.starts, region.sizes, region.steps, SHAPE, strict=True)
            ]
            for element in itertools.product(*axes):
                yield (copy, *element), env


def _iterations(loops, env):
    if not loops:
        yield dict(env)
        return
    (name, count), *inner = loops
    for value in range(count.evaluate(env)):
        yield from _iterations(inner, {**env, name: value})


def region_of(site):
    return site.instruction.dst if isinstance(site.instruction, Store) else site.instruction.src


def races(drawn, cores=None):
    """Whether some element is written twice, or written and read: by listing every access."""
    written, read = set(), set()
    for site in sites_of(drawn):
        for element, _ in touched(site, region_of(site), cores):
            if isinstance(site.instruction, Store):
                if element in written:
                    return True
                written.add(element)
            else:
                read.add(element)
    return bool(written & read)


def outcome(drawn):
    try:
        check_races(drawn, list(sites_of(drawn)))
    except ProgramError as error:
        return str(error)
    return None


# ---- against listing every access ----


@settings(max_examples=300)
@given(accessing())
def test_races_are_those_of_listing_every_access(drawn):
    assert (outcome(drawn) is not None) == races(drawn)


@settings(max_examples=300)
@given(accessing(role="sram"))
def test_per_core_races_are_those_of_listing_every_access(drawn):
    size = drawn.kernels[0].groups[0].cluster_size
    cores = drawn.cores // size * size
    assert (outcome(drawn) is not None) == races(drawn, cores)


@settings(max_examples=300)
@given(accessing())
def test_what_is_proved_is_true(drawn):
    """The proofs alone: without the listing that follows where they fail."""
    accesses = [access_of(s, region_of(s), isinstance(s.instruction, Store)) for s in sites_of(drawn)]
    elements = [[e for e, _ in touched(s, region_of(s))] for s in sites_of(drawn)]
    for access, listed in zip(accesses, elements, strict=True):
        if access is not None and writes_once(access):
            assert len(set(listed)) == len(listed)
    if len(accesses) == 2 and None not in accesses and never_meet(*accesses):
        assert set(elements[0]).isdisjoint(elements[1])


@settings(max_examples=300)
@given(accessing())
def test_the_example_of_a_race_is_one(drawn):
    sites = list(sites_of(drawn))
    accesses = [access_of(s, region_of(s), isinstance(s.instruction, Store)) for s in sites]
    present = [access for access in accesses if access is not None]
    if not present:
        return
    meeting, complete = find_meeting(drawn.tensors[0], present, None)
    assert complete
    assert (meeting is not None) == races(drawn)
    if meeting is not None:
        for access, at in ((meeting.first, meeting.first_at), (meeting.second, meeting.second_at)):
            assert ((0, *meeting.element), at) in list(touched(access.site, access.region))
        assert (meeting.first.site, meeting.first_at) != (meeting.second.site, meeting.second_at)
        assert meeting.first.writes


@given(programs(max_executions=300))
def test_valid_programs_have_no_race(drawn):
    assert outcome(drawn) is None


# ---- what has to be proved, since it is too large to list ----

STORE = """
program store
tensor C dram fp32 [{shape}]
kernel main blocks ({grid}) {{
  ring c sram fp32 [{tile}] depth 2
  queue make {{ {loops} fill c 0  push c {ends} }}
  queue store {{ {loops} store C[{start}] <- c {flags}  pop c {ends} }}
}}"""
HUGE = 10**12


def store(shape, tile, start, grid="y 16", loops="", flags=""):
    ends = "}" * loops.count("{")
    text = STORE.format(shape=shape, grid=grid, tile=tile, loops=loops, start=start, flags=flags, ends=ends)
    return parse(text)


@pytest.mark.parametrize(
    ("shape", "tile", "start", "grid", "loops"),
    [
        (f"16, {HUGE * 64}", "64", "y, k*64", "y 16", f"loop k {HUGE} {{"),
        (f"{16 * HUGE * 64}", "64", f"y*{HUGE * 64} + k*64", "y 16", f"loop k {HUGE} {{"),
        (f"{16 * HUGE * 64}", "64", "k*1024 + y*64", "y 16", f"loop k {HUGE} {{"),
        (f"{16 * HUGE}, 64", "8, 64", "(k*16 + y)//2*16 + (k*16 + y)%2*8, 0", "y 16", f"loop k {HUGE} {{"),
        (f"{HUGE * 128}, 128", "128, 64", "t//2*128, t%2*64", "y 1", f"loop t {2 * HUGE} {{"),
        (f"{HUGE * 128}, 128", "128, 64", "(t*16 + y)//2*128, (t*16 + y)%2*64", "y 16", f"loop t {HUGE // 8} {{"),
        (f"{HUGE * 40}", "10", "y*40 + j + k*160 : 10 : 4", "y 4", f"loop k {HUGE // 4} {{ loop j 4 {{"),
        (f"{HUGE * 65}, {HUGE}", "1", "y + k*16, j", "y 16", f"loop k {HUGE} {{ loop j min(k + 1, {HUGE}) {{"),
    ],
)
def test_stores_of_a_trillion_tiles_are_proved(shape, tile, start, grid, loops):
    drawn = store(shape, tile, start, grid, loops)
    begin = time.perf_counter()
    assert outcome(drawn) is None
    assert time.perf_counter() - begin < 0.5


def test_a_race_among_a_trillion_tiles_is_shown_by_example():
    drawn = store(f"16, {HUGE * 64}", "64", "0, k*64", "y 16", f"loop k {HUGE} {{")
    found = outcome(drawn)
    assert "kernel main / queue store / loop k / store C" in found
    assert "race on C[0, 0]: written here both in block y=0, iteration k=0 and in block y=1, iteration k=0" in found


def test_overlapping_tiles_are_shown_by_example():
    found = outcome(store("1000", "64", "k*48", "y 1", "loop k 10 {"))
    assert "race on C[48]: written here both in block y=0, iteration k=0 and in block y=0, iteration k=1" in found


def test_what_can_be_neither_proved_nor_listed_is_refused_with_the_reason():
    """min(k, 10^9) repeats only after a billion rounds: no example among the first, and too many to list."""
    drawn = store(f"{HUGE}", "1", "min(k, 1000000000)", "y 1", f"loop k {HUGE} {{")
    found = outcome(drawn)
    assert "cannot prove that `store C` never meet in an element of C" in found
    assert "more than 10,000,000 elements" in found


def test_a_tensor_of_too_many_elements_to_number_is_not_listed():
    """2^70 elements: keys of 64 bits would run into each other."""
    drawn = store(f"{2**35}, {2**35}", "1", "y*0 + k%2*7, k//2*3 + k%2", "y 1", "loop k 6 {")
    accesses = [access_of(s, region_of(s), True) for s in sites_of(drawn) if isinstance(s.instruction, Store)]
    assert find_meeting(drawn.tensors[0], accesses, None) == (None, False)


PAIR = """
program pair {cores}
tensor C {role} fp32 [{shape}]
kernel main blocks (y 16) {{
  ring c sram fp32 [64] depth 2
  ring d sram fp32 [64] depth 2
  queue make {{ fill c 0  push c  fill d 0  push d }}
  queue one {{ {one} }}
  queue two {{ {two} }}
}}"""


def pair(one, two, shape=f"{HUGE}", role="dram", cores=""):
    return parse(PAIR.format(one=one, two=two, shape=shape, role=role, cores=cores))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("store C[y*128] <- c  pop c", "store C[y*128 + 64] <- d  pop d"),
        ("loop k 9999 { store C[y*1280000 + k*128] <- c }", "loop k 9999 { store C[y*1280000 + k*128 + 64] <- d }"),
        ("loop k 9999999 { store C[y*640000000 + k*64] <- c }", "store C[y*640000000 + 639999936] <- d"),
        ("loop k 9999999 { store C[k*64 + y*640000000] <- c }", "load d <- C[y*640000000 + 639999936]"),
        ("loop k 9999999 { store C[k*64] <- c }", "load d <- C[640000000]"),
    ],
)
def test_two_accesses_are_proved_apart(one, two):
    drawn = pair(one, two)
    sites = list(sites_of(drawn))
    accesses = [access_of(s, region_of(s), True) for s in sites if isinstance(s.instruction, (Store, Load))]
    assert never_meet(*accesses)


def test_a_tile_that_is_read_may_not_be_written():
    found = outcome(pair("store C[y*64] <- c  pop c", "load d <- C[y*64]", shape="1024"))
    assert "race on C[0]: read in block y=0, written by `store C` (" in found
    assert "kernel main / queue one / store C)) in block y=0" in found


def test_a_tile_that_is_written_may_not_be_written_by_another():
    found = outcome(pair("store C[y*64] <- c  pop c", "store C[960 - y*64] <- d  pop d", shape="1024"))
    assert "written by `store C`" in found
    assert "kernel main / queue two / store C)" in found


def test_each_core_has_its_own_copy():
    drawn = pair("store C[0] <- c  pop c", "store C[64] <- d  pop d", shape="128", role="sram", cores="cores 16")
    assert outcome(drawn) is None
    shared = pair("store C[0] <- c  pop c", "store C[64] <- d  pop d", shape="128", role="sram", cores="cores 8")
    assert "race on C[0]: written here both in block y=0 and in block y=8" in outcome(shared)


def test_kernels_follow_each_other_so_do_not_race():
    kernel = "kernel {name} blocks (y 4) {{ ring c sram fp32 [64]  queue q {{ {body} }} }}"
    make = kernel.format(name="make", body="fill c 0  store C[y*64] <- c")
    take = kernel.format(name="take", body="load c <- C[y*64]  pop c")
    assert outcome(parse(f"program p\ntensor C dram fp32 [256]\n{make}\n{take}")) is None


def test_an_access_that_never_happens_meets_nothing():
    drawn = store("64", "64", "0", "y 1", "loop k 0 {")
    assert outcome(drawn) is None
    (site,) = [s for s in sites_of(drawn) if isinstance(s.instruction, Store)]
    assert access_of(site, region_of(site), True) is None


def test_an_access_that_turns_out_never_to_happen_meets_nothing():
    body = """loop k0 2 {
      loop k1 k0*6//2%3 { store Y[(k0*4 + k1)//3, (k0*4 + k1)%3*8] <- c }
      loop k1 (k0*6 + 3)//2%3 { store Y[(k0*4 + k1 + 2)//3, (k0*4 + k1 + 2)%3*8] <- c }
    }"""
    kernel = f"kernel k blocks (j 1) {{ ring c sram fp32 [1, 8] queue q {{ fill c 0 {body} }} }}"
    assert outcome(parse(f"program p\ntensor Y dram fp32 [3, 24]\n{kernel}")) is None


def test_cores_of_the_blocks_of_two_groups():
    """Blocks are numbered through the groups, so the second group's first block shares a core with the first's."""
    text = """
    program p cores 2
    tensor T sram fp32 [4]
    kernel k {
      group one blocks (y 2) { ring c sram fp32 [4]  queue q { fill c 0  store T[0] <- c } }
      group two blocks (y 2) { ring c sram fp32 [4]  queue q { fill c 0  store T[0] <- c } }
    }"""
    drawn = parse(text)
    accesses = [access_of(s, region_of(s), True) for s in sites_of(drawn) if isinstance(s.instruction, Store)]
    meeting, _ = find_meeting(drawn.tensors[0], accesses, Cores(2, {"one": 0, "two": 2}))
    assert (meeting.first_at, meeting.second_at) == ({"y": 0}, {"y": 0})
    assert find_meeting(drawn.tensors[0], accesses, Cores(4, {"one": 0, "two": 2})) == (None, True)
    assert "race on T[0]" in outcome(drawn)


@pytest.mark.parametrize("ahead", [1, 3, 4, 8])
def test_elements_a_whole_factor_apart_may_meet_in_the_next_iteration(ahead):
    text = f"""program neighbours
    tensor D dram fp32 [1000000000]
    kernel main blocks (b 1) {{
      ring a sram fp32 [1]
      ring c sram fp32 [1]
      queue make {{ loop i 100000000 {{ fill c 0 push c }} }}
      queue store {{ loop i 100000000 {{ store D[i*4] <- c pop c }} }}
      queue load {{ loop i 100000000 {{ load a <- D[i*4 + {ahead}] }} }}
      queue drop {{ loop i 100000000 {{ pop a }} }}
    }}"""
    program = parse(text)
    store, load = [
        access_of(site, region, writes)
        for site in sites_of(program)
        for region, writes in (
            [(site.instruction.dst, True)] if isinstance(site.instruction, Store) else
            [(site.instruction.src, False)] if isinstance(site.instruction, Load) else []
        )
    ]  # fmt: skip
    assert never_meet(store, load) == bool(ahead % 4)
