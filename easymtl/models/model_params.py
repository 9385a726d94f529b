"""Models over a block graph: task towers of its own, or an architecture that reads the graph as its group `all`."""

from collections import ChainMap
from collections.abc import Mapping

import tensorflow as tf
from google.protobuf.message import Message

from easymtl.config.block_graph import PATH
from easymtl.errors import counted_text
from easymtl.layers.context import Build, Call
from easymtl.layers.merging import of_one_type
from easymtl.models.backbone import Backbone, GraphError, Results
from easymtl.models.base import INPUT_GROUP, MultiTaskModel, TaskTowers, TowerNames
from easymtl.models.block_graph.faults import BlockFault
from easymtl.models.block_graph.inputs import GroupInputs, GroupShapes
from easymtl.protos.model_pb2 import ModelParams
