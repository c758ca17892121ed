#!/usr/bin/env python3
"""Times the `tokenizers` library on one thread, as tokenizer_benchmark times ours.

    tokenizer_peer.py MODEL_DIR TEXT_FILE        (needs: pip install tokenizers==0.23.*)

Prints megabytes per second (the best of several passes), the number of tokens and a checksum of
their ids, which tokenizer_benchmark must print too.
"""

import os
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import tokenizers  # noqa: E402  (reads the environment when it is loaded)

PASSES = 7


def checksum(ids):
    """FNV-1a over the ids as 32-bit values."""
    value = 0xCBF29CE484222325
    for number in ids:
        value = ((value ^ number) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def main():
    model_dir, text_file = sys.argv[1:3]
    with open(text_file, encoding="utf-8", newline="") as file:
        text = file.read()
    size = len(text.encode())
    times = []
    for _ in range(PASSES):
        # A new one each time: it caches the pieces that it has seen.
        tokenizer = tokenizers.Tokenizer.from_file(os.path.join(model_dir, "tokenizer.json"))
        begin = time.perf_counter()
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        times.append(time.perf_counter() - begin)
    print(f"tokenizers {tokenizers.__version__}: {size / min(times) / 1e6:.2f} MB/s, "
          f"{len(ids)} tokens, checksum {checksum(ids):016x}")


if __name__ == "__main__":
    main()
