"""Words that lists are made of."""

LISTED_WORDS = """
apple pear plum cherry lemon grape melon peach bread cheese butter honey milk tea coffee soup rice
salt sugar cat dog bird fish horse cow sheep goat pig duck hen mouse fox wolf bear lion tiger frog
bee ant tree flower grass leaf root stone sand river lake sea hill mountain cloud rain snow wind
sun moon star fire water house door window roof wall table chair bed lamp cup plate spoon fork
knife book pen paper letter map clock key box bag hat coat shoe shirt ring rope boat ship train car
bus road bridge tower garden park school shop farm city village red blue green yellow white black
brown pink
""".split()
