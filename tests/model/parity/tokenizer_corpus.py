#!/usr/bin/env python3
"""Compare our tokenizers with Hugging Face's `tokenizers` on many texts: ids and decoded text.

    python3 -m venv V && V/bin/pip install tokenizers
    V/bin/python tokenizer_corpus.py TOKENIZE_LINES DATA WORK [NAME...]

TOKENIZE_LINES is the program of that name in the build folder, DATA the folder that MADPO_TEST_DATA names,
WORK a folder for what is put together here (it stays). NAMEs choose among the tokenizers, all if none.

Texts: lines of real reviews, preference pairs and a novel, whole paragraphs, and generated strings meant to
hurt (all planes of Unicode, blanks in runs, line ends, digits, combining marks, joiners, the text of special
tokens). Invalid UTF-8 cannot be given to the library and is left to the unit tests. Each text is compared
with special tokens matched and, on every 8th, with the template around it and with special tokens as text.
"""
import gzip
import json
import os
import random
import struct
import subprocess
import sys
import unicodedata

import tokenizer_families as families

N_REAL, N_NASTY = 24000, 24000


def real_texts(data):
    texts = []
    with gzip.open(f"{data}/imdb/unlabelled.jsonl.gz", "rt", encoding="utf-8") as file:
        for line, _ in zip(file, range(6000)):
            texts.append(json.loads(line)["text"])
    with gzip.open(f"{data}/preferences/human_pairs.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            texts += [row["prompt"], row["chosen"], row["rejected"]]
    with gzip.open(f"{data}/tokenizers/_vectors/war-and-peace.txt.gz", "rt", encoding="utf-8",
                   newline="") as file:
        novel = file.read()
    texts += [line for line in novel.split("\n") if line][:12000]
    texts += novel.split("\r\n\r\n" if "\r\n\r\n" in novel else "\n\n")[:3000]
    with open(f"{data}/tokenizers/_vectors/inputs.json", encoding="utf-8") as file:
        texts += [entry["text"] for entry in json.load(file)]
    texts += [novel[:200000]]
    random.Random(1).shuffle(texts)
    return [t for t in texts if t][:N_REAL]


PIECES = ["  ", "   ", "\t", "\r\n", "\n\n\n", " \n ", "\r", "\u00a0", "\u2003", "\u3000", "\u2028", "\u0085", "\u180e",
          "'s", "'S", "'LL", "'re", "\u2019s", "'\u017f", "12345", "3.14159", "\u0661\u0662", "\u00bd", "\u2167", "e\u0301\u0323", "\u0041\u030a",
          "\u1100\u1161\u11a8", "\uac01", "\u0928\u0940", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\u2764\ufe0f", "\u0000", "\ufeff",
          "\ufffd", "\u2581", "\u2581\u2581", "\u0120the", "<0x0A>", "<s>", "</s>", "<unk>", "<|endoftext|>", "<|im_start|>",
          "<bos>", "<eos>", "<start_of_turn>", "<|begin_of_text|>", "<mask>", " <mask> ", "[CLS]", "tok", "xtokx", "the",
          " the", "The", "Hello", " world", "!!!", "...", "(", ")", "\u4f60\u597d", "\u65e5\u672c\u8a9e", "\u0416\u0443\u043a", "\u0627\u0644\u0639",
          "\ufb01", "\u212b", "\u2126", "\uf900", "\u0130", "\u00df", "\u01c5", "http://x.y/z?a=1&b=2", "\u200b", "\u00ad"]


def nasty_texts(specials, contents):
    rng = random.Random(2)
    planes = [(0, 0x7f), (0x80, 0x24f), (0x250, 0xfff), (0x1000, 0xd7ff), (0xe000, 0xffff), (0x10000, 0x1ffff),
              (0x20000, 0x3ffff), (0xe0000, 0xe01ff), (0xf0000, 0x10ffff)]
    texts = []
    while len(texts) < N_NASTY:
        parts = []
        for _ in range(rng.randint(1, 14)):
            kind = rng.random()
            if kind < 0.5:
                parts.append(rng.choice(PIECES))
            elif kind < 0.6 and specials:
                parts.append(rng.choice(specials))
            elif kind < 0.7:
                parts.append(rng.choice(contents))
            elif kind < 0.75:
                parts.append(rng.choice([" ", "\n", "a", "1", "!", "\t", "\u00e9"]) * rng.randint(2, 90))
            elif kind < 0.85:
                parts.append("".join(rng.choice("abcdefghij ,.'0123\n") for _ in range(rng.randint(1, 12))))
            else:
                low, high = rng.choice(planes)
                parts.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 4))))
        texts.append("".join(parts))
    return [t for t in texts]


_newer = set()


def newer_than_ours(text):
    """Holds a character that not all Unicode versions in play know: their tables differ by nature. The library
    takes marks from the tables of Unicode 9 and classes from much newer ones."""
    from tokenizers import normalizers

    if not _newer:
        strip, nfc = normalizers.StripAccents(), normalizers.NFC()
        for c in map(chr, (*range(0xd800), *range(0xe000, 0x110000))):
            if unicodedata.category(c)[0] == "M":
                low, high = c + "\u0323", "\u0301" + c  # classes 220 and 230 on either side
                if (strip.normalize_str(c) or any(nfc.normalize_str(s) != unicodedata.normalize("NFC", s)
                                                  for s in (low, high))):
                    _newer.add(c)
        print(f"{len(_newer)} marks are newer than the library's tables", flush=True)
    return any(unicodedata.category(c) == "Cn" or c in _newer for c in text)


def ours(program, tokenizer, texts, *flags):
    data = b"".join(struct.pack("<I", len(t)) + t for t in (t.encode() for t in texts))
    done = subprocess.run([program, tokenizer, *flags], input=data, stdout=subprocess.PIPE, check=True)
    out, at, results = done.stdout, 0, []
    for _ in texts:
        (n,) = struct.unpack_from("<I", out, at)
        ids = list(struct.unpack_from(f"<{n}i", out, at + 4))
        at += 4 + 4 * n
        both = []
        for _ in range(2):
            (n,) = struct.unpack_from("<I", out, at)
            both.append(out[at + 4 : at + 4 + n].decode("utf-8", "replace"))
            at += 4 + n
        results.append((ids, *both))
    return results


def compare(program, path, theirs, texts, around, plain, show=5):
    flags = (["--around"] if around else []) + (["--plain"] if plain else [])
    theirs.encode_special_tokens = plain
    special = {i for i, t in theirs.get_added_tokens_decoder().items() if t.special}
    wrong_ids = wrong_text = new = 0
    for text, (ids, kept, dropped) in zip(texts, ours(program, path, texts, *flags)):
        want = theirs.encode(text, add_special_tokens=around).ids
        same = ids == want
        if same and ids:
            # the library forgets to drop special tokens whose content the normalizer changes
            rest = [i for i in ids if i not in special]
            same_text = (kept == theirs.decode(ids, skip_special_tokens=False)
                         and dropped == theirs.decode(rest, skip_special_tokens=True))
        else:
            same_text = True
        if same and same_text:
            continue
        if newer_than_ours(text):
            new += 1
            if os.environ.get("SHOW_NEWER"):
                print(f"  newer {text!r} {ids} {want} {kept!r}")
            continue
        wrong_ids += not same
        wrong_text += same and not same_text
        if show:
            show -= 1
            print(f"  {text!r}\n    ours   {ids if not same else kept!r}\n    theirs "
                  f"{want if not same else theirs.decode(ids, skip_special_tokens=False)!r}")
    return wrong_ids, wrong_text, new


def main(argv):
    from tokenizers import Tokenizer

    if len(argv) < 4:
        print(__doc__)
        return 2
    program, data, work = argv[1:4]
    os.makedirs(work, exist_ok=True)
    real, failed = real_texts(data), 0
    for name, path in families.all_tokenizers(data, work):
        if argv[4:] and name not in argv[4:]:
            continue
        theirs = Tokenizer.from_file(path)
        added = [t.content for t in theirs.get_added_tokens_decoder().values()]
        contents = sorted(theirs.get_vocab())
        texts = real + nasty_texts(added[:300], contents)
        total = [0, 0, 0]
        for step, around, plain in ((1, False, False), (8, True, False), (8, False, True)):
            got = compare(program, path, theirs, texts[::step], around, plain)
            total = [a + b for a, b in zip(total, got)]
        n = len(texts) + 2 * len(texts[::8])
        print(f"{name}: {len(real)} real and {len(texts) - len(real)} generated texts, {n} comparisons: "
              f"{total[0]} differ in ids, {total[1]} in text; {total[2]} with characters of newer Unicode "
              "differ", flush=True)
        failed += total[0] + total[1]
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
