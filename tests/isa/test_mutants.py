"""Valid programs with one thing changed: `verify` rejects just those that `interpret` cannot run to the end.

Depths and the order of instructions decide only about tokens (who waits for whom), so the two must agree exactly,
although one folds loops and the other runs every instruction.
"""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from memsim.errors import ProgramError
from memsim.isa.interpret import interpret
from memsim.isa.model import Loop, tiles_read, walk
from memsim.isa.verify import verify
from tests.strategies import inputs_for, least_cores, programs


def runs(program):
    """Why the program cannot be interpreted, or None if it can."""
    try:
        interpret(program, inputs_for(program), cores=program.cores or least_cores(program))
    except ProgramError as error:
        return error
    return None


def verifies(program):
    try:
        verify(program)
    except ProgramError as error:
        return error
    return None


def rewritten(program, change_ring=lambda ring, group: ring, change_queue=lambda queue: queue):
    """The program with each ring and each queue replaced."""

    def group_of(group):
        rings, queues = (change_ring(ring, group) for ring in group.rings), map(change_queue, group.queues)
        return replace(group, rings=tuple(rings), queues=tuple(queues))

    kernels = (replace(kernel, groups=tuple(map(group_of, kernel.groups))) for kernel in program.kernels)
    return replace(program, kernels=tuple(kernels))


def bodies(body, path=()):
    """Every body inside ``body``, itself first, by the indices of the loops that lead to it."""
    yield path, body
    for index, statement in enumerate(body):
        if isinstance(statement, Loop):
            yield from bodies(statement.body, (*path, index))


def with_body(body, path, new):
    if not path:
        return new
    first, *rest = path
    loop = body[first]
    return (*body[:first], replace(loop, body=with_body(loop.body, rest, new)), *body[first + 1 :])


@st.composite
def shallow(draw):
    """A program whose rings have any depth, up to what they had, that its reads ahead leave them.

    (A read beyond the depth is refused also where it is never executed, by `verify` alone.)
    """

    def change(ring, group):
        tiles = [tile for queue in group.queues for i, _ in walk(queue.body) for tile in tiles_read(i)]
        ahead = max((tile.ahead for tile in tiles if tile.ring == ring.name), default=0)
        return replace(ring, depth=draw(st.integers(ahead + 1, ring.depth)))

    return rewritten(draw(programs(max_executions=500, max_kernels=1)), change_ring=change)


@st.composite
def reordered(draw):
    """A program in which two neighbouring statements of a queue have changed places."""
    program = draw(programs(max_executions=500, max_kernels=1))
    queues = [queue for group in program.kernels[0].groups for queue in group.queues]
    places = [(q, path, body) for q in queues for path, body in bodies(q.body) if len(body) > 1]
    if not places:
        return program
    queue, path, body = draw(st.sampled_from(places))
    at = draw(st.integers(0, len(body) - 2))
    swapped = (*body[:at], body[at + 1], body[at], *body[at + 2 :])
    changed = replace(queue, body=with_body(queue.body, path, swapped))
    return rewritten(program, change_queue=lambda other: changed if other is queue else other)


@settings(max_examples=3 * settings.default.max_examples)
@given(st.one_of(shallow(), reordered()))
def test_verify_and_interpret_agree_on_depths_and_order(program):
    refused, failed = verifies(program), runs(program)
    assert (refused is None) == (failed is None), f"verify: {refused}\ninterpret: {failed}"


def test_the_mutants_are_of_both_kinds():
    seen = set()

    @settings(max_examples=100)
    @given(st.one_of(shallow(), reordered()))
    def collect(program):
        seen.add(runs(program) is None)

    collect()
    assert seen == {True, False}
