"""A little Chinese: words between the two languages, and questions in Chinese."""

import random

from question import Question
from tasks.facts import fact

WORDS = [
    ("water", "水"), ("fire", "火"), ("mountain", "山"), ("river", "河"), ("sun", "太阳"),
    ("moon", "月亮"), ("star", "星星"), ("sky", "天空"), ("rain", "雨"), ("snow", "雪"),
    ("wind", "风"), ("tree", "树"), ("flower", "花"), ("grass", "草"), ("dog", "狗"), ("cat", "猫"),
    ("bird", "鸟"), ("fish", "鱼"), ("horse", "马"), ("cow", "牛"), ("sheep", "羊"),
    ("tiger", "老虎"), ("rabbit", "兔子"), ("apple", "苹果"), ("rice", "米饭"), ("bread", "面包"),
    ("tea", "茶"), ("coffee", "咖啡"), ("milk", "牛奶"), ("egg", "鸡蛋"), ("book", "书"),
    ("pen", "笔"), ("table", "桌子"), ("chair", "椅子"), ("door", "门"), ("window", "窗户"),
    ("house", "房子"), ("school", "学校"), ("teacher", "老师"), ("student", "学生"),
    ("friend", "朋友"), ("father", "爸爸"), ("mother", "妈妈"), ("child", "孩子"),
    ("doctor", "医生"), ("car", "汽车"), ("train", "火车"), ("plane", "飞机"), ("ship", "船"),
    ("red", "红色"), ("blue", "蓝色"), ("green", "绿色"), ("white", "白色"), ("black", "黑色"),
    ("hello", "你好"), ("goodbye", "再见"), ("thank you", "谢谢"), ("good morning", "早上好"),
    ("today", "今天"), ("tomorrow", "明天"), ("yesterday", "昨天"), ("big", "大"), ("small", "小"),
]
TO_CHINESE = ["How do you say {} in Chinese?", "What is {} in Chinese?",
              "Translate {} into Chinese.", "What is the Chinese word for {}?",
              "Chinese for {}?", "{}用中文怎么说？"]
TO_ENGLISH = ["What does {} mean?", "What is {} in English?", "Translate {} into English.",
              "{}是什么意思？", "{}用英语怎么说？", "What does {} mean in English?"]

COUNTRIES = [("法国", "巴黎"), ("德国", "柏林"), ("意大利", "罗马"), ("西班牙", "马德里"),
             ("英国", "伦敦"), ("中国", "北京"), ("日本", "东京"), ("韩国", "首尔"),
             ("俄罗斯", "莫斯科"), ("埃及", "开罗"), ("泰国", "曼谷"), ("加拿大", "渥太华"),
             ("希腊", "雅典"), ("波兰", "华沙"), ("美国", "华盛顿")]
OPPOSITES = [("大", "小"), ("高", "矮"), ("快", "慢"), ("冷", "热"), ("多", "少"), ("新", "旧"),
             ("长", "短"), ("上", "下"), ("左", "右"), ("黑", "白"), ("好", "坏"), ("前", "后")]
WEEK = "一二三四五六日"
DIGITS = "零一二三四五六七八九十"


def translate(rng: random.Random) -> Question:
    english, chinese = rng.choice(WORDS)
    if rng.random() < 0.5:
        return fact("translation", rng.choice(TO_CHINESE).format(f'"{english}"'),
                    f'"{english}" in Chinese is {chinese}.')
    return fact("translation", rng.choice(TO_ENGLISH).format(chinese),
                f'{chinese} means "{english}".')


def chinese(rng: random.Random) -> Question:
    kind = rng.randrange(7)  # three of them are sums
    if kind == 0:
        country, city = rng.choice(COUNTRIES)
        ask = rng.choice(["{}的首都是哪里？", "{}的首都是什么？", "{}的首都是哪座城市？",
                          "请问{}的首都是哪里？"])
        return fact("Chinese", ask.format(country), f"{country}的首都是{city}。")
    if kind == 1:
        pair = rng.choice(OPPOSITES)
        word, other = pair if rng.random() < 0.5 else pair[::-1]
        ask = rng.choice(["“{}”的反义词是什么？", "{}的反义词是什么？", "请说出“{}”的反义词。"])
        return fact("Chinese", ask.format(word), f"“{word}”的反义词是“{other}”。")
    if kind == 2:
        at = rng.randrange(7)
        after = rng.random() < 0.5
        word, step = ("后", 1) if after else ("前", -1)
        ask = rng.choice(["星期{d}的{w}一天是星期几？", "星期{d}的{w}一天是什么？",
                          "请问星期{d}的{w}一天是星期几？"])
        return fact("Chinese", ask.format(d=WEEK[at], w=word),
                    f"星期{WEEK[at]}的{word}一天是星期{WEEK[(at + step) % 7]}。")
    if kind == 3:
        at = rng.randint(1, 12)
        ask = rng.choice(["{}月的下一个月是几月？", "{}月之后是几月？", "请问{}月的下一个月是几月？"])
        return fact("Chinese", ask.format(at), f"{at}月的下一个月是{at % 12 + 1}月。")
    a, b = rng.randrange(11), rng.randrange(11)
    if a + b > 10:
        a, b = 10 - a, 10 - b
    if rng.random() < 0.5:
        ask = rng.choice(["{}加{}等于几？", "{}加{}是多少？", "请问{}加{}等于多少？"])
        return fact("Chinese", ask.format(DIGITS[a], DIGITS[b]),
                    f"{DIGITS[a]}加{DIGITS[b]}等于{DIGITS[a + b]}。")
    a, b = max(a, b), min(a, b)
    ask = rng.choice(["{}减{}等于几？", "{}减{}是多少？", "请问{}减{}等于多少？"])
    return fact("Chinese", ask.format(DIGITS[a], DIGITS[b]),
                f"{DIGITS[a]}减{DIGITS[b]}等于{DIGITS[a - b]}。")
