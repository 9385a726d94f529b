from easymtl.checkpoints.publishing import draft_of, drafted_bytes


def test_bytes_of_drafts_grow_as_they_are_written(tmp_path):
    assert drafted_bytes(tmp_path) == drafted_bytes(tmp_path / "none") == 0
    draft = draft_of(tmp_path / "step-1")
    (draft / "below").mkdir(parents=True)
    (draft / "below" / "weights").write_bytes(b"x" * 10)
    draft_of(tmp_path / "state.json").write_text("{}")
    (tmp_path / "step-0").mkdir()
    (tmp_path / "step-0" / "weights").write_bytes(b"x" * 99)
    assert drafted_bytes(tmp_path) == 12
