"""What is compared, with which tolerance, and how it is told; the command."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer

import memsim as ms
from memsim.cli._crosscheck import crosscheck as command
from memsim.cli._errors import guarded
from memsim.isa.model import Tensor
from memsim.webgpu import crosscheck
from memsim.webgpu.comparison import compare
from memsim.webgpu.device import is_software
from memsim.webgpu.exactness import EACH_TERM, TOLERANCE, Doubt, doubts
from tests.webgpu.samples import adapter, compiled

T = Tensor("T", "dram", "fp32", (2, 3))
ONES = np.ones((2, 3), np.float32)


def changed(value, at=(1, 2)):
    values = ONES.copy()
    values[at] = value
    return values


def test_equal_values_agree():
    told = compare(T, ONES, ONES, Doubt())
    assert told.ok
    assert str(told) == "T: 6 elements, equal"


def test_the_last_bit_counts_where_nothing_is_inexact():
    told = compare(T, changed(np.nextafter(np.float32(1), np.float32(2))), ONES, Doubt())
    assert not told.ok
    assert (told.outside, told.at) == (1, (1, 2))
    assert "T[1, 2]: 1.00000012 on the device, 1 expected" in str(told)
    assert "must be equal" in str(told)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -40.0])
def test_no_jump_makes_what_could_not_have_been(value):
    """A comparison that goes the other way takes another value for one, not any value."""
    row = Tensor("R", "dram", "fp32", (1000,))
    expected = np.linspace(1, 2, 1000, dtype=np.float32)
    jumps = Doubt(True, TOLERANCE["fp32"], 0, True)
    wrong = expected.copy()
    wrong[7] = value
    assert not compare(row, wrong, expected, jumps).ok
    wrong[7] = 1.9
    told = compare(row, wrong, expected, jumps)
    assert told.ok
    assert "may be outside" in str(told)


def test_a_row_that_is_missing_is_no_jump():
    table = Tensor("M", "dram", "fp32", (100, 32))
    expected = np.linspace(1, 2, 3200, dtype=np.float32).reshape(100, 32)
    wrong = expected.copy()
    wrong[5] = 1.5
    assert not compare(table, wrong, expected, Doubt(True, TOLERANCE["fp32"], 0, True)).ok


@pytest.mark.parametrize(("value", "ok"), [(1 + 3e-5, True), (1 + 6e-5, False), (np.nan, False), (np.inf, False)])
def test_the_tolerance_is_relative_to_the_value_and_the_tensor(value, ok):
    doubt = Doubt(True, TOLERANCE["fp32"])
    assert compare(T, changed(value), ONES, doubt).ok is ok  # |1| + rms 1: twice the tolerance


def test_a_nan_where_one_is_expected_agrees():
    assert compare(T, changed(np.nan), changed(np.nan), Doubt()).ok


def test_numbers_below_the_normal_may_be_zero():
    assert compare(T, changed(0.0), changed(1e-40), Doubt()).ok
    assert not compare(T, changed(0.0), changed(2e-38), Doubt()).ok


def test_a_share_may_jump_where_inexact_values_were_compared():
    big = Tensor("B", "dram", "fp32", (1000,))
    ones = np.ones(1000, np.float32)
    off = ones.copy()
    off[:20] = 0
    jumps = Doubt(True, TOLERANCE["fp32"], 0, True)
    assert compare(big, off, ones, jumps).ok
    off[:21] = 0
    assert not compare(big, off, ones, jumps).ok
    assert not compare(big, off, ones, Doubt(True, TOLERANCE["fp32"])).ok


# ---- what is inexact ----


def doubts_of(name, *, software=True):
    return doubts(compiled(name)[0], software=software)


def test_products_are_exact_on_a_software_adapter_and_scale_with_k_on_a_gpu():
    assert doubts_of("matmul")["C"] == Doubt()
    on_gpu = doubts_of("matmul", software=False)["C"]
    assert on_gpu.inexact
    assert on_gpu.terms >= SIZES_K
    assert on_gpu.tolerance == TOLERANCE["bf16"] + on_gpu.terms * EACH_TERM


SIZES_K = 56


def test_an_exponential_is_inexact_in_the_type_that_it_comes_to():
    told = doubts_of("softmax")["out"]
    assert told == Doubt(True, TOLERANCE["bf16"])


def test_inputs_are_exact():
    assert all(doubts_of("softmax", software=False)[name] == Doubt() for name in ("x",))


def test_doubt_goes_from_kernel_to_kernel():
    assert doubts_of("llama_layer")["out"].inexact
    assert doubts_of("attention", software=True)["out"].inexact


def test_integers_are_exact_everywhere():
    program, _ = compiled("matmul", dtype="int8")
    assert doubts(program, software=False)["C"] == Doubt()


def test_a_comparison_of_inexact_values_jumps():
    program = ms.parse("""
    program p
    tensor A dram fp32 [8]
    tensor C dram fp32 [8]
    tensor D dram fp32 [8]
    kernel main blocks (x 1) {
      ring a sram fp32 [8]
      ring e sram fp32 [8]
      ring c sram fp32 [8]
      ring d sram fp32 [8]
      queue load { load a <- A[0] }
      queue compute {
        d = ge(a, 0.5)  push d
        e = exp2(a)  pop a
        c = ge(e, 0.5)  push c
      }
      queue store { store C[0] <- c  pop c  store D[0] <- d  pop d }
    }""")
    found = doubts(program, software=True)
    assert (found["C"].jumps, found["D"].jumps) == (True, False)


# ---- what is told ----


def test_a_report_names_adapter_driver_and_tensors():
    found = crosscheck(*compiled("softmax"), adapter("Vulkan"))
    assert found.ok
    text, told = str(found), found.to_json()
    assert "the device agrees with the interpreter: llvmpipe" in text
    assert told["ok"] is True
    assert (told["adapter"]["backend"], told["adapter"]["kind"]) == ("Vulkan", "CPU")
    assert "Mesa" in told["adapter"]["driver"]
    assert [tensor["tensor"] for tensor in told["tensors"]] == ["x", "out"]
    json.dumps(told, allow_nan=False)


def test_a_disagreement_says_where():
    program, inputs = compiled("matmul")
    expected = {t.name: np.zeros(t.shape, t.type.numpy) for t in program.tensors}
    found = crosscheck(program, inputs, adapter("Vulkan"), expected={**inputs, "C": expected["C"]})
    assert not found.ok
    assert found.worst.tensor == "C"
    assert "THE DEVICE DIFFERS" in str(found)
    assert found.worst.outside > 0.9 * found.worst.elements


def call(*arguments):
    app = typer.Typer()
    app.command()(command)
    return guarded(lambda: app(args=list(arguments), prog_name="memsim crosscheck", standalone_mode=False))


def test_the_command_prints_the_verdict_and_writes_json(tmp_path, capsys):
    out = tmp_path / "found.json"
    assert call("softmax", "-s", "rows=8", "-s", "columns=40", "--adapter", "vulkan", "--json", str(out)) == 0
    printed = capsys.readouterr().out
    assert "the device agrees with the interpreter: llvmpipe" in printed
    assert "1 dispatch in one pass" in printed
    assert "says nothing of speed" in printed
    assert json.loads(out.read_text())["tensors"][1]["tensor"] == "out"


def test_the_command_takes_a_tile_file(tmp_path, capsys):
    program, _ = compiled("rms_norm")
    path = tmp_path / "norm.tile"
    path.write_text(ms.isa.format(program))
    assert call(str(path), "--adapter", "opengl", "--json", "-") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["adapter"]["backend"] == "OpenGL"
    assert "the device agrees" in captured.err


def test_the_command_fails_where_values_differ(monkeypatch, capsys):
    monkeypatch.setattr("memsim.webgpu.comparison.interpret", lambda program, *_, **__: zeros(program))
    assert call("softmax", "-s", "rows=8", "-s", "columns=40", "--adapter", "vulkan") == 1
    assert "THE DEVICE DIFFERS" in capsys.readouterr().out


def zeros(program):
    return {t.name: np.zeros(t.shape, t.type.numpy) for t in program.tensors}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["softmax", "--adapter", "voodoo"], "no adapter is called 'voodoo'"),
        (["sofmax"], "there is no workload 'sofmax'"),
        (["no.tile"], "no such file"),
        (["softmax", "--json", "/no/where.json"], "cannot write"),
    ],
)
def test_the_command_tells_mistakes(arguments, said, capsys):
    assert call(*arguments) == 2
    assert said in capsys.readouterr().err


def test_the_page_states_the_tolerances():
    page = (Path(__file__).parents[2] / "docs/models/webgpu.md").read_text()
    for dtype, value in TOLERANCE.items():
        if value:
            assert f"| `{dtype}` | {value:g} |" in page or f"| `{dtype}` | {value} |" in page


def test_a_condition_that_is_exact_makes_no_jump():
    """A causal mask chooses between inexact values by exact positions."""
    text = """
    program p
    tensor A dram fp32 [8]
    tensor C dram fp32 [8]
    kernel main blocks (x 1) {{
      ring a sram fp32 [8]
      ring b sram fp32 [8]
      ring m sram fp32 [8]
      ring c sram fp32 [8]
      queue load {{ load a <- A[0] }}
      queue compute {{ b = exp2(a) push b  m = ge({0}, 0.0) push m  c = where(m, b, 0.5) push c  pop a pop b pop m }}
      queue store {{ store C[0] <- c  pop c }}
    }}"""
    exact, inexact = (doubts(ms.parse(text.format(of)), software=True)["C"] for of in ("a", "b"))
    assert (exact.inexact, exact.jumps) == (True, False)
    assert (inexact.inexact, inexact.jumps) == (True, True)


def test_tensors_of_all_cores_are_not_multiplied_by_cores():
    program = ms.parse("""
    program p
    cores 128
    tensor A dram fp32 [4096, 4096]
    tensor C dram fp32 [16, 16]
    kernel main blocks (x 1) {
      ring a sram fp32 [16, 16]
      queue load { load a <- A[0, 0] }
      queue store { store C[0, 0] <- a  pop a }
    }""")
    assert crosscheck(program, adapter=adapter("Vulkan")).ok


@pytest.mark.parametrize("given", [None, "softmax", 3])
def test_only_programs_are_checked(given):
    with pytest.raises(ms.MemsimError, match="no Program"):
        crosscheck(given)


def test_expected_tensors_have_the_shapes_of_the_program():
    program, inputs = compiled("matmul")
    with pytest.raises(ms.MemsimError, match="expected: tensor A has shape"):
        crosscheck(program, inputs, adapter("Vulkan"), expected={})


@pytest.mark.parametrize(
    ("name", "kind", "software"),
    [
        ("NVIDIA H200", "DiscreteGPU", False),
        ("Apple M2", "IntegratedGPU", False),
        ("softpipe", "Unknown", True),
        ("llvmpipe (LLVM 15.0.6, 256 bits)", "DiscreteGPU", True),
        ("Google SwiftShader", "CPU", True),
        ("something", "Other", True),
    ],
)
def test_what_is_no_gpu_is_not_taken_for_one(name, kind, software):
    assert is_software(name, kind) is software
