"""Every named workload, compiled for the toy chip, computes on the device what it computes on the interpreter."""

import pytest

import memsim as ms
from memsim.webgpu import Options, crosscheck
from memsim.workloads import WORKLOADS
from tests.webgpu.samples import ADAPTERS, SIZES, adapter, compiled


def test_every_workload_is_here():
    assert set(SIZES) == set(WORKLOADS)


@pytest.mark.parametrize("where", ADAPTERS)
@pytest.mark.parametrize("name", SIZES)
def test_it_agrees(name, where):
    program, inputs = compiled(name)
    found = crosscheck(program, inputs, adapter(where))
    assert found.ok, str(found)
    assert found.run.dispatches >= len(program.kernels)


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "fp8_e4m3", "fp8_e5m2", "int8"])
def test_products_of_every_type_are_equal_to_the_last_bit(dtype):
    program, inputs = compiled("matmul", dtype=dtype)
    found = crosscheck(program, inputs, adapter("Vulkan"))
    assert found.ok, str(found)
    assert all(tensor.max_abs_err == 0 and tensor.tolerance == 0 for tensor in found.tensors)


@pytest.mark.parametrize("name", ["matmul", "flash_attention"])
def test_registers_change_no_value(name):
    program, inputs = compiled(name)
    with_registers = crosscheck(program, inputs, adapter("Vulkan"))
    without = crosscheck(program, inputs, adapter("Vulkan"), options=Options(registers=False))
    assert any("register" in shader.places.values() for shader in with_registers.run.shaders)
    assert not any("register" in shader.places.values() for shader in without.run.shaders)
    for tensor, values in with_registers.run.outputs.items():
        assert values.tobytes() == without.run.outputs[tensor].tobytes(), tensor


@pytest.mark.parametrize("shape", [(16, 16), (5, 5), (48, 48)])
@pytest.mark.parametrize("accumulate", ["=", "+="])
def test_a_product_may_read_the_slot_that_it_writes(shape, accumulate):
    rows, columns = shape
    program = ms.parse(f"""
    program p
    tensor A dram fp32 [{rows}, {columns}]
    tensor C dram fp32 [{rows}, {columns}]
    kernel main blocks (x 1) {{
      ring a sram fp32 [{rows}, {columns}]
      ring c sram fp32 [{rows}, {columns}]
      queue load {{ load a <- A[0, 0] }}
      queue compute {{ c = mul(a, 0.5)  loop k 3 {{ mma c {accumulate} a c }}  pop a  push c }}
      queue store {{ store C[0, 0] <- c  pop c }}
    }}""")
    found = crosscheck(program, adapter=adapter("Vulkan"))
    assert found.ok, str(found)
