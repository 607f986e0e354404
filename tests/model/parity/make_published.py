#!/usr/bin/env python3
"""Write tests/golden/published/stories260K.json: what transformers computes with a really trained model.

    make_published.py FOLDER      FOLDER/models/stories260K holds the model (MADPO_TEST_DATA of the tests)

texts: ids, their log-probs and the mean negative log-likelihood of all but the first; greedy: prompts and the 64
most likely tokens that follow, with the smallest gap between the best and the second best logit on the way.
"""
import os
import sys

import torch
from tokenizers import Tokenizer

from common import BOS, GOLDEN, run, rounded, save_json, token_logps, versions
from make_models import load

TEXTS = ["Once upon a time there was a little girl named Lily. She loved to play outside in the park. One day, she "
         "saw a big, red ball. She wanted to play with it, but it was too high.",
         "The dog ran to the tree and looked up. \"Can you help me?\" said the bird."]
N_NEW = 64


def greedy(model, ids):
    new, gap = [], float("inf")
    for _ in range(N_NEW):
        best = run(model, ids + new)[-1].topk(2)
        gap = min(gap, (best.values[0] - best.values[1]).item())
        new.append(best.indices[0].item())
    return {"prompt": ids, "ids": new, "gap": rounded(gap, 4)}


def main(data):
    folder = os.path.join(data, "models", "stories260K")
    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    model = load(folder)
    out = {"made_with": versions(), "texts": [], "greedy": []}
    with torch.no_grad():
        for text in TEXTS:
            ids = [BOS] + tokenizer.encode(text, add_special_tokens=False).ids
            logp = token_logps(model, ids)
            out["texts"].append({"ids": ids, "logp": rounded(logp), "nll": rounded(-logp.mean())})
            out["greedy"].append(greedy(model, ids[:12]))
    os.makedirs(os.path.join(GOLDEN, "published"), exist_ok=True)
    save_json(os.path.join(GOLDEN, "published", "stories260K.json"), out)
    print([(len(t["ids"]), t["nll"]) for t in out["texts"]], [g["gap"] for g in out["greedy"]])


if __name__ == "__main__":
    main(sys.argv[1])
