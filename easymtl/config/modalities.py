"""Networks over images, general features and texts: what they read, and what can be wrong with them.

Texts of faults go on from the name of the network.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from easymtl.config.names import BLOCK_ACTIVATIONS, activation_name
from easymtl.errors import did_you_mean, quoted
from easymtl.protos.backbone_pb2 import BSTEncoder
from easymtl.protos.model_pb2 import CMBFTower, UniterTower
from easymtl.protos.pipeline_pb2 import Pipeline

TEXT = "text"
GROUPS = ("image", "general", TEXT, "other")
"""The feature groups that such a network reads, in the order in which EasyRec makes their inputs."""
FIELDS = ("bottom_cmbf", "bottom_uniter")
"""Where a DBMTL has such a network."""
_REMEDIES = {"image": "raw_input_dim", "general": "embedding_dim", TEXT: "embedding_dim"}


@dataclass(frozen=True)
class ModalityShapes:
    """The widths of features by their kind; kinds may be missing.

    Attributes:
        image: of vectors that stand for images.
        general: of other vectors that are tokens.
        text: of the steps of histories, by the name of their feature.
        other: of a vector that is no token; 0 if there is none.
    """

    image: Sequence[int] = ()
    general: Sequence[int] = ()
    text: Mapping[str, int] = field(default_factory=dict)
    other: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is wrong with them: there are none, or those of one kind are not equally wide."""
        if not (self.image or self.general or self.text or self.other):
            yield f"reads the feature groups {quoted(GROUPS)}, but there is none of them"
        for group, found in (("image", self.image), ("general", self.general), (TEXT, list(self.text.values()))):
            if len(set(found)) > 1:
                widths = ", ".join(map(str, found))
                text = f"needs features of one width in the group {group}, but they have widths {widths}"
                yield f"{text}; give them one {_REMEDIES[group]}"


def modal_bottom(pipeline: Pipeline) -> str:
    """Returns the field of the network over images and texts of a config's DBMTL; '' if there is none."""
    if pipeline.model_config.WhichOneof("model") != "dbmtl":
        return ""
    return next((name for name in FIELDS if pipeline.model_config.dbmtl.HasField(name)), "")


def encoder_faults(config: BSTEncoder | UniterTower) -> Iterator[str]:
    """Yields what is wrong with the sizes of an encoder."""
    for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"):
        if not getattr(config, name):
            yield f"needs {name}, 1 or more"
    yield from head_faults("hidden_size", config.hidden_size, "num_attention_heads", config.num_attention_heads)
    plain = activation_name(config.hidden_act)
    if plain not in BLOCK_ACTIVATIONS:
        hint = did_you_mean(plain, BLOCK_ACTIVATIONS)
        yield f'has hidden_act "{config.hidden_act}", which is none of {quoted(BLOCK_ACTIVATIONS)}.{hint}'
    yield from _rate_faults(config, "hidden_dropout_prob", "attention_probs_dropout_prob")


def head_faults(field_of_width: str, width: int, field_of_heads: str, num_heads: int) -> Iterator[str]:
    """Yields that heads do not share a width evenly, if so."""
    if num_heads and width % num_heads:
        yield f"has {field_of_width} {width}, which is no multiple of {field_of_heads} {num_heads}"


def uniter_faults(config: UniterTower, shapes: ModalityShapes) -> Iterator[str]:
    """Yields what is wrong with a UNITER."""
    yield from shapes.faults()
    yield from encoder_faults(config)
    limit = config.max_position_embeddings
    if config.use_position_embeddings and (shapes.text or shapes.image) and not limit:
        yield "has max_position_embeddings 0; it is the number of steps of the longest text"
    elif config.use_position_embeddings and len(shapes.image) > limit:
        yield f"reads {len(shapes.image)} images, more than max_position_embeddings {limit}"
    yield from _other_faults(config, shapes)


def cmbf_faults(config: CMBFTower, shapes: ModalityShapes) -> Iterator[str]:
    """Yields what is wrong with a CMBF."""
    yield from shapes.faults()
    if not config.multi_head_num:
        yield "has multi_head_num 0; it is 1 or more"
    yield from _rate_faults(config, "hidden_dropout_prob", "attention_probs_dropout_prob", "text_seq_emb_dropout_prob")
    has_text = bool(shapes.general or shapes.text)
    if shapes.image:
        yield from _image_faults(config, shapes)
    if has_text:
        yield from _text_faults(config, shapes)
    if shapes.image and has_text and config.cross_modal_layer_num:
        for name in ("image_cross_head_size", "text_cross_head_size"):
            if not getattr(config, name):
                yield f"needs {name}, the width of a head of the layers between images and texts"
    yield from _other_faults(config, shapes)


def image_width(config: CMBFTower) -> int:
    """Returns the width of the tokens of images."""
    if config.image_self_attention_layer_num:
        return config.image_head_size * config.image_multi_head_num
    return config.multi_head_num * config.image_cross_head_size


def text_width(config: CMBFTower) -> int:
    """Returns the width of the tokens of texts and general features."""
    return config.text_head_size * config.text_multi_head_num


def _image_faults(config: CMBFTower, shapes: ModalityShapes) -> Iterator[str]:
    if not config.image_self_attention_layer_num:
        if not config.image_cross_head_size:
            yield "needs image_cross_head_size, the width of a head, where images have no layers of their own"
        return
    for name in ("image_head_size", "image_multi_head_num"):
        if not getattr(config, name):
            yield f"has {name} 0; it is 1 or more"
    fields = "image_head_size * image_multi_head_num"
    yield from head_faults(fields, image_width(config), "multi_head_num", config.multi_head_num)
    patches = config.image_feature_patch_num
    if not patches:
        yield "has image_feature_patch_num 0; it is 1 or more"
    elif patches > 1 and len(shapes.image) > 1:
        text = f"has image_feature_patch_num {patches}, but the group image has {len(shapes.image)} features"
        yield f"{text}, each of which is a patch; leave it out"
    elif shapes.image[0] % patches:
        text = (
            f"has image_feature_patch_num {patches}, but the feature of the group image has {shapes.image[0]} numbers"
        )
        yield f"{text}, which is no multiple of it"


def _text_faults(config: CMBFTower, shapes: ModalityShapes) -> Iterator[str]:
    for name in ("text_head_size", "text_multi_head_num"):
        if not getattr(config, name):
            yield f"needs {name}, 1 or more"
    fields = "text_head_size * text_multi_head_num"
    yield from head_faults(fields, text_width(config), "multi_head_num", config.multi_head_num)
    if shapes.text and config.use_position_embeddings and not config.max_position_embeddings:
        yield "needs max_position_embeddings, the steps of the longest text, or use_position_embeddings: false"


def _other_faults(config: CMBFTower | UniterTower, shapes: ModalityShapes) -> Iterator[str]:
    if config.HasField("other_feature_dnn") and not shapes.other:
        yield "has other_feature_dnn, but there is no feature group other; leave it out"


def _rate_faults(config: BSTEncoder | CMBFTower | UniterTower, *fields: str) -> Iterator[str]:
    for name in fields:
        if not 0 <= getattr(config, name) < 1:
            yield f"has {name} {getattr(config, name):g}, outside of [0, 1)"
