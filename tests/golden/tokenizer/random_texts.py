"""Random text, the same from Python and from C++ (random_texts.h): of words, and of characters from
the ranges of Unicode that a tokenizer treats unlike one another."""

SEED = 20240507
COUNT = 3000

# Each is a list of words, or of ranges of code points (both ends included; none is a surrogate).
ALPHABETS = [
    ["the", "and", "expert", "attention", "Sextant", "return ", "int main", "std::vector<float>",
     "self.", "HTTP", "don't", "x86_64", "e.g.", "naïve", "мир", "κόσμος", "你好", "世界", "東京",
     "안녕", "0x1F", "3.1415", "  ", "\n\n", "\t", "\r\n", " the", " a", "=>", "...", "!?", "://"],
    [[0x61, 0x7A], [0x41, 0x5A]],
    [[0x30, 0x39]],
    [[0x21, 0x2F], [0x3A, 0x40], [0x5B, 0x60], [0x7B, 0x7E]],
    [[0x20, 0x20], [0x20, 0x20], [0x09, 0x0D], [0x85, 0x85], [0xA0, 0xA0], [0x2000, 0x200A],
     [0x2028, 0x2029], [0x3000, 0x3000], [0x1680, 0x1680], [0x202F, 0x202F], [0x205F, 0x205F]],
    [[0x4E00, 0x9FA5], [0x4E00, 0x4FFF], [0x9FA0, 0x9FFF], [0x3040, 0x30FF]],
    [[0xAC00, 0xD7FF], [0x0800, 0x1100], [0x2E80, 0x3100]],
    [[0xC0, 0x24F], [0x250, 0x2AF], [0x370, 0x3FF], [0x400, 0x52F], [0x531, 0x587]],
    [[0x300, 0x36F], [0xFE00, 0xFE0F], [0x200B, 0x200F], [0x1F3FB, 0x1F3FF]],
    [[0x660, 0x669], [0x966, 0x96F], [0xB2, 0xB3], [0xB9, 0xB9], [0xBC, 0xBE], [0x2070, 0x2089],
     [0x2150, 0x218B], [0x3021, 0x3029], [0x3220, 0x3229], [0x1D7CE, 0x1D7FF], [0xFF10, 0xFF19]],
    [[0x1F300, 0x1F64F], [0x2600, 0x27BF], [0x200D, 0x200D], [0xFE0F, 0xFE0F], [0x1F1E6, 0x1F1FF]],
    [[0x2010, 0x2027], [0x3000, 0x3002], [0xFF01, 0xFF5E], [0xA1, 0xBF]],
    [[0x00, 0x1F], [0x7F, 0x9F]],
    [[0x10400, 0x1044F], [0x104B0, 0x104FB], [0x10C80, 0x10CF2], [0x118A0, 0x118DF],
     [0x1E900, 0x1E943]],
    [[0x0, 0xD7FF], [0xE000, 0xFFFF], [0x10000, 0x10FFFF]],
]


class SplitMix64:
    """Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014."""

    def __init__(self, seed):
        self.state = seed % 2**64

    def below(self, limit):
        self.state = (self.state + 0x9E3779B97F4A7C15) % 2**64
        z = self.state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return (z ^ (z >> 31)) % limit


def random_text(seed, index):
    random = SplitMix64(seed * 2**32 + index)
    text = ""
    for _ in range(random.below(10)):
        alphabet = ALPHABETS[random.below(len(ALPHABETS))]
        if isinstance(alphabet[0], str):
            text += alphabet[random.below(len(alphabet))]
            continue
        for _ in range(1 + random.below(5)):
            first, last = alphabet[random.below(len(alphabet))]
            text += chr(first + random.below(last - first + 1))
    return text
