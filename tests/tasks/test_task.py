"""A task's loss, weights, gradients and predictions against NumPy in float64."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.build import build_tasks, number_columns
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.task import Task

NAN = float("nan")


def tasks_of(towers: str, data: str = "", model: str = "") -> list[Task]:
    text = f"""
        data_config {{ label_fields: "click" label_fields: "buy" {data} }}
        feature_config {{ features {{ feature_name: "town" input_names: "city" feature_type: IdFeature }} }}
        model_config {{ {model} simple_multi_task {{ {towers} }} }}"""
    return build_tasks(text_format.Parse(text, Pipeline()))


def one_task(tower: str, data: str = "", model: str = "") -> Task:
    return tasks_of(f'task_towers {{ tower_name: "t" {tower} }}', data, model)[0]


def columns(**values) -> dict[str, tf.Tensor]:
    return {name.replace("__", "=="): tf.constant(value, tf.float32) for name, value in values.items()}


def loss_and_gradient(task: Task, logits, numbers) -> tuple[float, np.ndarray]:
    logits = tf.constant(logits, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = tf.add_n(list(task.losses({task.name: logits}, Labelled(numbers)).values()))
    return float(loss), tape.gradient(loss, logits).numpy()


def numpy_cross_entropy(logits, labels):
    logits = np.asarray(logits, np.float64)
    return np.logaddexp(0, logits) - logits * np.asarray(labels, np.float64)


class TestLoss:
    logits = np.array([-30.0, -1.5, 0.0, 2.0, 80.0], np.float32)
    labels = np.array([1, 0, 1, 1, 0], np.float32)

    def test_classification_is_the_mean_cross_entropy_also_for_extreme_logits(self):
        loss, gradient = loss_and_gradient(one_task(""), self.logits, columns(click=self.labels))
        np.testing.assert_allclose(loss, numpy_cross_entropy(self.logits, self.labels).mean(), rtol=1e-6)
        sigmoid = 1 / (1 + np.exp(-self.logits.astype(np.float64)))
        np.testing.assert_allclose(gradient, (sigmoid - self.labels) / 5, atol=1e-7)

    def test_classes_use_the_softmax(self):
        logits = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
        labels = np.array([0, 1, 2, 2, 1, 0])
        loss, _ = loss_and_gradient(one_task("num_class: 3"), logits, columns(click=labels))
        log_probabilities = logits - np.log(np.exp(logits.astype(np.float64)).sum(1, keepdims=True))
        np.testing.assert_allclose(loss, -log_probabilities[np.arange(6), labels].mean(), rtol=1e-6)

    def test_squared_errors(self):
        labels = np.array([0.3, 1.2, 0.0, 0.9, 4.0])
        loss, _ = loss_and_gradient(one_task("loss_type: L2_LOSS"), self.logits, columns(click=labels))
        np.testing.assert_allclose(loss, np.square(self.logits - labels).mean(), rtol=1e-6)
        loss, _ = loss_and_gradient(one_task("loss_type: SIGMOID_L2_LOSS"), self.logits, columns(click=labels))
        sigmoid = 1 / (1 + np.exp(-self.logits.astype(np.float64)))
        np.testing.assert_allclose(loss, np.square(sigmoid - labels).mean(), rtol=1e-6)

    @pytest.mark.parametrize("loss_type", ["CROSS_ENTROPY_LOSS", "BINARY_CROSS_ENTROPY_LOSS"])
    def test_cross_entropy_takes_soft_labels(self, loss_type):
        labels = np.array([0.2, 0.9, 0.5, 0.0, 1.0])
        loss, _ = loss_and_gradient(one_task(f"loss_type: {loss_type}"), self.logits, columns(click=labels))
        np.testing.assert_allclose(loss, numpy_cross_entropy(self.logits, labels).mean(), rtol=1e-6)

    def test_each_loss_of_a_tower_has_its_own_weight_and_the_tower_multiplies_all(self):
        task = one_task(
            "weight: 2 losses { loss_type: CLASSIFICATION weight: 0.5 }"
            ' losses { loss_type: BINARY_CROSS_ENTROPY_LOSS weight: 3 loss_name: "soft" }'
        )
        losses = task.losses({"t": tf.constant(self.logits)}, Labelled(columns(click=self.labels)))
        mean = numpy_cross_entropy(self.logits, self.labels).mean()
        assert list(losses) == ["cross_entropy_loss_t", "soft_t"] == task.loss_names
        np.testing.assert_allclose(losses["cross_entropy_loss_t"], 2 * 0.5 * mean, rtol=1e-6)
        np.testing.assert_allclose(losses["soft_t"], 2 * 3 * mean, rtol=1e-6)

    def test_two_losses_of_one_name_are_numbered(self):
        task = one_task("losses { loss_type: CLASSIFICATION } losses { loss_type: CROSS_ENTROPY_LOSS }")
        assert task.loss_names == ["cross_entropy_loss_t", "cross_entropy_loss_t_2"]

    def test_logits_may_be_a_column_and_of_low_precision(self):
        logits = tf.constant([[0.5], [-1.0]], tf.bfloat16)
        task = one_task("")
        (loss,) = task.losses({"t": logits}, Labelled(columns(click=[1, 0]))).values()
        assert loss.dtype == tf.float32
        np.testing.assert_allclose(loss, numpy_cross_entropy([0.5, -1.0], [1, 0]).mean(), rtol=1e-6)
        assert task.predictions({"t": logits})["probs_t"].shape == [2]
        assert task.predictions({"t": logits})["probs_t"].dtype == tf.float32

    @pytest.mark.parametrize(
        ("reduction", "expected"), [("NONZERO_WEIGHT_MEAN", 7 / 2), ("BATCH_MEAN", 7 / 4), ("SUM", 7)]
    )
    def test_reduction(self, reduction, expected):
        task = one_task("loss_type: L2_LOSS", 'sample_weight: "sw"', f"loss_reduction: {reduction}")
        numbers = columns(click=[0, 0, 0, NAN], sw=[3, 1, 0, 5])
        loss, _ = loss_and_gradient(task, [1.0, 2.0, 9.0, 9.0], numbers)
        np.testing.assert_allclose(loss, expected)

    def test_works_inside_a_traced_function_of_unknown_batch_size(self):
        task = one_task("", 'sample_weight: "sw"')

        @tf.function(
            input_signature=[tf.TensorSpec([None, 1]), tf.TensorSpec([None]), tf.TensorSpec([None])], autograph=False
        )
        def step(logits, click, sw):
            return task.losses({"t": logits}, Labelled({"click": click, "sw": sw}))["cross_entropy_loss_t"]

        np.testing.assert_allclose(step([[0.0]], [1.0], [2.0]), 2 * np.log(2), rtol=1e-6)
        assert float(step(np.zeros((0, 1)), np.zeros(0), np.zeros(0))) == 0


class TestWeights:
    def test_all_factors_multiply(self):
        task = one_task(
            'task_space_indicator_label: "buy" in_task_space_weight: 2 out_task_space_weight: 0.25'
            ' task_space_indicator_name: "town" task_space_indicator_value: "bj"',
            'sample_weight: "sw"',
        )
        numbers = columns(
            click=[1, 0, 1, NAN, 1], sw=[1, 2, 3, 1, 0.5], buy=[1, 0, 5, 1, NAN], city__bj=[1, 1, 0, 1, 0]
        )
        weights = task.weights(numbers)
        np.testing.assert_allclose(weights, [1 * 2 * 2, 2 * 0.25 * 2, 3 * 2 * 0.25, 0, 0.5 * 0.25 * 0.25])
        assert weights.dtype == tf.float32

    def test_number_columns_name_the_field_of_the_feature_and_its_value(self):
        task = one_task('task_space_indicator_name: "town" task_space_indicator_value: "bj"')
        by_name = {column.name: (column.field, column.equals) for column in task.number_columns}
        assert by_name == {"city==bj": ("city", "bj"), "click": ("click", None)}

    def test_indicator_may_name_an_input_field(self):
        task = one_task(
            'task_space_indicator_name: "scene" task_space_indicator_value: "0"',
            'input_fields { input_name: "scene" }',
        )
        assert task.number_columns[0].name == "scene==0"

    def test_sample_weight_is_left_out_when_the_tower_says_so(self):
        task = one_task("use_sample_weight: false", 'sample_weight: "sw"')
        assert [column.name for column in task.number_columns] == ["click"]

    def test_missing_sample_weight_counts_as_0_like_an_empty_field(self):
        task = one_task("", 'sample_weight: "sw"')
        np.testing.assert_array_equal(task.weights(columns(click=[1, 1], sw=[NAN, 2])), [0, 2])

    def test_missing_indicator_label_is_out_of_the_space(self):
        task = one_task('task_space_indicator_label: "buy" out_task_space_weight: 0')
        np.testing.assert_array_equal(task.weights(columns(click=[1, 1], buy=[NAN, 1])), [0, 1])

    def test_our_own_factors(self):
        task = one_task(
            'sample_weights { column: "price" } sample_weights { label: "buy" }'
            " sample_weights { class_weights { positive: 10 negative: 2 } }"
        )
        numbers = columns(click=[1, 0, 0], price=[3, 4, NAN], buy=[1, 2, 1])
        np.testing.assert_array_equal(task.weights(numbers), [3 * 1 * 10, 4 * 2 * 2, 0])
        assert {column.name for column in task.number_columns} == {"click", "price", "buy"}

    def test_mean_is_over_samples_that_count_not_over_weights(self):
        task = one_task("loss_type: L2_LOSS", 'sample_weight: "sw"')
        loss, _ = loss_and_gradient(task, [1.0, 1.0, 5.0], columns(click=[0, 0, 0], sw=[4, 2, 0]))
        np.testing.assert_allclose(loss, (4 + 2) / 2)


class TestMasking:
    space = 'task_space_indicator_label: "buy" out_task_space_weight: 0'

    @pytest.mark.parametrize("loss_type", ["CLASSIFICATION", "L2_LOSS", "SIGMOID_L2_LOSS", "CROSS_ENTROPY_LOSS"])
    def test_masked_sample_equals_removed_sample(self, loss_type):
        task = one_task(f"{self.space} loss_type: {loss_type}")
        logits = np.array([0.5, -2.0, 1.0, 3.0], np.float32)
        click, buy = np.array([1, NAN, 0, 1]), np.array([1, 1, 1, 0])
        kept = np.array([0, 2])
        loss, gradient = loss_and_gradient(task, logits, columns(click=click, buy=buy))
        alone, alone_gradient = loss_and_gradient(task, logits[kept], columns(click=click[kept], buy=buy[kept]))
        assert loss == alone
        np.testing.assert_array_equal(gradient[kept], alone_gradient)
        np.testing.assert_array_equal(gradient[[1, 3]], 0)

    @pytest.mark.parametrize("num_class", [1, 3])
    def test_empty_space_gives_0_and_no_gradient(self, num_class):
        task = one_task(f"{self.space} num_class: {num_class}")
        logits = np.full((3, num_class) if num_class > 1 else 3, 100.0, np.float32)
        loss, gradient = loss_and_gradient(task, logits, columns(click=[NAN, 1, 0], buy=[1, 0, NAN]))
        assert loss == 0
        np.testing.assert_array_equal(gradient, 0)

    def test_overflowing_loss_of_a_sample_without_weight_stays_out(self):
        task = one_task(f"{self.space} loss_type: L2_LOSS")
        loss, gradient = loss_and_gradient(task, [1e30, 1.0], columns(click=[0, 0], buy=[0, 1]))
        assert loss == 1
        np.testing.assert_array_equal(gradient, [0, 2])


class TestKeyedByName:
    towers = (
        'task_towers { tower_name: "buy" label_name: "buy" }'
        ' task_towers { tower_name: "dur" label_name: "seconds" loss_type: L2_LOSS }'
        ' task_towers { tower_name: "ctr" label_name: "click" }'
    )

    def test_order_of_columns_and_of_label_fields_does_not_matter(self):
        values = {"click": [1, 1, 0], "buy": [0, 1, 0], "seconds": [3, 0, 1]}
        logits = tf.constant([0.3, -0.2, 1.0])
        results = []
        for data in ('label_fields: "seconds"', 'label_fields: "seconds" label_fields: "zzz"'):
            for names in (list(values), list(reversed(values))):
                numbers = columns(**{name: values[name] for name in names})
                tasks = tasks_of(self.towers, data)
                logits_of = {task.name: logits for task in tasks}
                losses = {task.name: task.losses(logits_of, Labelled(numbers)) for task in tasks}
                results.append({name: [float(value) for value in found.values()] for name, found in losses.items()})
        assert all(result == results[0] for result in results)
        np.testing.assert_allclose(results[0]["ctr"], [numpy_cross_entropy(logits, values["click"]).mean()], rtol=1e-6)
        np.testing.assert_allclose(results[0]["buy"], [numpy_cross_entropy(logits, values["buy"]).mean()], rtol=1e-6)

    def test_tower_without_label_takes_the_field_of_its_index(self):
        tasks = tasks_of('task_towers { tower_name: "a" } task_towers { tower_name: "b" }')
        assert [task.label for task in tasks] == ["click", "buy"]

    def test_number_columns_of_all_tasks_are_listed_once(self):
        tasks = tasks_of(self.towers, 'sample_weight: "sw"')
        assert [column.name for column in number_columns(tasks)] == ["sw", "buy", "seconds", "click"]


class TestPredictions:
    def test_event(self):
        predictions = one_task("").predictions({"t": tf.constant([[0.0], [2.0]])})
        assert set(predictions) == {"probs_t", "logits_t"}
        np.testing.assert_allclose(predictions["probs_t"], 1 / (1 + np.exp([0.0, -2.0])), rtol=1e-6)

    def test_classes(self):
        logits = tf.constant([[0.0, 1.0, -1.0], [3.0, 1.0, 0.0]])
        predictions = one_task("num_class: 3").predictions({"t": logits})
        assert set(predictions) == {"probs_t", "logits_t", "y_t"}
        np.testing.assert_allclose(tf.reduce_sum(predictions["probs_t"], 1), [1, 1], rtol=1e-6)
        np.testing.assert_array_equal(predictions["y_t"], [1, 0])
        assert predictions["y_t"].dtype == tf.int64

    def test_values_and_rates(self):
        logits = tf.constant([[0.0], [2.0]])
        assert set(one_task("loss_type: L2_LOSS").predictions({"t": logits})) == {"y_t"}
        np.testing.assert_array_equal(one_task("loss_type: L2_LOSS").predictions({"t": logits})["y_t"], [0, 2])
        rates = one_task("loss_type: SIGMOID_L2_LOSS").predictions({"t": logits})["y_t"]
        np.testing.assert_allclose(rates, 1 / (1 + np.exp([0.0, -2.0])), rtol=1e-6)


@pytest.mark.parametrize(
    ("tower", "words"),
    [
        ("loss_type: CIRCLE_LOSS", ["CIRCLE_LOSS", "CLASSIFICATION", '"t"']),
        ("loss_type: L2_LOSS num_class: 3", ["L2_LOSS", "num_class 1", "3"]),
        ("losses { loss_type: CLASSIFICATION } losses { loss_type: L2_LOSS }", ["disagree"]),
        ('task_space_indicator_name: "twon" task_space_indicator_value: "x"', ["twon", 'Did you mean "town"']),
        ("loss_type: L2_LOSS metrics_set { auc {} }", ["auc", "mean_squared_error"]),
        ("num_class: 3 metrics_set { max_f1 {} }", ["max_f1", "classes, num_class 3", "accuracy"]),
        ("metrics_set { gauc {} }", ["uid_field"]),
        ('metrics_set { gauc { uid_field: "u" reduction: "sum" } }', ["sum", "mean_by_sample_num"]),
        ("metrics_set { weighted: true }", ["names no metric"]),
    ],
)
def test_mistakes_are_named(tower, words):
    with pytest.raises(UserError) as error:
        one_task(tower)
    for word in words:
        assert word in str(error.value)


def test_names_that_clash_are_refused():
    with pytest.raises(UserError, match='task tower name "a"'):
        tasks_of('task_towers { tower_name: "a" } task_towers { tower_name: "a" label_name: "buy" }')
    with pytest.raises(UserError, match='loss name "x_a_b"'):
        tasks_of(
            'task_towers { tower_name: "a_b" losses { loss_type: CLASSIFICATION loss_name: "x" } }'
            ' task_towers { tower_name: "b" losses { loss_type: CLASSIFICATION loss_name: "x_a" } }'
        )


def test_a_second_metric_of_one_name_is_numbered():
    task = one_task('metrics_set { gauc { uid_field: "u" } } metrics_set { gauc { uid_field: "device" } }')
    assert [metric.name for metric in task.metrics] == ["gauc", "gauc_2"]
