import pytest

from easymtl.drafting.sizes import sizes_of


@pytest.mark.parametrize(
    ("preset", "num_rows", "found", "epochs"),
    [
        ("small", 1_000, {}, 8),
        ("strong", 1_000, {}, 16),
        ("small", 400_000, {}, 2),
        ("strong", 400_000, {}, 4),
        ("small", 10_000_000, {}, 1),
        # What can be learnt by heart is, in more passes.
        ("strong", 1_000, {"has_rare_ids": True}, 1),
        ("strong", 1_000, {"has_histories": True}, 4),
        ("small", 1_000, {"has_rare_ids": True, "has_histories": True}, 1),
    ],
)
def test_passes_over_the_rows(preset, num_rows, found, epochs):
    sizes = sizes_of(preset, num_rows, **found)
    assert sizes.epochs == epochs
    assert (sizes.dropout > 0) == (epochs >= 3)


def test_steps_are_those_of_all_rows_and_there_is_one_at_least():
    sizes = sizes_of("small", 1_000)
    assert (sizes.batch_size, sizes.steps) == (64, 125)
    assert sizes_of("small", 1).steps == 1
    batches = [sizes_of("small", rows).batch_size for rows in (1, 4_999, 5_000, 40_000, 2_000_000, 1 << 30)]
    assert batches == sorted(batches) and batches[1] < batches[2]
