"""The model zoo, one file per architecture, found by its member of the model oneof; and what packages add to it."""

from easymtl.extensions import Table
from easymtl.models.adatt import AdaTT
from easymtl.models.aitm import AITM
from easymtl.models.base import MultiTaskModel
from easymtl.models.cgc import CGC
from easymtl.models.dbmtl import DBMTL
from easymtl.models.escm2 import ESCM2
from easymtl.models.esmm import ESMM
from easymtl.models.home import HoME
from easymtl.models.mmoe import MMoE
from easymtl.models.model_params import ModelParams
from easymtl.models.omoe import OMoE
from easymtl.models.pepnet import PEPNet
from easymtl.models.ple import PLE
from easymtl.models.promised import architecture_of
from easymtl.models.shared_bottom import SharedBottom
from easymtl.models.simple_multi_task import SimpleMultiTask
from easymtl.models.stem import STEM

_MODELS: dict[str, type[MultiTaskModel]] = {
    "esmm": ESMM,
    "escm2": ESCM2,
    "aitm": AITM,
    "simple_multi_task": SimpleMultiTask,
    "shared_bottom": SharedBottom,
    "mmoe": MMoE,
    "omoe": OMoE,
    "cgc": CGC,
    "ple": PLE,
    "dbmtl": DBMTL,
    "adatt": AdaTT,
    "stem": STEM,
    "home": HoME,
    "pepnet": PEPNet,
    "model_params": ModelParams,
}

MODELS: Table[type[MultiTaskModel]] = Table("architecture", _MODELS, architecture_of)
"""Member of the model oneof, or name of an architecture of an installed package -> its class."""
