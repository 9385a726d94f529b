"""Block graphs as networks: planned, with the shape of every value, before anything is made."""

from easymtl.models.block_graph.planning import Plan, plan_graph

__all__ = ["Plan", "plan_graph"]
