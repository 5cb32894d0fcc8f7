import json
import multiprocessing
import os
import resource
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from forecaster.arrays import FloatArray
from forecaster.data import store
from forecaster.data.panel import Panel
from forecaster.data.sampling import WindowSampler
from forecaster.data.store import StoreWriter, open_store, write_store
from forecaster.data.windows import WindowAddresses, Windows, training_windows
from forecaster.errors import DataError, ForecasterError, SeriesError
from forecaster.time.frequency import Frequency, TimeAxis
from tests.factories import START, panel_of, random_panel, sine_panel

MIB = 2**20
DAILY = TimeAxis(Frequency.parse("D"))


def block_of(series_id: str, *target: float) -> Panel:
    return Panel.from_arrays([series_id], np.array([START]), [list(target)], DAILY)


def same(one: Panel, other: Panel) -> bool:
    facts = [(panel.series_ids, panel.axis, panel.starts.dtype, panel.fingerprint()) for panel in (one, other)]
    return facts[0] == facts[1]


def code_of(error: pytest.ExceptionInfo[ForecasterError]) -> str:
    return error.value.code


def replace_header(folder: Path, **changes: object) -> None:
    header = folder / "header.json"
    header.write_text(json.dumps({**json.loads(header.read_text()), **changes}))


@pytest.mark.parametrize(
    ("frequency", "timezone"), [("h", None), ("h", "Europe/Berlin"), ("W-SUN", None), ("step", None)]
)
def test_panel_comes_back_as_it_was_written(tmp_path: Path, frequency: str, timezone: str | None) -> None:
    if frequency == "W-SUN":
        axis = TimeAxis(Frequency.parse(frequency))
        panel = Panel.from_arrays(["a"], np.array(["2024-01-07"], dtype="datetime64[us]"), [[1.0, 2.0]], axis)
    else:
        panel = sine_panel(missing_share=0.2, frequency=frequency, timezone=timezone)
    write_store(panel, tmp_path / "store")
    assert same(open_store(tmp_path / "store"), panel)


def test_series_ids_of_any_text_come_back(tmp_path: Path) -> None:
    ids = ["", "two words", "line\nbreak", "Straße/7", "\u2028", "日本", '"quoted"', "\ud83d"]
    panel = Panel.from_arrays(ids, np.full(len(ids), START), [[1.0]] * len(ids), DAILY)
    write_store(panel, tmp_path / "store")
    assert open_store(tmp_path / "store").series_ids == tuple(ids)


def test_values_of_an_opened_store_are_mapped_and_read_only(tmp_path: Path) -> None:
    write_store(sine_panel(), tmp_path / "store")
    values = open_store(tmp_path / "store").values
    base = values.base
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 0


def test_windows_of_a_store_are_those_of_the_panel(tmp_path: Path) -> None:
    panel = random_panel(np.random.default_rng(0), missing_share=0.2)
    write_store(panel, tmp_path / "store")
    addresses = WindowAddresses(np.arange(len(panel)), panel.lengths // 2)
    kept, mapped = (Windows(p, 16, 8).gather(addresses) for p in (panel, open_store(tmp_path / "store")))
    for name in ("context", "observed", "target", "target_observed"):
        assert torch.equal(getattr(kept, name), getattr(mapped, name))


def test_blocks_make_one_panel(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", DAILY) as writer:
        writer.append(block_of("a", 1, 2, 3))
        writer.append(block_of("b", 4, float("nan"), 6))
    panel = open_store(tmp_path / "store")
    assert panel.series_ids == ("a", "b")
    np.testing.assert_array_equal(panel.values, [1, 2, 3, 4, np.nan, 6])


def test_block_on_another_axis_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match="time axis") as error,
        StoreWriter(tmp_path / "store", DAILY) as writer,
    ):
        writer.append(sine_panel(frequency="h"))
    assert code_of(error) == "axis-mismatch"


def test_series_appended_twice_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(SeriesError, match="'a' is appended twice"),
        StoreWriter(tmp_path / "store", DAILY) as writer,
    ):
        writer.append(block_of("a", 1))
        writer.append(block_of("a", 2))


def test_store_without_series_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SeriesError, match="at least one series"), StoreWriter(tmp_path / "store", DAILY):
        pass
    assert list(tmp_path.iterdir()) == []


def test_error_while_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="source failed"), StoreWriter(tmp_path / "store", DAILY) as writer:
        writer.append(block_of("a", 1, 2))
        raise RuntimeError("source failed")
    assert list(tmp_path.iterdir()) == []


def test_store_is_not_there_before_it_is_whole(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", DAILY) as writer:
        writer.append(block_of("a", 1, 2))
        with pytest.raises(DataError, match="no store at") as error:
            open_store(tmp_path / "store")
        (draft,) = tmp_path.iterdir()
        with pytest.raises(DataError, match="no store at"):
            open_store(draft)
    assert code_of(error) == "store-missing"
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_existing_store_is_not_overwritten_unasked(tmp_path: Path) -> None:
    write_store(panel_of([1, 2]), tmp_path / "store")
    with pytest.raises(DataError, match="exists already") as error:
        write_store(panel_of([3]), tmp_path / "store")
    assert code_of(error) == "store-exists"
    assert open_store(tmp_path / "store").values.tolist() == [1, 2]


def test_folder_that_is_no_store_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("data")
    with pytest.raises(DataError, match="is not a store"):
        write_store(panel_of([3]), tmp_path, overwrite=True)
    assert (tmp_path / "precious").read_text() == "data"


def test_overwriting_replaces_the_store_and_keeps_open_panels_valid(tmp_path: Path) -> None:
    write_store(panel_of([1, 2]), tmp_path / "store")
    old = open_store(tmp_path / "store")
    write_store(panel_of([3]), tmp_path / "store", overwrite=True)
    assert open_store(tmp_path / "store").values.tolist() == [3]
    assert old.values.tolist() == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_old_store_survives_an_error_while_overwriting(tmp_path: Path) -> None:
    write_store(panel_of([1, 2]), tmp_path / "store")
    with (
        pytest.raises(RuntimeError, match="source failed"),
        StoreWriter(tmp_path / "store", DAILY, overwrite=True),
    ):
        raise RuntimeError("source failed")
    assert open_store(tmp_path / "store").values.tolist() == [1, 2]


@pytest.mark.parametrize("failing", ["fsync", "rename"])
def test_failing_disk_leaves_the_old_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    rename = Path.rename

    def rename_all_but_drafts(path: Path, target: Path) -> None:
        full_disk() if "partial" in path.name else rename(path, target)

    write_store(panel_of([1, 2]), tmp_path / "store")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        if failing == "fsync":
            patch.setattr(os, "fsync", full_disk)
        else:
            patch.setattr(Path, "rename", rename_all_but_drafts)
        write_store(panel_of([3]), tmp_path / "store", overwrite=True)
    assert open_store(tmp_path / "store").values.tolist() == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_missing_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no store at") as error:
        open_store(tmp_path / "nowhere")
    assert code_of(error) == "store-missing"


def test_store_of_another_schema_version_is_refused(tmp_path: Path) -> None:
    write_store(panel_of([1, 2]), tmp_path / "store")
    replace_header(tmp_path / "store", schema_version=3)
    with pytest.raises(DataError, match="schema version 3, this version reads 1 to 2") as error:
        open_store(tmp_path / "store")
    assert code_of(error) == "store-version"


def test_store_of_the_version_before_covariates_is_read(tmp_path: Path) -> None:
    panel = panel_of([1, 2], [3])
    write_store(panel, tmp_path / "store")
    header = json.loads((tmp_path / "store" / "header.json").read_text())
    old = {name: header[name] for name in ("frequency", "timezone", "num_series", "num_values")}
    (tmp_path / "store" / "header.json").write_text(json.dumps({**old, "schema_version": 1}))
    assert same(open_store(tmp_path / "store"), panel)


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def save_objects(path: Path) -> None:
    np.save(path, np.array([{}, {}], dtype=object), allow_pickle=True)


def save_archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, np.arange(2.0))


def save_half_precision(path: Path) -> None:
    np.save(path, np.load(path).astype(np.float16))


def save_zeros(path: Path) -> None:
    np.save(path, np.zeros_like(np.load(path)))


def flip_a_bit_of_the_array_header(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"(")] ^= 1  # that a shape begins with
    path.write_bytes(bytes(content))


DAMAGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    **{f"half {name}": (name, cut_in_half) for name in (store._HEADER, store._IDS, store._OFFSETS, store._VALUES)},
    **{f"no {name}": (name, Path.unlink) for name in (store._IDS, store._OFFSETS, store._STARTS, store._VALUES)},
    "the header of values is no literal": (store._VALUES, flip_a_bit_of_the_array_header),
    "the header of starts is no literal": (store._STARTS, flip_a_bit_of_the_array_header),
    "values are objects": (store._VALUES, save_objects),
    "starts are objects": (store._STARTS, save_objects),
    "values are an archive": (store._VALUES, save_archive),
    "values are of another type": (store._VALUES, save_half_precision),
    "offsets do not ascend": (store._OFFSETS, save_zeros),
    "one id too many": (store._IDS, lambda path: path.write_text(path.read_text() + '"more"\n')),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_store_is_refused(tmp_path: Path, damage: str) -> None:
    write_store(panel_of([1, 2], [3, 4, 5]), tmp_path / "store")
    name, spoil = DAMAGES[damage]
    spoil(tmp_path / "store" / name)
    with pytest.raises(DataError, match="is damaged") as error:
        open_store(tmp_path / "store")
    assert code_of(error) == "store-corrupt"


@pytest.mark.parametrize(
    "change", [{"num_values": 4}, {"num_series": 3}, {"frequency": "fortnight"}, {"colour": "red"}]
)
def test_header_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    write_store(panel_of([1, 2], [3, 4, 5]), tmp_path / "store")
    replace_header(tmp_path / "store", **change)
    with pytest.raises(DataError, match="is damaged") as error:
        open_store(tmp_path / "store")
    assert code_of(error) == "store-corrupt"


@contextmanager
def memory_limit(num_bytes: int) -> Iterator[None]:
    """Lets this process take no more private memory than it has, plus `num_bytes`; file maps do not count."""
    status = Path("/proc/self/status").read_text().splitlines()
    in_use = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (in_use + num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def refusal_to_copy(values: FloatArray) -> str:
    try:
        values.copy()
    except MemoryError as error:
        return str(error)
    return ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit on private memory is Linux's")
def test_panel_larger_than_the_memory_allowed_is_written_and_windowed(tmp_path: Path) -> None:
    # In a process of its own: what other tests have freed here is memory that no limit counts as new.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        pool.submit(write_and_window_more_than_memory, tmp_path).result()


def write_and_window_more_than_memory(folder: Path) -> None:
    axis = TimeAxis(Frequency.parse("step"))
    length, per_block, num_blocks = 1024, 512, 40
    offsets = np.arange(0, per_block + 1) * length
    with memory_limit(64 * MIB):
        with StoreWriter(folder / "store", axis) as writer:
            for block in range(num_blocks):
                ids = tuple(f"{block}/{number}" for number in range(per_block))
                values = np.full(per_block * length, float(block))
                writer.append(Panel(ids, offsets, values, np.zeros(per_block, dtype=np.int64), axis))
        panel = open_store(folder / "store")
        assert panel.values.nbytes == 160 * MIB
        assert "Unable to allocate 160" in refusal_to_copy(panel.values)
        sampler = WindowSampler(training_windows(panel, 24, panel.lengths), 1024, seed=0)
        for step in range(8):
            addresses = sampler.addresses(step)
            target = Windows(panel, 512, 24).gather(addresses).target.numpy()
            assert (target == (addresses.series // per_block)[:, None]).all()
