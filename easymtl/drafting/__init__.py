"""From a table to a config: what its columns are, told by their values, and a model that learns their labels."""

from easymtl.drafting.draft import Draft, draft_config

__all__ = ["Draft", "draft_config"]
