#!/usr/bin/env python3
"""Do TRL's trainers take the steps of tests/golden/trajectories?  trl_parity.py [MODEL...]

DPOTrainer, RewardTrainer and SFTTrainer in float32 on the same models and pairs in the same order; exit status 1
if a loss or gradient norm of the 20 steps differs by more than 1e-4 relative. TRL's IPO divides the log-ratios by
the branches' lengths, ours (the paper's code) does not, and MADPO is not in TRL: these
have no counterpart there.
"""
import json
import os
import sys
import tempfile
import warnings

import transformers
import trl
from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.utils import logging

import make_trajectories as golden
from common import BOS, EOS, PAD

import torch

TOLERANCE = 1e-4
NAMES = {PAD: "<pad>", BOS: "<s>", EOS: "</s>"}


def words(ids):
    return "".join(f" {NAMES.get(i, f't{i}')}" for i in ids)


def tokenizer_of(vocab):
    """Every id is one word, so that text is just a way to hand ids to TRL."""
    ids = {NAMES.get(i, f"t{i}"): i for i in range(vocab)}
    t = Tokenizer(models.WordLevel(ids, unk_token="<pad>"))
    t.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=t, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


def rows(trajectory, objective):
    for step in trajectory["order"]:
        for i in step:
            p = trajectory["pairs"][i]
            out = {"prompt": words(p["prompt"]), "chosen": words(p["chosen"]), "rejected": words(p["rejected"])}
            if objective == "sft":
                out = {"prompt": out["prompt"], "completion": out["chosen"]}
            yield out


def arguments(trajectory, run, folder):
    o, objective = trajectory["optimiser"], run["objective"]
    kind = {"dpo": trl.DPOConfig, "reward": trl.RewardConfig, "sft": trl.SFTConfig}[objective]
    extra = {"dpo": dict(beta=trajectory["beta"]), "sft": dict(packing=False), "reward": {}}[objective]
    return kind(output_dir=folder, per_device_train_batch_size=len(trajectory["order"][0]),
                max_steps=len(trajectory["order"]), learning_rate=run["lr"], lr_scheduler_type="constant",
                adam_beta1=o["beta1"], adam_beta2=o["beta2"], adam_epsilon=o["eps"], weight_decay=o["weight_decay"],
                max_grad_norm=o["clip"], train_sampling_strategy="sequential", use_cpu=True, bf16=False,
                gradient_checkpointing=False, logging_steps=1, save_strategy="no", report_to=[], disable_tqdm=True,
                optim="adamw_torch", **extra)


def differ(trajectory, run):
    """Largest relative difference of the losses, and of the norms."""
    objective = run["objective"]
    model = golden.Run(trajectory["model"], objective, run["adapter"], torch.float32).model.train()
    trainer = {"dpo": trl.DPOTrainer, "reward": trl.RewardTrainer, "sft": trl.SFTTrainer}[objective]
    with tempfile.TemporaryDirectory() as folder:
        t = trainer(model=model, args=arguments(trajectory, run, folder),
                    train_dataset=Dataset.from_list(list(rows(trajectory, objective))),
                    processing_class=tokenizer_of(model.config.vocab_size))
        t.remove_callback(transformers.PrinterCallback)
        t.train()
    log = [h for h in t.state.log_history if "loss" in h]
    assert len(log) == len(run["loss"])
    return [max(abs(h[k] - want) / abs(want) for h, want in zip(log, run[k])) for k in ("loss", "grad_norm")]


def main(names):
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    disable_progress_bars()
    warnings.simplefilter("ignore")
    print(f"trl {trl.__version__}, transformers {transformers.__version__}, torch {torch.__version__}")
    bad = 0
    for name in names or golden.ADAPTERS_OF:
        with open(os.path.join(golden.TRAJECTORIES, name + ".json"), encoding="utf-8") as f:
            trajectory = json.load(f)
        for run in trajectory["runs"]:
            # of an adapter that is no longer fresh TRL takes a copy as the reference, not the base
            if run["objective"] in ("ipo", "madpo") or run["adapter"] not in (None, "gemma3-fresh"):
                continue
            loss, norm = differ(trajectory, run)
            ok = loss <= TOLERANCE and norm <= TOLERANCE
            bad += not ok
            print(f"{name} {run['objective']} {run['adapter'] or 'full'}: loss {loss:.1e}, norm {norm:.1e} "
                  f"{'ok' if ok else 'DIFFERENT'}", flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
