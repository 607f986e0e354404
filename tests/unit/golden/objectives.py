#!/usr/bin/env python3
"""Expected values of every objective, in PyTorch float64 with gradients by autograd.

usage: objectives.py OUT.json          (needs torch; tests/unit/golden/objectives.json is its output)

Written from the papers' formulas, not from src/objective: weights and offsets are detached tensors,
gradients come from autograd alone, random draws from a Philox of its own. test_objective_golden.c
reads the file. All inputs are single-precision numbers.
"""
import json
import math
import sys

import torch
from torch.nn.functional import logsigmoid

torch.set_default_dtype(torch.float64)
sg = torch.sigmoid
FIELDS = ["chosen", "rejected", "ref_chosen", "ref_rejected", "h", "n_chosen", "n_rejected",
          "score_chosen", "score_rejected"]
A = {"c_max": 2.0, "c_min": 0.5, "lambda": 1.0, "tau": math.log(0.999 / 0.001)}
B = {"c_max": 4.0, "c_min": 0.25, "lambda": 1.0, "tau": 7.0}


# ---- inputs ----

def pair(a, b, h, n_chosen, n_rejected, s):
    """Log-ratios a, b on top of reference log-probs, all multiples of 1/64."""
    ref_chosen, ref_rejected = (-90.25, -75.5) if abs(a) < 1e5 else (0.0, 0.0)
    row = [ref_chosen + a, ref_rejected + b, ref_chosen, ref_rejected, h, n_chosen, n_rejected,
           s + h / 2, s - h / 2]
    assert all(float(torch.tensor(x, dtype=torch.float32)) == x for x in row), row
    return row


def grid():
    rows = []
    for i, m in enumerate(range(-50, 51, 2)):
        a = m / 2 + (i % 5 - 2) * 1.5
        h = ((i * 37) % 81 - 40) / 4
        rows.append(pair(a, a - m, h, 3 + i % 7, 2 + i % 5, (i % 3 - 1) / 2))
    for m in (0.0, 0.015625, -0.015625, 1e6, -1e6, 1000.0, -1000.0):
        for h in (0.0, 1e6, -1e6):
            rows.append(pair(m / 2, -m / 2, h, 4, 3, 0.0))
    return rows


def tensors(rows):
    t = dict(zip(FIELDS, torch.tensor(rows).T.clone()))
    t["chosen"].requires_grad_(True)
    t["rejected"].requires_grad_(True)
    return t


# ---- pieces ----

def ratios(t, o):
    a, b = t["chosen"] - t["ref_chosen"], t["rejected"] - t["ref_rejected"]
    return (a / t["n_chosen"], b / t["n_rejected"]) if o.get("average") else (a, b)


def mean_difference(t):
    return t["chosen"] / t["n_chosen"] - t["rejected"] / t["n_rejected"]


def margin(t, o):
    return t["score_chosen"] - t["score_rejected"] if o.get("scores") else t["h"]


def coefficient(h, o):
    """c(h) as published; exp may overflow to infinity, which gives c_min."""
    k = (o["c_max"] - 1) / (1 - o["c_min"])
    return o["c_min"] + (o["c_max"] - o["c_min"]) / (1 + k * torch.exp(o["lambda"] * (h.abs() - o["tau"])))


def weight(h, o):
    c = coefficient(h, o)
    log_w = logsigmoid(c * h) - logsigmoid(h)
    w = torch.exp(log_w)
    one = torch.ones_like(h)
    variant = o.get("variant", "full")
    if variant == "full":
        return torch.where(h > -o["tau"], w, one)
    if variant == "amplify":
        return torch.where(h.abs() < o["tau"], w, one)
    if variant == "regularise":
        return torch.where((h.abs() >= o["tau"]) & (h > -o["tau"]), w, one)
    if variant == "negative":
        return torch.where((h > -o["tau"]) & (h < 0), w, one)
    return torch.clamp(w, max=o["max_weight"])  # uncapped


def soft(x, y):
    """Cross entropy of sigma(x) with the label sigma(y); 1 - p as sigma(-y), which keeps its digits."""
    y = y.detach()
    return -sg(y) * logsigmoid(x) - sg(-y) * logsigmoid(-x)


# ---- objectives of one pair: loss, weight ----

def loss_of(name, t, o):
    a, b = ratios(t, o)
    m, beta, l = a - b, o.get("beta", 0.1), mean_difference(t)
    e = o.get("label_smoothing")
    one = torch.ones_like(m)
    if name in ("dpo", "beta-dpo"):
        return -logsigmoid(beta * m), one
    if name == "madpo":
        w = weight(margin(t, o), o).detach()
        return -w * logsigmoid(beta * m), w
    if name == "ipo":
        return (m - 1 / (2 * beta)) ** 2, one
    if name == "soft-dpo":
        return soft(beta * m, o["soft_scale"] * margin(t, o)), one
    if name == "soft-madpo":
        h = margin(t, o)
        return soft(beta * m, coefficient(h, o) * h), one
    if name == "cdpo":
        return -(1 - e) * logsigmoid(beta * m) - e * logsigmoid(-beta * m), one
    if name == "robust":
        return (-(1 - e) * logsigmoid(beta * m) + e * logsigmoid(-beta * m)) / (1 - 2 * e), one
    if name == "odpo":
        return -logsigmoid(beta * m - o["alpha"] * torch.log(margin(t, o).clamp(min=1e-6))), one
    if name == "distill":
        return (beta * m - margin(t, o)) ** 2, one
    if name in ("simpo", "alpha-dpo", "gamma-po"):
        return -logsigmoid(beta * l - o["gamma"]), one
    if name == "amapo":
        return -logsigmoid(beta * l), one
    if name == "hinge":
        return torch.relu(1 - beta * m), one
    if name == "sppo":
        return (a - 0.5 / beta) ** 2 + (b + 0.5 / beta) ** 2, one
    if name == "apo-zero":
        return sg(-beta * a) + sg(beta * b), one
    if name == "apo-down":
        return sg(beta * a) + sg(-beta * m), one
    if name == "nca":
        return (-logsigmoid(beta * a) - 0.5 * logsigmoid(-beta * a) - 0.5 * logsigmoid(-beta * b)), one
    if name == "exo":
        x = beta * m
        return (sg(x) * (logsigmoid(x) - math.log(1 - e)) + sg(-x) * (logsigmoid(-x) - math.log(e))), one
    assert name == "sft", name
    return (-t["chosen"] / t["n_chosen"] if o.get("average") else -t["chosen"]), one


def number(x):
    return float("%.12g" % float(x))


def results(t, loss, w):
    gc, gr = torch.autograd.grad(loss.sum() + 0 * t["chosen"].sum() + 0 * t["rejected"].sum(),
                                 (t["chosen"], t["rejected"]))
    return [[number(x) for x in row] for row in torch.stack([loss.detach(), w, gc, gr]).T.tolist()]


CASES = [
    ("dpo", {"beta": 0.1}), ("dpo", {"beta": 2.0, "average": True}),
    ("ipo", {"beta": 0.1}), ("ipo", {"beta": 0.5, "average": True}),
    ("madpo", {"beta": 0.1, **A}), ("madpo", {"beta": 0.5, **B}), ("madpo", {"beta": 0.1, **B, "scores": True}),
    ("madpo", {"beta": 0.1, **B, "variant": "amplify"}), ("madpo", {"beta": 0.1, **B, "variant": "regularise"}),
    ("madpo", {"beta": 0.1, **B, "variant": "negative"}),
    ("madpo", {"beta": 0.1, **B, "variant": "uncapped", "max_weight": 10.0}),
    ("soft-madpo", {"beta": 0.1, **A}), ("soft-madpo", {"beta": 0.3, **B, "scores": True}),
    ("soft-dpo", {"beta": 0.1, "soft_scale": 2.2}), ("soft-dpo", {"beta": 0.4, "soft_scale": 0.3, "scores": True}),
    ("cdpo", {"beta": 0.1, "label_smoothing": 0.1}), ("robust", {"beta": 0.1, "label_smoothing": 0.1}),
    ("robust", {"beta": 0.2, "label_smoothing": 0.3}),
    ("odpo", {"beta": 0.1, "alpha": 1.0}), ("odpo", {"beta": 0.1, "alpha": 0.5, "scores": True}),
    ("distill", {"beta": 0.1}), ("amapo", {"beta": 2.0}), ("alpha-dpo", {"beta": 2.5, "gamma": 1.5}),
    ("simpo", {"beta": 2.0, "gamma": 0.5}), ("hinge", {"beta": 0.1}), ("sppo", {"beta": 0.1}),
    ("apo-zero", {"beta": 0.1}), ("apo-down", {"beta": 0.1}), ("nca", {"beta": 0.1}),
    ("exo", {"beta": 0.1, "label_smoothing": 1e-3}), ("sft", {}), ("sft", {"average": True}),
    ("beta-dpo", {"beta": 0.1}), ("gamma-po", {"beta": 2.5, "gamma": 0.375}),
]


def pair_cases(rows):
    out = []
    for name, o in CASES:
        t = tensors(rows)
        loss, w = loss_of(name, t, o)
        assert torch.isfinite(loss).all() and torch.isfinite(w).all(), (name, o)
        out.append({"objective": name, "options": o, "out": results(t, loss, w)})
    return out


# ---- objectives of a whole step ----

def philox(seed, stream, counter):
    """Philox4x32-10 (Salmon et al. 2011): key = seed, counter words = counter, then stream."""
    mask = 0xFFFFFFFF
    c = [counter & mask, counter >> 32, stream & mask, stream >> 32]
    k = [seed & mask, seed >> 32]
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & mask, (p0 >> 32) ^ c[3] ^ k[1], p0 & mask]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    return c


def gumbels(seed, step, n):
    words = [w for i in range((n + 1) // 2) for w in philox(seed, step, i)]
    draws = [words[2 * i] | words[2 * i + 1] << 32 for i in range(n)]
    return torch.tensor([-math.log(-math.log(((d >> 12) + 0.5) / 2 ** 52)) for d in draws])


def step_beta_dpo(t, o, state):
    a, b = ratios(t, o)
    gap, n = (a - b).detach(), len(t["h"])
    notebook = o["beta_mode"] == "notebook"
    if notebook:
        gap = o["beta"] * gap
    small = 1e-6 if notebook else 0.0
    spread = gap.std() if n > 1 else torch.tensor(0.0)
    state["center"] = o["momentum"] * state["center"] + (1 - o["momentum"]) * gap.mean()
    state["scale"] = o["momentum"] * state["scale"] + (1 - o["momentum"]) * (spread + small)
    z = (gap - state["center"]) / (state["scale"] + small)
    keep = max(1, int(o["keep"] * n))
    keys = -0.5 * z * z + gumbels(o["seed"], state["n_steps"], n)
    w = torch.zeros(n)
    w[torch.topk(keys, keep).indices] = 1.0
    if notebook:
        beta = (1 + o["alpha"] * (gap.mean() - state["center"])) * o["beta"]
    else:
        beta = max(o["beta"] * (1 + o["alpha"] * ((gap * w).sum() / keep - state["center"])), torch.tensor(1e-3))
    return -w * logsigmoid(beta * (a - b)), w, keep, beta.detach()


def step_amapo(t, o, state):
    l = mean_difference(t)
    d, n = l.detach(), len(t["h"])
    mu, s = d.mean(), d.std()
    offset = o["beta"] * (d < mu) * torch.exp((mu - d) / s * mu)
    return -logsigmoid(o["beta"] * l - offset), torch.ones(n), n, torch.tensor(o["beta"])


def step_alpha_dpo(t, o, state):
    l = mean_difference(t)
    a, b = ratios(t, {"average": True})
    g, n = (a - b).detach(), len(t["h"])
    state["center"] = o["momentum"] * state["center"] + (1 - o["momentum"]) * g.mean()
    state["scale"] = o["momentum"] * state["scale"] + (1 - o["momentum"]) * g.std()
    z = (g - state["center"]) / state["scale"]
    target = o["gamma"] / o["beta"] + o["alpha"] * z
    return -logsigmoid(o["beta"] * (l - target)), torch.ones(n), n, torch.tensor(o["beta"])


def step_gamma_po(t, o, state):
    l = mean_difference(t)
    gaps, n = (o["beta"] * l).detach(), len(t["h"])
    p = torch.full((n,), 1 / n)
    for _ in range(20):
        p.requires_grad_(True)
        gamma = o["gamma"] * n * p
        cost = -logsigmoid(gaps - gamma).mean() + o["alpha"] * (p * torch.log(n * p)).sum()
        (slope,) = torch.autograd.grad(cost, p)
        q = p.detach() * torch.exp(-min(0.5 / o["alpha"], 1) * slope)
        p = q / q.sum()
    return -logsigmoid(o["beta"] * l - gamma.detach()), torch.ones(n), n, torch.tensor(o["beta"])


STEPS = [
    (step_beta_dpo, "beta-dpo", {"beta": 0.1, "alpha": 0.6, "beta_mode": "authors", "keep": 0.8, "momentum": 0.9, "seed": 42}, 0.0),
    (step_beta_dpo, "beta-dpo", {"beta": 0.1, "alpha": 0.6, "beta_mode": "notebook", "keep": 0.8, "momentum": 0.9, "seed": 7}, 1.0),
    (step_amapo, "amapo", {"beta": 2.5}, 0.0),
    (step_alpha_dpo, "alpha-dpo", {"beta": 2.5, "gamma": 1.5, "alpha": 0.2, "momentum": 0.9}, 0.0),
    (step_gamma_po, "gamma-po", {"beta": 2.5, "gamma": 0.375, "alpha": 10.0}, 0.0),
    (step_gamma_po, "gamma-po", {"beta": 10.0, "gamma": 4.0, "alpha": 0.3}, 0.0),
]


def step_rows(generator, n, shift):
    rows = []
    for _ in range(n):
        x = torch.randn(6, generator=generator)
        q = [round(float(v) * 64) / 64 for v in (20 * x[0] + 3 * shift, 20 * x[1] - 3 * shift, 2 * x[2])]
        rows.append(pair(q[0], q[1], q[2] - q[2] % 0.03125, 20 + int(5 * abs(x[3])), 20 + int(5 * abs(x[4])), 0.5))
    return rows


def step_cases():
    out = []
    for f, name, o, scale in STEPS:
        generator = torch.Generator().manual_seed(1)
        state = {"center": torch.tensor(0.0), "scale": torch.tensor(scale), "n_steps": 0}
        steps = []
        for n, shift in ((32, 0.0), (7, 1.0), (16, 2.0), (5, -3.0)):
            rows = step_rows(generator, n, shift)
            t = tensors(rows)
            loss, w, kept, beta = f(t, o, state)
            state["n_steps"] += 1
            steps.append({"pairs": rows, "kept": kept, "beta": number(beta),
                          "state": [number(state["center"]), number(state["scale"]), state["n_steps"]],
                          "mean_loss": number(loss.detach().sum() / kept), "out": results(t, loss, w)})
        out.append({"objective": name, "options": o, "steps": steps})
    return out


def main():
    rows = grid()
    text = json.dumps({"fields": FIELDS, "columns": ["loss", "weight", "dchosen", "drejected"],
                       "pairs": rows, "cases": pair_cases(rows), "steps": step_cases()},
                      separators=(",", ":"))
    text = text.replace('{"objective"', '\n{"objective"').replace('{"pairs"', '\n{"pairs"')
    with open(sys.argv[1], "w", encoding="ascii") as f:
        f.write(text + "\n")


main()
