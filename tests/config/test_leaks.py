"""Features that read what is known only after the event: notes of `check`."""

PRICE = 'features { input_names: "price" feature_type: RawFeature }'


def leaks(load, *changes):
    return [note for note in load(*changes).notes if "a server will not have it" in note]


def test_a_config_whose_features_are_known_beforehand_has_no_such_note(load):
    assert leaks(load) == []


def test_the_label_of_a_tower_named_or_by_place(load):
    label = ('input_names: "price"', 'feature_name: "price" input_names: "seconds"')
    says = (
        'x.config:25: feature_config.features[2] "price" reads "seconds", the label of the tower "stay": the model will'
    )
    assert leaks(load, label)[0].startswith(says)
    assert leaks(load, label, ('      label_name: "seconds"\n', ""))[0].startswith(says)


def test_the_sample_weight_and_the_weight_of_a_tower(load):
    weight = ('input_names: "price"', 'feature_name: "price" input_names: "weight"')
    assert 'reads "weight", the sample weight of every task' in leaks(load, weight)[0]
    tower = ('label_name: "order"', 'label_name: "order" sample_weights { column: "weight" }')
    assert 'a sample weight of the tower "cvr"' in leaks(load, weight, ('  sample_weight: "weight"\n', ""), tower)[0]


def test_a_soft_label(load):
    kd = 'kd { pred_name: "logits_ctr" soft_label_name: "price" loss_type: L2_LOSS }\n  dbmtl {'
    labels = ('"seconds"]', '"seconds", "price"]')
    assert 'reads "price", a soft label' in leaks(load, ("  dbmtl {", f"  {kd}"), labels)[0]


def test_a_feature_that_no_group_reads_is_not_noted(load):
    changes = (('input_names: "price"', 'feature_name: "price" input_names: "seconds"'), (', "price"] }', "] }"))
    assert leaks(load, *changes) == []
