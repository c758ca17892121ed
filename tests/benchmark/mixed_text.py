#!/usr/bin/env python3
"""Writes 1 MB of mixed English, Chinese and code: what the tokenizers are timed on.

    mixed_text.py [--bytes 1000000] > mixed.txt

A third each, in paragraphs that take turns. The code is this repository's sources; the English is
the comments in them and the pages beside them; no line of either occurs twice. The Chinese is drawn
from a list of common words by a fixed seed, so no sentence repeats and no cache of whole pieces can
flatter a tokenizer.
"""

import argparse
import pathlib
import random
import re
import sys

WORDS = """
我们 他们 今天 明天 昨天 时间 问题 工作 学习 生活 朋友 老师 学生 城市 国家 世界 历史 文化 经济 科学
技术 发展 社会 人民 政府 公司 市场 产品 服务 系统 网络 数据 信息 计算机 语言 模型 方法 研究 结果 原因
可以 应该 需要 希望 知道 认为 觉得 开始 继续 完成 提高 增加 减少 改变 影响 支持 帮助 选择 决定 解释
非常 比较 特别 已经 正在 将来 经常 有时 总是 从来 突然 终于 其实 当然 可能 一定 大概 几乎 完全 尤其
的 了 在 是 和 与 对 从 把 被 给 让 向 就 都 也 还 又 很 不 没有 这 那 这个 那个 什么 怎么 为什么 哪里
因为 所以 但是 如果 虽然 而且 或者 不过 然后 首先 其次 最后 例如 根据 关于 通过 为了 除了 随着 按照
山 水 火 风 雨 雪 花 树 鸟 鱼 马 牛 书 笔 纸 门 窗 路 车 船 飞机 火车 手机 电脑 房子 桌子 椅子 衣服
北京 上海 广州 深圳 长江 黄河 春天 夏天 秋天 冬天 早上 中午 晚上 星期一 一月 二十 三百 四千 五万 第六
红色 绿色 蓝色 白色 黑色 大 小 多 少 高 低 长 短 新 旧 快 慢 好 坏 冷 热 远 近 轻 重 深 浅 强 弱 美丽
""".split()


def paragraphs(lines, size):
    """Joins lines to paragraphs of about `size` bytes."""
    held, length = [], 0
    for line in lines:
        held.append(line)
        length += len(line.encode()) + 1
        if length >= size:
            yield "\n".join(held) + "\n\n"
            held, length = [], 0


def sources(root):
    for file in sorted(root.rglob("*")):
        inside = file.relative_to(root).parts
        if file.suffix in (".cc", ".h", ".py") and inside[0] not in ("build", ".git"):
            yield file.read_text(encoding="utf-8")


def english(root):
    seen = set()
    pages = [page.read_text(encoding="utf-8") for page in sorted(root.rglob("*.md"))
             if page.relative_to(root).parts[0] != "build"]
    comments = (line.lstrip()[3:] for text in sources(root) for line in text.splitlines()
                if line.lstrip().startswith("// "))
    for line in [*"\n".join(pages).splitlines(), *comments]:
        if line.strip() and line not in seen:
            seen.add(line)
            yield line


def code(root):
    seen = set()
    for text in sources(root):
        for line in text.splitlines():
            if not re.match(r"\s*(//|$)", line) and line not in seen:
                seen.add(line)
                yield line


def chinese():
    draw = random.Random(7)
    while True:
        clauses = ["".join(draw.choices(WORDS, k=draw.randint(4, 12)))
                   for _ in range(draw.randint(2, 5))]
        yield "，".join(clauses) + draw.choice("。。。！？；")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=1_000_000)
    size = parser.parse_args().bytes
    root = pathlib.Path(__file__).resolve().parents[2]
    kinds = [paragraphs(lines, 2000) for lines in (english(root), chinese(), code(root))]
    text = bytearray()
    while len(text) < size:
        for kind in kinds:
            text += next(kind, "").encode()
    sys.stdout.buffer.write(bytes(text[:size]).decode("utf-8", "ignore").encode())


if __name__ == "__main__":
    main()
