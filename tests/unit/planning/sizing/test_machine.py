"""Which numbers of GPUs can share a model's layers."""

import dataclasses

import pytest

from controller.catalog import Preset
from controller.planning.sizing.machine import machine_of, tensor_sizes
from controller.planning.sizing.terms import Layout
from controller.planning.sizing.use import SERVE
from tests.unit.planning.sizing.examples import preset, sku


def with_heads(heads: int, kv_heads: int, attention: str = "GQA") -> Preset:
    net = preset("llama-3.1-8b-instruct").architecture
    changed = dataclasses.replace(net, attention=attention, attention_heads=heads, kv_heads=kv_heads)
    return dataclasses.replace(preset("llama-3.1-8b-instruct"), architecture=changed)


@pytest.mark.parametrize(
    ("heads", "kv_heads", "attention", "sizes"),
    [
        (32, 8, "GQA", (8, 4, 2, 1)),
        (24, 8, "GQA", (8, 4, 2, 1)),
        (71, 1, "MQA", (1,)),
        (40, 10, "GQA", (5, 2, 1)),
        (32, 2, "GQA", (8, 4, 2, 1)),
        (128, 128, "MLA", (8, 4, 2, 1)),
        (28, 4, "GQA", (4, 2, 1)),
    ],
)
def test_heads_must_come_out_even(heads: int, kv_heads: int, attention: str, sizes: tuple[int, ...]) -> None:
    assert tensor_sizes(with_heads(heads, kv_heads, attention), 8) == sizes


@pytest.mark.parametrize(("stages", "nodes"), [(1, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_ranks_of_one_layer_stay_in_one_node(stages: int, nodes: int) -> None:
    eight = machine_of(preset("llama-3.1-8b-instruct"), sku("Standard_ND96isr_H100_v5"), SERVE)
    assert eight.nodes_of(Layout(tensor=2, pipeline=stages)) == nodes
