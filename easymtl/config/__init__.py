"""Config text -> checked `Pipeline` message. Nothing here imports TensorFlow."""

from easymtl.config.config import Config, load_config, parse_config
from easymtl.config.problems import ConfigError

__all__ = ["Config", "ConfigError", "load_config", "parse_config"]
