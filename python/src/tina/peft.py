"""Adapters into live models of PEFT; needs torch and peft, which are imported when they are needed."""

from __future__ import annotations

import inspect
import os
from typing import Any

from . import _json
from ._errors import AdapterError
from ._file import Source, TinaFile
from ._model import open_base
from ._read import Parents, as_torch, names, peft_configuration


def load_adapter(
    model: Any, path: Source, adapter_name: str = "default", *, layers: int | None = None, parents: Parents = (),
    check_base: bool = True, is_trainable: bool = False,
) -> Any:  # fmt: skip
    """Loads an adapter into a model of transformers, or into a ``PeftModel``; returns the ``PeftModel``.

    All or nothing: every tensor finds its place, with its shape, or ``AdapterError`` says which does not, and the
    adapter is taken out again. The numbers are those of the file; PEFT computes with the same scales. A file that
    states its base is compared with the model (``check_base``).
    """
    import peft as library
    from peft.utils import set_peft_model_state_dict

    file = TinaFile(path, layers, parents)
    if check_base and file.base is not None:
        comparison = file.base.compare(open_base(model))
        if not comparison.is_same and comparison.outcome != "undecided":
            detail = "; ".join(comparison.differences) or f"relative distance {comparison.distance:.3g}"
            raise AdapterError(
                f"{file.path}: the model is not the adapter's base ({comparison.outcome}: {detail}). Load the base "
                "that it was trained on, or pass check_base=False."
            )
    settings = _json.plain(peft_configuration(file))
    known = inspect.signature(library.LoraConfig).parameters
    unknown = {key for key, value in settings.items() if key not in known and key != "peft_version" and value}
    if unknown:
        raise AdapterError(f"{file.path}: this version of peft does not know {sorted(unknown)}: install a newer one")
    config = library.LoraConfig(**{key: value for key, value in settings.items() if key in known})
    config.inference_mode = not is_trainable
    numbers = names(file)
    words = file.words(list(numbers.values()))
    state = {name: as_torch(words[i], file.directory.tensors[i]) for name, i in numbers.items()}
    is_new = not isinstance(model, library.PeftModel)
    if is_new:
        model = library.get_peft_model(model, config, adapter_name=adapter_name)
    elif adapter_name in model.peft_config:
        raise AdapterError(f"the model has an adapter named {adapter_name!r}: pass another adapter_name")
    else:
        model.add_adapter(adapter_name, config)
    try:
        result = set_peft_model_state_dict(model, state, adapter_name=adapter_name)
        lost = [key for key in result.unexpected_keys or []]
        lost += [key for key in result.missing_keys if f".{adapter_name}." in key and ".lora_" in key]
    except RuntimeError as error:
        lost = [str(error)]
    if lost:
        (model.unload if is_new else lambda: model.delete_adapter(adapter_name))()
        raise AdapterError(f"{file.path}: tensors and model do not fit: {', '.join(lost[:5])}")
    model.set_adapter(adapter_name)
    if not is_trainable:
        model.eval()
        for name, parameter in model.named_parameters():
            if f".{adapter_name}." in name:
                parameter.requires_grad_(False)
    return model


def save_adapter(model: Any, path: str | os.PathLike[str], adapter_name: str = "default", **options: Any) -> None:
    """Writes a ``PeftModel``'s adapter, as ``model.save_pretrained`` would save it; options are ``save_file``'s."""
    from peft.utils import get_peft_model_state_dict

    from ._write import save_file

    config = model.peft_config[adapter_name].to_dict()
    config = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
    config = {key: getattr(value, "value", value) for key, value in config.items()}
    config["inference_mode"] = True
    save_file(get_peft_model_state_dict(model, adapter_name=adapter_name), path, config, **options)
