"""What the golden scripts share: seeded random weights, token sequences, exact log-probs, files.

Everything is computed in float64 (`exact` also turns the float32 islands inside transformers, norms and
softmax, into float64), so a golden is the mathematical value for the stored weights and the rounding seen
against it is the other side's. Token ids 0, 1, 2 are pad, bos, eos; 0 never occurs in a text.
"""
import contextlib
import json
import os
import zlib

import numpy as np
import torch

torch.set_num_threads(1)

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.normpath(os.path.join(HERE, "..", "..", "golden"))
MODELS = os.path.join(GOLDEN, "models")
ADAPTERS = os.path.join(GOLDEN, "adapters")
PAD, BOS, EOS = 0, 1, 2
BETA = 0.1


@contextlib.contextmanager
def exact():
    """Make "compute this part in float32" mean float64 while the block runs."""
    saved = torch.Tensor.float, torch.float32, torch.float
    torch.Tensor.float, torch.float32, torch.float = torch.Tensor.double, torch.float64, torch.float64
    try:
        yield
    finally:
        torch.Tensor.float, torch.float32, torch.float = saved


def rng_of(*words):
    """A random stream that depends on nothing but the words."""
    return np.random.RandomState(zlib.crc32("/".join(map(str, words)).encode()))


def randomise(model, name, gain=1.0):
    """Weights large enough for every nonlinearity to matter, norms and biases away from neutral."""
    with torch.no_grad():
        for key, p in model.named_parameters():
            z = torch.from_numpy(rng_of(name, key).standard_normal(tuple(p.shape)))
            if p.dim() == 1 and key.endswith("bias"):
                z *= 0.2
            elif p.dim() == 1:  # a norm's gain: Gemma's enters as 1 + w and starts at 0
                z = float(torch.round(p.mean())) + 0.3 * z
            elif "wpe" in key:
                z *= 0.3
            elif "embed" in key or "wte" in key or "lm_head" in key:
                z *= 1.2 / p.shape[1] ** 0.5
            else:  # [out, in], but GPT-2's Conv1D [in, out]
                conv = any(part in key for part in ("c_attn", "c_fc", "c_proj"))
                z *= gain / p.shape[0 if conv else 1] ** 0.5
            p.copy_(z.to(torch.float32))
    return model


def text(vocab, n, *words):
    """n ids, bos first."""
    return [BOS] + (3 + rng_of("text", *words).randint(0, vocab - 3, n - 1)).tolist()


def pairs_of(vocab, n, *words, always_eos=False):
    """Preference pairs: prompt, chosen and rejected ids of many lengths; every second one ends with eos."""
    out = []
    for i in range(n):
        r = rng_of("pair", i, *words)
        draw = lambda k: (3 + r.randint(0, vocab - 3, k)).tolist()
        end = [EOS] if i % 2 or always_eos else []
        out.append({"prompt": [BOS] + draw((5 * i + 2) % 12), "chosen": draw(3 + (7 * i + 3) % 11) + end,
                    "rejected": draw(2 + (3 * i + 8) % 11) + end})
    return out


def run(model, ids):
    """The first output of one text, exactly if the model is float64."""
    with exact() if model.dtype == torch.float64 else contextlib.nullcontext():
        return model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0]


def log_softmax(model, ids):
    """[n, V] in float64."""
    return torch.log_softmax(run(model, ids).to(torch.float64), -1)


def token_logps(model, ids):
    """Log-probs of all tokens but the first."""
    return log_softmax(model, ids)[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0]


def branch_logp(model, prompt, branch):
    return token_logps(model, prompt + branch)[len(prompt) - 1:].sum()


def reward(model, ids):
    return run(model, ids)[0]


def log_sigmoid(x):
    return torch.nn.functional.logsigmoid(x)


def rounded(value, digits=9):
    """Numbers with that many significant digits, lists of them, also nested."""
    if isinstance(value, torch.Tensor):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [rounded(v, digits) for v in value]
    return float(f"{value:.{digits}g}")


def save_json(path, value):
    """One line for each innermost list, so that the files diff and stay small."""
    def dump(v, indent):
        if isinstance(v, dict) and v:
            inner = ",\n".join(f"{' ' * indent}{json.dumps(k)}: {dump(x, indent + 1)}" for k, x in v.items())
            return "{\n" + inner + "}"
        if isinstance(v, list) and any(isinstance(x, (list, dict)) for x in v):
            return "[" + (",\n" + " " * indent).join(dump(x, indent) for x in v) + "]"
        return json.dumps(v, separators=(",", ":"))
    with open(path, "w", encoding="utf-8") as f:
        f.write(dump(value, 1) + "\n")


def versions():
    import transformers
    return f"torch {torch.__version__.split('+')[0]}, transformers {transformers.__version__}"


def tree_bytes(folder):
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(folder) for f in files)
