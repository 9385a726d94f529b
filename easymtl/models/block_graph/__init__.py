"""Block graphs as networks: planned, with the shape of every value, before anything is made."""

from easymtl.models.block_graph.planning import plan_graph
from easymtl.models.block_graph.plans import Plan

__all__ = ["Plan", "plan_graph"]
