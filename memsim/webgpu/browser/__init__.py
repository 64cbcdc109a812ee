"""A tile program in a web page: the browser's own WebGPU runs it step after step, and the page checks what came out.

`export_page` writes the page, and `serve` shows it to browsers on this machine; `replay` is what it is checked against.
"""

from memsim.webgpu.browser.page import Page, Prediction, export_page
from memsim.webgpu.browser.replay import Replay, replay
from memsim.webgpu.browser.server import serve, serving

__all__ = ["Page", "Prediction", "Replay", "export_page", "replay", "serve", "serving"]
