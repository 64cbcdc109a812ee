"""From a graph and a chip to a program: fuse, plan each kernel, write it."""

from __future__ import annotations

from collections.abc import Sequence

from memsim.errors import GIVE_A_CHIP, check_kind
from memsim.hierarchy import Chip
from memsim.isa.builder import ProgramBuilder
from memsim.isa.handles import TensorHandle
from memsim.isa.model import Program
from memsim.isa.verify import verify
from memsim.lowering.expansion import names_of, recipes_of
from memsim.lowering.facts import Facts
from memsim.lowering.flash import emit_flash
from memsim.lowering.flash_plan import plan_flash
from memsim.lowering.fusion import fuse as partition
from memsim.lowering.matmul import emit_matmul
from memsim.lowering.matmul_plan import plan_matmul
from memsim.lowering.recipes import FlashRecipe, MatmulRecipe, Recipe, RopeRecipe, VectorRecipe
from memsim.lowering.rope import emit_rope, plan_rope
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
    program = ProgramBuilder(name or groups[0].label, useful_flops=flops(roots))
    tensors = {id(node): program.tensor(key, node.dtype, node.shape) for key, node in inputs.items()}
    for group, kernel in zip(groups, names, strict=True):
        root = group.root
        tensors[id(root)] = program.tensor(results.get(id(root), kernel), root.dtype, root.shape)

    def tensor_of(node: Node) -> TensorHandle:
        return tensors[id(node)]

    facts = Facts(chip)
    for group, kernel in zip(groups, names, strict=True):
        for recipe in recipes_of(group, kernel, tensor_of, tensors[id(group.root)], program.tensor):
            _emit(program, recipe, facts)
    result = program.build(verify=False)
    verify(result, chip)
    return result


def _computed(roots: Sequence[Node]) -> tuple[Node, ...]:
    """The results as nodes of their own: an input, or a node that is asked for twice, is copied."""
    return tuple(
        cast(root, root.dtype) if root.op == "input" or any(root is other for other in roots[:number]) else root
        for number, root in enumerate(roots)
    )


def _emit(program: ProgramBuilder, recipe: Recipe, facts: Facts) -> None:
    match recipe:
        case MatmulRecipe():
            emit_matmul(program, recipe, plan_matmul(recipe, facts))
        case VectorRecipe():
            emit_vector(program, recipe, plan_vector(recipe, facts))
        case FlashRecipe():
            emit_flash(program, recipe, plan_flash(recipe, facts))
        case RopeRecipe():
            emit_rope(program, recipe, plan_rope(recipe, facts))
