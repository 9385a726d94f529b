from benchmarks.serving_exports import user_fields
from benchmarks.user_once import ONCE, REPEATED, Cost, table
from easymtl.config import load_config


def test_the_table_compares_part_by_part():
    parts = ("graph", "read JSON", "read protobuf", "make protobuf")
    costs = {
        REPEATED: Cost(dict.fromkeys(parts, 10.0), 60_000, 180_000, 50_000),
        ONCE: Cost(dict.fromkeys(parts, 8.0), 24_000, 0, 25_000),
    }
    lines = table(costs).splitlines()
    assert "| graph, ms | 10.00 | 8.00 | 0.80 |" in lines
    assert "| JSON by columns, KB | 60.0 | 24.0 | 0.40 |" in lines
    assert "| protobuf, KB | 50.0 | 25.0 | 0.50 |" in lines
    assert lines[-1] == "| JSON by rows, KB | 180.0 | | |"
    assert len({line.count("|") for line in lines}) == 1


def test_fields_of_the_user_are_those_that_features_read():
    found = user_fields(load_config("samples/configs/dbmtl_on_livestream.config").pipeline)
    assert found[:3] == ["user_id", "user_age", "user_gender"] and len(found) == 10
    assert {"hour", "network", "device"} <= set(found) and "position" not in found
