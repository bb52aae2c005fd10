"""The master key: made once, and never made anew beside data that only the lost one can open."""

from pathlib import Path

import pytest

from shared.service import key_store_of
from shared.settings import load


def test_the_first_start_makes_a_key_for_its_owner_alone(tmp_path: Path) -> None:
    settings = load(data_dir=tmp_path)
    key_store_of("notifier", settings)
    assert settings.master_key_path.stat().st_mode & 0o777 == 0o600
    made = settings.master_key_path.read_bytes()
    key_store_of("buffer-ledger", settings)
    assert settings.master_key_path.read_bytes() == made


def test_a_service_with_data_does_not_go_on_with_a_new_key(tmp_path: Path) -> None:
    settings = load(data_dir=tmp_path)
    (tmp_path / "notifier.db").touch()
    with pytest.raises(ValueError, match="restore it"):
        key_store_of("notifier", settings)
    assert not settings.master_key_path.exists()
