"""Random programs agree with the interpreter, on each software adapter."""

import pytest

from tests.webgpu.samples import check_drawn, drawn

SMALL = {"max_executions": 200, "max_kernels": 1, "max_cores": 4}
CHUNK = 30


def check_all(seeds, where, **options):
    """How many programs were checked; each must agree."""
    count = 0
    for seed in seeds:
        program = drawn(seed, **options)
        if program is not None:
            found = check_drawn(program, seed, where)
            assert found.ok, f"seed {seed}: {found}"
            count += 1
    return count


@pytest.mark.parametrize("first", range(0, 7 * CHUNK, CHUNK))
def test_small_programs_agree(first):
    assert check_all(range(first, first + CHUNK), "Vulkan", **SMALL) >= CHUNK - 1


def test_they_are_at_least_two_hundred():
    assert sum(drawn(seed, **SMALL) is not None for seed in range(7 * CHUNK)) >= 200


def test_they_agree_through_opengl_too():
    assert check_all(range(1000, 1030), "OpenGL", **SMALL) >= 28


@pytest.mark.slow
@pytest.mark.parametrize("where", ["Vulkan", "OpenGL"])
def test_larger_programs_agree(where):
    assert check_all(range(2000, 2100), where) >= 95


@pytest.mark.slow
def test_programs_with_long_loops_agree():
    assert check_all(range(3000, 3060), "Vulkan", steady=True, shared=True, max_executions=800) >= 55
