from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from forecaster.data.covariates import PanelCovariates
from forecaster.data.store import StoreWriter, open_store, write_store
from forecaster.errors import DataError
from tests.data.test_store import code_of, cut_in_half, replace_header, same, save_objects, save_zeros
from tests.factories import covariate_panel


@pytest.mark.parametrize("most_ahead", [0, 6])
def test_covariates_and_groups_come_back_as_they_were_written(tmp_path: Path, most_ahead: int) -> None:
    panel = covariate_panel(np.random.default_rng(0), num_series=9, most_ahead=most_ahead)
    write_store(panel, tmp_path / "store")
    opened = open_store(tmp_path / "store")
    assert same(opened, panel)
    assert opened.covariates.names == panel.covariates.names
    assert opened.covariates.categories.tolist() == panel.covariates.categories.tolist()
    assert opened.group_numbers.tolist() == panel.group_numbers.tolist()


def test_covariates_of_steps_are_mapped(tmp_path: Path) -> None:
    write_store(covariate_panel(np.random.default_rng(0)), tmp_path / "store")
    held = open_store(tmp_path / "store").covariates
    for array in (held.past, held.known):
        base = array.base
        while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
            base = base.base
        assert isinstance(base, np.memmap)


def test_blocks_with_covariates_make_one_panel_and_share_no_group(tmp_path: Path) -> None:
    panel = covariate_panel(np.random.default_rng(0), num_series=6)
    with StoreWriter(tmp_path / "store", panel.axis) as writer:
        for block in ([0, 1, 2], [3, 4, 5]):
            writer.append(panel.select(block))
    opened = open_store(tmp_path / "store")
    assert replace(opened, groups=panel.groups).fingerprint() == panel.fingerprint()
    assert opened.group_numbers.tolist() == [0, 0, 1, 2, 3, 3]


def test_block_with_other_covariates_is_refused(tmp_path: Path) -> None:
    one = covariate_panel(np.random.default_rng(0))
    other = replace(one, series_ids=("x", "y", "z", "w"), covariates=PanelCovariates())
    with (
        pytest.raises(DataError, match="a block has the covariates") as error,
        StoreWriter(tmp_path / "store", one.axis) as writer,
    ):
        writer.append(one)
        writer.append(other)
    assert code_of(error) == "covariates-mismatch"


COVARIATE_DAMAGES: dict[str, Callable[[Path], object]] = {
    "no past.npy": lambda folder: (folder / "past.npy").unlink(),
    "half of known.npy": lambda folder: cut_in_half(folder / "known.npy"),
    "known offsets are zeros": lambda folder: save_zeros(folder / "known_offsets.npy"),
    "static are objects": lambda folder: save_objects(folder / "static.npy"),
    "categories of one column": lambda folder: (folder / "categories.jsonl").write_text('["A", "B", "C"]\n' * 4),
    "half of the categories": lambda folder: cut_in_half(folder / "categories.jsonl"),
    "no groups.npy": lambda folder: (folder / "groups.npy").unlink(),
    "a name too many": lambda folder: replace_header(folder, covariates={"past": ["p0", "p1", "p2"]}),
    "a kind too many": lambda folder: replace_header(folder, covariates={"colour": ["p0"]}),
}


@pytest.mark.parametrize("damage", COVARIATE_DAMAGES)
def test_store_with_damaged_covariates_is_refused(tmp_path: Path, damage: str) -> None:
    write_store(covariate_panel(np.random.default_rng(0)), tmp_path / "store")
    COVARIATE_DAMAGES[damage](tmp_path / "store")
    with pytest.raises(DataError, match="is damaged") as error:
        open_store(tmp_path / "store")
    assert code_of(error) == "store-corrupt"
