"""The software adapters by name: how they are found, and that programs agree with the interpreter on each of them."""

import os
import subprocess
import sys

import pytest

from memsim.errors import MemsimError
from memsim.webgpu import find_adapter, software
from memsim.webgpu.software import SOFTWARE, environment, show
from tests.webgpu.on_adapter import FEW, NAMES, checked
from tests.webgpu.samples import SIZES


@pytest.mark.parametrize("name", NAMES)
def test_programs_agree(name):
    found = checked(name, FEW, range(1000, 1021), 300)
    assert len(found) >= len(FEW) + 20
    assert [f["text"] for f in found if not f["ok"]] == []
    if name:
        assert {f["adapter"]["backend"] for f in found} == {SOFTWARE[name].backend}
        assert all(f["adapter"]["name"].startswith(SOFTWARE[name].device) for f in found)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "llvmpipe-vulkan"])
def test_every_workload_and_two_hundred_programs_agree(name):
    """On the adapter left out, other tests do so in the test's own process."""
    found = checked(name, tuple(SIZES), range(210), 1500)
    assert len(found) >= len(SIZES) + 200
    assert [f["text"] for f in found if not f["ok"]] == []


# ---- finding them ----


def told(code: str, **variables: str) -> str:
    """What a fresh process prints."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("VK_")}
    done = subprocess.run([sys.executable, "-c", code], env={**kept, **variables}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


NAMED = "from memsim.webgpu import find_adapter as find; a = find({!r}); print(a.backend, a.name, a.is_software)"


@pytest.mark.parametrize("name", SOFTWARE)
def test_each_is_found_by_its_name_in_a_fresh_process(name):
    if sys.platform != "linux":
        with pytest.raises(MemsimError, match=f"adapter {name}"):
            find_adapter(name)
        return
    backend, device, *_, last = told(NAMED.format(name)).split()
    assert (backend, last) == (SOFTWARE[name].backend, "True")
    assert device.startswith(SOFTWARE[name].device)


def test_one_that_the_drivers_were_read_without_is_told():
    code = """
from memsim.errors import MemsimError
from memsim.webgpu import adapters, find_adapter
adapters()
try:
    find_adapter("swiftshader")
except MemsimError as error:
    print(error)
"""
    text = told(code)
    assert "adapter swiftshader: this process had read its list of drivers before" in text
    assert "mend: find it before any other adapter" in text


def test_one_that_is_not_installed_is_told(monkeypatch, tmp_path):
    absent = software.Software("swiftshader", "Vulkan", "SwiftShader", "chromium", "vk_*.json", (str(tmp_path),))
    monkeypatch.setattr(software, "SOFTWARE", {"swiftshader": absent})
    for look in (environment, show):
        with pytest.raises(MemsimError, match=r"adapter swiftshader: no vk_\*.json in") as caught:
            look("swiftshader")
        assert "apt-get install chromium" in caught.value.mend


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(MemsimError, match="no software adapter is called 'voodoo'") as caught:
        environment("voodoo")
    assert "llvmpipe-vulkan, llvmpipe-gl, swiftshader" in caught.value.mend


def test_drivers_that_the_user_chose_stay(monkeypatch, tmp_path):
    described = tmp_path / "vk_soft.json"
    described.write_text("{}")
    found = software.Software("soft", "Vulkan", "Soft", "soft", "vk_*.json", (str(tmp_path),), (("SOFT", "1"),))
    monkeypatch.setattr(software, "SOFTWARE", {"soft": found})
    monkeypatch.setattr(os, "environ", {"VK_DRIVER_FILES": "/mine.json"})
    show("soft")
    show("soft")
    assert os.environ == {"VK_DRIVER_FILES": f"/mine.json:{described}", "SOFT": "1"}
    monkeypatch.setattr(os, "environ", {"XDG_RUNTIME_DIR": "/run/me"})
    assert environment("soft") == {
        "VK_DRIVER_FILES": str(described),
        "VK_ICD_FILENAMES": str(described),
        "SOFT": "1",
        "XDG_RUNTIME_DIR": "/run/me",
    }
    show("soft")
    assert os.environ == {"XDG_RUNTIME_DIR": "/run/me", "SOFT": "1", "VK_ADD_DRIVER_FILES": str(described)}
