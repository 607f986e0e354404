#!/usr/bin/env python3
"""Write tests/golden/models: small random models saved by transformers, and what they compute.

    make_models.py [NAME...]      all models, or the named ones

Every folder holds a model as published ones look (config.json, safetensors, possibly sharded or in 16 bits)
and beside it golden.json:

    sequences   ids; logp: log-probs of ids[1..]; rows: positions, log_softmax: their whole distributions
    pairs       prompt, chosen, rejected ids; logp_chosen, logp_rejected: sums over the branch;
                ref_chosen, ref_rejected: made-up reference log-probs, constants of the loss
    dpo         beta and the mean loss over the pairs; its gradients are golden_grads.safetensors, float32
                under the names of files (a tied head has none of its own)
    reward      score: weights of a scalar head without bias put on the last token; rewards: of the sequences;
                chosen, rejected: of prompt+branch of the pairs
    or, for a saved reward model, sequences with ids and reward, pairs with reward_chosen and reward_rejected,
    loss: mean over the pairs of -log sigmoid(c - r) + center (c + r)^2, with its gradients

The goldens are computed from the saved folder, read back by transformers, in float64 with eager attention.
"""
import json
import os
import shutil
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import (AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification, Gemma3TextConfig,
                          GPT2Config, GPTNeoXConfig, LlamaConfig, Qwen2Config, Qwen3Config)
from transformers.utils import logging

from common import (BETA, BOS, EOS, MODELS, PAD, branch_logp, log_sigmoid, log_softmax, pairs_of, randomise,
                    reward, rng_of, rounded, run, save_json, text, token_logps, tree_bytes, versions)

IDS = dict(pad_token_id=PAD, bos_token_id=BOS, eos_token_id=EOS)
CENTER = 0.01  # keeps gradients off zero that a difference of rewards does not have
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 128}


def decoder(**kw):
    return dict(dict(vocab_size=47, hidden_size=16, intermediate_size=21, num_hidden_layers=2,
                     num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64), **IDS, **kw)


def gpt2(**kw):
    return GPT2Config(**dict(dict(vocab_size=47, n_embd=12, n_layer=2, n_head=3, n_positions=40, resid_pdrop=0.0,
                                  embd_pdrop=0.0, attn_pdrop=0.0), **IDS, **kw))


def neox(**kw):
    return GPTNeoXConfig(**dict(dict(vocab_size=47, hidden_size=16, intermediate_size=21, num_hidden_layers=2,
                                     num_attention_heads=2, max_position_embeddings=64, classifier_dropout=0.0),
                                **IDS, **kw))


# ---- what published folders look like and the installed transformers does not write ----

def edit_config(folder, change):
    path = os.path.join(folder, "config.json")
    with open(path, encoding="utf-8") as f:
        config = json.load(f)
    change(config)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(config, f, indent=2)
        f.write("\n")


def old_rope(folder):
    """rope_theta and rope_scaling instead of rope_parameters, torch_dtype instead of dtype."""
    def change(c):
        rope = c.pop("rope_parameters")
        full = rope.get("full_attention", rope)
        c["rope_theta"] = full.pop("rope_theta")
        if "sliding_attention" in rope:
            c["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        c["rope_scaling"] = full if full["rope_type"] != "default" else None
        c["torch_dtype"] = c.pop("dtype")
    edit_config(folder, change)


def old_type(folder):
    """The oldest spelling: rope_scaling with `type`."""
    old_rope(folder)
    edit_config(folder, lambda c: c["rope_scaling"].update(type=c["rope_scaling"].pop("rope_type")))


def old_pattern(folder):
    """Gemma's layers by period, not by list."""
    old_rope(folder)
    edit_config(folder, lambda c: (c.pop("layer_types"), c.pop("_sliding_window_pattern"),
                                   c.update(sliding_window_pattern=3)))


def old_neox(folder):
    """Pythia's rotary_pct and rotary_emb_base, and the buffers its files carry."""
    def change(c):
        rope = c.pop("rope_parameters")
        c.update(rotary_pct=rope["partial_rotary_factor"], rotary_emb_base=int(rope["rope_theta"]))
        c["torch_dtype"] = c.pop("dtype")
    edit_config(folder, change)
    path = os.path.join(folder, "model.safetensors")
    w = load_file(path)
    for layer in range(2):
        name = f"gpt_neox.layers.{layer}.attention."
        w[name + "bias"] = torch.tril(torch.ones(1, 1, 64, 64, dtype=torch.bool))
        w[name + "masked_bias"] = torch.tensor(-1e9)
        w[name + "rotary_emb.inv_freq"] = torch.tensor([1.0])
    save_file(w, path, metadata={"format": "pt"})


def hub_gpt2(folder):
    """Names without `transformer.`, the mask buffers of old files, a config of few words."""
    keep = ("activation_function", "architectures", "bos_token_id", "eos_token_id", "initializer_range",
            "layer_norm_epsilon", "model_type", "n_embd", "n_head", "n_inner", "n_layer", "n_positions", "vocab_size")

    def change(c):
        for key in set(c) - set(keep):
            del c[key]
        c.update(n_ctx=40, attn_pdrop=0.1, embd_pdrop=0.1, resid_pdrop=0.1)
    edit_config(folder, change)
    path = os.path.join(folder, "model.safetensors")
    w = {k.removeprefix("transformer."): v for k, v in load_file(path).items()}
    for layer in range(2):
        w[f"h.{layer}.attn.bias"] = torch.tril(torch.ones(1, 1, 40, 40, dtype=torch.bool))
        w[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(w, path, metadata={"format": "pt"})


def gemma3(**kw):
    return Gemma3TextConfig(**decoder(num_hidden_layers=3, head_dim=6, query_pre_attn_scalar=7, sliding_window=5,
                                      rms_norm_eps=1e-5, **kw))


def default_rope(theta):
    return {"rope_type": "default", "rope_theta": theta}


CASES = {
    "llama": dict(config=lambda: LlamaConfig(**decoder(head_dim=6, tie_word_embeddings=True))),
    "llama-rope3": dict(config=lambda: LlamaConfig(**decoder(
        tie_word_embeddings=False, head_dim=8, num_key_value_heads=1, rope_parameters=dict(LLAMA3, rope_theta=1e4)))),
    "llama-rope3-old": dict(config=lambda: LlamaConfig(**decoder(
        tie_word_embeddings=True, head_dim=8, num_hidden_layers=1,
        rope_parameters=dict(LLAMA3, rope_theta=500.0))), after=old_rope, dtype=torch.bfloat16),
    "llama-linear-old": dict(config=lambda: LlamaConfig(**dict(decoder(
        tie_word_embeddings=False, num_hidden_layers=1,
        attention_bias=True, mlp_bias=True,
        rope_parameters={"rope_type": "linear", "factor": 2.5, "rope_theta": 1e3}), num_attention_heads=2)),
        after=old_type),
    "gemma3": dict(config=lambda: gemma3(layer_types=["sliding_attention", "full_attention", "sliding_attention"])),
    "gemma3-linear": dict(config=lambda: gemma3(
        rope_parameters={"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                         "sliding_attention": default_rope(500.0)},
        layer_types=["sliding_attention", "sliding_attention", "full_attention"]), dtype=torch.bfloat16),
    "gemma3-linear-old": dict(config=lambda: gemma3(
        rope_parameters={"full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e5},
                         "sliding_attention": default_rope(1e4)},
        layer_types=["sliding_attention", "sliding_attention", "full_attention"]), after=old_pattern),
    "qwen2": dict(config=lambda: Qwen2Config(**decoder(tie_word_embeddings=True))),
    "qwen2-shards": dict(config=lambda: Qwen2Config(**dict(decoder(
        tie_word_embeddings=False, use_sliding_window=True, sliding_window=6, max_window_layers=1,
        rope_parameters=default_rope(1e6)), num_attention_heads=2, num_key_value_heads=1)), shard="12KB"),
    "qwen3": dict(config=lambda: Qwen3Config(**decoder(tie_word_embeddings=True, head_dim=6)), after=old_rope),
    "qwen3-untied": dict(config=lambda: Qwen3Config(**decoder(tie_word_embeddings=False, head_dim=8,
                                                              rms_norm_eps=1e-4)), shard="6KB",
                         dtype=torch.float16),
    "gpt2": dict(config=gpt2),
    "gpt2-hub": dict(config=lambda: gpt2(n_inner=29, n_head=2, layer_norm_epsilon=1e-3), after=hub_gpt2),
    "gpt_neox": dict(config=lambda: neox(rope_parameters=dict(default_rope(1e4), partial_rotary_factor=0.25)),
                     after=old_neox, dtype=torch.float16),
    "gpt_neox-sequential": dict(config=lambda: neox(use_parallel_residual=False, hidden_act="gelu_new",
                                                   attention_bias=False, rope_parameters=dict(
                                                       default_rope(1e3), partial_rotary_factor=0.75))),
    "llama-reward": dict(config=lambda: LlamaConfig(**decoder(head_dim=6, num_labels=1)), score=True),
    "gpt2-reward": dict(config=lambda: gpt2(n_inner=29, num_labels=1), score=True),
}


def build(name, case):
    """The random model, saved as its case says."""
    folder = os.path.join(MODELS, name)
    shutil.rmtree(folder, ignore_errors=True)
    auto = AutoModelForSequenceClassification if case.get("score") else AutoModelForCausalLM
    torch.manual_seed(0)
    model = randomise(auto.from_config(case["config"](), attn_implementation="eager"), name, gain=1.3)
    for p in model.parameters():  # not the buffers: a published model's RoPE table is float32
        p.data = p.data.to(case.get("dtype", torch.float32))
    model.save_pretrained(folder, max_shard_size=case.get("shard", "5GB"))
    if os.path.exists(os.path.join(folder, "generation_config.json")):
        os.remove(os.path.join(folder, "generation_config.json"))
    if "after" in case:
        case["after"](folder)
    again = load(folder, auto)
    with torch.no_grad():  # the folder says what the model was
        assert (run(again, range(1, 40)) - run(model.double().eval(), range(1, 40))).abs().max() < 1e-12
    return folder


def load(folder, auto=AutoModelForCausalLM, fresh=(), **kw):
    """As transformers reads it, nothing missing but `fresh`, in float64, in eval mode."""
    model, info = auto.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager",
                                       output_loading_info=True, **kw)
    assert set(info["missing_keys"]) == set(fresh), info
    assert not info["mismatched_keys"], info
    return model.double().eval()


def save_grads(folder, model):
    head = "embed_out." if model.config.model_type == "gpt_neox" else "lm_head."  # as files have it
    grads = {n.replace("lm_head.", head): p.grad.to(torch.float32).contiguous() for n, p in model.named_parameters()}
    assert all(g.abs().sum() > 0 for g in grads.values()), [n for n in grads if not grads[n].any()]
    save_file(grads, os.path.join(folder, "golden_grads.safetensors"), metadata={"format": "pt"})


def sequences(vocab, name):
    return [text(vocab, n, name, i) for i, n in enumerate((24, 31, 40))]


def causal_golden(folder, name):
    model = load(folder)
    vocab = model.config.vocab_size
    out = {"made_with": versions(), "sequences": [], "pairs": []}
    for ids in sequences(vocab, name):
        rows = [0, len(ids) // 2, len(ids) - 1]
        out["sequences"].append({"ids": ids, "logp": rounded(token_logps(model, ids)), "rows": rows,
                                 "log_softmax": rounded(log_softmax(model, ids)[rows], 8)})
    loss = 0
    pairs = pairs_of(vocab, 4, name)
    for i, p in enumerate(pairs):
        chosen, rejected = (branch_logp(model, p["prompt"], p[k]) for k in ("chosen", "rejected"))
        r = rng_of("reference", name, i)
        ref = [round(x.item() + 4 * r.standard_normal(), 4) for x in (chosen, rejected)]
        loss = loss - log_sigmoid(BETA * (chosen - ref[0] - rejected + ref[1])) / len(pairs)
        out["pairs"].append({**p, "logp_chosen": rounded(chosen), "logp_rejected": rounded(rejected),
                             "ref_chosen": ref[0], "ref_rejected": ref[1]})
    loss.backward()
    out["dpo"] = {"beta": BETA, "loss": rounded(loss)}
    save_grads(folder, model)
    out["reward"] = reward_golden(folder, name, out)
    return out


def reward_golden(folder, name, golden):
    """A scalar head on the causal model."""
    model = load(folder, AutoModelForSequenceClassification, ["score.weight"], num_labels=1)
    score = torch.from_numpy(rng_of("score", name).standard_normal(model.score.weight.shape).round(4))
    with torch.no_grad():
        model.score.weight.copy_(score)
        return {"score": score[0].tolist(),
                "rewards": [rounded(reward(model, s["ids"])) for s in golden["sequences"]],
                **{k: [rounded(reward(model, p["prompt"] + p[k])) for p in golden["pairs"]]
                   for k in ("chosen", "rejected")}}


def classifier_golden(folder, name):
    model = load(folder, AutoModelForSequenceClassification)
    vocab = model.config.vocab_size
    out = {"made_with": versions(), "pairs": []}
    out["sequences"] = [{"ids": ids, "reward": rounded(reward(model, ids))} for ids in sequences(vocab, name)]
    loss = 0
    pairs = pairs_of(vocab, 4, name)
    for p in pairs:
        chosen, rejected = (reward(model, p["prompt"] + p[k]) for k in ("chosen", "rejected"))
        loss = loss + (CENTER * (chosen + rejected) ** 2 - log_sigmoid(chosen - rejected)) / len(pairs)
        out["pairs"].append({**p, "reward_chosen": rounded(chosen), "reward_rejected": rounded(rejected)})
    loss.backward()
    out["center"], out["loss"] = CENTER, rounded(loss)
    save_grads(folder, model)
    return out


def fp32_difference(folder, golden):
    """How far transformers' own float32 is from the golden log-probs."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        return max((token_logps(model, s["ids"]) - torch.tensor(s["logp"])).abs().max().item()
                   for s in golden["sequences"])


def main(names):
    total = 0
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    for name in names or CASES:
        folder = build(name, CASES[name])
        golden = (classifier_golden if CASES[name].get("score") else causal_golden)(folder, name)
        save_json(os.path.join(folder, "golden.json"), golden)
        note = "" if CASES[name].get("score") else f", float32 differs by {fp32_difference(folder, golden):.1e}"
        lo = min(min(s["logp"]) for s in golden["sequences"]) if not note == "" else 0
        print(f"{name}: {tree_bytes(folder) / 1000:.1f} kB{note}, lowest log-prob {lo:.1f}")
        total += tree_bytes(folder)
    print(f"{total / 1000:.1f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
