"""Sockets you can see.

The modules are imported when they are first named, so `import eyesocket` costs next to nothing.
"""

from __future__ import annotations

from eyesocket._native import __version__

__all__ = ["__version__"]
