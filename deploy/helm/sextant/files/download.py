#!/usr/bin/env python3
"""Fetches a model's files, each with a known checksum, into a folder.

    download.py --url=https://host/path --files=FILES.json --to=FOLDER [--without-weights]

FILES.json maps names to sha256 sums. A file that is there with its sum is left alone; a part of one
goes on where it ended, if the server can; one that is complete with another sum is fetched anew,
once. Logs progress, and ends with status 1 and a reason when a file could not be had.
SEXTANT_DOWNLOAD_TOKEN, when set, is sent as bearer token.
"""

import argparse
import hashlib
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.request

BLOCK = 1 << 20
ATTEMPTS = 8
SECONDS_BETWEEN_LINES = 10


def say(text):
    print(time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime()) + text, flush=True)


class Progress:
    """A line now and then: how much of a file is there, and how fast it comes."""

    def __init__(self, name, start):
        self.name = name
        self.start = start
        self.begun = self.said = time.monotonic()

    def at(self, size, total):
        now = time.monotonic()
        if now - self.said >= SECONDS_BETWEEN_LINES:
            rate = (size - self.start) / (now - self.begun) / 1e6
            say(f"{self.name}: {size / 1e6:.0f} of {total / 1e6:.0f} MB, {rate:.1f} MB/s")
            self.said = now


def checksum(path):
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def fetch(url, part, name):
    """Appends to `part` what it lacks."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    token = os.environ.get("SEXTANT_DOWNLOAD_TOKEN")
    if token:
        # Not to where the host sends us on: a store's signed addresses refuse a second identity.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # there is nothing behind what is there
            return
        raise
    with answer:
        if start and answer.status != 206:
            say(f"{name}: the server cannot go on at a place, so it begins anew")
            start = 0
        elif start:
            say(f"{name}: goes on at {start / 1e6:.0f} MB")
        expected = int(answer.headers.get("Content-Length", 0))
        progress = Progress(name, start)
        size = start
        with part.open("ab" if start else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                size += len(block)
                progress.at(size, start + expected)
            # Read again from the disk, for its checksum, it comes into memory in huge pages where the
            # kernel has them; what was written stays there in small ones, which are slower to serve.
            file.flush()
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if size < start + expected:
            raise OSError(f"the connection ended at {size} of {start + expected} bytes")


def obtain(url, folder, name, wanted, pause):
    """Whether FOLDER/NAME has the sum `wanted` in the end."""
    file, part = folder / name, folder / f"{name}.part"
    if file.exists():
        if checksum(file) == wanted:
            say(f"{name}: is there")
            return True
        say(f"{name}: is there with another checksum, so it is fetched anew")
        file.unlink()
    wrong = 0
    for attempt in range(ATTEMPTS):
        try:
            fetch(f"{url.rstrip('/')}/{name}", part, name)
        except (OSError, ValueError) as error:
            say(f"{name}: {error}")
            if isinstance(error, urllib.error.HTTPError) and error.code in (401, 403, 404):
                return False
            time.sleep(min(60, pause * 2**attempt))
            continue
        found = checksum(part)
        if found == wanted:
            part.rename(file)
            say(f"{name}: fetched, {file.stat().st_size / 1e6:.1f} MB")
            return True
        part.unlink()
        wrong += 1
        say(f"{name}: has the sha256 {found}, and not {wanted}")
        if wrong == 2:
            return False
    return False


def main():
    parser = argparse.ArgumentParser(description="Fetches a model's files.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--files", required=True, type=pathlib.Path)
    parser.add_argument("--to", required=True, type=pathlib.Path)
    parser.add_argument("--without-weights", action="store_true")
    parser.add_argument("--pause", type=float, default=1, help="seconds before a second attempt")
    options = parser.parse_args()
    files = json.loads(options.files.read_text(encoding="utf-8"))
    if options.without_weights:
        files = {name: wanted for name, wanted in files.items()
                 if not name.endswith(".safetensors")}
    options.to.mkdir(parents=True, exist_ok=True)
    missing = [name for name, wanted in sorted(files.items())
               if not obtain(options.url, options.to, name, wanted, options.pause)]
    if missing:
        say(f"not fetched: {', '.join(missing)}")
        return 1
    say(f"all {len(files)} files are there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
