"""The users' configuration at admission: judged as soon as it is known, and a warning before."""

from controller.api.json import Json
from tests.cluster.harness import eventually
from tests.cluster.webhook_kit import Webhook
from tests.unit.planning.manifests import example

SIZE = "Standard_NC24ads_A100_v4"
SERVED = example(resource__instanceType=SIZE, inference__config="mine")


def config_map(text: str, key: str = "inference_config.yaml") -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {key: text}}


async def write(webhook: Webhook, namespace: str, obj: Json) -> None:
    code, text = await webhook.apply(namespace, obj)
    assert code == 0, text


async def until(webhook: Webhook, namespace: str, says: str, *, accepted: bool) -> None:
    """Waits until the webhook answers a dry run as it should."""

    async def look() -> str:
        code, text = await webhook.apply(namespace, SERVED, "--dry-run=server")
        return "" if (code == 0) is accepted and says in text else text

    await eventually(look)


async def test_a_configuration_is_judged_once_it_is_there(webhook: Webhook, namespace: str) -> None:
    await until(webhook, namespace, 'Warning: inference.config: ConfigMap "mine" is not known yet', accepted=True)
    await write(webhook, namespace, config_map("a: b", key="other.yaml"))
    await until(webhook, namespace, 'ConfigMap "mine" has no key inference_config.yaml', accepted=False)
    await write(webhook, namespace, config_map("vllm:\n  max-model-len: 20000\n"))
    told = "line 2: vllm.max-model-len is 20000: phi-3-mini-4k-instruct was made for 4096 tokens"
    await until(webhook, namespace, told, accepted=False)
    await write(webhook, namespace, config_map("vllm:\n  max-model-len: 4096\n"))
    await until(webhook, namespace, "created", accepted=True)


async def test_the_configuration_of_another_namespace_is_nobodys_business(webhook: Webhook, namespace: str) -> None:
    bad = config_map("vllm: {nonsense: 1}")
    code, text = await webhook.apply("default", bad)
    assert code == 0, text
    try:
        await until(webhook, namespace, 'ConfigMap "mine" is not known yet', accepted=True)
    finally:
        await webhook.kubectl("delete", "configmap", "mine", "-n", "default")
