"""What tests of data share."""

import pytest

from d2l_lite.data import download, scale


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No variable of the machine, an empty cache, and no network."""

    def no_network(request, **_):
        raise OSError(f"test asked for {request.full_url}")

    for name in ("D2L_LITE_SCALE", "D2L_LITE_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("D2L_LITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(scale, "_accelerator", False)
    monkeypatch.setattr(download, "urlopen", no_network)
    scale.announce.cache_clear()
