"""Reads and writes .tina adapters: exact, checked byte by byte, open at once.

>>> tensors = tina.load_file("adapter.tina")        # {name: array}, as safetensors gives them
>>> tina.save_file(tensors, "copy.tina", config)    # bit for bit
"""

from . import peft
from ._compare import Comparison
from ._errors import AdapterError, TinaError
from ._file import TinaFile
from ._identity import BaseIdentity
from ._model import identify
from ._read import EntryInfo, Info, info, load_file, safe_open, to_peft
from ._verify import Report, verify
from ._version import __version__
from ._write import save_file

__all__ = [
    "AdapterError", "BaseIdentity", "Comparison", "EntryInfo", "Info", "Report", "TinaError", "TinaFile",
    "__version__", "identify", "info", "load_file", "peft", "safe_open", "save_file", "to_peft", "verify",
]  # fmt: skip
