"""What the package brings, and which parameters a config may give. Nothing here imports TensorFlow."""

from easymtl.extend import Architecture, DNNConfig, Layer, Loss, Metric, Parameter

TWO_WAY = Architecture(
    "easymtl_toy.two_way:TwoWay",
    parameters=[
        Parameter("bottom_dnn", DNNConfig, doc="layers that all tasks share, and layers of each task"),
        Parameter("join", str, default="sum", choices=("sum", "gate"), doc="how the two are brought together"),
        Parameter("own_share", float, default=0.5, range="[0, 1]", doc="share of the task's own, with sum"),
    ],
    doc="A bottom that all tasks share beside one of each task's own.",
)

SOFT_CLIP = Layer(
    "easymtl_toy.soft_clip:SoftClip",
    parameters=[
        Parameter("units", int, range="[1, inf)", doc="width of the result"),
        Parameter("limit", float, default=3.0, range="(0, inf)", doc="largest value of the result"),
    ],
    doc="A dense layer whose results stay within a limit.",
)

PINBALL = Loss(
    "easymtl_toy.quantiles:pinball",
    parameters=[Parameter("quantile", float, range="(0, 1)", doc="share of the labels below the prediction")],
    predicts="value",
    doc="Pinball loss: the prediction becomes a quantile of the label.",
)

COVERAGE = Metric(
    "easymtl_toy.quantiles:coverage",
    parameters=[Parameter("or_equal", bool, default=False, doc="whether labels equal to their prediction count")],
    tasks=("value",),
    doc="Share of the labels below their prediction.",
)
