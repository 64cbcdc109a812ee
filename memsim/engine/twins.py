"""The plan of a kernel from that of its twin: the same steps, on other tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from memsim.engine.plan import GroupPlan, KernelPlan, LoopNode, Node, Plan, QueuePlan, Step
from memsim.isa.model import Group, Instruction, Kernel, walk


def rebound(first: KernelPlan, kernel: Kernel, tensors: tuple[str, ...], plan: Plan) -> tuple[GroupPlan, ...]:
    """Groups of ``kernel``, which is the same as that of ``first`` up to names.

    Parameters
    ----------
    first
        The plan of the kernel that was compiled.
    kernel
        Its twin.
    tensors
        What the twin names, in the order of ``first.tensors``.
    plan
        Gives the layouts of tensors.
    """
    names = dict(zip(first.tensors, tensors, strict=True))
    groups = {old.name: new.name for old, new in zip(first.kernel.groups, kernel.groups, strict=True)}
    return tuple(
        _group(compiled, group, names, groups, plan)
        for compiled, group in zip(first.groups, kernel.groups, strict=True)
    )


def _group(
    compiled: GroupPlan, group: Group, names: Mapping[str, str], groups: Mapping[str, str], plan: Plan
) -> GroupPlan:
    instructions = [instruction for queue in group.queues for instruction, _ in walk(queue.body)]
    steps = tuple(
        _step(step, instruction, names, groups, plan)
        for step, instruction in zip(compiled.steps, instructions, strict=True)
    )
    by_number = {step.number: step for step in steps}
    queues = tuple(QueuePlan(queue.name, _body(queue.body, by_number)) for queue in compiled.queues)
    return replace(compiled, group=group, queues=queues, steps=steps)


def _body(body: tuple[Node, ...], steps: Mapping[int, Step]) -> tuple[Node, ...]:
    return tuple(
        LoopNode(node.variable, node.count, _body(node.body, steps))
        if isinstance(node, LoopNode)
        else steps[node.number]
        for node in body
    )


def _step(
    step: Step, instruction: Instruction, names: Mapping[str, str], groups: Mapping[str, str], plan: Plan
) -> Step:
    access, target = step.access, step.target
    if access is not None:
        tensor = names[access.tensor]
        layout = None if access.layout is None else plan.layouts[tensor]
        access = replace(access, tensor=tensor, layout=layout)
    if target is not None:
        target = replace(target, group=groups[target.group])
    return replace(
        step,
        instruction=instruction,
        access=access,
        target=target,
        tensor=names.get(step.tensor, step.tensor),  # a ring that reaches no tensor has a name of its own
        postings=tuple(replace(posting, tensor=names.get(posting.tensor, posting.tensor)) for posting in step.postings),
    )
