"""What a process may take, where a container says less than the machine."""

import os

from kviz import _process


def test_a_container_s_bound_counts_and_what_it_can_drop_is_free(tmp_path, monkeypatch):
    for name, text in {
        "memory.max": "900000\n", "memory.current": "700000\n",
        "memory.stat": "anon 5\ninactive_file 150000\nactive_file 3\n",
    }.items():  # fmt: skip
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(_process, "_group", lambda: tmp_path)
    assert _process.free() == 900_000 - 700_000 + 150_000
    assert _process.total() == 900_000
    assert _process.allowance() == 175_000


def test_a_container_without_a_bound_has_what_the_machine_has(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(_process, "_group", lambda: tmp_path)
    assert _process.total() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert _process.free() > 900_000
