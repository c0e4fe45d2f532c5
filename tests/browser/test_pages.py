# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pages in a real browser: from a file, without a network, with the keyboard, on a phone, dark, and printed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import to_json
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.document import (
    Inspection,
    parse_record,
    updated,
)
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.file_names import file_stem
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.fleet_page import fleet_page
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.machine_page import machine_page
from tests.machines import build

from .chromium import Page, chromium

pytestmark = pytest.mark.browser

#: A directory to keep the pictures in, to look at them.
PICTURES = os.environ.get("PICTURES")
TIME = "2026-11-29T07:30:00Z"
YES = {"configured": True, "staged": True, "active": True}
HOSTILE = "</td></script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
#: The contrast of a text that WCAG 2.1 requires (1.4.3, level AA).
CONTRAST = 4.5
CONTRASTS = """
(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const channels = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (color) => {
    const linear = (c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = channels(color).map((c) => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if (channels(color)[3] === 255) return color;
    }
    return "white";
  };
  const result = {};
  for (const e of document.querySelectorAll("h1,h2,h3,p,a,li,th,td,span,summary,label,pre,caption,button,output")) {
    if (!e.textContent.trim() || !e.getClientRects().length) continue;
    const style = getComputedStyle(e);
    const [one, two] = [light(style.color), light(behind(e))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    const key = e.tagName + "." + e.className;
    result[key] = Math.min(result[key] ?? 99, ratio);
  }
  return result;
})()
"""


def result_of(number: int) -> dict[str, Any]:
    request = {"section": "devices", "name": "gpu", "requested": "on vfio-pci", "now": "vfio-pci", **YES}
    result: dict[str, Any] = {"states": YES, "requests": [request], "steps": [], "refusals": []}
    if number % 4 == 1:
        code, remedy = "iommu_disabled_by_firmware", "Enable the IOMMU in the firmware setup, and run this again."
        result["refusals"] = [
            {"code": code, "seen": "no groups", "danger": "A guest could read all.", "remedy": remedy}
        ]
    return result


@pytest.fixture(name="directory", scope="module")
def fixture_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of reports of twelve machines, one of which has markup in its name and models."""
    directory = tmp_path_factory.mktemp("reports")
    (directory / "machines").mkdir()
    reading = to_json(probe(build("twin-gpus", tmp_path_factory.mktemp("machine") / "root")))
    records = []
    for number in range(12):
        name = HOSTILE if number == 11 else f"ws{number}"
        host = json.loads(json.dumps(reading["host"]))
        if number == 11:
            for function in host["pci"].values():
                function.update(vendor_name=HOSTILE, device_name=HOSTILE)
        cpus = {"guests": [cpu for core in host["cpus"]["cores"][-3:] for cpu in core["cpus"]]}
        result = {**result_of(number), "cpus": cpus}
        document = updated(None, Inspection(name, TIME, {**reading, "host": host}, result))
        records.append(parse_record(document))
        page = directory / "machines" / f"{file_stem(name)}.html"
        page.write_text(machine_page(document), encoding="utf-8")
    (directory / "index.html").write_text(fleet_page(records, {"ws0": "equal within 3 %"}), encoding="utf-8")
    return directory


@pytest.fixture(name="page", scope="module")
def fixture_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


def pages(directory: Path) -> list[Path]:
    return [
        directory / "index.html",
        *(directory / "machines" / f"{file_stem(name)}.html" for name in ("ws0", HOSTILE)),
    ]


def visible(page: Page) -> list[str]:
    rows = "[...document.querySelectorAll('#machines tbody tr')].filter((row) => !row.hidden)"
    names: list[str] = page.value(f"{rows}.map((row) => row.cells[0].textContent)")
    return names


def test_nothing_is_missing_and_nothing_of_a_host_runs(page: Page, directory: Path) -> None:
    for path in pages(directory):
        page.messages.clear()
        page.open(path)
        assert page.messages == []  # neither errors nor what the content security policy has refused
        assert page.value("document.title") != "taken"
        assert page.value("document.images.length") == 0
        assert page.value("getComputedStyle(document.body).maxWidth") == "1280px"  # the style applies
    assert page.value("document.querySelector('h1').textContent") == HOSTILE


def test_links_lead_to_pages_that_exist(page: Page, directory: Path) -> None:
    page.open(directory / "index.html")
    links = page.value("[...document.querySelectorAll('#machines a')].map((link) => link.href)")
    assert len(links) == 12
    assert {Path(link.removeprefix("file://")).name for link in links} == {
        path.name for path in (directory / "machines").iterdir()
    }


def test_filter_and_order_with_the_keyboard_alone(page: Page, directory: Path) -> None:
    page.show(1280, 900)
    page.open(directory / "index.html")
    assert len(visible(page)) == 12
    for _step in range(60):
        page.press("Tab", 9)
        if page.value("document.activeElement.id") == "text":
            break
    assert page.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"  # the focus can be seen
    page.type("refused ws")
    assert visible(page) == ["ws1", "ws5", "ws9"]
    assert page.value("document.getElementById('shown').textContent") == "3 of 12 machines"
    page.press("Tab", 9)
    page.press("Tab", 9)
    assert page.value("document.activeElement.textContent") == "machine"
    for order, names in (("ascending", ["ws1", "ws5", "ws9"]), ("descending", ["ws9", "ws5", "ws1"])):
        page.press("Enter", 13, "\r")
        assert page.value("document.activeElement.closest('th').getAttribute('aria-sort')") == order
        assert visible(page) == names


def test_numbers_are_in_the_order_of_numbers(page: Page, directory: Path) -> None:
    page.open(directory / "index.html")
    page.value("document.querySelector('#machines thead button').click()")
    assert visible(page)[1:] == [f"ws{number}" for number in range(11)]


def test_the_page_is_complete_without_its_script(directory: Path) -> None:
    text = (directory / "index.html").read_text(encoding="utf-8")
    body = text.partition("<script>")[0]
    assert body.count("<tr data-s=") == 12
    assert '<div class="filter" id="filter" hidden>' in body


@pytest.mark.parametrize("dark", [False, True])
def test_texts_have_contrast(page: Page, directory: Path, dark: bool) -> None:
    page.show(1280, 900, dark)
    for path in pages(directory):
        page.open(path)
        ratios = page.value(CONTRASTS)
        assert len(ratios) > 8
        assert {key: ratio for key, ratio in ratios.items() if ratio < CONTRAST} == {}


@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_the_window(page: Page, directory: Path, width: int) -> None:
    page.show(width, 800)
    for path in pages(directory):
        page.open(path)
        assert page.value("document.documentElement.scrollWidth") <= width


def test_no_text_of_a_drawing_is_cut_off(page: Page, directory: Path) -> None:
    page.show(1280, 900)
    page.open(directory / "machines" / "ws0.html")
    outside = page.value(
        "[...document.querySelectorAll('svg text')].filter((text) => {"
        " const box = text.getBBox(), view = text.ownerSVGElement.viewBox.baseVal;"
        " const right = view.x + view.width, bottom = view.y + view.height;"
        " return box.x < view.x || box.x + box.width > right || box.y + box.height > bottom;"
        "}).map((text) => text.textContent)"
    )
    assert outside == []
    assert page.value("document.querySelectorAll('rect.core.guest').length") == 3


def test_printed(page: Page, directory: Path, tmp_path: Path) -> None:
    page.show(1280, 900, dark=True)
    page.open(directory / "index.html")
    page.print(tmp_path / "fleet.pdf")
    assert (tmp_path / "fleet.pdf").read_bytes().startswith(b"%PDF")
    page.show(1280, 900, dark=True, media="print")
    assert page.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.value("getComputedStyle(document.getElementById('filter')).display") == "none"


def test_pictures(page: Page, directory: Path, tmp_path: Path) -> None:
    """Take the pictures that a change of the pages is looked at with."""
    target = Path(PICTURES) if PICTURES else tmp_path
    views = {"light": (1280, False, "screen"), "dark": (1280, True, "screen"), "phone": (360, False, "screen")}
    for view, (width, dark, media) in {**views, "print": (794, True, "print")}.items():
        page.show(width, 800, dark, media)
        for name, path in zip(("fleet", "machine", "hostile"), pages(directory), strict=True):
            page.open(path)
            page.screenshot(target / f"{name}-{view}.png")
            assert (target / f"{name}-{view}.png").stat().st_size > 10_000
