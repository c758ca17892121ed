"""The texts, chats and templates that make_tokenizer_goldens.py computes goldens for."""

TRAINING_TEXT = """
A sextant measures the angle between the horizon and a star; from six such angles a navigator
finds the way. Every token finds its experts the same way: six of sixty-four, and the two that
are always there. The router reads the prompt, the attention workers keep the cache, and the
expert workers do the arithmetic. It doesn't matter which worker dies: the stream goes on.

int main(int argc, char** argv) {
  std::vector<float> logits(vocabulary_size, 0.0f);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = std::exp(logits[i] - highest);
  return 0;
}

def softmax(values):
    highest = max(values)
    weights = [math.exp(value - highest) for value in values]
    return [weight / sum(weights) for weight in weights]

六分仪测量地平线与星星之间的角度。每个词元都由六位专家处理，路由器选择专家，注意力工作者保存缓存。
你好，世界！今天的天气很好，我们一起去看海。東京の夜空には星が見えます。안녕하세요, 세계.
Секстант измеряет угол между горизонтом и звездой. Ο εξάντας μετρά γωνίες. Größe, élève, naïve.
"""

TEXTS = [
    "", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \t \n", "a", " a", "a ", " a ", "\na",
    "Hello, world!", "Hello,  world !", "the experts of the router", "THE EXPERTS", "don't we'll",
    "1234567890", " 12", "3.14e-10", "x1y2", "²³¹½ⅫⅣ〇〡", "١٢٣ १२३ １２３",
    "int main(int argc, char** argv) {\n  return 0;\n}\n", "def f(x):\n\treturn x ** 2\n",
    "a\u00a0b\u2003c\u3000d\u2028e\u0085f\u200bg", "trailing   \n   \n  ", "a  \nb   ", "\n  \n",
    "你好，世界！", "你好 世界", "今天a天气b很好1", "東京の夜空", "한국어 문장", "ﾊﾝｶｸ ＺＥＮ",
    "Größe élève naïve Ångström", "e\u0301le\u0300ve", "Привет, мир", "ἀρχή Ἀθῆναι", "İstanbul ıI",
    "👋🌍", "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪", "a👍🏽b", "𐐀𐐨 𞤀𞤢 𝟘𝟙", "\ufeffBOM", "\x00\x01\x7f\x80\x9f", "\ufffd\uffff\U0010ffff",
    "\ud7ff\ue000", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "“quotes” ‘single’ — – …", "、。！？：；「」",
    "http://example.com/a?b=c&d=%20#e", "C:\\path\\file.txt", "<|im_start|>user", "<｜User｜>",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "ababababababababababababababab",
    "the" * 40, " " * 100, "\n" * 33, "。" * 20, "1" * 30, "word " * 30, "六分仪" * 20,
]

CHATS = [
    [{"role": "user", "content": "Who are you?"}],
    [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": "Hi"}],
    [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi there!"},
     {"role": "user", "content": "1+1=?"}],
    [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}],
    [{"role": "user", "content": " spaces \n"}, {"role": "tool", "content": "left out"}],
    [{"role": "user", "content": "你好\n世界"}, {"role": "assistant", "content": "👋"}],
]

TEMPLATES = [
    "", "text", "line\n", "two\n\n", "\r\na\rb\n", "{{ bos_token }}x{{ eos_token }}",
    "a {{ 'b' }} c", "a {{- 'b' -}} c", "a\n {%- if true %} b {% endif -%} \nc",
    "  {% if true %}\n  yes\n  {% endif %}\n", "x  {%+ if true %}y{% endif %}", "{% if true +%}\ny{% endif %}",
    "a{# note #}b", "a\n  {# note #}\nb", "a {#- note -#} b", "{{ 'it\\'s' }}{{ \"a\\tb\\n\" }}",
    "{{ 1 + 2 + 3 }}", "{{ 'a' + 'b' + 'c' }}", "{{ true }}{{ false }}{{ none }}{{ None }}",
    "{{ nothing_here is defined }}", "{{ messages is defined }} {{ tools is none }}",
    "{{ documents is not none }}", "{{ 1 == 1 }}{{ 1 != 1 }}{{ 'a' == 1 }}{{ true == 1 }}",
    "{{ not true }}{{ not not true }}", "{{ true and false or true }}", "{{ '' or 'b' }}{{ 0 and 1 }}",
    "{{ 'ell' in 'hello' }}{{ 'x' not in 'hello' }}", "{{ 'role' in messages[0] }}",
    "{{ messages[0]['role'] }}{{ messages[0].content }}{{ messages[7] }}",
    "{{ messages[1].missing }}", "{{ (1 + 2) == 3 }}",
    "{% set a = 'x' %}{{ a }}{% set a = a + 'y' %}{{ a }}",
    "{% set a = 1 %}{% for m in messages %}{% set a = 2 %}{% endfor %}{{ a }}",
    "{% set a = 1 %}{% if true %}{% set a = 2 %}{% endif %}{{ a }}",
    "{% set ns = namespace(n=0, s='') %}{% for m in messages %}{% set ns.n = ns.n + 1 %}"
    "{% set ns.s = ns.s + m.role %}{% endfor %}{{ ns.n }}{{ ns.s }}{{ ns.other }}",
    "{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}"
    "{{ loop.length }};{% endfor %}",
    "{% for m in messages %}{% for n in messages %}{{ loop.index }}{% endfor %}|{{ loop.index }}"
    "{% endfor %}",
    "{% for m in messages %}{% if m['role'] == 'user' %}U{% elif m['role'] == 'assistant' %}A"
    "{% else %}?{% endif %}{{ m['content'] }}{% endfor %}",
    "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}"
    "{{ add_generation_prompt }}",
    "{% for m in messages %}\n  {% if loop.first %}\n    {{ m.content }}\n  {% endif %}\n{% endfor %}\n",
    "{% for m in messages[0].missing %}x{% endfor %}y",
    "{%if true%}a{%endif%}{{'b'}}", "{% if messages[0]['role'] == 'system' %}s{% else %}n{% endif %}",
]
