"""Flags change one setting each, and what is said of a default is said of the one that the library has."""

from __future__ import annotations

from benchmarks.defaults import DEFAULTS
from benchmarks.flags import FLAGS, flags_for
from tests.benchmarks.factories import CONFIG


def test_every_flag_has_a_name_of_its_own() -> None:
    names = [flag.name for flag in FLAGS]
    assert len(set(names)) == len(names)


def test_a_flag_changes_its_setting_and_no_other() -> None:
    before = {**CONFIG.model.model_dump(), **CONFIG.training.model_dump()}
    for flag in flags_for(CONFIG, {"groups", "timestamps"}):
        config = flag.changed(CONFIG)
        after = {**config.model.model_dump(), **config.training.model_dump()}
        changed = {name for name in before if before[name] != after[name]}
        assert changed - {"levels"} == {flag.setting}
        assert ("levels" in changed) == (flag.name == "head_mae")


def test_patches_are_changed_relative_to_those_of_the_base() -> None:
    config = {flag.name: flag.changed(CONFIG).model for flag in flags_for(CONFIG, ())}
    assert config["patch_length_half"].patch_length == 4
    assert config["patch_length_double"].patch_length == 16
    assert config["patch_stride_half"].patch_stride == 4
    assert config["coarse_patch_length_fourfold"].coarse_patch_length == 32


def test_flags_that_the_data_cannot_show_are_left_out() -> None:
    bare = {flag.setting for flag in flags_for(CONFIG, ())}
    assert not bare & {"channels", "calendar"}
    assert {flag.setting for flag in flags_for(CONFIG, {"groups"})} - bare == {"channels"}
    assert {flag.setting for flag in flags_for(CONFIG, {"timestamps"})} - bare == {"calendar"}


def test_the_reason_for_each_default_was_given_for_its_present_value() -> None:
    assert [default.setting for default in DEFAULTS if not default.is_current] == []


def test_every_setting_with_a_flag_has_a_reason_for_its_default() -> None:
    assert {default.setting for default in DEFAULTS} == {flag.setting for flag in FLAGS}
