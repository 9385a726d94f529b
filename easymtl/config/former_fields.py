"""What became of fields that EasyRec had for a time: its configs of those days are still in use."""

_AIT = (
    "EasyRec had it before its AITMTower: use the model aitm { }, or a block with keras_layer { class_name: "
    '"AITMTower" } whose inputs are this tower and those before it.'
)
_NO_VARIABLE = "Say it of each feature whose table grows: growing { max_rows: 1000000 }, in place of hash_bucket_size."
_INSTEAD = {
    "FeatureConfig": {
        "use_embedding_variable": _NO_VARIABLE,
        "sub_value_type": "Steps that are numbers have sub_feature_type: RawFeature now, whatever their type; steps "
        "that are ids need nothing.",
    },
    "ModelConfig": {
        "grad_norm": "Write train_config { task_balancing { gradnorm { } } } instead.",
        "use_embedding_variable": _NO_VARIABLE,
    },
    "SeqAttGroupConfig": {
        "only_sequence_feature": "Write need_key_feature: false, which leaves the key out of the result, too.",
        "seq_model": "sequence_features are read by target attention alone: for self-attention write a backbone whose "
        "block reads the history with a MultiHeadAttention or BST layer.",
    },
    "TaskTower": {"use_ait_module": _AIT, "ait_project_dim": _AIT},
}


def instead_of(message: str, field: str) -> str:
    """Returns what to write in place of a field that a message of EasyRec had once, or an empty string."""
    return _INSTEAD.get(message, {}).get(field, "")
