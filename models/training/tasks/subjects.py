"""What one may ask about without this model knowing: only names, no facts."""


def parted(text: str) -> list[str]:
    return [part.strip() for part in text.replace("\n", " ").split(";")]


TOPICS = parted("""
quantum physics; the stock market; football; the French Revolution; black holes; climate change;
jazz music; the Roman Empire; chess; photography; gravity; evolution; vaccines; bitcoin; democracy;
modern art; philosophy; psychology; electricity; the internet; a steam engine; nuclear power;
solar panels; astronomy; the theory of relativity; chemistry; biology; inflation; taxes; marriage;
yoga; meditation; tennis; basketball; the Olympic Games; the World Cup; cricket; golf; skiing;
swimming; opera; ballet; hip hop; rock music; guitar; piano; the violin; painting; sculpture;
architecture; poetry; Shakespeare; science fiction; cinema; television; radio; newspapers;
advertising; marketing; insurance; mortgages; a pension; unemployment; trade unions; human rights;
the United Nations; the European Union; the Second World War; the Cold War; ancient Egypt;
the Vikings; the Middle Ages; the Renaissance; the industrial revolution; slavery; religion;
Buddhism; Christianity; Islam; mythology; dreams; memory; sleep; cancer; diabetes; the flu;
a headache; blood pressure; vitamins; proteins; sugar in food; coffee roasting; wine; beer; whisky;
cheese making; French cuisine; sushi; pizza dough; a chocolate cake; gardening; farming; forestry;
fishing; hunting; whales; dinosaurs; volcanoes; earthquakes; hurricanes; oceans; deserts;
rainforests; glaciers; the atmosphere; the Moon landing; Mars; Jupiter; comets; satellites;
rockets; airplanes; bicycles for racing; electric cars; motorcycles; trains in Europe; bridges;
tunnels; skyscrapers; concrete; steel; glass; plastics; textiles; fashion; jewellery; perfume;
Python; Java; JavaScript; Linux; Windows; databases; compilers; encryption; computer viruses;
machine learning; robots; self-driving cars; virtual reality; video games; smartphones; batteries;
semiconductors; the Higgs boson; string theory; prime numbers; geometry; calculus; statistics;
probability; logic; game theory; linear algebra; cryptography; quantum computers; genetics; DNA;
bacteria; mushrooms; insects in winter; migration; adoption; divorce; contracts; copyright;
patents; elections; the constitution; the police; prisons; the army; spies; pirates; treasure;
magic tricks; card games; poker; crosswords; puzzles; origami; knitting; sewing; pottery;
woodworking; plumbing; wiring; roofing; interior design; real estate; tourism; hotels; airlines;
cruise ships; camping; hiking; climbing; surfing; sailing; horse riding; dog training; aquariums;
beekeeping; wool; cotton; silk; paper making; printing; calligraphy; alphabets; grammar; Latin;
Spanish; Esperanto; sign language; accents; rhetoric; debate; journalism; ethics; justice; war;
peace; poverty; happiness; love between people; friendship at work; loneliness; anger; fear; time;
infinity; truth; beauty; the meaning of life; free will; consciousness; the soul; ghosts; aliens;
the pyramids; Stonehenge; the Titanic; the plague; the moon phases; tides; rainbows; lightning;
fog; ice ages; fossils; gold mining; diamonds; oil; natural gas; coal power; wind turbines;
recycling; pollution; noise; traffic; parking; bus routes; postal services; banks; credit cards;
""".rstrip("; \n"))

ACTIONS = parted("""
bake a cake; cook pasta; fix my car; repair a bicycle; learn the guitar; write a novel;
lose weight; sleep better; build a house; paint a wall; plant a tree; train a dog; catch a fish;
fly a plane; sail a boat; ride a horse; climb a mountain; run a marathon; win at chess;
solve this equation; prove this theorem; write a program; debug my code; install Linux;
set up a server; send an email; book a flight; rent a flat; buy a car; sell my bicycle;
find a job; write a letter to my boss; prepare for an interview; start a company; pay my taxes;
invest money; save money; open a bank account; get a passport; move to another country;
learn French; speak Russian; translate this book; draw a portrait; take better photos;
sing a song; dance the tango; play the piano; compose music; make a film; design a website;
edit a video; print a photo; clean the oven; wash a sweater; remove a stain; unblock a sink;
change a tyre; sharpen a knife; light a fire; pitch a tent; read a map at sea; predict the weather;
forecast the election; cure a cold; treat a burn; call a doctor; choose a school; raise a child;
name my baby; plan a wedding; organise a party; bake bread; brew beer; make wine; grow tomatoes;
keep bees; feed a hamster; build a robot; launch a rocket; split an atom; hack a password;
order a pizza; reserve a table; turn on the light; play some music; set an alarm; remind me later;
search the internet; read this file; open a window on my screen; look at this picture; call my mother;
tell me the time; tell me the news; give me advice; write a speech; review my essay; grade my test;
draw a map; knit a scarf; sew a dress; fold a crane; juggle; whistle; swim faster; jump higher;
lift weights; stop smoking; drink less coffee; eat healthily; become rich; become famous;
make friends; impress my boss; forget my past; remember names; read faster; concentrate;
calculate an integral; multiply two matrices; factor a polynomial; simulate a galaxy;
""".rstrip("; \n"))

PLACES = parted("""
Atlantis; Narnia; Mongolia; Nepal; Bhutan; Laos; Cambodia; Malaysia; Indonesia; the Philippines;
Pakistan; Afghanistan; Kazakhstan; Uzbekistan; Syria; Lebanon; Jordan; Israel; Yemen; Oman; Qatar;
Kuwait; Libya; Tunisia; Algeria; Morocco; Ghana; Nigeria; Senegal; Mali; Niger; Chad; Sudan;
Ethiopia; Somalia; Uganda; Rwanda; Tanzania; Zambia; Zimbabwe; Botswana; Namibia; Angola;
Madagascar; Mozambique; Malta; Cyprus; Albania; Serbia; Croatia; Slovenia; Slovakia; Bulgaria;
Ukraine; Estonia; Latvia; Lithuania; Belarus; Moldova; Luxembourg; Monaco; Andorra; Switzerland;
Scotland; Wales; Texas; California; Florida; Alaska; Hawaii; New York; Chicago; Boston; Seattle;
Los Angeles; Toronto; Montreal; Sydney; Melbourne; Manchester; Glasgow; Hamburg; Munich; Milan;
Naples; Venice; Barcelona; Seville; Lyon; Marseille; Shanghai; Hong Kong; Singapore; Osaka; Kyoto;
Mumbai; Istanbul; Saint Petersburg; Cape Town; Lagos; Rio; Bogota; Colombia; Venezuela; Ecuador;
Bolivia; Paraguay; Uruguay; Panama; Costa Rica; Guatemala; Honduras; Jamaica; Haiti; Greenland;
Antarctica; Siberia; Tibet; Bavaria; Sicily; Crete; the Sahara; the Amazon; the Alps; Mount Everest;
Fiji; Samoa; Tonga; my village; this town; the airport; the moon; Mars; the office; the North Pole;
""".rstrip("; \n"))

FIRST_NAMES = """
John Mary Peter Anna Paul Laura Thomas Julia Albert Marie Isaac Ada Alan Grace William Jane Charles
Emily George Clara Robert Helen Henry Alice Karl Sofia Max Nina Oscar Eva Victor Rosa Leo Vera Hugo
Ivan Olga Diego Frida Kenji Yuki Ravi Priya Omar Leila Barack Donald Elon Bill Steve Taylor Lionel
""".split()

LAST_NAMES = """
Smith Miller Brown Wilson Einstein Newton Curie Darwin Lovelace Turing Hopper Shakespeare Austen
Dickens Washington Lincoln Churchill Gandhi Mandela Napoleon Caesar Mozart Bach Beethoven Picasso
Rembrandt Galilei Kepler Tesla Edison Ford Gates Jobs Musk Obama Swift Messi Garcia Lopez Schmidt
Weber Rossi Bianchi Dubois Moreau Ivanov Petrov Tanaka Suzuki Wang Chen Kumar Singh Hassan Ali
""".split()

RARE_WORDS = parted("""
ubiquitous; melancholy; zeitgeist; quixotic; ephemeral; nostalgia; labyrinth; paradox; hypothesis;
metaphor; irony; sarcasm; catalyst; enigma; euphoria; solitude; resilience; integrity; nuance;
ambiguous; eloquent; gratitude; courage; patience; wisdom; curiosity; horizon; silhouette; whisper;
thunder; velvet; cinnamon; lavender; marble; lantern; harbour; meadow; orchard; compass; anchor;
feather; puzzle; shadow; mirror; candle; blanket; umbrella; necklace; telescope; parachute;
rendezvous; entrepreneur; kindergarten; avocado; algorithm; bureaucracy; rhythm; onomatopoeia
""")

TEXTS = parted("""
a limerick; a sonnet; a speech; a song; a letter; a ballad; a report; a joke; a riddle; a headline;
an article; an e-mail; a review; a play; a toast; a slogan; a diary entry; a fairy tale in verse;
two paragraphs; a page; ten lines; a rhyme; a script; a tweet
""")

SUPERLATIVES = parted("""
longest; largest; oldest; fastest; heaviest; smallest; highest; coldest; strongest; loudest; newest;
most expensive; most beautiful; most famous; most dangerous; rarest; widest; brightest
""")

THINGS = parted("""
river; lake; animal; city; country; bird; tree; desert; castle; church; museum; film; song; painting;
train; ship; car; computer; university; island; volcano; waterfall; star; fish; snake; library;
statue; stadium; hotel; insect; language; newspaper; company; street; metal; planet
""")

PLURALS = parted("""
windows; bones; doors; seeds; colours; strings; rooms; pages; petals; stripes; teeth; horns; towers;
keys; pockets; buttons; wings; players; rules; verses; stations; stars; lanes; islands; bridges;
shoes; socks; gloves; tickets; stamps; coins; tools; toys; plants; tomatoes; potatoes; nuts; spices;
penguins; dolphins; camels; bats; spiders at night; ants in summer; parrots; squirrels; worms;
engines; magnets; lasers; clocks; mirrors; candles; balloons; kites; drums; trumpets; vaccines
""")

ONES = parted("""
a castle; a guitar; a human; a piano; a lighthouse; an aeroplane; a whale; a camel; a zebra; a rose;
an orange; a potato; a teacher; a pirate; a tree; a computer; a football team; a city; a book;
a church; a baby; an adult; a nurse; a cactus; a tomato; a mushroom; a shark; a parrot; a volcano;
the sun; the human heart; the brain; sound; light; water in the desert; an engine; a battery;
my neighbour; my uncle; the president; the queen; the teacher; our dog; the baker; a stranger
""")

ADJECTIVES = parted("""
heavy; expensive; cheap; healthy; dangerous; fast; deep; tall; bright; loud; old; rare; useful;
poisonous; salty; sweet; strong; cold; hot; sticky; fragile; famous; popular; round; transparent
""")

VERBS = parted("""
sleep; dance; fly; sing; burn; melt; grow; explode; travel; swim; work; break; jump; cry; laugh;
shine; smell so good; change colour; need rest; need water; need sleep; turn around; fall down;
make noise; eat; dream; freeze; float; sink; boil; rust; disappear; live so long; purr; bark; bite
""")

WHEN = parted("""
today; tomorrow; yesterday; this morning; this evening; last week; next year; at noon; on Monday;
in winter; at night; before breakfast; in my city; on the coast; in the photo; in the garden;
at the meeting; on Thursday; during the war; in this room; for my birthday; on my phone; in 1989
""")

DEEDS = parted("""
painted; wrote; discovered; composed; built; found; sang about; photographed; bought; sold; designed;
described; wrote about; lost; stole; explored; measured; filmed
""")

ORDERS = parted("""
Read me; Show me; Send me; Find; Suggest; Recommend; Buy; Book; Cancel; Describe; Print; Draw; Count;
Measure; Summarise; Check; Review; Open; Delete; Save; Put; Move; Remember; Order; Compare; Explain
""")

CHINESE = parted("""
量子物理; 股票; 足球; 天气; 历史; 音乐; 电影; 经济; 医学; 人工智能; 长城; 黑洞; 气候变化; 化学;
生物; 哲学; 象棋; 摄影; 互联网; 手机; 电脑; 游戏; 小说; 诗歌; 绘画; 京剧; 书法; 旅游; 饺子; 火锅;
数学; 地理; 法律; 政治; 宗教; 心理学; 电池; 机器人; 火箭; 恐龙; 火山; 地震; 海洋; 沙漠; 北极
""")
