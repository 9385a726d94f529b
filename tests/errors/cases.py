"""Ways to get a command, a config or data wrong, and what the message has to say of each.

One source for two uses: `document.py` writes `docs/errors.md` from it, `test_errors.py` runs each of them.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tests.errors.project import NAMES, Project, rows, to_parquet

CHECK = "check --pipeline_config x.config"
TRAIN = "train --pipeline_config x.config"
EVAL = "eval --pipeline_config x.config"
PREDICT = "predict --pipeline_config x.config --input eval.csv --output scores.parquet"
PARQUET = (
    ('"train.csv"', '"train.parquet"'),
    ('"eval.csv"', '"eval.parquet"'),
    ("batch_size: 8", "batch_size: 8 input_type: ParquetInput"),
)
_USER = 'features { input_names: "user" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 }'
_PRICE = 'features { input_names: "price" feature_type: RawFeature }'
_OPTIMIZER = "adam_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.01 } } }"
_AUC = "metrics_set { auc { } }"
_BOTTOM = "  dbmtl {\n    bottom_dnn { hidden_units: [8, 6] }"
_TORCH = """\
train_config { num_epochs: 1 }
data_config { dataset_type: ParquetDataset label_fields: "click" }
model_config {
  feature_groups { group_name: "all" group_type: DEEP }
  %s
}
"""
_UNITER = (
    "bottom_uniter { hidden_size: 4 num_attention_heads: 2 num_hidden_layers: 1 intermediate_size: 5 "
    "max_position_embeddings: 3 }"
)
_CMBF = "bottom_cmbf { multi_head_num: 2 text_head_size: 4 }"
_LEVEL = "expert_num_per_task: 1 share_num: 2 task_expert_net { hidden_units: 6 } share_expert_net { hidden_units: 6 }"


@dataclass(frozen=True)
class Case:
    """One mistake.

    Attributes:
        name: the mistake, as whoever made it would say.
        says: parts of the message: where it is, what was found, what is allowed or to be done.
        edits: replacements in x.config, (old, new) each.
        command: what is run then.
        data: what happens to the files before.
        shown: how the mistake is shown in the document, if neither edits nor command show it.
        needs_model: whether the command meets a trained model in model_dir.
        needs_tensorflow: whether TensorFlow is imported on the way.
    """

    name: str
    says: tuple[str, ...]
    edits: tuple[tuple[str, str], ...] = ()
    command: str = CHECK
    data: Callable[[Project], None] | None = None
    shown: str = ""
    needs_model: bool = False
    needs_tensorflow: bool = False

    def prepare(self, project: Project) -> None:
        """Makes the mistake."""
        if self.edits:
            project.replace("x.config", *self.edits)
        if self.data:
            self.data(project)

    @property
    def written(self) -> str:
        """The mistake as it is written."""
        if self.shown:
            return self.shown
        if self.edits:
            return "\n".join(" ".join(new.split()) for _, new in self.edits if new)
        return f"easymtl {self.command}".strip()


def command(name: str, text: str, *says: str) -> Case:
    return Case(name, says, command=text)


def override(name: str, text: str, *says: str) -> Case:
    return Case(name, says, command=f"{CHECK} --set {text}", shown=f"--set {text}")


def config(name: str, old: str, new: str, *says: str) -> Case:
    return Case(name, says, edits=((old, new),))


def modal(name: str, group: str, bottom: str, *says: str) -> Case:
    moved = (('group_name: "all"', f'group_name: "{group}"'),) if group != "all" else ()
    return Case(name, says, (*moved, ("bottom_dnn { hidden_units: [8, 6] }", bottom)))


def content(name: str, text: str | bytes, shown: str, *says: str) -> Case:
    return Case(name, says, data=lambda project: project.write("x.config", text), shown=shown)


def changed(file: str, old: str, new: str) -> Callable[[Project], None]:
    return lambda project: project.replace(file, (old, new))


def _easyrec_checkpoint(project: Project) -> None:
    from tests.training.easyrec_checkpoints import save

    shapes = {"bottom_dnn/dnn_0/bias": [8], "ctr/dnn/dnn_0/kernel": [6, 4], "ctr_output/kernel": [4, 1]}
    save(project.folder / "model.ckpt-9", {name: np.zeros(shape, np.float32) for name, shape in shapes.items()})


def _without_clicks(text: str) -> str:
    return "\n".join("0" + line[1:] for line in text.splitlines()) + "\n"


FOLLOWED = "--set train_config.num_steps=0 --set data_config.num_epochs=1"


def _days_and_hours(project: Project) -> None:
    for name in ("dt=2026-01-01/a.csv", "dt=2026-01-02/hour=00/a.csv"):
        project.write(f"logs/{name}", "0")


def written(file: str, text: str | bytes) -> Callable[[Project], None]:
    return lambda project: project.write(file, text)


def data(name: str, shown: str, edit: Callable[[Project], None], *says: str, edits=(), command: str = CHECK) -> Case:
    return Case(name, says, edits=edits, data=edit, shown=shown, command=command)


def with_model(name: str, text: str, *says: str, edits=(), edit=None, shown: str = "", needs_model=True) -> Case:
    return Case(name, says, edits, text, edit, shown, needs_model, needs_tensorflow=True)


_COMMANDS = [
    command(
        "A command is mistyped",
        "trian --pipeline_config x.config",
        'no command "trian"',
        '"train", "follow", "launch"',
        'Did you mean "train"?',
    ),
    command(
        "Launch has nothing to launch",
        "launch --workers 2",
        'behind -- there is nothing; it is one of "train", "eval", "predict"',
        "easymtl launch --workers 2 -- train x.config",
    ),
    command(
        "Launch is asked for what several workers cannot do",
        "launch --workers 2 -- export x.config",
        'behind -- there is "export"; it is one of "train", "eval", "predict"',
    ),
    command(
        "What is launched has a mistyped flag",
        "launch --workers 2 -- train x.config --modeldir a",
        "easymtl train: unknown argument --modeldir",
        'Did you mean "--model_dir"?',
    ),
    command(
        "Launch does not know how many",
        "launch -- train x.config",
        "say how many workers to start on this host",
        "--cluster slurm|kubernetes",
    ),
    command(
        "A cluster that is none",
        "launch --cluster k8s -- train x.config",
        '--cluster "k8s": there are "slurm", "kubernetes"',
    ),
    command(
        "Launched as a task of Slurm, and it is none",
        "launch --cluster slurm -- train x.config",
        "SLURM_PROCID is not set, so this is no task of a job step. Start it by srun",
    ),
    command(
        "Days are followed with a number of steps in all",
        "follow x.config --once",
        "x.config:8: train_config.num_steps is 2, and so many steps in all would end",
        "data_config.num_epochs is 0, which reads the first part for ever",
        "--set train_config.num_steps=0",
    ),
    command(
        "What is followed is no folder of parts",
        f"follow x.config --once {FOLLOWED}",
        'the folder of all parts, "train.csv", is a file',
    ),
    Case(
        "No folder is called by a time",
        ('logs: nothing in it is called by a time: "monday"', "dt=2026-01-02"),
        command=f"follow x.config --once {FOLLOWED} --train_input_path logs",
        data=written("logs/monday/a.csv", "0"),
    ),
    Case(
        "Days and hours lie beside each other",
        ('logs: the parts are laid out in two ways, such as "dt=2026-01-01" and "dt=2026-01-02/hour=00"', "a pattern"),
        command=f"follow x.config --once {FOLLOWED} --train_input_path logs",
        data=_days_and_hours,
    ),
    command(
        "A length of time that is none",
        f"follow x.config {FOLLOWED} --every hourly",
        '--every: "hourly" is no length of time: write 90s, 10m, 1h or 1d',
    ),
    command(
        "Looking once, and every hour",
        f"follow x.config {FOLLOWED} --once --every 1h",
        "--once does not wait for further parts: --every 1h would have no effect. Leave one of them out.",
    ),
    command(
        "A part that is called by no time",
        f"follow x.config {FOLLOWED} --from monday",
        '--from: "monday" is no time',
    ),
    command("No command is given", "", "name a COMMAND", '"train", "follow", "launch"'),
    command(
        "A plan for no workers",
        "plan x.config --workers 0",
        "--workers 0: it is 1 to 100,000",
    ),
    command(
        "A plan for a device that is not known",
        "plan x.config --device a100",
        '--device "a100": nothing is known of it; known are "cpu"',
        'Did you mean "a100-40gb" or "a100-80gb"?',
        "easymtl plan --measure",
    ),
    command(
        "A plan for a network without a unit",
        "plan x.config --bandwidth 10G",
        '--bandwidth "10G" is no speed above 0 with its unit: write 10Gbit',
    ),
    command(
        "A plan for a memory without a unit",
        "plan x.config --memory 64",
        '--memory "64" is no size above 0 with its unit: write 64GiB',
    ),
    command(
        "A plan by rates that are not there",
        "plan x.config --rates rates.json",
        "rates.json: cannot be read: No such file or directory",
        "easymtl plan CONFIG --measure",
    ),
    command(
        "A flag is mistyped",
        "train --pipeline_confg x.config",
        "easymtl train: unknown argument --pipeline_confg",
        'Did you mean "--pipeline_config"?',
    ),
    command(
        "A flag of another command",
        "train --pipeline_config x.config --checkpoint best",
        "easymtl train: unknown argument --checkpoint",
        'It is a flag of "eval", "export", "predict", "importance", "report", "compare", "verify".',
    ),
    command("The config is not named", "train", "easymtl train:", "name a config: easymtl train CONFIG, or"),
    command(
        "A flag without its value",
        "eval --pipeline_config x.config --checkpoint",
        "argument --checkpoint: expected one argument",
        "easymtl eval --help",
    ),
    command(
        "Two configs are named",
        "check x.config --pipeline_config y.config",
        "two configs are named, x.config and --pipeline_config y.config",
        "easymtl check --help",
    ),
    command("An unknown form of the log", "check x.config --log_format jsn", '"jsn" is none of', 'mean "json"?'),
    command(
        "The config file is not there",
        "check --pipeline_config y.config",
        "y.config: there is no such file",
        "holds x.config",
    ),
    command(
        "The folder of the config is not there",
        "check --pipeline_config configs/x.config",
        "configs/x.config",
        "no folder configs",
    ),
    command("A folder as the config", "check --pipeline_config .", "this is a folder", "Name the config file in it"),
    command(
        "A task that no tower has",
        f"{CHECK} --tasks ctr,cvrr",
        '"cvrr" is not in the towers ("ctr", "cvr", "stay")',
        'Did you mean "cvr"?',
    ),
    command("No task at all", f"{CHECK} --tasks ,", "--tasks: names no tower", '"ctr", "cvr", "stay"'),
    command(
        "A task without the one it depends on",
        f"{TRAIN} --tasks cvr",
        'the tower "cvr" needs "ctr", which --tasks leaves out',
        "Use --tasks ctr,cvr.",
    ),
    command(
        "A data set that synth does not make",
        "synth livstream",
        '"livstream"',
        '"livestream", "taobao", "tenrec", "funnel", "feed", "posts", "mmoe_paper"',
        "Did you mean",
    ),
    command("A number that is none", "synth taobao --rows many", "--rows", '"many" is no whole number'),
    command("A number below its range", "synth taobao --rows -5 --out data", "rows is -5", "at least 1"),
    command(
        "A format that synth does not write",
        "synth taobao --rows 100 --format json --out data",
        '"json"',
        '"parquet", "csv"',
    ),
    command(
        "A form of histories that synth does not write",
        "synth feed --rows 100 --histories list --out data",
        '"list"',
        '"lists", "text"',
        'Did you mean "lists"?',
    ),
    command(
        "Histories of a data set that has none",
        "synth taobao --rows 100 --histories text --out data",
        '"taobao" has no histories',
        "leave --histories text out",
    ),
    command(
        "Lists in a CSV file",
        "synth feed --rows 100 --format csv --histories lists --out data",
        "CSV has no lists",
        "--histories text",
    ),
    override(
        "`--set` without a value",
        "train_config.num_steps",
        '--set: "train_config.num_steps"',
        "is no path=value",
        "for example",
    ),
    override(
        "`--set` with a mistyped field",
        "train_config.num_step=5",
        '--set: train_config has no field "num_step"',
        'Did you mean "num_steps"?',
    ),
    override(
        "`--set` far behind the end of a list",
        "model_config.dbmtl.task_towers[7].weight=2",
        "task_towers[7] is out of range",
        "task_towers[0] to",
        "task_towers[3] appends",
    ),
    override(
        "`--set` of a list's item without its place",
        "model_config.dbmtl.task_towers.weight=2",
        "task_towers is a list of 3",
        "say which, for example",
    ),
    override(
        "`--set` with a place where there is no list",
        "train_config.num_steps[0]=5",
        "num_steps is no list",
        "leave out [0]",
    ),
    override(
        "`--set` below a number",
        "train_config.num_steps.value=5",
        "train_config.num_steps holds a value, no fields",
        "Write train_config.num_steps=...",
    ),
    override(
        "`--set` with a value of another type",
        "train_config.num_steps=many",
        "--set: train_config.num_steps",
        "needs a whole number, 0 or more",
        "found many",
    ),
    override(
        "`--set` with a value out of range",
        "data_config.batch_size=0",
        "--set: data_config.batch_size",
        "is 0, outside of (0, inf)",
    ),
    override(
        "`--set` with a path that is none",
        "train_config..num_steps=5",
        "the path train_config..num_steps",
        "is no field name such as",
    ),
    command(
        "A flag of EasyRec's command",
        f"{EVAL} --checkpoint_path model.ckpt-9",
        *("unknown argument --checkpoint_path", "In place of EasyRec's --checkpoint_path: --checkpoint."),
    ),
    command(
        "A file of rows in place of an export",
        "serve eval.csv",
        "eval.csv: this is a table, and no config",
    ),
    command(
        "The config of a model that is still to be trained in place of a model_dir",
        "board x.config",
        "x.config: its model_dir, model, is not there. Train it first: easymtl train x.config",
    ),
    command(
        "A page about no training",
        "report",
        "name a MODEL_DIR: easymtl report MODEL_DIR, or --pipeline_config FILE in place of MODEL_DIR.",
    ),
    command(
        "Two models where one is served",
        "serve model --pipeline_config x.config",
        *('too many are named: "x.config", "model".', "Leave one of them out"),
    ),
    command(
        "A comparison of one side",
        "compare x.config",
        *("name A and B: easymtl compare A B", "--pipeline_config FILE in place of A."),
    ),
    command(
        "Both protocols of a server at one port",
        "serve model --grpc_port 8501",
        "--rest_port and --grpc_port are both 8501",
        "two ports",
    ),
    command(
        "A name of a model that cannot be asked for",
        "serve model --model_name a/b",
        '"a/b" cannot be a part of an address',
    ),
    command("No time for a request", "serve model --timeout 0", '--timeout: "0" is no number of seconds above 0'),
    command("Rows that are not there for an export", "verify . --input rows.csv", "rows.csv"),
    command("A shell that nothing completes for", "completion bahs", 'SHELL "bahs" is none of "bash", "zsh", "fish"'),
    command("More seconds than doctor trains", "doctor --seconds 9000", "--seconds is 9000: it must be from 0 to 600"),
    command("Fewer rows than none", "verify . --input eval.csv --rows -1", "--rows is -1: it must be at least 0"),
    command(
        "A comparison of no trainings",
        "compare x.config x.config --seeds 0",
        *("--seeds is 0", "at least 1"),
    ),
    command(
        "A comparison with a folder that is no model_dir",
        "compare x.config . --seeds 1",
        *("B: . is no model_dir", "pipeline.config", "Name a config, or model_dirs that were trained"),
    ),
    Case(
        "A way to call an export that there is none of",
        ('--with: there is no way "openvyno"', '"saved_model_cli"'),
        command="verify . --input eval.csv --with openvyno",
        needs_tensorflow=True,
    ),
    Case(
        "A folder without an export",
        ("no SavedModel is in this folder", "easymtl export"),
        command="verify . --input eval.csv",
        needs_tensorflow=True,
    ),
    command(
        "Edits that are no JSON",
        f"{CHECK} --edit_config_json {{num_steps:3}}",
        *("--edit_config_json: this is no JSON", 'such as {"train_config.num_steps": 10'),
    ),
    override(
        "A condition that no feature meets",
        "feature_config.features[input_names[0]=usr].embedding_dim=8",
        *("features[input_names[0]=usr] stands for nothing", '"user", "tags", "price"'),
    ),
]
_CONVERT = [
    Case(
        "A config that needs no conversion",
        ("this is the dialect of EasyRec", "easymtl check --pipeline_config x.config"),
        command="convert x.config",
    ),
    Case(
        "A field that TorchEasyRec has not",
        ('torch.config:5:10: model_config.mmoe has no field "num_experts"', 'Did you mean "num_expert"?'),
        command="convert torch.config",
        data=lambda project: project.write("torch.config", _TORCH % "mmoe { num_experts: 3 }"),
        shown="mmoe { num_experts: 3 }",
    ),
    Case(
        "A model of TorchEasyRec with one task",
        ("torch.config:5: deepfm is not converted", "simple_multi_task with one task_towers"),
        command="convert torch.config",
        data=lambda project: project.write("torch.config", _TORCH % "deepfm { }"),
        shown="deepfm { }",
    ),
    Case(
        "A converted config over another file",
        ("--out x.config exists", "Name another file, or remove it"),
        command="convert torch.config --out x.config",
        data=lambda project: project.write("torch.config", _TORCH % "mmoe { }"),
    ),
]
_COLUMNS = "--columns click,order,seconds,user,tags,price"
_DRAFT = [
    Case(
        "No labels to draft for",
        ("--labels is missing", "such as --labels click,like"),
        command="init train.csv",
    ),
    Case(
        "CSV without a header to draft from",
        ("train.csv: the first line is no header that has the labels", "--columns a,b"),
        command="init train.csv --labels click",
    ),
    Case(
        "Another number of names than columns",
        ("train.csv: the first line has 6 columns, and 2 are named",),
        command="init train.csv --labels click --columns click,user",
    ),
    Case(
        "A label that no column is",
        ('--labels: there is no column "clik"', 'Did you mean "click"?'),
        command=f"init train.csv --labels clik {_COLUMNS}",
    ),
    Case(
        "A column that is left out and not there",
        ('--ignore: there is no column "prize"', 'Did you mean "price"?'),
        command=f"init train.csv --labels click --ignore prize {_COLUMNS}",
    ),
    Case(
        "A model that cannot be drafted",
        ('--model: "mmo" cannot be drafted', 'Did you mean "mmoe"?', "shared_bottom"),
        command=f"init train.csv --labels click --eval eval.csv --model mmo --out y.config {_COLUMNS}",
    ),
    Case(
        "A model that does not fit the labels",
        ("--model: esmm does not fit: it learns two labels", "Those that do: mmoe, "),
        command=f"init train.csv --labels click --eval eval.csv --model esmm --out y.config {_COLUMNS}",
    ),
    Case(
        "A preset that there is not",
        ('--preset: "tiny" is neither small nor strong',),
        command=f"init train.csv --labels click --eval eval.csv --preset tiny --out y.config {_COLUMNS}",
    ),
    Case(
        "A draft over another config",
        ("x.config exists", "--force"),
        command=f"init train.csv --labels click --out x.config {_COLUMNS}",
    ),
    Case(
        "A draft over its data",
        ("--out train.csv is a file that is read: it would be written over",),
        command=f"init train.csv --labels click --out train.csv --force {_COLUMNS}",
    ),
    Case(
        "A schema that is none",
        ("notes.pbtxt: there is no feature { name: ... } in it",),
        command=f"init train.csv --labels click --schema notes.pbtxt {_COLUMNS}",
        data=lambda project: project.write("notes.pbtxt", 'title: "notes"'),
    ),
]

_TEXT = [
    config(
        "A field is mistyped",
        "batch_size: 8",
        "batch_szie: 8",
        "x.config:12:3:",
        '"batch_szie"',
        'Did you mean "batch_size"?',
    ),
    config(
        "A field stands in the wrong message",
        "num_steps: 2",
        "num_steps: 2 batch_size: 8",
        "x.config:8:16:",
        'train_config has no field "batch_size"',
        "Its fields:",
    ),
    config(
        "An enum value is mistyped",
        "feature_type: TagFeature",
        "feature_type: TagFeatures",
        "x.config:23:48:",
        '"TagFeatures"',
        '"IdFeature", "RawFeature"',
        'Did you mean "TagFeature"?',
    ),
    config(
        "A closing brace is missing",
        '    }\n    task_towers {\n      tower_name: "cvr"',
        '    task_towers {\n      tower_name: "cvr"',
        "x.config:35:5:",
        '"task_towers"',
        'a "}" seems to be missing before it',
    ),
    config(
        "A closing brace too many", "  num_steps: 2\n}", "  num_steps: 2\n}\n}", "x.config:10:1:", '"}" closes nothing'
    ),
    config(
        "A closing quote is missing",
        'model_dir: "model"',
        'model_dir: "model',
        "x.config:3:12:",
        "needs a text in quotes",
        'found "model',
    ),
    config(
        "A colon is missing",
        "batch_size: 8",
        "batch_size 8",
        "x.config:12:14:",
        'needs a ":" and a whole number',
        "found 8",
    ),
    config(
        "A scalar is given twice",
        "num_steps: 2",
        "num_steps: 2\n  num_steps: 3",
        "x.config:9:3:",
        "num_steps is set twice, on lines 8 and 9",
        "Keep one of them",
    ),
    config(
        "Two metrics in one metrics_set",
        "metrics_set { auc { } }",
        "metrics_set { auc { } accuracy { } }",
        "exclude each other",
        "Write a second metrics_set { } for it",
    ),
    config(
        "Two members of a oneof",
        _OPTIMIZER,
        f"{_OPTIMIZER}\n    {_OPTIMIZER.replace('adam', 'adagrad')}",
        "x.config:7:5:",
        "adagrad_optimizer (line 7) and adam_optimizer (line 6) exclude each other",
        "Remove one of them",
    ),
    config(
        "Two models",
        "  dbmtl {",
        "  mmoe { num_expert: 2 }\n  dbmtl {",
        "x.config:29:3:",
        "dbmtl (line 29) and mmoe (line 28) exclude each other",
        "Remove one of them",
    ),
    config(
        "Text where a number belongs",
        "batch_size: 8",
        'batch_size: "8"',
        "x.config:12:15:",
        "needs a whole number",
        'found "8"',
    ),
    config(
        "A number where text belongs",
        'model_dir: "model"',
        "model_dir: 5",
        "x.config:3:12:",
        "needs a text in quotes, found 5",
        'Write "5"',
    ),
    config(
        "A decimal where a whole number belongs",
        "num_steps: 2",
        "num_steps: 2.5",
        "x.config:8:14:",
        "needs a whole number",
        "found 2.5",
    ),
    config(
        "A negative number where none may be",
        "batch_size: 8",
        "batch_size: -8",
        "x.config:12:15:",
        "is -8",
        "must lie between 0 and",
    ),
    config(
        "A number too large for its type",
        "batch_size: 8",
        "batch_size: 99999999999",
        "x.config:12:15:",
        "is 99999999999",
        "must lie between 0 and 4294967295",
    ),
    config(
        "A word that is neither true nor false",
        "batch_size: 8",
        "batch_size: 8 shuffle: yes",
        "x.config:12:26:",
        "needs true or false, found yes",
    ),
    config(
        "A value where a message belongs",
        "dnn { hidden_units: [4] }",
        "dnn: 4",
        "x.config:33:12:",
        "needs a message in { }, found 4",
    ),
    config(
        "A message where a value belongs",
        "batch_size: 8",
        "batch_size { value: 8 }",
        "x.config:12:14:",
        "needs a",
        "found {",
    ),
    content(
        "An empty config",
        "",
        "(an empty file)",
        "train_input_path is missing, for example",
        "has no optimizer; add",
        "names no model; add one of",
    ),
    content(
        "JSON instead of text format",
        '{"train_config": {"num_steps": 2}}\n',
        '{"train_config": {"num_steps": 2}}',
        "x.config:1:1:",
        "found {",
        "protobuf text, not JSON",
    ),
    content(
        "A config that is not UTF-8",
        'model_dir: "mod\xe8le"\n'.encode("latin-1"),
        'model_dir: "mod\\xe8le" in Latin-1',
        "x.config:1:",
        "no UTF-8 text",
        "Save the config as UTF-8",
    ),
]

_MEANING = [
    config(
        "Features that are dropped by two rates",
        "  feature_groups {",
        "  variational_dropout { }\n  feature_groups { feature_dropout_rate: 0.1",
        "x.config:",
        "feature_dropout_rate and model_config.variational_dropout, which learns such rates",
        "Remove one of them",
    ),
    config(
        "Sampled negatives of a task that has none",
        "loss_type: L2_LOSS",
        "loss_type: L2_LOSS negative_sampling_rate: 0.1",
        'negative_sampling_rate is of negatives, and the tower "stay" predicts no probability of one event',
        "Remove it",
    ),
    config(
        "Calibration of a task that predicts no probability",
        "loss_type: L2_LOSS",
        "loss_type: L2_LOSS post_calibration { }",
        'post_calibration is of a probability of one event, and the tower "stay" predicts none',
        "Remove it",
    ),
    config(
        "A shared table with the name of another table",
        'input_names: "tags" feature_type: TagFeature hash_bucket_size: 20',
        'input_names: "tags" embedding_name: "user_embedding" feature_type: TagFeature hash_bucket_size: 20',
        "x.config:27:",
        'make the shared table "user_embedding" and the table of "user" in the group "all" one',
        "Rename one of them",
    ),
    config(
        "A rate out of its range",
        "hidden_units: [8, 6]",
        "hidden_units: [8, 6] dropout_ratio: [0.1, 1.0]",
        "x.config:29:",
        "dropout_ratio[1] is 1",
        "outside of [0, 1)",
    ),
    config(
        "A batch of no rows", "batch_size: 8", "batch_size: 0", "x.config:12:", "batch_size is 0", "outside of (0, inf)"
    ),
    config(
        "A word that is not among the choices",
        "hash_bucket_size: 20",
        "hash_bucket_size: 20 combiner: 'avg'",
        "x.config:23:",
        '"avg"',
        '"sum", "mean", "sqrtn"',
    ),
    config(
        "An activation that does not exist",
        "hidden_units: [8, 6]",
        'hidden_units: [8, 6] activation: "tf.nn.rellu"',
        "x.config:29:",
        '"tf.nn.rellu"',
        'Did you mean "relu"?',
    ),
    config(
        "A normalizer that is code",
        _PRICE,
        _PRICE.replace(" }", ' normalizer_fn: "lambda x: np.log2(x)" }'),
        "x.config:24:",
        '"np.log2" is no function of expressions',
        "tf.log1p",
    ),
    config(
        "An input field is declared twice",
        'input_name: "order"',
        'input_name: "click"',
        'x.config:15: input_fields[1].input_name "click" is taken',
        "x.config:14 has it too",
        "Rename one of them",
    ),
    config(
        "Two features of one name",
        'input_names: "tags"',
        'input_names: "tags" feature_name: "user"',
        'x.config:23: feature_config.features[1] "user" is taken',
        "x.config:22 has it too",
        "Rename",
    ),
    config(
        "Two towers of one name",
        'tower_name: "cvr"',
        'tower_name: "ctr"',
        "x.config:37:",
        'tower_name "ctr" is taken',
        "x.config:31 has it too",
        "Rename",
    ),
    config(
        "Two groups of one name",
        "  dbmtl {",
        '  feature_groups { group_name: "all" feature_names: "user" }\n  dbmtl {',
        "x.config:28:",
        'group_name "all" is taken',
        "x.config:27 has it too",
        "Rename",
    ),
    config(
        "A tower's label is no label field",
        'label_name: "order"',
        'label_name: "orders"',
        "x.config:38:",
        '"orders" is not in data_config.label_fields',
        '("click", "order", "seconds")',
        'Did you mean "order"?',
    ),
    config(
        "A label field is no input field",
        '["click", "order", "seconds"]',
        '["clik", "order", "seconds"]',
        "x.config:13:",
        '"clik" is not in data_config.input_fields',
        'Did you mean "click"?',
    ),
    config(
        "More towers than label fields",
        '["click", "order", "seconds"]',
        '["click", "order"]',
        "x.config:45:",
        '"seconds" is not in data_config.label_fields ("click", "order")',
    ),
    config(
        "A feature reads a field that is not declared",
        'input_names: "price"',
        'input_names: "prize"',
        "x.config:24:",
        '"prize" is not in data_config.input_fields',
        'Did you mean "price"?',
    ),
    config(
        "A group names a feature that does not exist",
        '["user", "tags", "price"]',
        '["user", "tag", "price"]',
        "x.config:27:",
        '"tag" is not in the features',
        'Did you mean "tags"?',
    ),
    config(
        "An IdFeature without a size",
        " hash_bucket_size: 50",
        "",
        "x.config:22:",
        "needs one of growing, hash_bucket_size, vocab_list, vocab_file, num_buckets",
        "for example",
    ),
    config(
        "A growing table with a hash",
        " hash_bucket_size: 50",
        " hash_bucket_size: 50 growing { max_rows: 1000 }",
        "x.config:22:",
        "growing and hash_bucket_size exclude each other",
        "Keep one",
    ),
    config(
        "A growing table for numbers",
        "feature_type: RawFeature",
        "feature_type: RawFeature growing { max_rows: 1000 }",
        "growing is for tables of ids, and this is a RawFeature",
        "SequenceFeatures of ids have them",
    ),
    config(
        "A growing table without a limit",
        " hash_bucket_size: 50",
        " growing { }",
        "x.config:22:",
        "growing needs max_rows",
    ),
    config(
        "An IdFeature without a width",
        " hash_bucket_size: 50 embedding_dim: 4",
        " hash_bucket_size: 50",
        "x.config:22:",
        "needs embedding_dim, for example embedding_dim: 16",
    ),
    config(
        "Borders that do not ascend",
        _PRICE,
        _PRICE.replace(" }", " boundaries: [3, 1] embedding_dim: 4 }"),
        "x.config:24:",
        "[3.0, 1.0] must ascend",
    ),
    config(
        "A vocabulary file that is not there",
        "hash_bucket_size: 50",
        'vocab_file: "users.txt"',
        "x.config:22:",
        '"users.txt" is no file',
        "relative paths start at",
    ),
    config(
        "One table of two sizes",
        f'{_USER}\n  features {{ input_names: "tags"',
        _USER.replace(" }", ' embedding_name: "t" }') + '\n  features { embedding_name: "t" input_names: "tags"',
        "x.config:23:",
        'embedding_name "t" is shared with user (x.config:22)',
        "20 here, 50 there",
    ),
    config(
        "A relation to a tower that does not exist",
        'relation_tower_names: "ctr"',
        'relation_tower_names: "ctrr"',
        "x.config:41:",
        '"ctrr" is not in the towers ("ctr", "cvr", "stay")',
        'Did you mean "ctr"?',
    ),
    config(
        "Towers that depend on each other in a circle",
        'label_name: "click"',
        'label_name: "click" relation_tower_names: "cvr"',
        "x.config:32:",
        "ctr needs cvr needs ctr",
        "Remove one of these relations",
    ),
    config(
        "The indicator of a task space does not exist",
        'label_name: "order"',
        'label_name: "order" task_space_indicator_label: "clicks"',
        "x.config:38:",
        '"clicks" is not in data_config.input_fields',
        'Did you mean "click"?',
    ),
    config(
        "An indicator without its value",
        'label_name: "order"',
        'label_name: "order" task_space_indicator_name: "user"',
        "x.config:36:",
        "needs task_space_indicator_value too",
    ),
    config(
        "A sample weight that does not exist",
        "batch_size: 8",
        'batch_size: 8 sample_weight: "weight"',
        "x.config:12:",
        '"weight" is not in data_config.input_fields',
        '("click", "order"',
    ),
    config(
        "An encoded cache on a server",
        "batch_size: 8",
        'batch_size: 8 encoded_cache { path: "s3://shop/encoded" }',
        "x.config:12:",
        'is "s3://shop/encoded"; its files are mapped into memory: name a folder of a local disk.',
    ),
    config(
        "An encoded cache without a folder",
        "batch_size: 8",
        "batch_size: 8 encoded_cache { max_bytes: 1000 }",
        "x.config:12:",
        "has no path: name a local folder for the encoded rows",
    ),
    config(
        "A loss that does not fit num_class",
        "loss_type: L2_LOSS",
        "loss_type: L2_LOSS num_class: 3",
        "x.config:46:",
        "num_class is 3",
        "L2_LOSS needs num_class: 1",
    ),
    config(
        "A metric that does not fit the task",
        "metrics_set { mean_squared_error { } }",
        _AUC,
        "x.config:47:",
        "auc does not fit",
        "there are mean_absolute_error",
    ),
    config(
        "A metric whose groups are not a field",
        _AUC,
        'metrics_set { gauc { uid_field: "usr" } }',
        "x.config:34:",
        '"usr" is not in data_config.input_fields',
        'Did you mean "user"?',
    ),
    config(
        "No optimizer",
        f"  optimizer_config {{\n    {_OPTIMIZER}\n  }}\n",
        "",
        "x.config:4:",
        "has no optimizer",
        "add optimizer_config {",
    ),
    config("No learning rate", _OPTIMIZER, "adam_optimizer { }", "x.config:6:", "has no learning rate", "for example"),
    config(
        "A training that would not end",
        "  num_steps: 2\n",
        "",
        "x.config:4:",
        "sets neither num_steps nor data_config.num_epochs",
        "set one of them",
    ),
    config(
        "A pattern that is no regular expression",
        "num_steps: 2",
        'num_steps: 2 freeze_gradient: "(dnn"',
        "x.config:8:",
        '"(dnn" is no regular expression',
    ),
    config(
        "A dead line that is no time",
        "num_steps: 2",
        'num_steps: 2 dead_line: "tomorrow"',
        "x.config:8:",
        '"tomorrow" is no time such as "20261231 23:59:59"',
    ),
    config(
        "A metric to choose the best by that there is not",
        'exporter_type: "none"',
        'exporter_type: "best" best_exporter_metric: "auc_ctcvr"',
        "x.config:10:",
        '"auc_ctcvr" is not in the metrics of the towers',
        'Did you mean "auc_cvr"?',
    ),
    config(
        "An exporter that does not exist",
        'exporter_type: "none"',
        'exporter_type: "newest"',
        "x.config:10:",
        '"newest" is none of "final", "latest", "best", "none"',
    ),
    config(
        "A list of values in an input that holds one",
        'exporter_type: "none"',
        'exporter_type: "none" multi_value_fields { input_name: "price" }',
        "x.config:10:",
        'names "price", of which no feature reads several values',
        "send one value for each row",
    ),
    Case(
        "A line whose separator stands in the values of a field",
        (
            "x.config:10:",
            "multi_placeholder is false, so that a row is split at data_config.separator '|'",
            'and so would be the values of "tags"',
        ),
        (
            ('exporter_type: "none"', 'exporter_type: "none" multi_placeholder: false'),
            ("batch_size: 8", 'batch_size: 8 separator: "|"'),
        ),
    ),
    config(
        "A file for the export that there is not",
        'exporter_type: "none"',
        'exporter_type: "none" asset_files: "prices.json"',
        "x.config:10:",
        'asset_files[0] names "prices.json", which is no file',
    ),
    config(
        "An export for requests of no rows",
        'exporter_type: "none"',
        'exporter_type: "none" batch_size: 0',
        "x.config:10:",
        "export_config.batch_size is 0; it needs the number of rows that each request has, or -1",
    ),
    config(
        "An export that would compute in whole numbers",
        'exporter_type: "none"',
        'exporter_type: "none" precision: INT8',
        "x.config:10:",
        'precision is "INT8", which is none of "FLOAT32", "FLOAT16", "BFLOAT16"',
    ),
    config(
        "An AUC that may change by more than there is",
        'exporter_type: "none"',
        'exporter_type: "none" row_precision: INT8 max_auc_change: 10',
        "x.config:10:",
        "export_config.max_auc_change is 10, outside of [0, 1]",
    ),
    config(
        "A format of the export that has not its products",
        'exporter_type: "none"',
        'exporter_type: "none" formats: [SAVED_MODEL, ONNX] precision: BFLOAT16',
        "x.config:10:",
        "export_config.formats[1] is ONNX, and servers of it compute in no BFLOAT16",
        "let precision be FLOAT32 or FLOAT16.",
    ),
    config(
        "A format of the export twice",
        'exporter_type: "none"',
        'exporter_type: "none" formats: [SAVED_MODEL, ONNX, ONNX]',
        "x.config:10:",
        'export_config.formats[2] "ONNX" is taken',
        "Leave one of them out.",
    ),
    config(
        "A field of the user that there is not",
        'exporter_type: "none"',
        'exporter_type: "none" user_fields: ["usr"]',
        "x.config:10:",
        'export_config.user_fields[0] "usr" is not in data_config.input_fields',
        'Did you mean "user"?',
    ),
    config(
        "A formula over a score that there is not",
        'exporter_type: "none"',
        'exporter_type: "none" final_score { name: "rank" expression: "ctr^1.2 * log1p(y_sty)" }',
        "x.config:10:",
        '"ctr^1.2 * log1p(y_sty)", column 17: "y_sty" is not in the scores of the tasks',
        'Did you mean "y_stay"?',
    ),
    config(
        "A formula with a function that there is not",
        'exporter_type: "none"',
        'exporter_type: "none" final_score { name: "rank" expression: "ctr * ln(stay)" }',
        "x.config:10:",
        'column 7: "ln" is no function of expressions.',
        "There are abs, exp, log, log1p, max, min, pow, sigmoid, sqrt.",
    ),
    config(
        "A final score with the name of a column",
        'exporter_type: "none"',
        'exporter_type: "none" final_score { name: "price" expression: "ctr * cvr" }',
        "x.config:10:",
        'final_score[0].name "price" is a column (data_config.input_fields) already. Give it another name.',
    ),
    config(
        "A serving value that is no value of the field",
        'input_name: "price" input_type: FLOAT',
        'input_name: "price" input_type: FLOAT serving_value: "first"',
        "x.config:19:",
        'serving_value "first" is no FLOAT.',
    ),
    Case(
        "A warm-up file that no server could read",
        (
            "export_config.asset_files: tf_serving_warmup_requests is no TFRecord file, or a damaged one.",
            "A warm-up file is a TFRecord file of PredictionLog messages",
        ),
        (('exporter_type: "none"', 'exporter_type: "none" asset_files: "tf_serving_warmup_requests"'),),
        data=lambda project: project.write("tf_serving_warmup_requests", "hi"),
    ),
    config(
        "A quote of two characters",
        "batch_size: 8",
        "batch_size: 8 quote: \"''\"",
        "x.config:12:",
        "data_config.quote is",
        "it needs one ASCII character, or none",
    ),
    config(
        "A separator of tags that cannot split",
        "hash_bucket_size: 20",
        'hash_bucket_size: 20 separator: "，"',
        "x.config:23:",
        'separator "，" cannot split text',
        "give one ASCII character",
    ),
    config(
        "Decimals as ids without precision",
        'input_names: "user"',
        'feature_name: "user" input_names: "price"',
        "x.config:22:",
        'reads the FLOAT field "price" as text and needs precision',
        "for example precision: 2",
    ),
    config(
        "A separator of two characters",
        "batch_size: 8",
        'batch_size: 8 separator: "||"',
        "x.config:12:",
        "'||'",
        "one ASCII character, for example",
    ),
    config(
        "No group named all",
        'group_name: "all"',
        'group_name: "every"',
        "x.config:27:",
        'lacks the group "all"',
        'its groups are "every"',
    ),
    config(
        "A model_class of another model",
        "  dbmtl {",
        '  model_class: "MMoE"\n  dbmtl {',
        "x.config:28:",
        'is "MMoE", but the model is dbmtl',
        '"DBMTL"',
    ),
    config(
        "An architecture that no installed package brings",
        "dbmtl {\n    bottom_dnn { hidden_units: [8, 6] }",
        'custom {\n    class_name: "TwoWay"',
        "x.config:29:",
        'custom.class_name "TwoWay" is an architecture of no installed package',
        "Install the package that brings it",
    ),
    config(
        "A loss of a package without its name",
        "loss_type: L2_LOSS",
        "losses { loss_type: CUSTOM }",
        "x.config:46:",
        'losses[0] has loss_type CUSTOM; add custom { name: "..." }',
    ),
    config(
        "A metric that no installed package brings",
        "mean_squared_error { }",
        'custom { name: "Coverage" }',
        "x.config:47:",
        'custom.name "Coverage" is a metric of no installed package',
    ),
    Case(
        "No model",
        ("x.config:26:", "names no model; add one of"),
        (("dbmtl {", "#"),),
        data=lambda project: project.write(
            "x.config", (project.folder / "x.config").read_text().split("  #")[0] + "}\n"
        ),
        shown="model_config without simple_multi_task, mmoe or dbmtl",
    ),
    config(
        "Experts of a level that differ in width",
        _BOTTOM,
        """  ple {
    extraction_networks {
      network_name: "level_1" expert_num_per_task: 1 share_num: 2
      task_expert_net { hidden_units: [8, 6] }
      share_expert_net { hidden_units: [8, 4] }
    }""",
        "x.config:32:",
        "share_expert_net.hidden_units ends in a layer of width 4, task_expert_net in one of 6",
        "their last hidden_units must agree",
    ),
    config(
        "Two levels of one name",
        _BOTTOM,
        f"""  ple {{
    extraction_networks {{ network_name: "a" {_LEVEL} }}
    extraction_networks {{ network_name: "a" {_LEVEL} }}""",
        "x.config:30:",
        'network_name "a" is taken: x.config:29 has it too',
    ),
    config(
        "A level without shared experts",
        _BOTTOM,
        f"  cgc {{\n    {_LEVEL.replace('share_num: 2 ', '')}",
        "x.config:28:",
        "model_config.cgc needs share_num",
    ),
    config(
        "A mixture without experts",
        _BOTTOM,
        "  omoe {",
        "x.config:28:",
        "set expert_dnn { hidden_units: ... } and num_expert",
    ),
    config(
        "A shared bottom without one",
        _BOTTOM,
        "  shared_bottom {",
        "x.config:28:",
        "needs bottom_dnn",
        "towers that share only the features are simple_multi_task",
    ),
    modal(
        "A UNITER without the groups that it reads",
        "all",
        _UNITER,
        "x.config:29: dbmtl.bottom_uniter",
        'reads the feature groups "image", "general", "text", "other", but there is none of them',
    ),
    modal(
        "A UNITER whose heads do not share its width",
        "other",
        _UNITER.replace("heads: 2", "heads: 3"),
        *("x.config:29:", "has hidden_size 4, which is no multiple of num_attention_heads 3"),
    ),
    modal(
        "A CMBF beside a DNN",
        "other",
        f"{_CMBF} bottom_dnn {{ hidden_units: 8 }}",
        *("x.config:29:", "bottom_dnn stands beside bottom_cmbf, which takes its place", "Keep one"),
    ),
    modal(
        "A CMBF over features of several widths",
        "general",
        _CMBF,
        *("x.config:29: dbmtl.bottom_cmbf", "needs features of one width in the group general", "4, 4, 1"),
    ),
    modal(
        "A text of a CMBF that is no history",
        "text",
        _CMBF,
        "x.config:27:",
        '"user" is a feature of type IdFeature; the group "text" holds features of type SequenceFeature',
        'Move it to "general" or "other"',
    ),
    config(
        "A space that no row can be in",
        'label_name: "order"',
        'label_name: "order" task_space_indicator_name: "click" task_space_indicator_value: "yes"',
        "x.config:38:",
        'task_space_indicator_value "yes" is no INT32, which is the type of "click"',
        "no row would be in the space",
    ),
    config(
        "A transform of a label that is no number",
        'label_name: "order"',
        'label_name: "order" label_transform { function: LOG1P }',
        "x.config:38:",
        "label_transform is for L2_LOSS alone",
        '"CLASSIFICATION"',
        "Remove it",
    ),
    config(
        "Several mistakes at once",
        'batch_size: 8\n  label_fields: ["click"',
        'batch_sice: 8\n  label_fields: ["clik"',
        "3 problems in x.config",
        "x.config:12:3:",
        "x.config:13:",
        "x.config:32:",
    ),
    config(
        "A checkpoint to start from that is not there",
        "num_steps: 2",
        'num_steps: 2\n  fine_tune_checkpoint: "old/model.ckpt-900"',
        *("x.config:9: train_config.fine_tune_checkpoint", "old/model.ckpt-900.index does not exist", "or a model_dir"),
    ),
    config(
        "A filter that would leave every weight alone",
        "model_config {",
        'model_config {\n  restore_filters: ""',
        *("restore_filters[0] is empty", "leave every weight alone"),
    ),
    data(
        "A map of variables with one name in a line",
        "ctr/dnn_0/kernel",
        lambda project: (
            project.write("old/model.ckpt-900.index", b""),
            project.write("names.txt", "ctr/dnn_0/kernel\n"),
        ),
        *("x.config:10: train_config.fine_tune_ckpt_var_map", 'names.txt:1: "ctr/dnn_0/kernel" is not the name of'),
        edits=(
            (
                "num_steps: 2",
                'num_steps: 2\n  fine_tune_checkpoint: "old"\n  fine_tune_ckpt_var_map: "names.txt"',
            ),
        ),
    ),
]

_DIALECT = [
    config(
        "Kafka as input",
        'train_input_path: "train.csv"',
        'kafka_train_input { server: "kafka:9092" topic: "clicks" }',
        "x.config:1:1:",
        "kafka_train_input is not supported",
        "write the topic to Parquet or CSV files",
    ),
    config(
        "MaxCompute as input",
        "batch_size: 8",
        "batch_size: 8 input_type: OdpsInputV2",
        "x.config:12:29:",
        "OdpsInputV2 is not supported",
        "export the table to Parquet",
    ),
    config(
        "A text file as TFRecord",
        "batch_size: 8",
        "batch_size: 8 input_type: TFRecordInput",
        "this is no TFRecord file",
        "Set data_config.input_type to what it is",
    ),
    config(
        "A label computed by code",
        "batch_size: 8",
        'batch_size: 8 extra_label_func { label_name: "x" label_func: "f" }',
        "x.config:12:17:",
        "extra_label_func is not supported",
        "compute the label when the data is written",
    ),
    config(
        "A lookup feature whose map does not say what stands between key and value",
        '"tags" feature_type: TagFeature',
        '["user", "tags"] feature_name: "tags" feature_type: LookupFeature',
        "x.config:23:",
        "needs kv_separator",
        'for example kv_separator: ":"',
    ),
    config(
        "An expression of a field that is none of its inputs",
        _PRICE,
        'features { input_names: "price" feature_type: ExprFeature expression: "prize > 10" }',
        'features[2].expression "prize > 10", ',
        'column 1: "prize" is not in the values ("price"). Did you mean "price"?',
    ),
    config(
        "An expression that ends too early",
        _PRICE,
        'features { input_names: "price" feature_type: ExprFeature expression: "(price > 10" }',
        'features[2].expression "(price > 10", column 12: ")" is needed ',
        'to close the "(" of column 1',
    ),
    config(
        "A combiner of numbers for tags",
        '"tags" feature_type: TagFeature',
        '"tags" combiner: "max" feature_type: TagFeature',
        '"max" is for numbers; vectors take "sum", "mean", "sqrtn"',
    ),
    config(
        "A model for one task",
        "  dbmtl {",
        "  deepfm { }\n  dbmtl {",
        "x.config:28:3:",
        "deepfm is not supported",
        "use simple_multi_task with one tower",
    ),
    config(
        "A loss of several outputs for a tower with one",
        "loss_type: L2_LOSS",
        "loss_type: ZILN_LOSS",
        "x.config:",
        "task_towers[2].num_class is 1, but ZILN_LOSS needs num_class: 3.",
    ),
    config(
        "A loss within sessions that does not say what a session is",
        'label_name: "order"',
        'label_name: "order" num_class: 2 losses { loss_type: JRC_LOSS }',
        "x.config:",
        "losses[0] has JRC_LOSS, which compares the rows of a session",
        'jrc_loss { session_name: "user_id" }',
    ),
    config(
        "A session that is no column",
        'label_name: "order"',
        'label_name: "order" losses { loss_type: PAIR_WISE_LOSS pairwise_loss { session_name: "usr" } }',
        'pairwise_loss.session_name "usr" is not in data_config.input_fields',
        'Did you mean "user"?',
    ),
    config(
        "A label function that does not exist",
        'label_name: "order"',
        'label_name: "order" losses { loss_type: LISTWISE_RANK_LOSS listwise_rank_loss '
        '{ session_name: "user" transform_fn: "log1" } }',
        'listwise_rank_loss.transform_fn "log1" is no lambda and none of',
        'Did you mean "log1p"?',
    ),
    config(
        "Distillation of a prediction that no tower has",
        "  dbmtl {",
        '  kd { pred_name: "logits_ctrs" soft_label_name: "price" loss_type: L2_LOSS }\n  dbmtl {',
        'kd[0].pred_name "logits_ctrs" is not in the predictions of the towers',
        'Did you mean "logits_ctr"?',
    ),
    config(
        "Distillation that takes a probability for a logit",
        "  dbmtl {",
        '  kd { pred_name: "probs_ctr" soft_label_name: "price" loss_type: KL_DIVERGENCE_LOSS }\n  dbmtl {',
        "x.config:28:",
        'kd[0].pred_is_logits has to be false: "probs_ctr" is a probability.',
    ),
    config(
        "A loss of retrieval models",
        'label_name: "click"',
        'label_name: "click" loss_type: CIRCLE_LOSS',
        "x.config:32:38:",
        "CIRCLE_LOSS is not supported",
        "use CLASSIFICATION",
    ),
    Case(
        "Two ways to weigh losses",
        (
            "x.config:8:",
            "task_balancing.dwa and model_config.loss_weight_strategy Uncertainty both weigh the losses",
            "keep one",
        ),
        (
            ("num_steps: 2", "num_steps: 2 task_balancing { dwa { } }"),
            ("  dbmtl {", "  loss_weight_strategy: Uncertainty\n  dbmtl {"),
        ),
    ),
    config(
        "Task balancing without a method",
        "num_steps: 2",
        "num_steps: 2 task_balancing { }",
        "x.config:8:",
        "names no method",
        "task_balancing { uncertainty { } }",
    ),
    config(
        "A balancing method with a typo",
        "num_steps: 2",
        "num_steps: 2 task_balancing { pcgrd { } }",
        "x.config:8:",
        'Did you mean "pcgrad"?',
    ),
    config(
        "A radius that is out of range",
        "num_steps: 2",
        "num_steps: 2 task_balancing { cagrad { c: 1.5 } }",
        "x.config:8:",
        "cagrad.c",
        "[0, 1)",
    ),
    config(
        "Floors of the weights that leave nothing",
        "num_steps: 2",
        "num_steps: 2 task_balancing { pareto { min_weight: 0.4 } }",
        "x.config:8:",
        "floors that sum to 1.2 over 3 towers",
    ),
    config(
        "A floor for a tower that does not exist",
        "num_steps: 2",
        'num_steps: 2 task_balancing { pareto { floors { tower_name: "ctrr" min_weight: 0.2 } } }',
        "x.config:8:",
        'Did you mean "ctr"?',
    ),
    Case(
        "Gradients are balanced where no dense weight is shared",
        ("x.config:8:", "the towers of simple_multi_task share embeddings only", "uncertainty, random or dwa"),
        (
            ("num_steps: 2", "num_steps: 2 task_balancing { pcgrad { } }"),
            ("  dbmtl {", "  simple_multi_task {"),
            ("    bottom_dnn { hidden_units: [8, 6] }\n", ""),
            ('      relation_tower_names: "ctr"\n', ""),
        ),
    ),
    config(
        "A strategy that does not exist",
        "num_steps: 2",
        "num_steps: 2 train_distribute: ParameterServerStrategy",
        "x.config:8:34:",
        '"ParameterServerStrategy"',
        'is none of "NoStrategy", "MirroredStrategy", "CollectiveAllReduceStrategy", "MultiWorkerMirroredStrategy".',
    ),
    Case(
        "XLA for a model with histories",
        ('xla is COMPILED, and "tags" is a history: XLA would compile anew for each number of steps', "Leave xla out."),
        edits=(
            ("num_steps: 2", "num_steps: 2 xla: COMPILED"),
            ("feature_type: TagFeature", "feature_type: SequenceFeature sequence_combiner { attention { } }"),
        ),
    ),
    config(
        "XLA for workers that sync their norms",
        "num_steps: 2",
        "num_steps: 2 xla: COMPILED sync_batch_norm: true",
        "x.config:8:",
        "xla is COMPILED, and with sync_batch_norm workers talk within the network. Keep one of them.",
    ),
    config(
        "A strategy of PAI",
        "num_steps: 2",
        "num_steps: 2 train_distribute: ExascaleStrategy",
        "x.config:8:34:",
        "ExascaleStrategy is not supported",
        "easymtl launch",
    ),
    config(
        "Parameter servers",
        "num_steps: 2",
        "num_steps: 2 train_distribute: PSStrategy",
        "x.config:8:34:",
        "PSStrategy is not supported",
        "Write MultiWorkerMirroredStrategy",
        "easymtl launch --workers N -- train",
    ),
    *(
        config(
            f"A strategy that deals tables out: {strategy}",
            "num_steps: 2",
            f"num_steps: 2 train_distribute: {strategy}",
            "x.config:8:34:",
            f"{strategy} is not supported",
            "table_sharding: SHARDED",
        )
        for strategy in ("SokStrategy", "EmbeddingParallelStrategy")
    ),
]

_DATA = [
    data(
        "The data is not there",
        'train_input_path: "train.csv", and no such file',
        lambda project: (project.folder / "train.csv").unlink(),
        "train input:",
        '"train.csv" is not in the current folder',
    ),
    config(
        "The folder of the data is not there",
        '"train.csv"',
        '"logs/day/*.csv"',
        '"logs/day/*.csv"',
        "no data file is there",
        '"logs" is not in the current folder',
    ),
    config(
        "The data were a table in the memory of a Python program",
        '"train.csv"',
        '"memory://train"',
        '"memory://train": this was a table in the memory of the program that trained',
        "Name files in its place",
    ),
    config(
        "The data of a sample config has not been made",
        '"train.csv"',
        '"samples/data/livestream/train.parquet"',
        '"samples" is not in',
        "Make it: easymtl synth livestream",
    ),
    data(
        "A label of texts that are no numbers",
        'x.config:13: ..."click" input_type: STRING; train.csv:3: no,0,3.0,...',
        changed("train.csv", "0,0,3.0", "no,0,3.0"),
        "train.csv:3:",
        'field "click" holds "no", which is not a number',
        'label_values { label_name: "click" number: 1 texts: "no" }',
        edits=(('"click" input_type: INT32', '"click" input_type: STRING'),),
    ),
    data(
        "Text in a whole-number column",
        "train.csv:3: no,0,3.0,...",
        changed("train.csv", "0,0,3.0", "no,0,3.0"),
        "train.csv:3:",
        'column "click" holds "no"',
        "a whole number from",
        'label_values { label_name: "click" number: 1 texts: "no" }',
        "Correct the row, or set data_config.ignore_error",
    ),
    data(
        "A whole number too large for INT32",
        "train.csv:3: 3000000000,0,3.0,...",
        changed("train.csv", "0,0,3.0", "3000000000,0,3.0"),
        "train.csv:3:",
        '"3000000000"',
        "from -2147483648 to 2147483647",
        "Correct the row",
    ),
    data(
        "Two columns are swapped",
        "the columns user and click change places in train.csv",
        written("train.csv", rows(24, ("user", "order", "seconds", "click", "tags", "price"))),
        "train.csv:1:",
        'column "click" holds "u0"',
        "compare the order and types of data_config.input_fields",
    ),
    data(
        "The separator is another one",
        "train.csv: 0;1;0.0;u0;...",
        written("train.csv", rows(24).replace(",", ";")),
        "train.csv:1:",
        "1 column was found where data_config.input_fields declares 6",
        "Is data_config.separator ',' the right one?",
    ),
    data(
        "A row has a value too few",
        "train.csv:2: 1,0,1.5,u1,a1|b1",
        changed("train.csv", "a1|b1,0.25", "a1|b1"),
        "train.csv:2:",
        "5 columns were found",
        "declares 6",
        "Correct the row",
    ),
    data(
        "A row has a value too many",
        "train.csv:2: ...,0.25,7",
        changed("train.csv", "a1|b1,0.25", "a1|b1,0.25,7"),
        "train.csv:2:",
        "7 columns were found",
        "declares 6",
        "Correct the row",
    ),
    data(
        "The file begins with a header that the config does not know of",
        "train.csv:1: click,order,...",
        written("train.csv", ",".join(NAMES) + "\n" + rows(24)),
        "train.csv:1:",
        "the first line names the columns",
        "Set data_config.with_header: true",
    ),
    config(
        "The config promises a header that is not there",
        "batch_size: 8",
        "batch_size: 8 with_header: true",
        "train.csv:1:",
        "names none of the declared columns",
        "set with_header: false",
    ),
    data(
        "A column is missing from the header",
        "with_header: true; train.csv:1: click,order,seconds,users,tags,price",
        written("train.csv", ",".join(NAMES).replace("user", "users") + "\n" + rows(24)),
        'train.csv: column "user" is not in the file',
        'Did you mean "users"?',
        edits=(("batch_size: 8", "batch_size: 8 with_header: true"), ('"eval.csv"', '"train.csv"')),
    ),
    data(
        "A quote is not closed",
        'train.csv:2: 1,0,1.5,"u1,...',
        changed("train.csv", ",u1,", ',"u1,'),
        "train.csv:2:",
        "nothing closes it",
        "Close it, or double a quote",
    ),
    data(
        "A vocabulary with an empty line",
        "users.txt: u0, an empty line, u1",
        written("users.txt", "u0\n\nu1\n"),
        "x.config:22: features[0].vocab_file users.txt:2: the line is empty",
        "remove it",
        edits=(("hash_bucket_size: 50", 'vocab_file: "users.txt"'),),
    ),
    data(
        "A vocabulary in another encoding",
        "users.txt in UTF-16",
        written("users.txt", "u0\nu1\n".encode("utf-16")),
        "users.txt: this is UTF-16 text",
        "iconv -f UTF-16 -t UTF-8",
        edits=(("hash_bucket_size: 50", 'vocab_file: "users.txt"'),),
    ),
    data(
        "The data is not UTF-8",
        "train.csv:2: 1,0,1.5,\\xfc1,...",
        lambda project: project.write("train.csv", rows(24).replace(",u1,", ",\xfc1,", 1).encode("latin-1")),
        "train.csv:2:",
        'column "user"',
        "UTF-8 text",
    ),
    data(
        "A label that is no 0 or 1",
        "train.csv:3: 2,0,3.0,...",
        changed("train.csv", "0,0,3.0", "2,0,3.0"),
        "train.csv:3:",
        'column "click" holds 2, the label of the tower "ctr"',
        "0, 1, or a probability between them",
        "L2_LOSS",
    ),
    data(
        "A class that the tower does not have",
        "train.csv:3: 5,0,3.0,...",
        changed("train.csv", "0,0,3.0", "5,0,3.0"),
        "train.csv:3:",
        'column "click" holds 5, the label of the tower "ctr"',
        "whole numbers from 0 to 3",
        "num_class is 4",
        edits=(('tower_name: "ctr"', 'tower_name: "ctr" num_class: 4'), (_AUC, "metrics_set { accuracy { } }")),
    ),
    data(
        "A word for a label that has no number",
        'label_values { label_name: "click" texts: "1" }; train.csv:1: 0,1,0.0,...',
        lambda project: None,
        'train.csv:1: field "click" holds "0"',
        "data_config.label_values gives no number",
        'label_values { label_name: "click" number: 0 texts: "0" }',
        edits=(('"click" input_type: INT32 }', '"click" }\n  label_values { label_name: "click" texts: "1" }'),),
    ),
    data(
        "Every row is left out",
        "ignore_error: true; train.csv with words in click",
        written("train.csv", "".join(f"{word},0,1.0,u1,a1,0.5\n" for word in ("yes", "no"))),
        "all 2 rows were left out (data_config.ignore_error)",
        'train.csv:1: column "click" holds "yes"',
        "label_values",
        edits=(("batch_size: 8", "batch_size: 8 ignore_error: true"),),
    ),
    data(
        "A sample weight below 0",
        'sample_weight: "price"; train.csv:2: ...,-0.25',
        changed("train.csv", "a1|b1,0.25", "a1|b1,-0.25"),
        'train.csv:2: column "price" holds -0.25, a sample weight',
        "finite numbers of at least 0 are allowed",
        "Correct the row",
        edits=(("batch_size: 8", 'batch_size: 8 sample_weight: "price"'),),
    ),
    data(
        "A negative label under a logarithm",
        "label_transform { function: LOG1P }; train.csv:2: 1,0,-1.5,...",
        changed("train.csv", "1,0,1.5", "1,0,-1.5"),
        'train.csv:2: column "seconds" holds -1.5, the label of the tower "stay"',
        "at least 0",
        "label_transform is LOG1P",
        edits=(("loss_type: L2_LOSS", "loss_type: L2_LOSS label_transform { function: LOG1P }"),),
    ),
    data(
        "A weight of a tag that is no finite number",
        "train.csv:2: 1,0,1.5,u1,a1:nan|b1,0.25",
        changed("train.csv", "a1|b1,0.25", "a1:nan|b1,0.25"),
        'train.csv:2: field "tags" of "tags" holds "a1:nan|b1"',
        "weights of tags are finite numbers",
        edits=(("hash_bucket_size: 20", 'hash_bucket_size: 20 kv_separator: ":"'),),
    ),
    data("The data is empty", "train.csv of 0 bytes", written("train.csv", ""), "train.csv: there is no row"),
    data(
        "A gzip file that is cut short",
        "train.csv.gz, its second half lost",
        lambda project: project.write("train.csv.gz", gzip.compress(rows(5000).encode())[:4000]),
        "train.csv.gz:",
        "truncated or damaged",
        "Write it again",
        edits=(('"train.csv"', '"train.csv.gz"'),),
    ),
    data(
        "A Parquet file that is none",
        "train.csv renamed to train.parquet",
        lambda project: (to_parquet()(project), project.write("train.parquet", rows(24))),
        "train.parquet: this is no Parquet file",
        "set data_config.input_type to CSVInput",
        edits=PARQUET,
    ),
    data(
        "A Parquet file lacks a column",
        "train.parquet with prices instead of price",
        to_parquet(lambda table: table.rename_columns([*NAMES[:-1], "prices"])),
        'train.parquet: column "price" is not in the file',
        'Did you mean "prices"?',
        edits=PARQUET,
    ),
    data(
        "A Parquet column of another type",
        "train.parquet with click as text",
        to_parquet(lambda table: table.set_column(0, "click", pa.array(["yes"] * table.num_rows))),
        "train.parquet",
        'column "click" holds "yes"',
        "a whole number from",
        edits=PARQUET,
    ),
    data(
        "A number of a Parquet file that does not fit",
        "train.parquet with 2.5 as click",
        to_parquet(lambda table: table.set_column(0, "click", pa.array([2.5] * table.num_rows))),
        "train.parquet: row 1 (row group 0):",
        'column "click" holds 2.5, which is no INT32',
        "data_config.ignore_error",
        edits=PARQUET,
    ),
    data(
        "Ids that are numbers with a fraction",
        "train.parquet with 0.5 as user",
        to_parquet(lambda table: table.set_column(3, "user", pa.array([0.5] * table.num_rows))),
        'train.parquet: row 1 (row group 0): column "user" holds 0.5, which is no whole number',
        "Set precision in the feature",
        edits=PARQUET,
    ),
    data(
        "A list where one value is read",
        "train.parquet with a list of users",
        to_parquet(lambda table: table.set_column(3, "user", pa.array([["u1", "u2"]] * table.num_rows))),
        'column "user" is list',
        'feature "user", an IdFeature, reads one value',
        "make it a TagFeature",
        edits=PARQUET,
    ),
    data(
        "A column that no input_type reads",
        "train.parquet with structs as tags",
        to_parquet(lambda table: table.set_column(4, "tags", pa.array([{"a": 1}] * table.num_rows))),
        'column "tags" is struct<a: int64>',
        "no input_type reads that",
        "Write each of its fields as a column of its own",
        edits=PARQUET,
    ),
    data(
        "A file that is no data in a folder of data",
        "logs/ with rows.csv and README.md",
        lambda project: (project.write("logs/rows.csv", rows(24)), project.write("logs/README.md", "Logs.")),
        'logs/README.md: this file lies among CSV files in "logs"',
        "Move it away",
        edits=(('"train.csv"', '"logs"'),),
    ),
    data(
        "A folder that is no value of its column",
        "order=no/rows.csv",
        lambda project: project.write("order=no/rows.csv", rows(24)),
        'the folder "order=no" is a column, and "no" is no INT32',
        "rename the folder",
        edits=(('"train.csv"', '"order=no/rows.csv"'),),
    ),
    data(
        "A link that leads nowhere",
        "train.csv is a link to /mnt/gone.csv",
        lambda project: (
            (project.folder / "train.csv").unlink(),
            (project.folder / "train.csv").symlink_to("/mnt/gone.csv"),
        ),
        '"train.csv" is a broken link: it leads to "/mnt/gone.csv"',
        "Restore what it leads to",
    ),
    config(
        "A name with a comma",
        '"train.csv"',
        '"day,1.csv"',
        '"day" is not in the current folder',
        "a comma that belongs to a name is written",
    ),
]

_MODELS = [
    with_model(
        "No checkpoint yet",
        EVAL,
        "model/checkpoints",
        "there is no checkpoint",
        "Train first: easymtl train",
        needs_model=False,
    ),
    with_model(
        "Rows that do not tell how to calibrate",
        f"{EVAL} --set eval_config.calibration_input_path=none.csv",
        'post_calibration of the tower "ctr" on none.csv: all',
        "are of one kind",
        "Name other data in eval_config.calibration_input_path",
        edits=(('label_name: "click"', 'label_name: "click" post_calibration { }'),),
        edit=lambda project: project.write("none.csv", _without_clicks(rows(12))),
        shown="all labels of the rows are 0",
    ),
    with_model(
        "A checkpoint that is not there",
        f"{EVAL} --checkpoint lastest",
        '"lastest"',
        'use latest, best, a folder, or a step: "2"',
    ),
    with_model("A step that was not saved", f"{EVAL} --checkpoint 7", 'there is no checkpoint "7"', 'a step: "2"'),
    with_model(
        "A model_dir of another config",
        TRAIN,
        "model/checkpoints/step-000000002",
        "is (8, 6) there and (8, 5) in the config",
        "Train in another model_dir",
        edits=(("hidden_units: [8, 6]", "hidden_units: [8, 5]"),),
    ),
    with_model(
        "A model_dir of other tasks",
        f"{TRAIN} --tasks ctr",
        "model/checkpoints/step-000000002",
        'the towers are "ctr" in the config and "ctr", "cvr", "stay" in the training',
        "Train in another model_dir",
    ),
    with_model(
        "Scores of a model_dir of another config",
        PREDICT,
        "model/checkpoints/step-000000002",
        "is (8, 6) there and (8, 5) in the config",
        "--pipeline_config model/pipeline.config",
        edits=(("hidden_units: [8, 6]", "hidden_units: [8, 5]"),),
    ),
    with_model(
        "Another optimizer in the same model_dir",
        TRAIN,
        "model/checkpoints/step-000000002",
        "was adam_optimizer in the training and is adagrad_optimizer in the config",
        "Train in another model_dir",
        edits=(("adam_optimizer", "adagrad_optimizer"), ("num_steps: 2", "num_steps: 4")),
    ),
    with_model(
        "A model_dir that is a file",
        TRAIN,
        "model",
        "cannot be written",
        "model_dir: the folder",
        needs_model=False,
        edit=written("model", ""),
        shown="model_dir is a file",
    ),
    with_model(
        "A SavedModel that is not there",
        f"{EVAL} --saved_model model/export",
        "model/export",
        "no SavedModel is in this folder",
        "Make one: easymtl export",
    ),
    with_model(
        "A delta in place of a SavedModel",
        f"{EVAL} --saved_model model/export/7.delta",
        "model/export/7.delta is a delta, which holds what has changed since another version",
        "easymtl verify model/export/7.delta --write FOLDER",
        edit=written("model/export/7.delta/delta.json", "{}"),
    ),
    with_model(
        "Changes since a version that there is not",
        "export --pipeline_config x.config --since 3",
        '--since "3" is no version in model/export/final (there is none), no step of a checkpoint in model ("2")',
        "no folder of an export",
    ),
    with_model(
        "Changes that are written into their base",
        "export --pipeline_config x.config --since model/export/7 --export_dir model/export/7",
        "--export_dir model/export/7/0 lies in model/export/7, which a model is read from. Name a place outside of it.",
        edit=written("model/export/7/saved_model.pb", ""),
        needs_model=False,
    ),
    with_model(
        "A delta without its record",
        "serve model/export --rest_port 0 --grpc_port 0",
        "7.delta/delta.json: cannot be read",
        "Copy the folder again",
        edit=written("model/export/7.delta/delta.json", "{"),
        shown="delta.json of a delta holds {",
        needs_model=False,
    ),
    with_model(
        "A kept column that is not declared", f"{PREDICT} --keep usr", '--keep: "usr" is not in', 'Did you mean "user"?'
    ),
    with_model(
        "A pattern that freezes nothing",
        TRAIN,
        "'botom_dnn' matches no parameter",
        '"bottom_dnn/dnn_0/kernel"',
        needs_model=False,
        edits=(("num_steps: 2", 'num_steps: 2 freeze_gradient: "botom_dnn"'),),
    ),
    with_model(
        "Text in a feature that reads numbers",
        TRAIN,
        "train.csv:1:",
        '"u0"',
        "cannot be read as a number",
        needs_model=False,
        edits=(
            (_PRICE, 'features { input_names: "user" feature_name: "raw_user" feature_type: RawFeature }'),
            ('"tags", "price"', '"tags", "raw_user"'),
        ),
    ),
    with_model(
        "A wrong label far down in the data",
        TRAIN,
        "train.csv:20001:",
        'column "click" holds -1',
        "Correct the row, or set data_config.ignore_error",
        needs_model=False,
        edit=lambda project: project.write("train.csv", rows(20_000) + "-1,0,1,u,a,1\n"),
        shown="train.csv:20001: -1,0,1,...",
    ),
    with_model(
        "Training on with another day's file",
        f"{TRAIN} --set train_input_path=eval.csv",
        *(
            "step-000000002",
            '1 added ("eval.csv"), 1 missing ("train.csv")',
            "--new_data and with a train_config.num_steps above 2",
            "bring the old files back",
        ),
    ),
    with_model(
        "New data without steps for them",
        f"{TRAIN} --new_data --set train_input_path=eval.csv",
        *("train_config.num_steps is 2", "has made 2", "--set train_config.num_steps=1002"),
    ),
    with_model(
        "Scores over the rows that are scored",
        "predict --pipeline_config x.config --input rows.parquet --output rows.parquet",
        *("--output rows.parquet", "which --input reads", "Name another one"),
        needs_model=False,
        edit=written("rows.parquet", b"PAR1"),
    ),
    with_model(
        "Embeddings of a feature that there is not",
        "board model --port 0 --embeddings usr",
        *('--embeddings: the model has no table of "usr"', '"user", "tags"', 'Did you mean "user"'),
    ),
    with_model(
        "TensorBoard on what is no training",
        "board . --port 0",
        *("there are no summaries", "Train first"),
        needs_model=False,
    ),
    with_model(
        "TensorBoard at an address of another machine",
        "board model --host 192.0.2.1 --port 0",
        "--host 192.0.2.1 --port 0: cannot be served at",
    ),
    with_model(
        "Metrics by a column that is not there",
        "eval --pipeline_config x.config --by users",
        '--by: "users" is neither in data_config.input_fields nor',
        "Files that do not name their columns have no others.",
        'Did you mean "user"?',
    ),
    with_model(
        "No rows of which the losses are kept",
        "eval --pipeline_config x.config --errors 0",
        "--errors: 0 is too small; the least is 1.",
    ),
    with_model(
        "A file for losses that nothing is written to",
        "eval --pipeline_config x.config --errors_output worst.parquet",
        "--errors_output says where --errors N writes, which is not there. Add it: --errors 100.",
    ),
    with_model(
        "The rows with the largest losses in a file that is none of Parquet",
        "eval --pipeline_config x.config --errors 5 --errors_output worst.csv",
        '--errors_output: worst.csv has to end in ".parquet".',
    ),
    with_model(
        "A report about a folder that is none of a training",
        "report .",
        ".: there is no pipeline.config in it, which a training writes. There are trainings in it: name model.",
    ),
    with_model(
        "A report about a folder that is not there",
        "report models",
        "models: there is no such folder, and no such config. Name the model_dir of a training, or its config.",
        needs_model=False,
    ),
    with_model(
        "A report in a file that no browser opens",
        "report model --out report.pdf",
        '--out: report.pdf has to end in ".html".',
    ),
    with_model(
        "A report by a column that is not there",
        "report model --by prize",
        '--by: "prize" is neither in data_config.input_fields nor',
        'Did you mean "price"?',
    ),
    with_model(
        "Importance by a metric that no tower has",
        "importance --pipeline_config x.config --metric acu",
        *("no task tower has", '"auc"', 'Did you mean "auc"'),
    ),
    with_model(
        "Importance of parts that there are not",
        "importance --pipeline_config x.config --by featur",
        *("--by", '"feature", "input", "group"', 'Did you mean "feature"'),
        needs_model=False,
    ),
    with_model(
        "Importance of a model that is not trained",
        "importance --pipeline_config x.config",
        *("there is no checkpoint", "Train first"),
        needs_model=False,
    ),
    with_model(
        "Importance by a single row",
        "importance --pipeline_config x.config --input one.csv",
        *("one.csv", "1 row", "--input"),
        edit=written("one.csv", rows(1)),
        shown="easymtl importance --input one.csv, of one row",
    ),
    with_model(
        "Importance by rows that no task can be judged by",
        "importance --pipeline_config x.config --metric auc --input even.csv",
        *("no task can be judged", "auc_ctr is not defined: all 3 labelled rows are negative", "another --metric"),
        edit=written("even.csv", "0,0,1,u,a,1\n" * 3),
        shown="easymtl importance --metric auc --input even.csv, of rows without a click",
    ),
    with_model(
        "A ranking in a file of another kind",
        "importance --pipeline_config x.config --output ranking.xlsx",
        *("--output", "ranking.xlsx", '".csv", ".json"'),
        needs_model=False,
    ),
    with_model(
        "A ranking over the data that it is measured on",
        "importance --pipeline_config x.config --output eval.csv",
        *("--output eval.csv", "which eval_input_path reads", "Name another one"),
        needs_model=False,
    ),
    with_model(
        "A ranking in the place of a folder",
        "importance --pipeline_config x.config --output old.csv",
        *("old.csv is a folder", "Name a file in it"),
        needs_model=False,
        edit=written("old.csv/a.txt", ""),
        shown="easymtl importance --output old.csv, which is a folder",
    ),
    with_model(
        "Options of a permutation for learnt rates",
        "importance --pipeline_config x.config --variational --by input",
        *("--variational reads no data", "--by would have no effect", "leave --variational out"),
        needs_model=False,
    ),
    with_model(
        "A metric for the effects on single rows",
        "importance --pipeline_config x.config --by_row 3 --metric auc",
        *("--by_row tells", "--metric would have no effect", "leave --by_row out"),
        needs_model=False,
    ),
    with_model(
        "Importance learnt by a model that learns none",
        "importance --pipeline_config x.config --variational",
        *("no variational_dropout", "leave --variational out"),
        needs_model=False,
    ),
    with_model(
        "A result over the training data",
        f"{EVAL} --output train.csv",
        *("--output train.csv", "which train_input_path reads", "Name another one"),
        needs_model=False,
    ),
    with_model(
        "A model_dir inside of the data",
        f"{TRAIN} --set train_input_path=data --set model_dir=data/model",
        *('lies in "data"', "train_input_path reads all files", "Name a place outside of it"),
        needs_model=False,
        edit=lambda project: project.write("data/part.csv", rows(24)),
    ),
    with_model(
        "A checkpoint of EasyRec that is not there",
        "import-checkpoint --pipeline_config x.config --from model.ckpt-9",
        *("there is no checkpoint", "model.ckpt-9.index does not exist"),
        needs_model=False,
    ),
    with_model(
        "An import of a checkpoint of easymtl",
        "import-checkpoint --pipeline_config x.config --model_dir new --from model/checkpoints/step-000000002",
        *("this is a checkpoint of easymtl, so there is nothing to import", "Name its model_dir in the config"),
        "begin a new training with --fine_tune_checkpoint model/checkpoints/step-000000002",
    ),
    with_model(
        "An import that does not fit the config",
        "import-checkpoint --pipeline_config x.config --from model.ckpt-9",
        *("31 not in the checkpoint: ", "with no place in this model: ctr/", "Did you mean", "--partial"),
        edits=(('tower_name: "ctr"', 'tower_name: "click_rate"'), ('names: "ctr"', 'names: "click_rate"')),
        edit=_easyrec_checkpoint,
        needs_model=False,
    ),
    with_model(
        "A map that names no weight of the model",
        f"{TRAIN} --model_dir new --fine_tune_checkpoint model --set train_config.fine_tune_ckpt_var_map=names.txt",
        *('names.txt:1: "ctr/dnn_O/kernel" is no weight of the model', 'Did you mean "ctr/dnn/dnn_0/kernel"?'),
        edit=written("names.txt", "ctr/dnn_O/kernel ctr/dnn/dnn_0/kernel\n"),
        shown="ctr/dnn_O/kernel ctr/dnn/dnn_0/kernel",
    ),
    with_model(
        "A checkpoint to start from of which nothing is taken over",
        f"{TRAIN} --model_dir new --fine_tune_checkpoint model --set model_config.restore_filters=[/]",
        *("nothing of this checkpoint fits the model", "32 left alone by model_config.restore_filters"),
    ),
    with_model(
        "A new training in a model_dir that has one",
        f"{TRAIN} --continue_train=false",
        *("--continue_train=false: model has checkpoints", "--model_dir"),
    ),
]

_DBMTL = "  dbmtl {\n    bottom_dnn { hidden_units: [8, 6] }\n"


def _graph(*blocks: str, rest: str = "") -> str:
    """Returns a config's backbone of some blocks, and the beginning of the towers over it."""
    lines = [f"    blocks {{ {block} }}" for block in blocks]
    return "\n".join(["  backbone {", *lines, *([f"    {rest}"] if rest else []), "  }", "  model_params {", ""])


def graph(name: str, block: str, *says: str, before: tuple[str, ...] = (), rest: str = "", walks: bool = False) -> Case:
    edits = ((_DBMTL, _graph(*before, block, rest=rest)),)
    return Case(name, says, edits, shown=f"{rest or 'blocks { ' + block + ' }'}", needs_tensorflow=walks)


_FEA = 'name: "fea" inputs { feature_group_name: "all" }'
_MLP = 'keras_layer { class_name: "MLP" mlp { hidden_units: 4 } }'
_GRAPHS = [
    graph(
        "A block that reads one that is not there",
        f'name: "deep" inputs {{ block_name: "fae" }} {_MLP}',
        *("x.config:30:", 'inputs[0].block_name "fae" is not in the blocks', 'Did you mean "fea"?'),
        before=(_FEA,),
    ),
    graph(
        "A feature group read as a block",
        f'name: "deep" inputs {{ block_name: "all" }} {_MLP}',
        *("x.config:29:", '"all" is none of the blocks. Write feature_group_name: "all".'),
    ),
    graph(
        "Blocks that read each other",
        'name: "b" inputs { block_name: "a" }',
        *("x.config:29:", '"a" reads itself: a -> b -> a (each is read by the next one)'),
        before=('name: "a" inputs { block_name: "b" }',),
    ),
    graph(
        "A function that does not keep to the grammar",
        'name: "sum" inputs { feature_group_name: "all" input_fn: "lambda x: tf.addn(x)" }',
        *("x.config:29:", 'column 11: "tf.addn" is no function of expressions.', 'Did you mean "tf.add_n"?'),
    ),
    graph(
        "A result that is no block",
        _FEA,
        *("x.config:30:", 'concat_blocks[0] "deep" is not in the blocks ("fea", "all").'),
        rest='concat_blocks: "deep"',
    ),
    graph(
        "A layer that there is not",
        'name: "deep" inputs { feature_group_name: "all" } keras_layer { class_name: "HighWay" }',
        *("x.config:29:", 'keras_layer.class_name "HighWay" is no layer. Did you mean "Highway"?'),
        walks=True,
    ),
    graph(
        "A layer that cannot take what it is given",
        f'name: "deep" inputs {{ block_name: "fea" }} {_MLP}',
        *("x.config:30:", 'blocks[1].keras_layer "deep" (MLP) takes', "is given a list ([batch, 4], "),
        before=(f"{_FEA} input_layer {{ only_output_feature_list: true }}",),
        walks=True,
    ),
    graph(
        "A parameter that a layer does not have",
        'name: "deep" inputs { feature_group_name: "all" } keras_layer { class_name: "Dense" '
        'st_params { fields { key: "unit" value { number_value: 8 } } } }',
        *("x.config:29:", 'st_params "unit" is no parameter of this layer', 'Did you mean "units"?'),
        walks=True,
    ),
    graph(
        "Values that cannot be joined",
        'name: "join" inputs { block_name: "deep" } inputs { block_name: "cube" }',
        *("x.config:31:", '"join" cannot join [batch, 4], [batch, 2, 4]: they have different numbers of axes.'),
        before=(
            f'name: "deep" inputs {{ feature_group_name: "all" }} {_MLP}',
            'name: "cube" inputs { block_name: "deep" input_fn: "lambda x: tf.stack([x, x], axis=1)" }',
        ),
        walks=True,
    ),
    graph(
        "Another number of results than of towers",
        _FEA,
        *("x.config:32:", "has 3 task_towers (ctr, cvr, stay), and the backbone gives a list of 2"),
        rest='output_blocks: ["fea", "fea"]',
        walks=True,
    ),
]


def space(name: str, text: str, *says: str, flags: str = "") -> Case:
    return Case(
        name,
        says,
        command=f"tune --pipeline_config x.config --space space.textproto --trials 20{flags}",
        data=lambda project: project.write("space.textproto", f"{text}\n"),
        shown=flags.strip() or text,
    )


_TUNE = [
    space(
        "A field of the space that does not exist",
        'field {\n  path: "train_config.num_step"\n  int { low: 10 high: 100 }\n}',
        *("space.textproto:2:", 'train_config has no field "num_step"', 'Did you mean "num_steps"?'),
    ),
    space(
        "A range without its end",
        'field {\n  path: "train_config.num_steps"\n  int { low: 10 }\n}',
        *("space.textproto:3:", "has no high: both ends are needed."),
    ),
    space(
        "A range that the field does not have",
        'field {\n  path: "model_config.dbmtl.task_towers[0].weight"\n  float { low: -1 high: 2 }\n}',
        *("space.textproto:3:", "float.low", "-1", "outside of [0, inf)"),
    ),
    space(
        "A field of whole numbers with a range of numbers",
        'field {\n  path: "train_config.num_steps"\n  float { low: 10 high: 100 }\n}',
        *("space.textproto:3:", "a field of whole numbers. Write int { ... }."),
    ),
    space(
        "Two ranges of one field",
        'field { path: "train_config.num_steps" name: "a" int { low: 10 high: 100 } }\n'
        'field { path: "train_config.num_steps" name: "b" int { low: 10 high: 100 } }',
        *("space.textproto:2:", "Leave one of them out."),
    ),
    space(
        "A logarithm of 0",
        'field {\n  path: "model_config.embedding_regularization"\n  float { low: 0 high: 1e-3 log: true }\n}',
        *("space.textproto:3:", "with log: true it has to be above 0."),
    ),
    space(
        "A seed as a setting",
        'field { path: "train_config.seed" int { low: 1 high: 9 } }',
        *("space.textproto:1:", "a seed is no setting to choose: --seeds trains each trial with several."),
    ),
    space(
        "Weights of a tower that does not exist",
        'task_weights { tower: ["ctr", "cvt"] simplex {} }',
        *("space.textproto:1:", 'is "cvt", and the config has no such tower.', 'Did you mean "cvr"?'),
    ),
    space(
        "A metric of the search that no evaluation has",
        'field { path: "train_config.num_steps" int { low: 10 high: 100 } }',
        *('--metric: no evaluation has "auc_cvt".', 'Did you mean "auc_cvr"?'),
        flags=" --metric auc_cvt",
    ),
]

SECTIONS = {
    "The command": _COMMANDS,
    "A config of TorchEasyRec": _CONVERT,
    "A table to draft a config from": _DRAFT,
    "The text of the config": _TEXT,
    "What the config means": _MEANING,
    "Block graphs": _GRAPHS,
    "What EasyRec has and easymtl has not": _DIALECT,
    "The data": _DATA,
    "The model": _MODELS,
    "A search": _TUNE,
}
CASES = [case for cases in SECTIONS.values() for case in cases]
