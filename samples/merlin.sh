# The commands of docs/guides/from-merlin.md, one after the other: `make merlin`.
set -ex
rm -rf model_dir/merlin_*

easymtl synth tenrec --rows 200000

# Hard parameter sharing
easymtl check --network --pipeline_config samples/configs/merlin_shared_bottom_on_tenrec.config
easymtl train --pipeline_config samples/configs/merlin_shared_bottom_on_tenrec.config
easymtl eval --pipeline_config samples/configs/merlin_shared_bottom_on_tenrec.config

# Loss weights
easymtl train --pipeline_config samples/configs/merlin_shared_bottom_on_tenrec.config \
    --set model_dir=model_dir/merlin_loss_weights --set export_config.exporter_type=none \
    --set 'model_config.shared_bottom.task_towers[0].weight=5' \
    --set 'model_config.shared_bottom.task_towers[2].weight=4' \
    --set 'model_config.shared_bottom.task_towers[3].weight=3' \
    --set 'model_config.shared_bottom.task_towers[1].weight=2' \
    --set 'model_config.shared_bottom.task_towers[4].weight=1'

# Class weights
easymtl train --pipeline_config samples/configs/merlin_shared_bottom_on_tenrec.config --tasks click,like \
    --set model_dir=model_dir/merlin_class_weights --set export_config.exporter_type=none \
    --set 'model_config.shared_bottom.task_towers[0].sample_weights={class_weights {negative: 1 positive: 5}}' \
    --set 'model_config.shared_bottom.task_towers[2].sample_weights={class_weights {negative: 1 positive: 20}}'

# Another label as the weight
easymtl train --pipeline_config samples/configs/merlin_shared_bottom_on_tenrec.config --tasks click \
    --set model_dir=model_dir/merlin_label_as_weight --set export_config.exporter_type=none \
    --set 'model_config.shared_bottom.task_towers[0].sample_weights={label: "watching_times"}'
easymtl train --pipeline_config samples/configs/merlin_shared_bottom_on_tenrec.config --tasks click,like \
    --set model_dir=model_dir/merlin_like_by_times --set export_config.exporter_type=none \
    --set 'model_config.shared_bottom.task_towers[2].sample_weights={label: "watching_times"}' \
    --set 'model_config.shared_bottom.task_towers[2].metrics_set=[{auc {}}, {auc {} weighted: true}]'

# Another label as the sample space, with plain and weighted metrics
easymtl train --pipeline_config samples/configs/merlin_shared_bottom_on_tenrec.config --tasks click,like \
    --set model_dir=model_dir/merlin_sample_space --set export_config.exporter_type=none \
    --set 'model_config.shared_bottom.task_towers[2].task_space_indicator_label=click' \
    --set 'model_config.shared_bottom.task_towers[2].out_task_space_weight=0' \
    --set 'model_config.shared_bottom.task_towers[0].metrics_set=[{auc {}}, {auc {} weighted: true}]' \
    --set 'model_config.shared_bottom.task_towers[2].metrics_set=[{auc {}}, {auc {} weighted: true}]'

# Cascaded weights
easymtl train --pipeline_config samples/configs/merlin_shared_bottom_on_tenrec.config --tasks click,like \
    --set model_dir=model_dir/merlin_cascaded_weights --set export_config.exporter_type=none \
    --set 'model_config.shared_bottom.task_towers[2].sample_weights=[{class_weights {positive: 5}}, {label: "click"}]' \
    --set 'model_config.shared_bottom.task_towers[2].metrics_set=[{auc {}}, {auc {} weighted: true}]'

# Task blocks
easymtl train --pipeline_config samples/configs/merlin_shared_bottom_on_tenrec.config \
    --set model_dir=model_dir/merlin_task_blocks --set export_config.exporter_type=none \
    --set 'model_config.shared_bottom.task_towers[0].dnn={hidden_units: 32 use_bn: false}' \
    --set 'model_config.shared_bottom.task_towers[1].dnn={hidden_units: 32 use_bn: false}' \
    --set 'model_config.shared_bottom.task_towers[2].dnn={hidden_units: 32 use_bn: false}' \
    --set 'model_config.shared_bottom.task_towers[3].dnn={hidden_units: 32 use_bn: false}' \
    --set 'model_config.shared_bottom.task_towers[4].dnn={hidden_units: 32 use_bn: false}'
easymtl train --pipeline_config samples/configs/merlin_shared_bottom_on_tenrec.config --tasks click,like \
    --set model_dir=model_dir/merlin_own_task_blocks --set export_config.exporter_type=none \
    --set 'model_config.shared_bottom.task_towers[0].dnn={hidden_units: 64 use_bn: false}' \
    --set 'model_config.shared_bottom.task_towers[2].dnn={hidden_units: 32 use_bn: false}'

# MMoE, CGC, PLE
easymtl train --pipeline_config samples/configs/merlin_mmoe_on_tenrec.config --set export_config.exporter_type=none
easymtl train --pipeline_config samples/configs/merlin_cgc_on_tenrec.config --set export_config.exporter_type=none
easymtl train --pipeline_config samples/configs/merlin_ple_on_tenrec.config
easymtl eval --pipeline_config samples/configs/merlin_ple_on_tenrec.config
easymtl predict --pipeline_config samples/configs/merlin_ple_on_tenrec.config \
    --input samples/data/tenrec/eval.parquet --output model_dir/merlin_ple_on_tenrec/scores.parquet --keep user_id,item_id
