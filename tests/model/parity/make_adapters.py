#!/usr/bin/env python3
"""Write tests/golden/adapters: LoRA adapters saved by PEFT on the models of make_models.py, and what they compute.

    make_adapters.py [NAME...]      all adapters, or the named ones

Every folder is one PEFT directory (two adapters: sub-folders, as PEFT names them) with golden.json:

    base        the folder of tests/golden/models it belongs to
    sequences   lists of ids
    states      what is active ("." the adapter of the folder itself, or sub-folders) and the log-probs of
                ids[1..], or the reward, of every sequence; the first state is the base alone
    pairs       prompt, chosen, rejected; logp_*: log-probs of the branches with everything active, ref_*: with
                all but the last adapter (for a reward model: reward_*)
    dpo         beta, mean loss over the pairs; or loss: mean -log sigmoid(chosen - rejected) + center (sum)^2

golden_grads.safetensors are the gradients of that loss under the file's names (of the last adapter);
golden_merged.safetensors the weights that merging everything into the base changes, where it is there.
"""
import json
import os
import shutil
import sys
import warnings

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
from transformers.utils import logging

from common import (ADAPTERS, BETA, MODELS, branch_logp, log_sigmoid, pairs_of, reward, rng_of, rounded, save_json,
                    text, token_logps, tree_bytes, versions)

CENTER = 0.01
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]


def lora(targets, **kw):
    return dict(dict(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=targets), **kw)


CASES = {
    "llama-list": dict(base="llama", merged=True, adapters={"default": lora(ATTENTION)}),
    "llama-regex": dict(base="llama-rope3", adapters={"default": lora(
        r"model\.layers\.1\.(self_attn\.[qv]_proj|mlp\.down_proj)", use_rslora=True, r=3, lora_alpha=5)}),
    "gemma3-all-linear": dict(base="gemma3-linear", literal=True, adapters={"default": lora(
        "all-linear", r=2, lora_dropout=0.1)}),
    "gemma3-fresh": dict(base="gemma3", fresh=True, adapters={"default": lora(ATTENTION)}),
    "gemma3-two": dict(base="gemma3", adapters={"sft": lora(ATTENTION, r=3, lora_alpha=6), "policy": lora(
        ["q_proj", "v_proj", "gate_proj"], r=2, lora_alpha=5)}),
    "qwen2-patterns": dict(base="qwen2", dtype=torch.bfloat16, adapters={"default": lora(
        ["q_proj", "v_proj", "up_proj"], rank_pattern={"q_proj": 2, "layers.1.mlp.up_proj": 5},
        alpha_pattern={"v_proj": 3, r"model\.layers\.0\.mlp\.up_proj": 16})}),
    "qwen3-layers": dict(base="qwen3-untied", adapters={"default": lora(
        ATTENTION + ["down_proj"], layers_to_transform=[1], r=3)}),
    "gpt2-conv": dict(base="gpt2", merged=True, adapters={"default": lora(["c_attn", "c_proj"], fan_in_fan_out=True)}),
    "gpt2-all-linear": dict(base="gpt2-hub", adapters={"default": lora("all-linear", fan_in_fan_out=True, r=2)}),
    "gpt_neox-list": dict(base="gpt_neox", merged=True, adapters={"default": lora(["query_key_value", "dense"])}),
    "gpt_neox-rslora": dict(base="gpt_neox-sequential", adapters={"default": lora(
        "all-linear", use_rslora=True, rank_pattern={"dense_h_to_4h": 2})}),
    "llama-reward": dict(base="llama", adapters={"default": lora(["q_proj", "v_proj"], task_type=TaskType.SEQ_CLS)}),
    "gemma3-reward": dict(base="gemma3", adapters={"default": lora(
        ATTENTION, task_type=TaskType.SEQ_CLS, modules_to_save=["score"], r=2)}),
    "gpt2-reward": dict(base="gpt2", adapters={"default": lora(["c_attn"], task_type=TaskType.SEQ_CLS,
                                                               fan_in_fan_out=True)}),
}


def is_reward(case):
    return list(case["adapters"].values())[-1].get("task_type") == TaskType.SEQ_CLS


def load_base(case):
    folder = os.path.join(MODELS, case["base"])
    kw = dict(dtype=torch.float32, attn_implementation="eager")
    if is_reward(case):
        torch.manual_seed(0)
        return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, **kw)
    return AutoModelForCausalLM.from_pretrained(folder, **kw)


def randomise_adapter(model, name, fresh):
    """A as it is initialised, but B not zero unless it is to be fresh; and a score of its own."""
    with torch.no_grad():
        for key, p in model.named_parameters():
            z = torch.from_numpy(rng_of(name, key).standard_normal(tuple(p.shape))).float()
            if "lora_A" in key:
                p.copy_(z / p.shape[1] ** 0.5)
            elif "lora_B" in key and not fresh:
                p.copy_(z * 0.4 / p.shape[1] ** 0.5)
            elif "score.modules_to_save" in key:
                p.copy_(z)


def tidy(folder, base, dtype, all_linear):
    """No model card, no path of this machine."""
    for at, _, files in os.walk(folder):
        for f in files:
            path = os.path.join(at, f)
            if f == "README.md":
                os.remove(path)
            elif f == "adapter_config.json":
                with open(path, encoding="utf-8") as file:
                    config = json.load(file)
                config["base_model_name_or_path"] = base
                if isinstance(config["target_modules"], list):  # a set, in Python
                    config["target_modules"].sort()
                    if all_linear:  # PEFT saves what it matched
                        config["target_modules"] = "all-linear"
                with open(path, "w", encoding="utf-8") as file:
                    json.dump(config, file, indent=2, sort_keys=True)
                    file.write("\n")
            elif dtype and f == "adapter_model.safetensors":
                save_file({k: v.to(dtype) for k, v in load_file(path).items()}, path, metadata={"format": "pt"})


def build(name, case):
    folder = os.path.join(ADAPTERS, name)
    shutil.rmtree(folder, ignore_errors=True)
    model = None
    for adapter, options in case["adapters"].items():
        config = LoraConfig(**dict(dict(task_type=TaskType.CAUSAL_LM), **options))
        if model is None:
            model = get_peft_model(load_base(case), config, adapter_name=adapter)
        else:
            model.add_adapter(adapter, config)
    randomise_adapter(model, name, case.get("fresh"))
    model.save_pretrained(folder)
    tidy(folder, case["base"], case.get("dtype"), case.get("literal"))
    return folder


def load(folder, case):
    model = None
    for adapter in case["adapters"]:
        at = folder if adapter == "default" else os.path.join(folder, adapter)
        if model is None:
            model = PeftModel.from_pretrained(load_base(case), at, adapter_name=adapter, is_trainable=True)
        else:
            model.load_adapter(at, adapter, is_trainable=True)
    return model.double().eval()


class Active:
    """The model with the first n adapters active."""

    def __init__(self, model, case, n):
        self.model, self.names = model, list(case["adapters"])[:n]

    def __enter__(self):
        self.off = self.model.disable_adapter() if not self.names else None
        if self.off:
            self.off.__enter__()
        else:
            self.model.base_model.set_adapter(self.names)
        return self.model

    def __exit__(self, *what):
        if self.off:
            self.off.__exit__(*what)


def file_name(key, adapter):
    """A parameter's name in adapter_model.safetensors."""
    return key.replace(f"modules_to_save.{adapter}.", "").replace(f".{adapter}.weight", ".weight")


def states(model, case, sequences):
    out = []
    for n in range(1 if is_reward(case) else 0, len(case["adapters"]) + 1):
        names = ["." if a == "default" else a for a in list(case["adapters"])[:n]]
        with torch.no_grad(), Active(model, case, n) as m:
            if is_reward(case):
                out.append({"adapters": names, "reward": [rounded(reward(m, s)) for s in sequences]})
            else:
                out.append({"adapters": names, "logp": [rounded(token_logps(m, s)) for s in sequences]})
    return out


def pair_values(model, case, n, pair):
    with Active(model, case, n) as m:
        if is_reward(case):
            return [reward(m, pair["prompt"] + pair[k]) for k in ("chosen", "rejected")]
        return [branch_logp(m, pair["prompt"], pair[k]) for k in ("chosen", "rejected")]


def losses(model, case, name, vocab):
    """The pairs with their values, and the loss to go back from."""
    n, out, loss = len(case["adapters"]), [], 0
    for p in pairs_of(vocab, 3, "adapter", name):
        with torch.no_grad():
            ref = [0, 0] if is_reward(case) else pair_values(model, case, n - 1, p)
        c, r = pair_values(model, case, n, p)
        if is_reward(case):
            loss = loss + (CENTER * (c + r) ** 2 - log_sigmoid(c - r)) / 3
            out.append({**p, "reward_chosen": rounded(c), "reward_rejected": rounded(r)})
        else:
            loss = loss - log_sigmoid(BETA * (c - ref[0] - r + ref[1])) / 3
            out.append({**p, "logp_chosen": rounded(c), "logp_rejected": rounded(r),
                        "ref_chosen": rounded(ref[0]), "ref_rejected": rounded(ref[1])})
    return out, loss


def golden(folder, name, case):
    model = load(folder, case)
    vocab = model.config.vocab_size
    sequences = [text(vocab, n, "adapter", name, i) for i, n in enumerate((19, 33))]
    out = {"made_with": versions(), "base": case["base"], "sequences": sequences,
           "states": states(model, case, sequences)}
    last = list(case["adapters"])[-1]
    out["pairs"], loss = losses(model, case, name, vocab)
    loss.backward()
    if is_reward(case):
        out.update(center=CENTER, loss=rounded(loss))
    else:
        out["dpo"] = {"beta": BETA, "loss": rounded(loss)}
    grads = {file_name(k, last): p.grad.float() for k, p in model.named_parameters()
             if f".{last}." in k and p.grad is not None}
    stored = load_file(os.path.join(folder, "" if last == "default" else last, "adapter_model.safetensors"))
    assert set(grads) == set(stored) and all(g.any() or case.get("fresh") for g in grads.values())
    save_file(grads, os.path.join(folder, "golden_grads.safetensors"), metadata={"format": "pt"})
    if case.get("merged"):
        save_merged(folder, case, out)
    return out


def save_merged(folder, case, out):
    """The changed weights, and that the merged model computes the same."""
    before = load_base(case).state_dict()
    merged = PeftModel.from_pretrained(load_base(case), folder).merge_and_unload()
    after = {k: v for k, v in merged.state_dict().items() if not torch.equal(v, before[k])}
    save_file(after, os.path.join(folder, "golden_merged.safetensors"), metadata={"format": "pt"})
    for ids, want in zip(out["sequences"], out["states"][-1]["logp"]):
        assert (token_logps(merged.double().eval(), ids) - torch.tensor(want)).abs().max() < 1e-5


def main(names):
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    warnings.simplefilter("ignore", FutureWarning)
    total = 0
    for name in names or CASES:
        folder = build(name, CASES[name])
        save_json(os.path.join(folder, "golden.json"), golden(folder, name, CASES[name]))
        for at, _, files in os.walk(folder):
            for f in files:
                os.chmod(os.path.join(at, f), 0o644)
        print(f"{name}: {tree_bytes(folder) / 1000:.1f} kB")
        total += tree_bytes(folder)
    print(f"{total / 1000:.1f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
