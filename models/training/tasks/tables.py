"""The facts themselves."""

CAPITALS = [
    ("France", "Paris"), ("Germany", "Berlin"), ("Italy", "Rome"), ("Spain", "Madrid"),
    ("Portugal", "Lisbon"), ("Austria", "Vienna"), ("Greece", "Athens"), ("Poland", "Warsaw"),
    ("Sweden", "Stockholm"), ("Norway", "Oslo"), ("Denmark", "Copenhagen"),
    ("Finland", "Helsinki"), ("Ireland", "Dublin"), ("England", "London"), ("Hungary", "Budapest"),
    ("Romania", "Bucharest"), ("Belgium", "Brussels"), ("Russia", "Moscow"), ("Turkey", "Ankara"),
    ("Egypt", "Cairo"), ("Kenya", "Nairobi"), ("China", "Beijing"), ("Japan", "Tokyo"),
    ("South Korea", "Seoul"), ("India", "New Delhi"), ("Thailand", "Bangkok"),
    ("Vietnam", "Hanoi"), ("Iran", "Tehran"), ("Iraq", "Baghdad"), ("Canada", "Ottawa"),
    ("Mexico", "Mexico City"), ("Cuba", "Havana"), ("Peru", "Lima"), ("Chile", "Santiago"),
    ("Argentina", "Buenos Aires"), ("Brazil", "Brasilia"), ("Australia", "Canberra"),
    ("New Zealand", "Wellington"), ("the United States", "Washington"), ("Iceland", "Reykjavik"),
]

OPPOSITES = [
    ("hot", "cold"), ("big", "small"), ("tall", "short"), ("fast", "slow"), ("old", "young"),
    ("happy", "sad"), ("light", "dark"), ("hard", "soft"), ("full", "empty"), ("open", "closed"),
    ("up", "down"), ("left", "right"), ("day", "night"), ("rich", "poor"), ("strong", "weak"),
    ("wet", "dry"), ("clean", "dirty"), ("loud", "quiet"), ("near", "far"), ("early", "late"),
    ("good", "bad"), ("true", "false"), ("first", "last"), ("inside", "outside"),
    ("above", "below"), ("thick", "thin"), ("wide", "narrow"), ("deep", "shallow"),
    ("brave", "afraid"), ("begin", "end"), ("buy", "sell"),
    ("push", "pull"), ("win", "lose"), ("love", "hate"), ("summer", "winter"), ("north", "south"),
    ("east", "west"), ("always", "never"), ("many", "few"), ("easy", "difficult"),
    ("sweet", "sour"), ("sharp", "blunt"), ("smooth", "rough"), ("awake", "asleep"),
]

# part, whole, how many
UNITS = [
    ("seconds", "a minute", 60), ("minutes", "an hour", 60), ("hours", "a day", 24),
    ("days", "a week", 7), ("weeks", "a year", 52), ("months", "a year", 12),
    ("days", "a year", 365), ("years", "a decade", 10), ("years", "a century", 100),
    ("centimetres", "a metre", 100), ("millimetres", "a centimetre", 10),
    ("metres", "a kilometre", 1000), ("grams", "a kilogram", 1000),
    ("kilograms", "a tonne", 1000), ("millilitres", "a litre", 1000), ("inches", "a foot", 12),
    ("feet", "a yard", 3), ("cents", "a dollar", 100), ("cents", "a euro", 100),
    ("bits", "a byte", 8), ("bytes", "a kilobyte", 1000), ("eggs", "a dozen", 12),
    ("legs", "a spider", 8), ("legs", "an ant", 6), ("legs", "a dog", 4), ("legs", "a bird", 2),
    ("sides", "a triangle", 3), ("sides", "a square", 4), ("sides", "a hexagon", 6),
    ("wheels", "a bicycle", 2), ("wheels", "a car", 4), ("fingers", "a hand", 5),
    ("letters", "the English alphabet", 26), ("degrees", "a right angle", 90),
    ("degrees", "a full circle", 360), ("seasons", "a year", 4),
]

YOUNG = [
    ("dog", "puppy"), ("cat", "kitten"), ("cow", "calf"), ("sheep", "lamb"), ("horse", "foal"),
    ("goat", "kid"), ("pig", "piglet"), ("hen", "chick"), ("duck", "duckling"), ("bear", "cub"),
    ("swan", "cygnet"), ("goose", "gosling"), ("deer", "fawn"), ("frog", "tadpole"),
    ("kangaroo", "joey"), ("butterfly", "caterpillar"), ("hare", "leveret"), ("lion", "cub"),
    ("rabbit", "bunny"), ("wolf", "pup"),
]

SOUNDS = [
    ("dog", "woof"), ("cat", "meow"), ("cow", "moo"), ("sheep", "baa"), ("duck", "quack"),
    ("pig", "oink"), ("horse", "neigh"), ("hen", "cluck"), ("rooster", "cock-a-doodle-doo"),
    ("frog", "croak"), ("bee", "buzz"), ("snake", "hiss"), ("lion", "roar"), ("mouse", "squeak"),
    ("owl", "hoot"), ("wolf", "howl"), ("bird", "tweet"), ("donkey", "hee-haw"), ("crow", "caw"),
]

# thing, colour, verb
COLOURS = [
    ("the sky", "blue", "is"), ("grass", "green", "is"), ("snow", "white", "is"),
    ("coal", "black", "is"), ("blood", "red", "is"), ("a lemon", "yellow", "is"),
    ("a carrot", "orange", "is"), ("the sea", "blue", "is"), ("milk", "white", "is"),
    ("chocolate", "brown", "is"), ("a ripe tomato", "red", "is"), ("a banana", "yellow", "is"),
    ("a flamingo", "pink", "is"), ("an elephant", "grey", "is"), ("a frog", "green", "is"),
    ("leaves", "green", "are"), ("strawberries", "red", "are"), ("clouds", "white", "are"),
    ("ravens", "black", "are"), ("violets", "purple", "are"), ("sunflowers", "yellow", "are"),
]

MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September",
          "October", "November", "December"]
MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
