"""Decoding, rounding and encoding on the device are those of `round_to`, for all values that matter."""

import numpy as np
import pytest

import memsim as ms
from memsim.isa.ops import DTYPES, VECTOR_OPS, round_to
from memsim.webgpu import Options, run, shaders
from tests.webgpu.samples import ADAPTERS, adapter, equal_bits

COLUMNS = 512


def cast_on_device(values, source, target, where="Vulkan", **options):
    """Values of one type as another: loaded, cast and stored by a program."""
    rows = values.size // COLUMNS
    text = f"""
    program cast
    tensor X dram {source} [{rows}, {COLUMNS}]
    tensor Y dram {target} [{rows}, {COLUMNS}]
    kernel main blocks (y {rows}) {{
      ring x sram {source} [1, {COLUMNS}]
      ring y sram {target} [1, {COLUMNS}]
      queue load {{ load x <- X[y, 0] }}
      queue compute {{ y = cast(x)  pop x  push y }}
      queue store {{ store Y[y, 0] <- y  pop y }}
    }}
    """
    found = run(ms.parse(text), {"X": values.reshape(rows, COLUMNS)}, adapter(where), options=Options(**options))
    (shader,) = found.shaders
    assert ("enable f16;" in shader.text) is ("array<f16" in shader.text)
    return found.outputs["Y"].reshape(-1)


def all_of(dtype):
    """Every value of a type of at most 16 bits, as often as fills rows."""
    bits = DTYPES[dtype].bits
    values = np.arange(2**bits, dtype=np.uint16 if bits == 16 else np.uint8).view(DTYPES[dtype].numpy)
    return np.resize(values, max(values.size, COLUMNS))


def singles():
    """Numbers of fp32 around every number of every narrower type: the ties, and what lies beside them."""
    narrow = [all_of(d).astype(np.float32) for d in ("fp16", "bf16", "fp8_e4m3", "fp8_e5m2")]
    bits = np.unique(np.concatenate([n.view(np.uint32) for n in narrow]))
    middles = bits[:-1] // 2 + bits[1:] // 2
    around = np.concatenate([bits, middles, middles + 1, middles - 1, bits + 1, bits - 1]).astype(np.uint32)
    drawn = np.random.default_rng(0).integers(0, 2**32, 20_000, dtype=np.uint32)
    values = np.concatenate([around, drawn]).view(np.float32)
    return np.resize(values, -(-values.size // COLUMNS) * COLUMNS)


@pytest.mark.parametrize("where", ADAPTERS)
@pytest.mark.parametrize("dtype", ["fp16", "bf16", "fp8_e4m3", "fp8_e5m2", "int8"])
def test_every_value_is_decoded_and_encoded(dtype, where):
    values = all_of(dtype)
    wide = "fp32" if DTYPES[dtype].is_float else "int32"
    with np.errstate(invalid="ignore"):  # a signalling NaN
        widened = values.astype(DTYPES[wide].numpy)
        again = round_to(widened, dtype)  # the infinities of fp8 saturate
    assert equal_bits(cast_on_device(values, dtype, wide, where), widened)
    assert equal_bits(cast_on_device(values, dtype, dtype, where), again)


@pytest.mark.parametrize("where", ADAPTERS)
@pytest.mark.parametrize("dtype", ["fp16", "bf16", "fp8_e4m3", "fp8_e5m2"])
def test_rounding_from_fp32(dtype, where):
    values = singles()
    with np.errstate(all="ignore"):
        expected = round_to(values, dtype)
    assert equal_bits(cast_on_device(values, "fp32", dtype, where), expected)


@pytest.mark.parametrize("where", ADAPTERS)
def test_every_fp16_value_goes_through_workgroup_memory(where):
    """Where the device has f16, a ring of that type is stored as such; where it has not, as fp32."""
    values = all_of("fp16")
    with np.errstate(all="ignore"):
        assert equal_bits(cast_on_device(values, "fp16", "fp16", where, registers=False), values)
        assert equal_bits(
            cast_on_device(singles(), "fp32", "fp16", where, registers=False), round_to(singles(), "fp16")
        )


def test_f16_is_used_where_the_device_has_it():
    assert adapter("Vulkan").limits.f16
    assert not adapter("OpenGL").limits.f16
    program = ms.parse("""
    program p
    tensor X dram fp16 [64, 64]
    tensor Y dram fp32 [64, 64]
    kernel main blocks (x 1) {
      ring a sram fp16 [64, 64]
      ring c reg fp32 [64, 64]
      queue load { load a <- X[0, 0] }
      queue compute { mma c = a a^T  pop a  push c }
      queue store { store Y[0, 0] <- c  pop c }
    }""")
    (half,), (full,) = (shaders(program, adapter(name).limits) for name in ADAPTERS)
    assert (half.workgroup_bytes, full.workgroup_bytes) == (2 * 64 * 64, 4 * 64 * 64)


@pytest.mark.parametrize("dtype", ["int8", "int32"])
def test_rounding_to_integers_saturates(dtype):
    values = singles()
    values = values[~np.isnan(values)]
    values = np.resize(
        np.concatenate([np.arange(-140, 140, 0.5, np.float32), values]), values.size // COLUMNS * COLUMNS
    )
    expected = round_to(values, dtype)
    assert equal_bits(cast_on_device(values, "fp32", dtype), expected)


def test_integers_to_floats_round_to_nearest_even():
    values = np.random.default_rng(1).integers(-(2**31), 2**31, 8 * COLUMNS).astype(np.int32)
    assert equal_bits(cast_on_device(values, "int32", "fp32"), values.astype(np.float32))
    assert equal_bits(cast_on_device(values, "int32", "int8"), round_to(values, "int8"))


# ---- the table of primitives ----


def vector_on_device(op, args, dtype):
    """An elementwise primitive on arrays of COLUMNS elements."""
    names = "abc"[: len(args)]
    tensors = "\n".join(f"tensor {n.upper()} dram {dtype} [{COLUMNS}]" for n in names)
    rings = "\n".join(f"ring {n} sram {dtype} [{COLUMNS}]" for n in names)
    loads = " ".join(f"load {n} <- {n.upper()}[0]" for n in names)
    pops = " ".join(f"pop {n}" for n in names)
    program = ms.parse(f"""
    program vector
    {tensors}
    tensor Y dram {dtype} [{COLUMNS}]
    kernel main blocks (x 1) {{
      {rings}
      ring y reg {dtype} [{COLUMNS}]
      queue load {{ {loads} }}
      queue compute {{ y = {op}({", ".join(names)})  {pops}  push y }}
      queue store {{ store Y[0] <- y  pop y }}
    }}
    """)
    given = {n.upper(): arg for n, arg in zip(names, args, strict=True)}
    return run(program, given, adapter("Vulkan")).outputs["Y"]


APPROXIMATE = {"exp2": (4e-7, 0.0), "log2": (0.0, 2e-6), "sin": (0.0, 2e-7), "cos": (0.0, 2e-7)}
"""Relative and absolute error of the functions that a device approximates."""


@pytest.mark.parametrize("op", VECTOR_OPS)
def test_each_primitive_is_that_of_the_table(op):
    rng = np.random.default_rng(2)
    args = [rng.choice([-2.0, -0.5, 0.0, 1.5, 3.0], COLUMNS).astype(np.float32) for _ in range(VECTOR_OPS[op].arity)]
    args[0][: COLUMNS // 2] = rng.standard_normal(COLUMNS // 2, np.float32) * 4
    if op in ("recip", "rsqrt", "sqrt", "log2"):
        args[0] = np.abs(args[0]) + np.float32(0.01)
    expected = VECTOR_OPS[op].compute(*args)
    found = vector_on_device(op, args, "fp32")
    relative, absolute = APPROXIMATE.get(op, (0.0, 0.0))
    np.testing.assert_allclose(found, expected, rtol=relative, atol=absolute)


@pytest.mark.parametrize(("most", "error"), [(3.2, 1.3e-7), (100.0, 1.3e-7), (8192.0, 1.3e-7), (1e6, 1.3e-7)])
@pytest.mark.parametrize("op", ["sin", "cos"])
def test_waves_of_large_arguments(op, most, error):
    x = np.random.default_rng(4).uniform(-most, most, COLUMNS).astype(np.float32)
    x[:3] = 0, most, -most
    expected = VECTOR_OPS[op].compute(x.astype(np.float64))
    assert np.abs(vector_on_device(op, [x], "fp32") - expected).max() <= error


@pytest.mark.parametrize("op", [name for name, op in VECTOR_OPS.items() if not op.special])
def test_integers_are_computed_in_int32(op):
    rng = np.random.default_rng(3)
    args = [rng.integers(-(2**31), 2**31, COLUMNS).astype(np.int32) for _ in range(VECTOR_OPS[op].arity)]
    args[0][::3] = args[-1][::3]
    with np.errstate(all="ignore"):
        expected = VECTOR_OPS[op].compute(*args)
    np.testing.assert_array_equal(vector_on_device(op, args, "int32"), expected)
