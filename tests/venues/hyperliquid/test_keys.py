from __future__ import annotations

from pathlib import Path

import pytest

from portfolio_mm.venues.hyperliquid import keys
from portfolio_mm.venues.settings import Hyperliquid

KEY = "0x" + "0123456789abcdef" * 4
LOCAL = "http://127.0.0.1:8791"


def test_a_local_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "local"
    settings = Hyperliquid(network="local", url=LOCAL, key_file=str(path))
    first = keys.signer(settings)
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys.signer(settings).address == first.address


def test_no_key_is_made_for_a_real_network(tmp_path: Path) -> None:
    path = tmp_path / "missing"
    with pytest.raises(keys.KeyFileError, match="cannot be read"):
        keys.signer(Hyperliquid(network="testnet", key_file=str(path)))
    assert not path.exists()


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(KEY)
    path.chmod(0o644)
    with pytest.raises(keys.KeyFileError, match="chmod 600"):
        keys.signer(Hyperliquid(network="mainnet", key_file=str(path)))


def test_the_key_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Hyperliquid(network="mainnet", key_env="PMM_TEST_KEY", vault="0x" + "ab" * 20)
    with pytest.raises(keys.KeyFileError, match="not set"):
        keys.signer(settings)
    monkeypatch.setenv("PMM_TEST_KEY", KEY)
    signer = keys.signer(settings)
    assert signer.vault == settings.vault
    assert "mainnet=True" in repr(signer)
    assert KEY[2:] not in repr(signer)


@pytest.mark.parametrize("secret", ["12", "0x" + "zz" * 32, KEY + "00", "\u00e9" * 64])
def test_what_is_no_key_is_refused_without_being_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    path = tmp_path / "key"
    path.write_text(secret)
    path.chmod(0o600)
    monkeypatch.setenv("PMM_TEST_KEY", secret)
    for settings in (
        Hyperliquid(network="testnet", key_file=str(path)),
        Hyperliquid(network="testnet", key_env="PMM_TEST_KEY"),
    ):
        with pytest.raises(keys.KeyFileError) as refused:
            keys.signer(settings)
        assert secret not in str(refused.value)
        assert refused.value.__cause__ is None


def test_where_the_networks_are() -> None:
    assert keys.url(Hyperliquid(network="mainnet", key_env="X")).endswith("api.hyperliquid.xyz")
    assert "testnet" in keys.url(Hyperliquid(network="testnet", key_env="X"))
    assert keys.url(Hyperliquid(network="local", url=LOCAL, key_env="X")) == LOCAL
