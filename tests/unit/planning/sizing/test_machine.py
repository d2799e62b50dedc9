"""Which numbers of GPUs can share a model's layers."""

import dataclasses

import pytest

from controller.api.workspace import Runtime
from controller.catalog import Preset
from controller.planning.sizing.machine import machine_of, tensor_sizes
from controller.planning.sizing.terms import SERVER_PERCENT, Layout
from controller.planning.sizing.use import SERVE, Use
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


EIGHT = "Standard_ND96isr_H100_v5"


def test_vllm_is_given_the_share_the_user_asks_for() -> None:
    model, size = preset("llama-3.1-8b-instruct"), sku(EIGHT)
    assert machine_of(model, size, SERVE).percent == SERVER_PERCENT
    assert machine_of(model, size, Use(percent=95)).percent == 95
    layerwise = machine_of(model, size, Use(runtime=Runtime.TRANSFORMERS, percent=95))
    assert layerwise.percent == SERVER_PERCENT, "Transformers has no such setting"


@pytest.mark.parametrize(("wished", "sizes"), [(None, (8, 4, 2, 1)), (4, (4,)), (1, (1,)), (3, (8, 4, 2, 1))])
def test_layers_are_shared_by_as_many_gpus_as_the_user_asks_for_where_they_can(
    wished: int | None, sizes: tuple[int, ...]
) -> None:
    assert machine_of(preset("llama-3.1-8b-instruct"), sku(EIGHT), Use(tensor=wished)).tensors == sizes
