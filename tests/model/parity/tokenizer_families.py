#!/usr/bin/env python3
"""The tokenizers that tokenizer_corpus.py compares: those of the data folder as they are or put together, and
trained ones of the structure of families whose own files are not at hand.

    V/bin/python tokenizer_families.py golden DATA FOLDER   write the small ones and what they give for some
                                                          texts (tests/golden/tokenizer)
    V/bin/python tokenizer_families.py big FILE            write a file of Gemma's structure and size
"""
import gzip
import json
import os
import sys

QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+")
LLAMA3 = QWEN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
BYTES_ONLY = dict(BYTE_LEVEL, use_regex=False)


def added(id, content, special=True, **flags):
    return dict({"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                 "normalized": False, "special": special}, **flags)


def file(model, tokens, normalizer=None, pre=None, post=None, decoder=None):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": tokens, "normalizer": normalizer,
            "pre_tokenizer": pre, "post_processor": post, "decoder": decoder, "model": model}


def bpe(vocab, merges, **flags):
    return dict({"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                 "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                 "vocab": vocab, "merges": merges}, **flags)


def template(front=(), behind=()):
    item = lambda name: {"SpecialToken": {"id": name, "type_id": 0}}
    single = [item(n) for n, _ in front] + [{"Sequence": {"id": "A", "type_id": 0}}] + [item(n) for n, _ in behind]
    return {"type": "TemplateProcessing", "single": single,
            "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {n: {"id": n, "ids": [i], "tokens": [n]} for n, i in (*front, *behind)}}


def split(pattern, behavior="Isolated", invert=False, literal=False):
    return {"type": "Split", "pattern": {"String" if literal else "Regex": pattern}, "behavior": behavior,
            "invert": invert}


def sequence(key, *steps):
    return {"type": "Sequence", key: list(steps)}


def replace(old, new, regex=False):
    return {"type": "Replace", "pattern": {"Regex" if regex else "String": old}, "content": new}


FALLBACK = sequence("decoders", replace("\u2581", " "), {"type": "ByteFallback"}, {"type": "Fuse"})
BYTE_TOKENS = [f"<0x{b:02X}>" for b in range(256)]


# ---- trained ----

def train(texts, vocab, specials, start_alphabet, normalizer=None, pre=None, limit=1000):
    """Merges of a BPE trained on the texts behind these two sections, as (vocab, pairs)."""
    from tokenizers import Tokenizer, models, trainers

    tokenizer = Tokenizer.from_str(json.dumps(file(bpe({}, []), [], normalizer, pre)))
    trainer = trainers.BpeTrainer(vocab_size=vocab, min_frequency=2, show_progress=False, special_tokens=specials,
                                  initial_alphabet=start_alphabet, limit_alphabet=limit)
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    pairs = [m.split(" ") if isinstance(m, str) else m for m in model["merges"]]
    return model["vocab"], pairs


def byte_alphabet():
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())


def gemma_like(texts, size):
    """<pad> <eos> <bos> <unk> <mask>, unused, turns, runs of line ends, runs of U+2581, bytes, pieces."""
    first = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "[multimodal]", "<unused0>", "<unused1>",
             "<start_of_turn>", "<end_of_turn>"]
    runs = ["\n" * n for n in range(1, 32)]
    blanks = ["\u2581" * n for n in range(2, 17)]
    tabs = ["\t" * n for n in range(1, 5)]
    normalizer = replace(" ", "\u2581")
    # as words, so that training ends: the merges then still work on a whole text
    vocab, pairs = train(texts, size, [], [], normalizer, split("\u2581", "MergedWithNext", literal=True), 200)
    tokens = first + runs + blanks + tabs + BYTE_TOKENS
    have = set(tokens)
    tokens += [t for t in sorted(vocab, key=vocab.get) if t not in have]
    ids = {t: i for i, t in enumerate(tokens)}
    merges = [["\u2581" * a, "\u2581" * b] for n in range(2, 17) for a in range(1, n) for b in [n - a]
              if "\u2581" in ids] + [["\n" * a, "\n"] for a in range(1, 31)] + pairs
    seen, unique = set(), []
    for m in merges:
        if tuple(m) not in seen and all(p in ids for p in (*m, "".join(m))):
            seen.add(tuple(m))
            unique.append(m)
    specials = [added(ids[t], t) for t in first]
    others = [added(ids[t], t, special=False) for t in runs + blanks + tabs]
    return file(bpe(ids, unique, unk_token="<unk>", fuse_unk=True, byte_fallback=True), specials + others, normalizer,
                split(" ", "MergedWithPrevious", literal=True), template([("<bos>", ids["<bos>"])]), FALLBACK)


def llama_like(texts, size, metaspace):
    """SentencePiece's: <unk> <s> </s>, bytes, pieces; legacy (Prepend on every stretch) or Metaspace."""
    first = ["<unk>", "<s>", "</s>"]
    legacy = sequence("normalizers", {"type": "Prepend", "prepend": "\u2581"}, replace(" ", "\u2581"))
    vocab, pairs = train(texts, size, [], [], legacy, split("\u2581", "MergedWithNext", literal=True), 120)
    tokens = first + BYTE_TOKENS
    tokens += [t for t in sorted(vocab, key=vocab.get) if t not in set(tokens)]
    ids = {t: i for i, t in enumerate(tokens)}
    space = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False}
    decoder = sequence("decoders", replace("\u2581", " "), {"type": "ByteFallback"}, {"type": "Fuse"},
                       {"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return file(bpe(ids, [" ".join(p) for p in pairs], unk_token="<unk>", fuse_unk=True, byte_fallback=True),
                [added(ids[t], t) for t in first], None if metaspace else legacy, space if metaspace else None,
                template([("<s>", 1)]), decoder)


def byte_like(texts, size, specials, pre, normalizer=None, post=None, more=(), **flags):
    vocab, pairs = train(texts, size, specials, byte_alphabet(), normalizer, pre)
    tokens = [added(vocab[s], s) for s in specials]
    tokens += [added(len(vocab) + i, t, special=False, normalized=True, **f) for i, (t, f) in enumerate(more)]
    return file(bpe(vocab, pairs, **flags), tokens, normalizer, pre, post, BYTE_LEVEL)


def neox_like(texts, size):
    more = [(" " * n, {}) for n in range(24, 1, -1)]
    return byte_like(texts, size, ["<|endoftext|>", "<|padding|>"], BYTE_LEVEL, {"type": "NFC"}, BYTE_LEVEL, more)


def odd_one(texts, size):
    """What the families leave untried: affixes, strips, flags of added tokens, Metaspace's own decoder."""
    normalizer = sequence("normalizers", {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"},
                          {"type": "Strip", "strip_left": True, "strip_right": True}, replace("[0-9]{4,}", "9", True))
    space = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    pre = sequence("pretokenizers", space, {"type": "Digits", "individual_digits": False},
                   split(r"[^\s\p{L}\p{N}\u2581]+", "MergedWithPrevious"), split("e", "Removed", literal=True),
                   split("[aeiou]+", "Contiguous"), split("th", "MergedWithNext", literal=True))
    vocab, pairs = train(texts, size, ["<unk>", "<s>", "</s>", "<mask>"], [], normalizer, pre, 80)
    tokens = [added(i, t) for i, t in enumerate(["<unk>", "<s>", "</s>"])]
    tokens.append(added(3, "<mask>", lstrip=True, rstrip=True))
    tokens.append(added(len(vocab), "Tok", special=False, normalized=True, single_word=True))
    tokens.append(added(len(vocab) + 1, "[CLS]", special=False, rstrip=True))
    return file(bpe(vocab, pairs, unk_token="<unk>"), tokens, normalizer, pre,
                {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1], "trim_offsets": True,
                 "add_prefix_space": False},
                {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True})


def affixed(texts, size):
    """continuing_subword_prefix and end_of_word_suffix on words cut by a pattern; no decoder."""
    from tokenizers import Tokenizer, trainers

    pre = split(r"\p{L}+|\p{N}", "Removed", True)
    base = file(bpe({}, []), [], {"type": "NFC"}, pre)
    tokenizer = Tokenizer.from_str(json.dumps(base))
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=size, special_tokens=["[UNK]"], show_progress=False, limit_alphabet=60,
        continuing_subword_prefix="##", end_of_word_suffix="</w>"))
    out = json.loads(tokenizer.to_str())
    out["model"].update(unk_token="[UNK]", fuse_unk=False)
    return out


def deep_like(texts, size):
    """Several patterns one after the other, through the regular expression engine."""
    pre = sequence("pretokenizers", split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split(r"\s+$"),
                   {"type": "Digits", "individual_digits": True}, BYTES_ONLY)
    return byte_like(texts, size, ["<\uff5cbegin\uff5c>"], pre, post=template([("<\uff5cbegin\uff5c>", 0)]))


def small_ones(texts, size):
    llama3 = sequence("pretokenizers", split(LLAMA3), BYTES_ONLY)
    qwen = sequence("pretokenizers", split(QWEN), BYTES_ONLY)
    smol = sequence("pretokenizers", {"type": "Digits", "individual_digits": True}, BYTE_LEVEL)
    ends = sequence("processors", dict(BYTE_LEVEL, trim_offsets=False), template([("<|begin_of_text|>", 0)]))
    return {
        "gemma": gemma_like(texts, size),
        "llama2": llama_like(texts, size, False),
        "metaspace": llama_like(texts, size, True),
        "llama3": byte_like(texts, size, ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"], llama3, post=ends,
                            ignore_merges=True),
        "qwen2": byte_like(texts, size, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], qwen, {"type": "NFC"},
                           dict(BYTE_LEVEL, trim_offsets=False)),
        "gpt2": byte_like(texts, size, ["<|endoftext|>"], BYTE_LEVEL),
        "roberta": byte_like(texts, size, ["<s>", "</s>"], dict(BYTE_LEVEL, add_prefix_space=True),
                             post=template([("<s>", 0)], [("</s>", 1)])),
        "neox": neox_like(texts, size),
        "smollm": byte_like(texts, size, ["<|endoftext|>"], smol),
        "deepseek": deep_like(texts, size),
        "odd": odd_one(texts, size),
        "affixed": affixed(texts, size),
    }


# ---- from the data folder ----

def unpack(path, to):
    with (gzip.open(path) if path.endswith(".gz") else open(path, "rb")) as source, open(to, "wb") as target:
        target.write(source.read())
    return to


def assemble_qwen2(data, to):
    folder = f"{data}/tokenizers/qwen2"
    with gzip.open(f"{folder}/vocab.json.gz", "rt", encoding="utf-8") as source:
        vocab = json.load(source)
    with gzip.open(f"{folder}/merges.repaired.txt.gz", "rt", encoding="utf-8") as source:
        merges = [line.rstrip("\n") for line in source if not line.startswith("#version")]
    with open(f"{folder}/added_tokens.json", encoding="utf-8") as source:
        tokens = sorted(json.load(source).items(), key=lambda t: t[1])
    out = file(bpe(vocab, [m for m in merges if m]), [added(i, t) for t, i in tokens], {"type": "NFC"},
               sequence("pretokenizers", split(QWEN), BYTES_ONLY), dict(BYTE_LEVEL, trim_offsets=False), BYTE_LEVEL)
    with open(to, "w", encoding="utf-8") as target:
        json.dump(out, target, ensure_ascii=False)
    return to


def lines_of(data, n):
    with gzip.open(f"{data}/imdb/unlabelled.jsonl.gz", "rt", encoding="utf-8") as source:
        return [json.loads(line)["text"] for line, _ in zip(source, range(n))]


def novel_of(data):
    """In the public domain, so that what is trained on it can be kept with the project."""
    with gzip.open(f"{data}/tokenizers/_vectors/war-and-peace.txt.gz", "rt", encoding="utf-8") as source:
        return source.read().split("\n")[:12000]


def all_tokenizers(data, work):
    """(name, path of a tokenizer.json in a folder of its own) of each."""
    def place(name):
        os.makedirs(f"{work}/{name}", exist_ok=True)
        return f"{work}/{name}/tokenizer.json"

    folder = f"{data}/tokenizers"
    yield "gpt2", unpack(f"{folder}/gpt2/tokenizer.json.gz", place("gpt2"))
    yield "llama2", unpack(f"{folder}/llama2/tokenizer.json.gz", place("llama2"))
    yield "tinyllama", unpack(f"{folder}/tinyllama/tokenizer.json.gz", place("tinyllama"))
    yield "llama3.2", unpack(f"{folder}/llama3.2/tokenizer.assembled.json.gz", place("llama3.2"))
    yield "qwen2", assemble_qwen2(data, place("qwen2"))
    yield "stories260K", unpack(f"{data}/models/stories260K/tokenizer.json", place("stories260K"))
    made = f"{work}/made-4000"
    if not os.path.exists(made):
        for name, value in small_ones(lines_of(data, 1500), 4000).items():
            with open(place(f"made-{name}"), "w", encoding="utf-8") as target:
                json.dump(value, target, ensure_ascii=False)
        open(made, "w").close()
    for name in sorted(os.listdir(work)):
        if name.startswith("made-") and os.path.isdir(f"{work}/{name}"):
            yield name, f"{work}/{name}/tokenizer.json"


# ---- a file of Gemma's size ----

def write_big(path):
    """262,144 entries and about half a million merges as pairs, laid out as the library writes them."""
    import random

    rng = random.Random(3)
    first = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"] + [f"<unused{i}>" for i in range(100)] + BYTE_TOKENS
    letters = [chr(c) for c in (*range(97, 123), *range(65, 91), *range(0x430, 0x450), *range(0x4e00, 0x5e00))]
    tokens, have, merges = first + ["\u2581"] + letters, set(first) | {"\u2581"} | set(letters), []
    pieces = ["\u2581"] + letters
    while len(tokens) < 262144:
        a, b = rng.choice(pieces), rng.choice(pieces)
        if len(a + b) <= 12 and a + b not in have:
            have.add(a + b)
            tokens.append(a + b)
            pieces.append(a + b)
            merges.append([a, b])
    while len(merges) < 514906:
        t = rng.choice(pieces)
        cut = rng.randint(1, max(1, len(t) - 1))
        if t[:cut] in have and t[cut:] in have:
            merges.append([t[:cut], t[cut:]])
    out = file(bpe({t: i for i, t in enumerate(tokens)}, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True),
               [added(i, t) for i, t in enumerate(first[:105])], replace(" ", "\u2581"),
               split(" ", "MergedWithPrevious", literal=True), template([("<bos>", 2)]), FALLBACK)
    with open(path, "w", encoding="utf-8") as target:
        json.dump(out, target, ensure_ascii=False, indent=2)


# ---- golden files ----

def golden_row(theirs, special, text, around):
    """What the library makes of a text; left out: a decoded text that is the one before it, the ids with special
    tokens as text if they are the same."""
    theirs.encode_special_tokens = False
    ids = theirs.encode(text, add_special_tokens=False).ids
    row = {"text": text, "ids": ids}
    decoded = theirs.decode(ids, skip_special_tokens=False)
    dropped = theirs.decode([i for i in ids if i not in special], skip_special_tokens=True)
    if decoded != text:
        row["decoded"] = decoded
    if dropped != decoded:
        row["dropped"] = dropped
    if around:
        row["around"] = theirs.encode(text).ids
    theirs.encode_special_tokens = True
    plain = theirs.encode(text, add_special_tokens=False).ids
    if plain != ids:
        row["plain"] = plain
    return row


def write_golden(data, folder):
    from tokenizers import Tokenizer
    from tokenizer_corpus import nasty_texts, newer_than_ours

    here = os.path.dirname(os.path.abspath(__file__))
    with open(f"{here}/tokenizer_texts.json", encoding="utf-8") as source:
        picked = json.load(source)
    for name, value in small_ones(novel_of(data), 700).items():
        os.makedirs(f"{folder}/{name}", exist_ok=True)
        path = f"{folder}/{name}/tokenizer.json"
        with open(path, "w", encoding="utf-8") as target:
            json.dump(value, target, ensure_ascii=False, separators=(",", ":"))
            target.write("\n")
        theirs = Tokenizer.from_file(path)
        tokens = theirs.get_added_tokens_decoder()
        special = {i for i, t in tokens.items() if t.special}
        nasty = nasty_texts([t.content for t in tokens.values()][:40], sorted(theirs.get_vocab()))
        texts = picked + [t for t in nasty[:900] if len(t) < 100 and not newer_than_ours(t)][:150]
        with open(f"{folder}/{name}/expected.jsonl", "w", encoding="utf-8") as target:
            for i, text in enumerate(texts):
                row = golden_row(theirs, special, text, i % 10 == 0)
                target.write(json.dumps(row, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "golden":
        write_golden(*sys.argv[2:])
    elif len(sys.argv) == 3 and sys.argv[1] == "big":
        write_big(sys.argv[2])
    else:
        print(__doc__)
        sys.exit(2)
