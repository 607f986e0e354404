"""Compare what we saved with Hugging Face transformers and PEFT: logits_parity.py DIR

Every folder of DIR holds a model as we save it, perhaps adapters, and ours.json: token ids, and checks that name
the folder of the base, the adapters on it ("one,two": all active) and the log-probs (of all tokens but the first)
or the reward that we compute. Exit status 1 if any differs by more than fp32 rounding explains.
"""
import json
import os
import sys
import warnings

import torch
import transformers
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
from transformers.utils import logging

from common import rounded, run, token_logps

TOLERANCE = 5e-5
OLD = tuple(map(int, transformers.__version__.split(".")[:2])) < (4, 56)
DTYPE = {"torch_dtype" if OLD else "dtype": torch.float32}


def load(folder, check):
    cls = AutoModelForCausalLM if "logps" in check else AutoModelForSequenceClassification
    model, info = cls.from_pretrained(os.path.join(folder, check["base"]), attn_implementation="eager",
                                      output_loading_info=True, **DTYPE)
    assert not any(info.values()), info  # no tensor missing, left over or of another shape
    names = [name for name in check["adapters"].split(",") if name]
    for i, name in enumerate(names):
        if i == 0:
            model = PeftModel.from_pretrained(model, os.path.join(folder, name), adapter_name=name)
        else:
            model.load_adapter(os.path.join(folder, name), name)
    if names:
        model.base_model.set_adapter(names)
    return model.double().eval()


def difference(folder, ids, check):
    with torch.no_grad():
        model = load(folder, check)
        want = token_logps(model, ids).tolist() if "logps" in check else rounded(run(model, ids), 17)
    got = check.get("logps") or check["reward"]
    return max(abs(a - b) for a, b in zip(got, want)) if len(got) == len(want) else float("inf")


def main(root):
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    warnings.simplefilter("ignore", FutureWarning)
    bad = 0
    for name in sorted(os.listdir(root)):
        folder = os.path.join(root, name)
        with open(os.path.join(folder, "ours.json"), encoding="utf-8") as f:
            ours = json.load(f)
        if OLD and name == "gemma3-reward":
            print(f"{name}: this transformers has no reward model of Gemma 3")
            continue
        for check in ours["checks"]:
            worst = difference(folder, ours["ids"], check)
            ok = worst <= TOLERANCE
            bad += not ok
            what = " ".join(w for w in (name, check["base"].strip("."), check["adapters"]) if w)
            print(f"{what}: largest difference {worst:.2e} {'ok' if ok else 'BAD'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
