#!/usr/bin/env python3
"""Write tests/golden/trajectories: the first 20 optimiser steps of DPO, IPO, MADPO, reward and SFT training.

    make_trajectories.py [MODEL...]      all models, or the named ones

MODEL.json holds, for the model of tests/golden/models with that name:

    pairs       prompt, chosen, rejected ids, all branches end with eos; h: a made-up reward margin
    order       which pairs each step takes, one micro-batch a step
    optimiser   AdamW as torch does it, lr (of the run) constant from the first step on; weight_decay on everything
                of two dimensions (matrices, embeddings, positions, LoRA's A and B, the score head), none on gains and
                biases; gradients clipped to a global norm of `clip`, factor min(1, clip / (norm + 1e-6))
    runs        objective; lr; adapter: a folder of tests/golden/adapters, only the last adapter of which is trained
                (with its score, if it has one), or null: all weights are, and a reward model's head starts as
                `score` of the model's golden.json;
                ref_chosen, ref_rejected: log-probs of the frozen reference (the model before the first step; with
                an adapter the model without the last one);
                loss, grad_norm (before clipping) of every step; after the last one chosen, rejected: summed
                log-probs of the branches, or rewards

Losses are means over the step's pairs: dpo -log sigmoid(beta D), ipo (D - 1/(2 beta))^2 on summed log-probs,
madpo w(h) times dpo's with the paper's weight (`weight`), reward -log sigmoid(r_chosen - r_rejected), and for sft
minus the sum of the log-probs of the chosen branches' tokens over their number. Dropout is off. All in float64;
printed is how far float32 strays from that.
"""
import json
import math
import os
import sys
import warnings

import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
from transformers.utils import logging

import make_adapters
from common import BETA, GOLDEN, MODELS, branch_logp, log_sigmoid, pairs_of, reward, rounded, save_json, versions

TRAJECTORIES = os.path.join(GOLDEN, "trajectories")
N_STEPS, N_PAIRS, BATCH = 20, 8, 4
LR = {"reward": 3e-4}  # else 1e-3: with that the loss is soon so small that rounding is all there is of it
OPTIMISER = dict(beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.01, clip=1.0)
ORDER = [[(s * 3 + j * 5) % N_PAIRS for j in range(BATCH)] for s in range(N_STEPS)]
POLICY = ("dpo", "ipo", "madpo", "sft")
WEIGHT = dict(c_max=2.0, c_min=0.5, tau=6.906755, **{"lambda": 1.0})
MARGINS = [-8.0, -3.0, -1.0, -0.2, 0.5, 1.0, 3.0, 8.0]
ADAPTERS_OF = {
    "llama": [("llama-list", POLICY), ("llama-reward", ("reward",))],
    "gemma3": [("gemma3-fresh", POLICY), ("gemma3-two", ("dpo", "madpo")), ("gemma3-reward", ("reward",))],
    "qwen2": [("qwen2-patterns", ("dpo",))],
    "qwen3-untied": [("qwen3-layers", ("dpo",))],
    "gpt2": [("gpt2-conv", POLICY), ("gpt2-reward", ("reward",))],
    "gpt_neox": [("gpt_neox-list", POLICY)],
}


def madpo_weight(h):
    """As the authors' notebooks have it: c falls from c_max to c_min around |h| = tau."""
    o = WEIGHT
    k = (o["c_max"] - 1) / (1 - o["c_min"])
    c = o["c_min"] + (o["c_max"] - o["c_min"]) / (1 + k * math.exp(o["lambda"] * (abs(h) - o["tau"])))
    return (1 + math.exp(-h)) / (1 + math.exp(-c * h)) if h > -o["tau"] else 1.0


class Run:
    """One model with what is trained of it."""

    def __init__(self, name, objective, adapter, dtype):
        self.objective, self.pairs = objective, None
        self.case = make_adapters.CASES[adapter] if adapter else None
        if adapter:
            self.model = make_adapters.load(os.path.join(make_adapters.ADAPTERS, adapter), self.case)
        else:
            self.model = self.whole(name)
        self.model.to(dtype).eval()
        self.trained = [p for n, p in self.model.named_parameters() if self.trains(n)]
        for p in self.model.parameters():
            p.requires_grad_(False)
        for p in self.trained:
            p.requires_grad_(True)
        self.use(0)

    def whole(self, name):
        kw = dict(dtype=torch.float32, attn_implementation="eager")
        folder = os.path.join(MODELS, name)
        if self.objective != "reward":
            return AutoModelForCausalLM.from_pretrained(folder, **kw)
        model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, **kw)
        with open(os.path.join(folder, "golden.json"), encoding="utf-8") as f:
            score = json.load(f)["reward"]["score"]
        with torch.no_grad():
            model.score.weight.copy_(torch.tensor([score]))
        return model

    def trains(self, name):
        return not self.case or f".{list(self.case['adapters'])[-1]}." in name

    def use(self, fewer):
        """Have all adapters active but the last `fewer`."""
        if self.case:
            names = list(self.case["adapters"])
            grad = [p.requires_grad for p in self.model.parameters()]
            self.model.base_model.set_adapter(names[:len(names) - fewer] or names)
            for p, g in zip(self.model.parameters(), grad):  # set_adapter switches training on
                p.requires_grad_(g)

    def values(self, pair):
        """Log-probs of the branches, or rewards."""
        if self.objective == "reward":
            return [reward(self.model, pair["prompt"] + pair[k]) for k in ("chosen", "rejected")]
        return [branch_logp(self.model, pair["prompt"], pair[k]) for k in ("chosen", "rejected")]

    def reference(self, pairs):
        with torch.no_grad():
            if not self.case:
                return [[v.item() for v in self.values(p)] for p in pairs]
            if len(self.case["adapters"]) == 1:
                with self.model.disable_adapter():
                    return [[v.item() for v in self.values(p)] for p in pairs]
            self.use(1)
            out = [[v.item() for v in self.values(p)] for p in pairs]
            self.use(0)
            return out

    def loss(self, pairs, refs):
        total = 0
        tokens = sum(len(p["chosen"]) for p in pairs)
        for p, ref in zip(pairs, refs):
            c, r = self.values(p)
            d = c - r if self.objective == "reward" else c - ref[0] - r + ref[1]
            total = total + {"dpo": -log_sigmoid(BETA * d) / len(pairs), "ipo": (d - 0.5 / BETA) ** 2 / len(pairs),
                             "madpo": -madpo_weight(p["h"]) * log_sigmoid(BETA * d) / len(pairs),
                             "reward": -log_sigmoid(d) / len(pairs), "sft": -c / tokens}[self.objective]
        return total


def adamw(parameters, lr):
    o = OPTIMISER
    groups = [{"params": [p for p in parameters if p.dim() >= 2], "weight_decay": o["weight_decay"]},
              {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0}]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=lr, betas=(o["beta1"], o["beta2"]),
                             eps=o["eps"], foreach=False)


def train(run, pairs):
    out = {"loss": [], "grad_norm": []}
    refs = run.reference(pairs)
    if run.objective in ("dpo", "ipo", "madpo"):
        out.update(ref_chosen=[r[0] for r in refs], ref_rejected=[r[1] for r in refs])
    optimiser = adamw(run.trained, LR.get(run.objective, 1e-3))
    for step in ORDER:
        optimiser.zero_grad()
        loss = run.loss([pairs[i] for i in step], [refs[i] for i in step])
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(run.trained, OPTIMISER["clip"])
        optimiser.step()
        out["loss"].append(loss.item())
        out["grad_norm"].append(norm.item())
    with torch.no_grad():
        end = [run.values(p) for p in pairs]
    out.update(chosen=[e[0].item() for e in end], rejected=[e[1].item() for e in end])
    return out


def strays(got, want):
    """Largest relative differences of losses and norms, largest absolute one of the final values."""
    rel = lambda a, b: max(abs(x - y) / abs(y) for x, y in zip(a, b))
    return (rel(got["loss"], want["loss"]), rel(got["grad_norm"], want["grad_norm"]),
            max(abs(x - y) for k in ("chosen", "rejected") for x, y in zip(got[k], want[k])))


def main(names):
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    warnings.simplefilter("ignore", FutureWarning)
    os.makedirs(TRAJECTORIES, exist_ok=True)
    for name in names or ADAPTERS_OF:
        runs = [(None, o) for o in POLICY + ("reward",)] + [(a, o) for a, list_ in ADAPTERS_OF[name] for o in list_]
        out = {"made_with": versions(), "model": name, "beta": BETA, "weight": WEIGHT,
               "optimiser": OPTIMISER, "pairs": None, "order": ORDER, "runs": []}
        for adapter, objective in runs:
            run = Run(name, objective, adapter, torch.float64)
            out["pairs"] = pairs_of(run.model.config.vocab_size, N_PAIRS, "trajectory", name, always_eos=True)
            for p, h in zip(out["pairs"], MARGINS):
                p["h"] = h
            want = train(run, out["pairs"])
            got = train(Run(name, objective, adapter, torch.float32), out["pairs"])
            print(f"{name} {objective} {adapter or 'full'}: loss {want['loss'][0]:.4f} to {want['loss'][-1]:.4f}, "
                  f"norm {want['grad_norm'][0]:.3g}; float32 strays by "
                  + "loss %.1e, norm %.1e, end %.1e" % strays(got, want))
            out["runs"].append({"objective": objective, "adapter": adapter, "lr": LR.get(objective, 1e-3),
                                **{k: rounded(v) for k, v in want.items()}})
        save_json(os.path.join(TRAJECTORIES, name + ".json"), out)


if __name__ == "__main__":
    main(sys.argv[1:])
