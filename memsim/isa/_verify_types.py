"""Rules on element types and shapes: what an instruction joins must fit together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from memsim.isa.model import (
    Copy,
    Fill,
    Gather,
    Iota,
    Load,
    Mma,
    Reduce,
    Region,
    Ring,
    Send,
    Store,
    Tensor,
    Tile,
    Vector,
    tiles_read,
)
from memsim.isa.ops import DTYPES, MMA_TYPES
from memsim.isa.sites import Site

Shape = tuple[int, ...]


def check_types(sites: Iterable[Site]) -> None:
    """Raise unless the types and shapes of every instruction agree."""
    for site in sites:
        _check_ahead(site)
        match site.instruction:
            case Load():
                _check_load(site, site.instruction)
            case Store(dst=region, src=tile, transpose=transpose):
                ring, tensor = site.group.ring(tile.ring), site.program.tensor(region.tensor)
                _check_move(site, _tile_end(ring), _region_end(region, tensor), transpose)
            case Copy(dst=dst, src=tile, transpose=transpose):
                _check_move(site, _tile_end(site.group.ring(tile.ring)), _tile_end(site.target_ring(dst)), transpose)
            case Send(dst=dst, src=tile):
                _check_move(site, _tile_end(site.group.ring(tile.ring)), _tile_end(site.target_ring(dst)), False)
            case Gather():
                _check_gather(site, site.instruction)
            case Mma():
                _check_mma(site, site.instruction)
            case Vector():
                _check_vector(site, site.instruction)
            case Reduce():
                _check_reduce(site, site.instruction)
            case Iota(dst=dst, axis=axis):
                _check_axis(site, axis, site.group.ring(dst))
            case Fill(dst=dst, value=value):
                _check_number(site, value, dst)


def _check_ahead(site: Site) -> None:
    for tile in tiles_read(site.instruction):
        depth = site.group.ring(tile.ring).depth
        if not 0 <= tile.ahead < depth:
            raise site.error(
                f"{tile.ring}@{tile.ahead} reads ahead beyond the ring, which has depth {depth}",
                f"read at most {tile.ring}@{depth - 1}, or give the ring depth {tile.ahead + 1}",
            )


# ---- moves ----

End = tuple[str, str, Shape]
"""One end of a move: what it is called, its element type and its shape."""


def _tile_end(ring: Ring) -> End:
    return f"ring {ring.name}", ring.dtype, ring.shape


def _region_end(region: Region, tensor: Tensor) -> End:
    return f"the region of {tensor.name}", tensor.dtype, region.sizes


def _check_load(site: Site, load: Load) -> None:
    ring, tensor = site.target_ring(load.dst), site.program.tensor(load.src.tensor)
    _check_move(site, _region_end(load.src, tensor), _tile_end(ring), load.transpose)
    if load.src.clip:
        _check_number(site, load.pad, ring.name, ring.dtype)


def _check_move(site: Site, source: End, destination: End, transpose: bool) -> None:
    """Moves keep bits: same element type, and the same shape once dimensions of size 1 are dropped."""
    _check_same_type(site, source[:2], destination[:2])
    moved, wanted = _squeeze(source[2]), _squeeze(destination[2])
    if transpose and len(moved) >= 2:
        moved = (*moved[:-2], moved[-1], moved[-2])
    if moved != wanted:
        how = " once transposed" if transpose else ""
        raise site.error(
            f"{source[0]} has shape {source[2]}, which{how} does not fit {destination[0]} of shape {destination[2]}",
            "make the shapes equal, up to dimensions of size 1",
        )


def _check_same_type(site: Site, source: tuple[str, str], destination: tuple[str, str]) -> None:
    if source[1] != destination[1]:
        raise site.error(
            f"{source[0]} has type {source[1]}, {destination[0]} has type {destination[1]}: a move keeps the bits",
            "use one type for both, and convert with `cast`",
        )


def _check_gather(site: Site, gather: Gather) -> None:
    tensor, ring = site.program.tensor(gather.src.tensor), site.target_ring(gather.dst)
    index = site.group.ring(gather.index.ring)
    _check_same_type(site, (f"tensor {tensor.name}", tensor.dtype), (f"ring {ring.name}", ring.dtype))
    if len(tensor.shape) != 2:
        raise site.error(f"gather takes rows of a 2-D tensor, {tensor.name} has shape {tensor.shape}")
    if gather.src.clip or gather.src.steps != (1, 1):
        raise site.error("the region of a gather can be neither clipped nor strided", "leave `clip` and the steps out")
    if index.type.is_float or len(_squeeze(index.shape)) > 1:
        raise site.error(
            f"the index ring {index.name} has type {index.dtype} and shape {index.shape}",
            "use a 1-D ring of int32 (or int8)",
        )
    wanted = (math.prod(index.shape), gather.src.sizes[1])
    if _squeeze(ring.shape) != _squeeze(wanted):
        raise site.error(
            f"{wanted[0]} rows of {wanted[1]} elements do not fit ring {ring.name} of shape {ring.shape}",
            f"give the ring shape {wanted}",
        )


# ---- computation ----


def _check_mma(site: Site, mma: Mma) -> None:
    a, b, dst = (site.group.ring(name) for name in (mma.a.ring, mma.b.ring, mma.dst))
    if a.dtype != b.dtype or a.dtype not in MMA_TYPES:
        raise site.error(
            f"mma of {a.dtype} ({a.name}) and {b.dtype} ({b.name})",
            f"use the same type for both, one of {', '.join(MMA_TYPES)}",
        )
    if dst.dtype != MMA_TYPES[a.dtype]:
        raise site.error(
            f"mma of {a.dtype} accumulates in {MMA_TYPES[a.dtype]}, ring {dst.name} has type {dst.dtype}",
            f"give {dst.name} type {MMA_TYPES[a.dtype]}, and `cast` the result",
        )
    _check_ranks(site, mma, a, b, dst)
    *rows, k = _oriented(a.shape, mma.transpose_a)
    k_b, n = _oriented(b.shape, mma.transpose_b)
    if k != k_b or dst.shape != (*rows, n):
        raise site.error(
            f"{_product_text(a, mma.transpose_a)} times {_product_text(b, mma.transpose_b)} "
            f"does not give {dst.name} of shape {dst.shape}",
            "mma takes [m, k] and [k, n] and gives [m, n]",
        )


def _check_ranks(site: Site, mma: Mma, a: Ring, b: Ring, dst: Ring) -> None:
    """Operands are matrices, save that the rows of the left one and of the result may lie in several dimensions."""
    for ring, most in ((a, 2 if mma.transpose_a else len(dst.shape)), (b, 2), (dst, max(2, len(a.shape)))):
        if not 2 <= len(ring.shape) <= most:
            raise site.error(
                f"mma takes {'2-D tiles' if most == 2 else f'tiles of 2 to {most} dimensions'}, "
                f"ring {ring.name} has shape {ring.shape}",
                "only the left operand, not transposed, and the result may have more than two dimensions",
            )


def _oriented(shape: Shape, transpose: bool) -> Shape:
    return shape[::-1] if transpose else shape


def _product_text(ring: Ring, transpose: bool) -> str:
    return f"{ring.name}{' transposed,' if transpose else ''} of shape {_oriented(ring.shape, transpose)}"


def _check_vector(site: Site, vector: Vector) -> None:
    dst = site.group.ring(vector.dst)
    shapes = [site.group.ring(arg.ring).shape for arg in vector.args if isinstance(arg, Tile)]
    if not shapes:
        raise site.error(f"{vector.op} has no tile among its arguments", "use `fill` for a constant")
    for shape in shapes:
        if not _broadcasts(shape, dst.shape):
            raise site.error(
                f"a tile of shape {shape} cannot be broadcast to {dst.name} of shape {dst.shape}",
                "each dimension, counted from the last, must be equal or 1",
            )
    for arg in vector.args:
        if not isinstance(arg, Tile) and not isinstance(arg, (int, float)):
            raise site.error(f"argument {arg!r} is neither a tile nor a number")


def _check_reduce(site: Site, reduce: Reduce) -> None:
    src, dst = site.group.ring(reduce.src.ring), site.group.ring(reduce.dst)
    _check_axis(site, reduce.axis, src)
    wanted = tuple(1 if axis == reduce.axis else size for axis, size in enumerate(src.shape))
    if dst.shape != wanted:
        raise site.error(
            f"{reduce.op} of {src.name} {src.shape} along axis {reduce.axis} has shape {wanted}, "
            f"ring {dst.name} has {dst.shape}",
            f"give {dst.name} shape {wanted}",
        )


def _check_axis(site: Site, axis: int, ring: Ring) -> None:
    if not 0 <= axis < len(ring.shape):
        raise site.error(
            f"ring {ring.name} of shape {ring.shape} has no axis {axis}", f"use 0 to {len(ring.shape) - 1}"
        )


def _check_number(site: Site, value: float, name: str, dtype: str | None = None) -> None:
    """A constant that fills a tile must be one that its type can hold."""
    kind = DTYPES[dtype or site.group.ring(name).dtype]
    highest = -kind.lowest if kind.is_float else -kind.lowest - 1
    whole = kind.is_float or float(value).is_integer()
    if not math.isfinite(value) or not whole or not kind.lowest <= value <= highest:
        raise site.error(
            f"{value!r} is not a finite number of type {kind.name}, which ring {name} holds",
            f"use a {'number' if kind.is_float else 'whole number'} from {kind.lowest:.8g} to {highest:.8g}",
        )


def _squeeze(shape: Sequence[int]) -> Shape:
    return tuple(size for size in shape if size != 1)


def _broadcasts(shape: Shape, onto: Shape) -> bool:
    try:
        return np.broadcast_shapes(shape, onto) == onto
    except ValueError:
        return False
