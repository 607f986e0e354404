"""Compare saved models with Hugging Face transformers: logits_parity.py DIR

Every folder of DIR holds config.json and model.safetensors as we save them, and ours.json with token ids and the
log-probs (of all tokens but the first) or the reward that we compute. Exit status 1 if any differs by more than
fp32 rounding explains. Needs torch and transformers.
"""
import json
import os
import sys

import torch
import transformers

TOLERANCE = 5e-5


def theirs(folder, ours):
    ids = torch.tensor([ours["ids"]])
    cls = transformers.AutoModelForCausalLM if "logps" in ours else (
        transformers.AutoModelForSequenceClassification)
    model, info = cls.from_pretrained(folder, torch_dtype=torch.float32, attn_implementation="eager",
                                      output_loading_info=True)
    assert not any(info.values()), info  # no tensor missing, left over or of another shape
    with torch.no_grad():
        logits = model.eval()(input_ids=ids).logits
    if "reward" in ours:
        return logits[0].tolist()
    logp = torch.log_softmax(logits[0, :-1].double(), -1)
    return logp.gather(1, ids[0, 1:, None])[:, 0].tolist()


def main(root):
    bad = 0
    for name in sorted(os.listdir(root)):
        folder = os.path.join(root, name)
        with open(os.path.join(folder, "ours.json")) as f:
            ours = json.load(f)
        want = theirs(folder, ours)
        got = ours.get("logps") or ours["reward"]
        worst = max(abs(a - b) for a, b in zip(got, want)) if len(got) == len(want) else float("inf")
        ok = worst <= TOLERANCE
        print(f"{name}: {len(got)} values, largest difference {worst:.2e} {'ok' if ok else 'BAD'}")
        bad += not ok
    return 1 if bad else 0


sys.exit(main(sys.argv[1]))
