"""Adapters of peft, put into the weights of their base: what trains or is analysed here is a whole model.

peft is imported when an adapter is merged, so that nothing else needs it.
"""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from effopd.errors import MachineError
from effopd.files import DataError, read_json
from effopd.models.folder import ADAPTER_FILES
from effopd.models.store import load_model, load_tokenizer
from effopd.models.weights import load_weights

_CONFIG, _WEIGHTS, _ = ADAPTER_FILES


def merge(base: Path, adapter: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model in `base`, float32, with the adapter in its weights; the adapter's tokenizer where it brings one.

    The base that the adapter names is not looked for. Raises `DataError` naming the folder for an adapter that is
    damaged, no safetensors, of a kind that cannot be merged or made for another model, and `MachineError` without peft.
    """
    try:
        from peft import PeftConfig, get_peft_model
        from peft.utils import set_peft_model_state_dict
    except ImportError:
        raise MachineError("an adapter is merged by peft, which is not installed: pip install 'effopd[lora]'") from None
    if not isinstance(read_json(adapter / _CONFIG), dict):
        raise DataError(f"{adapter / _CONFIG}: an object with the adapter's settings is expected")
    factors = load_weights(adapter / _WEIGHTS)
    model = load_model(base)
    try:
        config = PeftConfig.from_pretrained(str(adapter))
        config.inference_mode = True
        adapted = get_peft_model(model, config)
        taken = set_peft_model_state_dict(adapted, factors)
        absent = {key for key in taken.missing_keys if adapted.prefix in key}
        merged = adapted.merge_and_unload(safe_merge=True) if not (taken.unexpected_keys or absent) else None
    except Exception as error:  # noqa: BLE001 - what peft raises on settings and shapes that do not fit
        raise DataError(f"{adapter}: the adapter cannot be merged ({' '.join(str(error).split())[:300]})") from None
    if merged is None:
        name = min({*taken.unexpected_keys, *absent})
        said = "has no place in" if name in taken.unexpected_keys else "is missing for"
        raise DataError(f"{adapter}: {name} {said} the model in {base}")
    own = (adapter / "tokenizer_config.json").is_file()
    return merged, load_tokenizer(adapter if own else base)
