#!/usr/bin/env python3
"""A model of Gemma 3 270M's full size with random weights, and what transformers computes with it.

    full_gemma.py make DIR CONFIG TOKENIZER    write DIR/f32 and DIR/bf16, each with config.json (of the published
                                               model: CONFIG), weights, tokenizer.json (or .json.gz: TOKENIZER) and
                                               golden.json; and DIR/pairs.jsonl
    full_gemma.py compare GOLDEN SCORES        what `madpo score DIR/f32 DIR/pairs.jsonl --no-eos` printed against
                                               golden.json

golden.json: log-probs of a text of 196 tokens and of one of 640, longer than the window of the sliding layers
(sequences, as in make_models.py: `test_model_golden DIR/f32` checks them token by token) and summed log-probs of the
answers of pairs.jsonl (scores). Everything in float64; needs 8 GB of memory and 2 GB of disk. Not part of the tests that run by themselves.
"""
import gzip
import json
import os
import shutil
import sys

import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

from common import branch_logp, rng_of, rounded, save_json, token_logps, versions
from make_models import load

LENGTHS, N_PAIRS = (196, 640), 3
SCORE_MAX, SCORE_NAMES = 1e-3, ("chosen", "rejected")
WORDS = ("the a film was is good bad very plot actor and but story I it of in time great dull scene really not "
         "music ending never always character one funny sad long").split()


def randomise(model):
    """As in common.py, by torch's generator: 268 million normals."""
    torch.manual_seed(270)
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(0, 0.3 if p.dim() == 1 else 1.2 / p.shape[1] ** 0.5)


def sentence(n, *words):
    r = rng_of("full", *words)
    return " ".join(WORDS[i] for i in r.randint(0, len(WORDS), n)) + "."


def golden(folder, tokenizer, pairs):
    model = load(folder)
    vocab = model.config.vocab_size
    texts = [[2] + rng_of("full ids", n).randint(3, vocab, n - 1).tolist() for n in LENGTHS]
    out = {"made_with": versions(), "sequences": [], "scores": []}
    with torch.no_grad():
        for ids in texts:
            out["sequences"].append({"ids": ids, "logp": rounded(token_logps(model, ids))})
        for p in pairs:
            prompt = tokenizer.encode(p["prompt"]).ids  # with what its template puts in front
            score = {"prompt_ids": prompt}
            for k in SCORE_NAMES:
                ids = tokenizer.encode(p[k], add_special_tokens=False).ids
                score[k] = {"logp": rounded(branch_logp(model, prompt, ids)), "tokens": len(ids)}
            out["scores"].append(score)
    return out


def make(folder, config, tokenizer):
    read = gzip.open if tokenizer.endswith(".gz") else open
    with read(tokenizer, "rt", encoding="utf-8") as f:
        tokenizer_json = f.read()
    pairs = [{"prompt": sentence(12, i, "prompt"), "chosen": " " + sentence(40, i, "chosen"),
              "rejected": " " + sentence(30, i, "rejected")} for i in range(N_PAIRS)]
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "pairs.jsonl"), "w", encoding="utf-8") as f:
        f.writelines(json.dumps(p) + "\n" for p in pairs)
    with open(config, encoding="utf-8") as f:
        settings = {k: v for k, v in json.load(f).items() if k != "model_type"}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("gemma3_text", **settings), dtype=torch.float32)
    randomise(model)
    for name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        at = os.path.join(folder, name)
        for p in model.parameters():
            p.data = p.data.to(dtype)
        model.save_pretrained(at)
        shutil.copy(config, os.path.join(at, "config.json"))
        with open(os.path.join(at, "tokenizer.json"), "w", encoding="utf-8") as f:
            f.write(tokenizer_json)
    del model
    for name in ("f32", "bf16"):
        at = os.path.join(folder, name)
        save_json(os.path.join(at, "golden.json"), golden(at, Tokenizer.from_str(tokenizer_json), pairs))
        print(f"{at}: done", flush=True)


def compare(golden_path, scores_path):
    with open(golden_path, encoding="utf-8") as f:
        want = json.load(f)["scores"]
    with open(scores_path, encoding="utf-8") as f:
        got = [json.loads(line) for line in f if line.strip()]
    assert len(got) == len(want), f"{len(got)} scores, {len(want)} pairs"
    bad = 0
    for i, (g, w) in enumerate(zip(got, want)):
        for k in SCORE_NAMES:
            off = abs(g[k]["logp"] - w[k]["logp"])
            bad += not (off <= SCORE_MAX and g[k]["tokens"] == w[k]["tokens"])
            print(f"pair {i} {k}: {g[k]['logp']:.6f} of {g[k]['tokens']} tokens, transformers {w[k]['logp']:.6f} of "
                  f"{w[k]['tokens']}, off by {off:.1e}")
    return int(bad > 0)


def main(argv):
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    if len(argv) == 5 and argv[1] == "make":
        return make(*argv[2:])
    if len(argv) == 4 and argv[1] == "compare":
        return compare(*argv[2:])
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv))
