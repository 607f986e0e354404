#!/usr/bin/env python3
"""Compare our tokenizer with Hugging Face's `tokenizers` on a text file, id by id.

    python3 -m venv V && V/bin/pip install tokenizers
    V/bin/python tokenizer_parity.py TOKENIZER_DIR_OR_JSON TEXT IDS      compare ids with IDS, one a line
    V/bin/python tokenizer_parity.py --train VOCAB TOKENIZER_JSON TEXT   train on TEXT and compare merges

IDS comes from `madpo` or from any program that calls madpo_tokenizer_encode on the whole file with specials
off. Not part of the tests that run by themselves: it needs the Python package.
"""
import json
import os
import sys


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def compare_ids(tokenizer_path, text_path, ids_path):
    from tokenizers import Tokenizer

    if os.path.isdir(tokenizer_path):
        tokenizer_path = os.path.join(tokenizer_path, "tokenizer.json")
    tokenizer = Tokenizer.from_file(tokenizer_path)
    tokenizer.encode_special_tokens = True  # as ours with specials off: their text is just text
    want = tokenizer.encode(read(text_path), add_special_tokens=False).ids
    with open(ids_path, encoding="ascii") as file:
        got = [int(line) for line in file]
    for i, (w, g) in enumerate(zip(want, got)):
        if w != g:
            print(f"id {i}: ours {g} {tokenizer.id_to_token(g)!r}, theirs {w} {tokenizer.id_to_token(w)!r}")
            return 1
    print(f"{len(got)} ids, {len(want)} of theirs: {'equal' if len(got) == len(want) else 'DIFFERENT'}")
    return int(len(got) != len(want))


def compare_training(vocab, tokenizer_path, text_path):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    theirs = Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=vocab, min_frequency=2, show_progress=False,
                                  special_tokens=["<pad>", "<bos>", "<eos>"],
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    theirs.train_from_iterator([read(text_path)], trainer)
    want = json.loads(theirs.to_str())["model"]
    got = json.loads(read(tokenizer_path))["model"]
    pairs = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in got["merges"]]
    for i, (w, g) in enumerate(zip(map(tuple, want["merges"]), pairs)):
        if w != g:
            print(f"merge {i}: ours {g}, theirs {w}")
            return 1
    same = got["vocab"] == want["vocab"] and len(pairs) == len(want["merges"])
    print(f"{len(pairs)} merges, {len(got['vocab'])} tokens: {'equal' if same else 'DIFFERENT'}")
    return int(not same)


def main(argv):
    if len(argv) == 5 and argv[1] == "--train":
        return compare_training(int(argv[2]), argv[3], argv[4])
    if len(argv) == 4:
        return compare_ids(*argv[1:])
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv))
