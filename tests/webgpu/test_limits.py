"""Limits of a device are kept, and what it or the machine cannot do is told with the reason."""

import sys
from dataclasses import replace

import numpy as np
import pytest

import memsim as ms
import memsim.webgpu.device
import memsim.webgpu.execute
from memsim.errors import MemsimError, ProgramError
from memsim.isa.interpret import interpret
from memsim.webgpu import Limits, adapters, crosscheck, find_adapter, inputs_for, run, shaders
from tests.strategies import least_cores
from tests.webgpu.samples import ADAPTERS, adapter, compiled, drawn

PRODUCT = """
program p
tensor A dram {dtype} [64, 64]
tensor B dram {dtype} [64, 64]
tensor C dram fp32 [64, 64]
kernel main blocks (x 1) {{
  ring a sram {dtype} [64, 64]
  ring b sram {dtype} [64, 64]
  ring c reg fp32 [64, 64]
  queue load {{ load a <- A[0, 0]  load b <- B[0, 0] }}
  queue compute {{ mma c = a b  pop a  pop b  push c }}
  queue store {{ store C[0, 0] <- c  pop c }}
}}"""


def limited(**limits):
    """The software adapter, with less of something."""
    full = adapter("Vulkan")
    return replace(full, limits=replace(full.limits, **limits))


# ---- memory ----


@pytest.mark.parametrize(
    ("bytes_", "places"),
    [(32_768, {"workgroup"}), (16_384, {"workgroup", "scratch"}), (256, {"scratch"})],
)
def test_rings_that_do_not_fit_workgroup_memory_go_to_a_storage_buffer(bytes_, places):
    program = ms.parse(PRODUCT.format(dtype="bf16"))
    found = crosscheck(program, adapter=limited(workgroup_bytes=bytes_))
    (shader,) = found.run.shaders
    assert found.ok, str(found)
    assert {shader.places["r_a"], shader.places["r_b"]} == places
    assert shader.workgroup_bytes <= bytes_
    assert shader.text.count("var<workgroup>") == list(shader.places.values()).count("workgroup")


@pytest.mark.parametrize("seed", range(12))
def test_values_do_not_depend_on_where_rings_live(seed):
    program = drawn(seed, max_executions=200, max_kernels=1, max_cores=4)
    if program is not None:
        cores = program.cores or least_cores(program)
        found = crosscheck(program, adapter=limited(workgroup_bytes=64), cores=cores, seed=seed)
        assert found.ok, str(found)
        assert all(shader.workgroup_bytes <= 64 for shader in found.run.shaders)


def test_more_blocks_than_scratch_are_run_in_turns(monkeypatch):
    monkeypatch.setattr("memsim.webgpu.generate.SCRATCH_BYTES", 4096)
    program, inputs = compiled("softmax")
    found = crosscheck(program, inputs, limited(workgroup_bytes=0))
    (shader,) = found.run.shaders
    assert shader.groups < program.kernels[0].block_count
    assert found.ok, str(found)


def test_rings_that_fit_nowhere_are_refused(monkeypatch):
    monkeypatch.setattr("memsim.webgpu.generate.SCRATCH_BYTES", 4096)
    with pytest.raises(
        ProgramError, match=r"rings of a block take 32,768 bytes of a storage buffer, more than 4,096"
    ) as caught:
        shaders(ms.parse(PRODUCT.format(dtype="bf16")), Limits(workgroup_bytes=0))
    assert caught.value.where == "kernel main"


def test_a_tensor_that_fits_no_buffer_is_refused():
    with pytest.raises(ProgramError, match=r"tensor A takes 8,192 bytes, and the device binds at most 4,096") as caught:
        shaders(ms.parse(PRODUCT.format(dtype="bf16")), Limits(storage_bytes=4096))
    assert "smaller problem" in caught.value.mend


def test_tensors_share_buffers_up_to_the_limit():
    program = ms.parse(PRODUCT.format(dtype="fp32"))
    (one,) = shaders(program)
    (two,) = shaders(program, Limits(storage_bytes=2 * 64 * 64 * 4 + 4))
    assert [b for b in one.buffers if b.startswith("plain")] == ["plain0"]
    assert [b for b in two.buffers if b.startswith("plain")] == ["plain0", "plain1"]
    assert crosscheck(program, adapter=limited(storage_bytes=2 * 64 * 64 * 4 + 4)).ok


def test_too_many_buffers_are_refused():
    program = ms.parse(PRODUCT.format(dtype="fp32"))
    with pytest.raises(ProgramError, match="needs 6 storage buffers, and the device has 5"):
        shaders(program, Limits(storage_bytes=64 * 64 * 4 + 4, storage_buffers=5))


def test_a_workgroup_has_as_many_threads_as_the_device_allows():
    program, _ = compiled("matmul")
    assert all(shader.threads <= 32 for shader in shaders(program, Limits(invocations=32)))
    assert crosscheck(*compiled("matmul"), limited(invocations=32)).ok


def test_more_blocks_than_a_dispatch_may_have(monkeypatch):
    monkeypatch.setattr("memsim.webgpu.generate.MOST_GROUPS", 3)
    found = crosscheck(*compiled("softmax"), adapter("Vulkan"))
    assert [shader.groups for shader in found.run.shaders] == [3]
    assert found.ok


# ---- values that are wrong ----

GATHER = """
program p
tensor I dram int32 [4]
tensor W dram fp32 [8, 4]
tensor C dram fp32 [4, 4]
kernel main blocks (x 1) {
  ring i sram int32 [4]
  ring w sram fp32 [4, 4]
  queue load { load i <- I[0]  gather w <- W[2 : 5, 0 : 4] by i  pop i }
  queue store { store C[0, 0] <- w  pop w }
}"""


@pytest.mark.parametrize("index", [-1, 5, 2**31 - 1])
def test_an_index_outside_its_region_is_told(index):
    program = ms.parse(GATHER)
    inputs = {**inputs_for(program), "I": np.array([0, 4, index, 1], np.int32)}
    with pytest.raises(ProgramError):
        interpret(program, inputs)
    with pytest.raises(ProgramError, match="index is outside its region") as caught:
        run(program, inputs, adapter("Vulkan"))
    assert "interpret" in caught.value.mend


def test_a_program_that_breaks_a_rule_is_refused_before_it_runs():
    program = ms.parse(GATHER.replace("pop w", ""))
    with pytest.raises(ProgramError, match="ring w"):
        run(program, {}, adapter("Vulkan"))


def test_what_is_no_program_is_refused():
    with pytest.raises(MemsimError, match="is no Program"):
        run("matmul", {}, adapter("Vulkan"))


# ---- the machine ----


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_software_adapters_are_there(name):
    found = adapter(name)
    assert found.is_software
    assert found.limits.workgroup_bytes >= 16_384
    assert name in str(found)


def test_the_first_adapter_is_a_gpu_if_there_is_one():
    chosen = find_adapter()
    assert chosen in adapters()
    assert not chosen.is_software or all(a.is_software for a in adapters())


def test_an_unknown_adapter_names_those_that_are_there():
    with pytest.raises(MemsimError, match="no adapter is called 'voodoo'") as caught:
        find_adapter("voodoo")
    assert str(adapters()[0]) in caught.value.mend


def test_no_adapter_is_told(monkeypatch):
    monkeypatch.setattr(memsim.webgpu.device, "_found", list)
    with pytest.raises(MemsimError, match="no WebGPU adapter was found") as caught:
        find_adapter()
    assert "mesa-vulkan-drivers" in caught.value.mend


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setattr(memsim.webgpu.device, "_found", memsim.webgpu.device._found.__wrapped__)
    monkeypatch.setitem(sys.modules, "wgpu", None)
    with pytest.raises(MemsimError, match="wgpu is not installed") as caught:
        adapters()
    assert "pip install" in caught.value.mend


def test_a_shader_that_the_driver_refuses_is_told(monkeypatch):
    made = memsim.webgpu.execute.generate

    def broken(*args, **options):
        return [replace(shader, text=shader.text + "fn {") for shader in made(*args, **options)]

    monkeypatch.setattr(memsim.webgpu.execute, "generate", broken)
    with pytest.raises(MemsimError, match="the driver refuses the shader") as caught:
        run(ms.parse(GATHER), {}, adapter("Vulkan"))
    assert "kernel main" in str(caught.value.where)


def test_a_loop_that_wgsl_cannot_count_is_refused():
    program = ms.parse(f"""
    program p
    tensor A dram fp32 [8]
    tensor C dram fp32 [8]
    kernel main blocks (x 1) {{
      ring a sram fp32 [8]
      ring c reg fp32 [8]
      queue load {{ loop k {10**12} {{ load a <- A[0] }} }}
      queue compute {{ fill c 0  loop k {10**12} {{ c = add(c, a)  pop a }}  push c }}
      queue store {{ store C[0] <- c  pop c }}
    }}""")
    with pytest.raises(ProgramError, match="a loop of 1000000000000 trips is more than") as caught:
        shaders(program)
    assert "kernel main" in str(caught.value.where)


def test_a_loop_that_llvmpipe_would_end_early_is_refused():
    text = """
    program p
    tensor C dram fp32 [4]
    kernel main blocks (x 1) {{
      ring c reg fp32 [4]
      queue compute {{ fill c 0  loop k {0} {{ c = add(c, 1.0) }}  push c }}
      queue store {{ store C[0] <- c  pop c }}
    }}"""
    assert crosscheck(ms.parse(text.format(65_535)), adapter=find_adapter("Vulkan")).ok
    with pytest.raises(ms.ProgramError, match="a loop of 65536 trips is more than the 65,535"):
        crosscheck(ms.parse(text.format(65_536)), adapter=find_adapter("Vulkan"))
