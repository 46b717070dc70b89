"""The tables of adjectives, adverbials and numbers."""

# english | german, with the stem before endings where it changes (teuer, teure) | irregular comparative | what it
# describes: noun classes, groups or single nouns.
ADJECTIVES = """
    tall          | groß             | größer     | people tree
    big           | groß             | größer     | beast object vehicle place clothes fruit
    small         | klein            |            | living object vehicle place fruit
    old           | alt              | älter      | living object vehicle place reading show clothes tree
    new           | neu              |            | object vehicle room venue reading show clothes matter
    young         | jung             | jünger     | living
    good          | gut              | besser     | people food drink reading show idea question answer
    bad           | schlecht         |            | food drink reading show idea answer
    beautiful     | schön            |            | place clothes gift nature female show vase
    ugly          | hässlich         |            | clothes furniture beast lamp
    fast          | schnell          |            | vehicle beast
    slow          | langsam          |            | vehicle computer waiter
    hot           | heiß             |            | tea coffee milk water soup
    cold          | kalt             | kälter     | drink soup room
    warm          | warm             | wärmer     | coat sweater jacket scarf room water milk
    expensive     | teuer (teur)     | teurer     | clothes object vehicle restaurant hotel food
    cheap         | billig           |            | clothes object vehicle restaurant hotel food
    long          | lang             | länger     | reading show street river bridge dress coat scarf
    short         | kurz             | kürzer     | reading show dress coat skirt
    strong        | stark            | stärker    | male beast
    weak          | schwach          | schwächer  | people
    happy         | glücklich        |            | people
    sad           | traurig          |            | people show story poem
    tired         | müde             |            | living
    hungry        | hungrig          |            | living
    thirsty       | durstig          |            | living
    healthy       | gesund           | gesünder   | living fruit
    rich          | reich            |            | people
    poor          | arm              | ärmer      | people
    friendly      | freundlich       |            | people dog cat horse
    nice          | nett             |            | people
    clever        | klug             | klüger     | people dog cat monkey elephant
    lazy          | faul             |            | people dog cat
    hard-working  | fleißig          |            | people
    brave         | mutig            |            | people dog
    famous        | berühmt          |            | people museum castle bridge
    angry         | wütend           |            | people
    funny         | lustig           |            | people show story monkey
    polite        | höflich          |            | people
    quiet         | ruhig            |            | people room outdoors
    loud          | laut             |            | street city restaurant child neighbor radio
    clean         | sauber           |            | clothes tableware room knife fork spoon
    dirty         | schmutzig        |            | clothes tableware room knife fork spoon
    heavy         | schwer           |            | luggage furniture
    light         | leicht           |            | luggage bicycle
    easy          | einfach          |            | question answer problem word sentence rule
    difficult     | schwierig        |            | question answer problem word sentence rule book
    important     | wichtig          |            | matter text
    interesting   | interessant      |            | reading show city museum castle
    boring        | langweilig       |            | reading show village
    dark          | dunkel (dunkl)   | dunkler    | room street forest
    bright        | hell             |            | room lamp star
    modern        | modern           |            | room venue device furniture
    fresh         | frisch           |            | fruit fish egg bread roll milk
    sweet         | süß              |            | apple banana orange pear cherry strawberry cake
    sour          | sauer (saur)     | saurer     | apple orange cherry lemon
    delicious     | lecker           |            | food drink
    high          | hoch (hoh)       | höher      | mountain bridge
    deep          | tief             |            | lake river sea
    dangerous     | gefährlich       |            | bear lion street forest
"""

# Adjectives that are not compared: colors and states.
ABSOLUTE_ADJECTIVES = """
    red           | rot              |            | clothes object vehicle
    blue          | blau             |            | clothes object vehicle
    green         | grün             |            | clothes object vehicle apple
    yellow        | gelb             |            | clothes object vehicle
    black         | schwarz          |            | clothes object vehicle beast
    white         | weiß             |            | clothes object vehicle beast
    brown         | braun            |            | clothes luggage beast
    full          | voll             |            | luggage tableware
    empty         | leer             |            | luggage tableware room
    sick          | krank            |            | living
    broken        | kaputt           |            | device vehicle tableware umbrella chair
    round         | rund             |            | table mirror clock
"""

# english | german | the verb forms it may stand with. "in the morning" is habitual in the present.
TIMES = """
    today             | heute              | past future modal
    tomorrow          | morgen             | future modal
    yesterday         | gestern            | past
    now               | jetzt              | modal
    soon              | bald               | future
    every day         | jeden Tag          | present
    every morning     | jeden Morgen       | present
    every evening     | jeden Abend        | present
    every week        | jede Woche         | present
    in the morning    | am Morgen          | present past future
    in the afternoon  | am Nachmittag      | present past future
    in the evening    | am Abend           | present past future
    at night          | in der Nacht       | present
    in the summer     | im Sommer          | present past future
    in the winter     | im Winter          | present past future
    on the weekend    | am Wochenende      | present past future
    this morning      | heute Morgen       | past
    tonight           | heute Abend        | future modal
    tomorrow morning  | morgen früh        | future modal
    last week         | letzte Woche       | past
    last month        | letzten Monat      | past
    last year         | letztes Jahr       | past
    next week         | nächste Woche      | future modal
    next month        | nächsten Monat     | future modal
    next year         | nächstes Jahr      | future modal
    two days ago      | vor zwei Tagen     | past
    an hour ago       | vor einer Stunde   | past
    a week ago        | vor einer Woche    | past
"""

WEEKDAYS = """
    Monday     | Montag
    Tuesday    | Dienstag
    Wednesday  | Mittwoch
    Thursday   | Donnerstag
    Friday     | Freitag
    Saturday   | Samstag
    Sunday     | Sonntag
"""

# English puts these before the main verb, German behind the finite verb and its pronouns.
FREQUENCIES = """
    often      | oft
    always     | immer
    sometimes  | manchmal
    never      | nie
    usually    | meistens
    rarely     | selten
"""

# english | german | verbs of the tables INTRANSITIVE and PLAIN that it fits; "together" needs several people.
MANNERS = """
    well       | gut      | sleep sing dance cook swim
    badly      | schlecht | sleep sing dance cook
    loudly     | laut     | laugh sing
    quietly    | leise    | sing play cry
    slowly     | langsam  | eat swim run
    fast       | schnell  | swim run eat
    a lot      | viel     | work eat smoke study laugh
    together   | zusammen | play cook dance study
    alone      | allein   | play eat hike study wait
    early      | früh     | get wake arrive fall come
    late       | spät     | get wake arrive fall come
"""

# Places without an article: english location | german location | english direction | german direction.
HOME = "at home | zu Hause | home | nach Hause"

# english preposition | german two-way preposition: dative where something is, accusative where it goes.
TWO_WAY_PREPOSITIONS = """
    on           | auf
    under        | unter
    next to      | neben
    behind       | hinter
    in front of  | vor
"""

ENGLISH_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
GERMAN_UNITS = (
    *("null", "ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"),
    *("dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn"),
)
ENGLISH_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
GERMAN_TENS = ("zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig")
