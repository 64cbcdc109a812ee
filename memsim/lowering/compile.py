"""From a graph and a chip to a program: fuse, plan each kernel, write it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from functools import partial

from memsim.errors import GIVE_A_CHIP, check_kind
from memsim.hierarchy import Chip
from memsim.isa.builder import ProgramBuilder
from memsim.isa.handles import TensorHandle
from memsim.isa.lexical import check_name
from memsim.isa.model import Kernel, Program, Tensor
from memsim.isa.recorder import caller
from memsim.isa.verify import verify
from memsim.lowering.conv import emit_conv
from memsim.lowering.conv_plan import plan_conv
from memsim.lowering.expansion import names_of, recipes_of
from memsim.lowering.facts import Facts
from memsim.lowering.flash import emit_flash
from memsim.lowering.flash_plan import plan_flash
from memsim.lowering.fusion import Fused
from memsim.lowering.fusion import fuse as partition
from memsim.lowering.matmul import emit_matmul
from memsim.lowering.matmul_plan import plan_matmul
from memsim.lowering.recipes import ConvRecipe, FlashRecipe, MatmulRecipe, Recipe, RopeRecipe, VectorRecipe
from memsim.lowering.rope import emit_rope, plan_rope
from memsim.lowering.templates import Template, describe, make_template
from memsim.lowering.vector_kernel import emit_vector
from memsim.lowering.vector_plan import plan_vector
from memsim.workloads import Node, cast, flops, inputs_of, output_names
from memsim.workloads.graph import as_roots


def compile(nodes: Node | Sequence[Node], chip: Chip, *, name: str | None = None, fuse: bool = True) -> Program:
    """Compile a graph to a tile program for a chip.

    Inputs and results become tensors in DRAM: an input under its own name, a result under the name that
    `Node.named` gave it, else ``out`` (``out0``, ``out1`` … of several).

    Parameters
    ----------
    nodes
        The results to compute.
    chip
        The chip that tiles, clusters and placement are chosen for.
    name
        Name of the program; by default that of the first kernel.
    fuse
        Let elementwise operations share a kernel with what they follow or feed; else each is a kernel of its own.

    Raises
    ------
    ChipError
        The chip cannot hold the tensors or even the smallest tiles, or its matrix unit does not multiply a type.
    """
    check_kind(chip, Chip, "compile", GIVE_A_CHIP)
    roots = _computed(as_roots(nodes))
    results = dict(zip((id(root) for root in roots), output_names(as_roots(nodes)), strict=True))
    groups = partition(roots, join=fuse)
    inputs = inputs_of(roots)
    names = names_of(groups, [*inputs, *results.values()])
    written = [results.get(id(group.result), kernel) for group, kernel in zip(groups, names, strict=True)]
    tensors = _tensors(inputs, groups, written)
    kernels, between = _kernels(groups, names, tensors, Facts(chip))
    title = check_name(name or groups[0].label, "program", caller())
    distinct = {tensor.name: tensor for tensor in [*tensors.values(), *between]}
    result = Program(title, tuple(distinct.values()), tuple(kernels), useful_flops=flops(roots))
    verify(result, chip)
    return result


def _kernels(
    groups: Sequence[Fused], names: Sequence[str], tensors: Mapping[int, Tensor], facts: Facts
) -> tuple[list[Kernel], list[Tensor]]:
    """The kernels of all shares of the graph, and the tensors between them; equal shares are planned once."""
    shares = [describe(group, tensors) for group in groups]
    repeated = Counter(share.key for share in shares)
    templates: dict[Hashable, Template] = {}
    kernels: list[Kernel] = []
    between: list[Tensor] = []
    for share, name in zip(shares, names, strict=True):
        if share.key not in templates:
            write = partial(_write, group=share.group, facts=facts, places=share.places)
            templates[share.key] = make_template(name, share.tensors, write, anonymous=repeated[share.key] > 1)
        built, made = templates[share.key].build(name, [tensor.name for tensor in share.tensors])
        kernels += built
        between += made
    return kernels, between


def _tensors(inputs: Mapping[str, Node], groups: Sequence[Fused], names: Sequence[str]) -> dict[int, Tensor]:
    """The tensors of inputs, and of what kernels write under these names, by the identity of the node."""
    found = {id(node): Tensor(name, "dram", node.dtype, node.shape) for name, node in inputs.items()}
    for group, name in zip(groups, names, strict=True):
        node = group.result
        in_place = group.cache is not None
        found[id(node)] = found[id(node.nodes[0])] if in_place else Tensor(name, "dram", node.dtype, node.shape)
    return found


def _computed(roots: Sequence[Node]) -> tuple[Node, ...]:
    """The results as nodes of their own: an input, a cache, or a node that is asked for twice, is copied."""
    return tuple(
        cast(root, root.dtype)
        if root.op in ("input", "append") or any(root is other for other in roots[:number])
        else root
        for number, root in enumerate(roots)
    )


def _write(
    builder: ProgramBuilder,
    name: str,
    handles: Sequence[TensorHandle],
    *,
    group: Fused,
    facts: Facts,
    places: Mapping[int, int],
) -> None:
    """Write the kernels of a share of the graph."""

    def tensor_of(node: Node) -> TensorHandle:
        return handles[places[id(node)]]

    for recipe in recipes_of(group, name, tensor_of, handles[0], builder.tensor):
        _emit(builder, recipe, facts)


def _emit(program: ProgramBuilder, recipe: Recipe, facts: Facts) -> None:
    match recipe:
        case MatmulRecipe():
            emit_matmul(program, recipe, plan_matmul(recipe, facts))
        case ConvRecipe():
            emit_conv(program, recipe, plan_conv(recipe, facts))
        case VectorRecipe():
            emit_vector(program, recipe, plan_vector(recipe, facts))
        case FlashRecipe():
            emit_flash(program, recipe, plan_flash(recipe, facts))
        case RopeRecipe():
            emit_rope(program, recipe, plan_rope(recipe, facts))
