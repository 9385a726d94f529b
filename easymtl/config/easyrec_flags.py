"""The flags of EasyRec's commands that have another name here, or none."""

COUNTERPARTS = {
    "--checkpoint_path": "--checkpoint",
    "--saved_model_dir": "--saved_model",
    "--input_path": "--input",
    "--output_path": "--output",
    "--eval_result_path": "--output",
    "--reserved_cols": "--keep",
    "--selected_cols": "the config, whose features name the columns that are read",
    "--batch_size": "--set data_config.eval_batch_size=...",
    "--asset_files": "--set export_config.asset_files=[...]",
    "--export_done_file": "nothing; a SavedModel appears whole, by a rename",
    "--clear_export": "nothing; each export is a folder of its own",
    "--distribute_eval": "nothing; one process evaluates",
    "--check_mode": "easymtl check",
    "--fit_on_eval": "--set train_input_path=..., with the evaluation data in it",
    "--hpo_param_path": "--edit_config_json",
}
"""The flag there -> the flag here, or what to do instead."""
