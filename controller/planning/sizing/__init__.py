"""Does a model fit a machine size, on how many GPUs and nodes, in which layout, and which sizes fit best."""

from controller.planning.sizing.fitting import fit, nodes_needed
from controller.planning.sizing.suggestions import (
    SUGGESTIONS,
    PriceOf,
    Suggestion,
    is_offered,
    rank,
    runs_on,
    suggest,
    trains_on,
)
from controller.planning.sizing.terms import Layout, Load, Share, Term
from controller.planning.sizing.use import (
    DEFAULT_CONTEXT,
    SERVE,
    Precision,
    TuningMethod,
    TuningUse,
    Use,
    computes,
)
from controller.planning.sizing.verdict import Fit

__all__ = [
    "DEFAULT_CONTEXT",
    "SERVE",
    "SUGGESTIONS",
    "Fit",
    "Layout",
    "Load",
    "Precision",
    "PriceOf",
    "Share",
    "Suggestion",
    "Term",
    "TuningMethod",
    "TuningUse",
    "Use",
    "computes",
    "fit",
    "is_offered",
    "nodes_needed",
    "rank",
    "runs_on",
    "suggest",
    "trains_on",
]
