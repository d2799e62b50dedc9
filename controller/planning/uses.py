"""What a Workspace uses its model for, as far as its manifest and its configuration say."""

from controller.api.workspace import Workspace
from controller.planning.site import Site
from controller.planning.sizing import TuningMethod, TuningUse, Use


def use_for(workspace: Workspace, site: Site) -> Use:
    """What is asked of the model: the model server and adapters to serve, or the training run.

    A method nobody knows counts as the one that needs less memory; validation tells about it.

    Args:
        workspace: the Workspace.
        site: the installation, which knows the configuration the Workspace names.
    """
    if workspace.tuning is not None:
        known = {method.value: method for method in TuningMethod}
        method = known.get(workspace.tuning.method.strip().lower(), TuningMethod.QLORA)
        return Use(tuning=TuningUse(method))
    adapters = len(workspace.inference.adapters) if workspace.inference is not None else 0
    return Use(runtime=workspace.runtime_wish, adapters=adapters)
