"""What docs/guides/block-graphs.md says of functions and shows as an example is so."""

import re
from pathlib import Path

from easymtl.config.expressions import BLOCKS
from tests.models.graphs import make
from tests.reporting.test_block_graph import drawn

PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "block-graphs.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"```\n(backbone.*?)```", PAGE, re.DOTALL)[1]


def test_the_page_names_every_function_and_no_other():
    listed = PAGE.partition("<!-- functions -->")[2].partition("<!-- end -->")[0]
    assert re.findall(r"`(tf\.\w+)`", listed) == sorted(BLOCKS.functions)


def test_the_example_is_built_and_drawn_as_the_page_shows():
    model, _ = make(EXAMPLE, {"click": 1, "order": 1})
    assert model.output_names == ()
    blocks = EXAMPLE.partition("backbone {")[2].partition("\n}\nmodel_params")[0]
    shown = re.search(r"```\n(block graph.*?)```", PAGE, re.DOTALL)[1]
    assert drawn(blocks) == [re.split(r"\s{2,}", line.strip()) for line in shown.strip().split("\n")]
