import os

import pytest

from mpc_controller.whole_file import objection, write_whole


def test_a_file_is_written_and_replaced_byte_by_byte(tmp_path):
    path = tmp_path / "a.txt"
    write_whole(path, "µ\r\n")
    assert path.read_bytes() == "µ\r\n".encode()
    write_whole(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_fails_on_the_way_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("precious")

    def no_space(source, target):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", no_space)
    with pytest.raises(OSError, match="no space left"):
        write_whole(path, "new")
    assert path.read_text() == "precious"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_free_name_meets_no_objection_and_others_do(tmp_path):
    path = tmp_path / "a.txt"
    assert objection(path, force=False) is None
    path.touch()
    assert objection(path, force=False) == f"{path} exists; give another name, or --force to replace it"
    assert objection(path, force=True) is None
    assert objection(tmp_path, force=True) == f"{tmp_path} is a folder; give the name of a file"
    missing = tmp_path / "no" / "a.txt"
    assert objection(missing, force=True) == f"{missing}: no folder {missing.parent}; create it first"
