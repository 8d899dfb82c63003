"""The standard library's `socket`, name for name, with a native part in Rust.

`from eyesocket import socket` instead of `import socket`; everything in the standard library's documentation of
`socket` holds here. Enumerations and exceptions are the standard library's own objects.
"""

from eyesocket import _standard

_standard.fill(globals())
