"""How WGSL holds the ISA's types: decoding stored bits, rounding, encoding; on integers, so that no driver can differ.

A tile's element is a 32-bit word: `f32` for the float types, all of which fp32 holds exactly, and `i32` for the
integers. A tensor is packed as in the host's memory: 1, 2 or 4 elements in a `u32`. Rounding is to nearest, ties to
even; fp8 and integers saturate (`memsim.isa.ops.round_to` is the definition, and the tests compare all values with it).
There are no branches: one software driver takes exponential time over many of them in a row.
"""

from __future__ import annotations

from memsim.isa.ops import DTYPES

_WAVE = """fn {name}(x: f32) -> f32 {{
  let n = round(x * 0.63661977f);
  let h = round(n * 0x1p-12f) * 0x1p12f;
  let l = n - h;
  let rest = ((x - h * 1.5703125f) - l * 1.5703125f) - h * 4.837512969970703125e-4f;
  let r = (rest - l * 4.837512969970703125e-4f) - n * 7.54978995489188216e-8f;
  let z = r * r;
  let s = r + r * z * (-1.6666654611e-1f + z * (8.3321608736e-3f - z * 1.9515295891e-4f));
  let c = 1.0f - 0.5f * z + z * z * (4.166664568298827e-2f + z * (-1.388731625493765e-3f + z * 2.443315711809948e-5f));
  let q = i32(n){shift};
  let v = select(s, c, (q & 1) == 1);
  return select(v, -v, (q & 2) == 2);
}}"""
"""Sine or cosine: the nearest multiple of pi / 2 is taken off in parts, each product exact, then a polynomial.

WGSL promises only 2**-11, and only from -pi to pi. The constants are those of S. Moshier's Cephes (``sinf``).
"""

FUNCTIONS: dict[str, str] = {
    "sine": _WAVE.format(name="sine", shift=""),
    "cosine": _WAVE.format(name="cosine", shift=" + 1"),
    "decode_fp32": "fn decode_fp32(b: u32) -> f32 { return bitcast<f32>(b); }",
    "decode_int32": "fn decode_int32(b: u32) -> i32 { return bitcast<i32>(b); }",
    "decode_int8": "fn decode_int8(b: u32) -> i32 { return bitcast<i32>(b << 24u) >> 24u; }",
    "decode_bf16": "fn decode_bf16(b: u32) -> f32 { return bitcast<f32>(b << 16u); }",
    "decode_fp16": """fn decode_fp16(b: u32) -> f32 {
  let sign = (b & 0x8000u) << 16u;
  let e = (b >> 10u) & 31u;
  let m = b & 1023u;
  let normal = (select(e + 112u, 255u, e == 31u) << 23u) | (m << 13u);
  return bitcast<f32>(sign | select(normal, bitcast<u32>(f32(m) * 0x1p-24f), e == 0u));
}""",
    "decode_fp8_e5m2": """fn decode_fp8_e5m2(b: u32) -> f32 {
  let sign = (b & 0x80u) << 24u;
  let e = (b >> 2u) & 31u;
  let m = b & 3u;
  let normal = (select(e + 112u, 255u, e == 31u) << 23u) | (m << 21u);
  return bitcast<f32>(sign | select(normal, bitcast<u32>(f32(m) * 0x1p-16f), e == 0u));
}""",
    "decode_fp8_e4m3": """fn decode_fp8_e4m3(b: u32) -> f32 {
  let sign = (b & 0x80u) << 24u;
  let e = (b >> 3u) & 15u;
  let m = b & 7u;
  let normal = select(((e + 120u) << 23u) | (m << 20u), 0x7fc00000u, (b & 127u) == 127u);
  return bitcast<f32>(sign | select(normal, bitcast<u32>(f32(m) * 0x1p-9f), e == 0u));
}""",
    "round_bf16": """fn round_bf16(x: f32) -> f32 {
  let u = bitcast<u32>(x);
  let r = (u + 0x7fffu + ((u >> 16u) & 1u)) & 0xffff0000u;
  return bitcast<f32>(select(r, u | 0x400000u, (u & 0x7fffffffu) > 0x7f800000u));
}""",
    "round_fp16": """fn round_fp16(x: f32) -> f32 {
  let u = bitcast<u32>(x);
  let sign = u & 0x80000000u;
  let a = u & 0x7fffffffu;
  let small = bitcast<u32>(round(bitcast<f32>(min(a, 0x38800000u)) * 0x1p24f) * 0x1p-24f);
  let r = (a + 0xfffu + ((a >> 13u) & 1u)) & 0xffffe000u;
  let n = select(select(r, 0x7f800000u, r > 0x477fe000u), small, a < 0x38800000u);
  return bitcast<f32>(select(n, a, a > 0x7f800000u) | sign);
}""",
    "round_fp8_e5m2": """fn round_fp8_e5m2(x: f32) -> f32 {
  let u = bitcast<u32>(x);
  let sign = u & 0x80000000u;
  let a = min(u & 0x7fffffffu, 0x47600000u);
  let small = bitcast<u32>(round(bitcast<f32>(min(a, 0x38800000u)) * 0x1p16f) * 0x1p-16f);
  let n = select((a + 0xfffffu + ((a >> 21u) & 1u)) & 0xffe00000u, small, a < 0x38800000u);
  return bitcast<f32>(select(n | sign, u, (u & 0x7fffffffu) > 0x7f800000u));
}""",
    "round_fp8_e4m3": """fn round_fp8_e4m3(x: f32) -> f32 {
  let u = bitcast<u32>(x);
  let sign = u & 0x80000000u;
  let a = min(u & 0x7fffffffu, 0x43e00000u);
  let small = bitcast<u32>(round(bitcast<f32>(min(a, 0x3c800000u)) * 0x1p9f) * 0x1p-9f);
  let n = select((a + 0x7ffffu + ((a >> 20u) & 1u)) & 0xfff00000u, small, a < 0x3c800000u);
  return bitcast<f32>(select(n | sign, u, (u & 0x7fffffffu) > 0x7f800000u));
}""",
    "round_int8": "fn round_int8(x: f32) -> i32 { return i32(clamp(round(x), -128.0, 127.0)); }",
    "round_int32": """fn round_int32(x: f32) -> i32 {
  let inside = i32(round(clamp(x, -0x1p31f, 0x1.fffffep30f)));
  return select(inside, 2147483647, x >= 0x1p31f);
}""",
    "narrow_int8": "fn narrow_int8(x: i32) -> i32 { return clamp(x, -128, 127); }",
    "encode_fp32": "fn encode_fp32(x: f32) -> u32 { return bitcast<u32>(x); }",
    "encode_int32": "fn encode_int32(x: i32) -> u32 { return bitcast<u32>(x); }",
    "encode_int8": "fn encode_int8(x: i32) -> u32 { return bitcast<u32>(x) & 255u; }",
    "encode_bf16": "fn encode_bf16(x: f32) -> u32 { return bitcast<u32>(x) >> 16u; }",
    "encode_fp16": """fn encode_fp16(x: f32) -> u32 {
  let u = bitcast<u32>(x);
  let sign = (u >> 16u) & 0x8000u;
  let a = u & 0x7fffffffu;
  let small = u32(bitcast<f32>(min(a, 0x38800000u)) * 0x1p24f);
  let finite = select((a - 0x38000000u) >> 13u, small, a < 0x38800000u);
  return sign | select(finite, select(0x7c00u, 0x7e00u, a > 0x7f800000u), a >= 0x7f800000u);
}""",
    "encode_fp8_e5m2": """fn encode_fp8_e5m2(x: f32) -> u32 {
  let u = bitcast<u32>(x);
  let sign = (u >> 24u) & 0x80u;
  let a = u & 0x7fffffffu;
  let small = u32(bitcast<f32>(min(a, 0x38800000u)) * 0x1p16f);
  let finite = select((a - 0x38000000u) >> 21u, small, a < 0x38800000u);
  return sign | select(finite, select(0x7cu, 0x7eu, a > 0x7f800000u), a >= 0x7f800000u);
}""",
    "encode_fp8_e4m3": """fn encode_fp8_e4m3(x: f32) -> u32 {
  let u = bitcast<u32>(x);
  let sign = (u >> 24u) & 0x80u;
  let a = u & 0x7fffffffu;
  let small = u32(bitcast<f32>(min(a, 0x3c800000u)) * 0x1p9f);
  let finite = select((a - 0x3c000000u) >> 20u, small, a < 0x3c800000u);
  return sign | select(finite, 0x7fu, a > 0x43e00000u);
}""",
    "floor_div": """fn floor_div(a: i32, b: i32) -> i32 {
  let q = a / b;
  return select(q, q - 1, a % b < 0);
}""",
    "floor_mod": """fn floor_mod(a: i32, b: i32) -> i32 {
  let r = a % b;
  return select(r, r + b, r < 0);
}""",
}
"""Every function that a shader may need, by name; a shader has those that it names."""


def kind_of(dtype: str) -> str:
    """The WGSL type of a tile's elements: ``f32`` or ``i32``."""
    return "f32" if DTYPES[dtype].is_float else "i32"


def rounded(text: str, kind: str, dtype: str) -> str:
    """The expression ``text``, of type ``kind``, rounded once to ``dtype``."""
    if kind == "i32":
        return f"narrow_int8({text})" if dtype == "int8" else text
    return text if dtype == "fp32" else f"round_{dtype}({text})"


def needed(text: str) -> str:
    """The functions that a shader's text calls, as text."""
    return "\n".join(body for name, body in FUNCTIONS.items() if f"{name}(" in text)
