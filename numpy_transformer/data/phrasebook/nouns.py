"""The noun tables: one table per semantic class, so that people eat food and read books.

A row is `english | article German | German plural`. Notes inside a row:

- `man/men`: the English plural, where it is not regular;
- `der Junge*`: a weak noun (n-declension), whose other singular cases equal its plural: den Jungen, dem Jungen;
- `der Chef/Chefs`: the genitive singular, where the rule of `german.genitive` does not hold;
- `-` as German plural: a mass noun, never counted ("water", "kein Wasser"); `-` as article and singular: plural only;
- places have two more columns, see `PLACES`.
"""

NOUNS = {
    "man": """
        man/men        | der Mann          | Männer
        boy            | der Junge*        | Jungen
        king           | der König         | Könige
        prince         | der Prinz*        | Prinzen
    """,
    "woman": """
        woman/women    | die Frau          | Frauen
        queen          | die Königin       | Königinnen
        princess       | die Prinzessin    | Prinzessinnen
    """,
    "kinsman": """
        father         | der Vater         | Väter
        brother        | der Bruder        | Brüder
        son            | der Sohn          | Söhne
        uncle          | der Onkel         | Onkel
        grandfather    | der Großvater     | Großväter
        husband        | der Ehemann       | Ehemänner
    """,
    "kinswoman": """
        mother         | die Mutter        | Mütter
        sister         | die Schwester     | Schwestern
        daughter       | die Tochter       | Töchter
        aunt           | die Tante         | Tanten
        grandmother    | die Großmutter    | Großmütter
        wife/wives     | die Ehefrau       | Ehefrauen
        girlfriend     | die Freundin      | Freundinnen
    """,
    "acquaintance": """
        child/children | das Kind          | Kinder
        friend         | der Freund        | Freunde
        neighbor       | der Nachbar*      | Nachbarn
        teacher        | der Lehrer        | Lehrer
        doctor         | der Arzt          | Ärzte
        boss           | der Chef/Chefs    | Chefs
        colleague      | der Kollege*      | Kollegen
        guest          | der Gast          | Gäste
        customer       | der Kunde*        | Kunden
        lawyer         | der Anwalt        | Anwälte
        -/parents      | -                 | Eltern
    """,
    "stranger": """
        girl           | das Mädchen       | Mädchen
        baby           | das Baby          | Babys
        student        | der Student*      | Studenten
        cook           | der Koch/Kochs    | Köche
        baker          | der Bäcker        | Bäcker
        farmer         | der Bauer*        | Bauern
        tourist        | der Tourist*      | Touristen
        waiter         | der Kellner       | Kellner
        singer         | der Sänger        | Sänger
        artist         | der Künstler      | Künstler
        soldier        | der Soldat*       | Soldaten
        nurse          | die Krankenschwester | Krankenschwestern
    """,
    "animal": """
        dog            | der Hund          | Hunde
        cat            | die Katze         | Katzen
        bird           | der Vogel         | Vögel
        horse          | das Pferd         | Pferde
        cow            | die Kuh           | Kühe
        pig            | das Schwein       | Schweine
        goat           | die Ziege         | Ziegen
        mouse/mice     | die Maus          | Mäuse
        rabbit         | der Hase*         | Hasen
        duck           | die Ente          | Enten
    """,
    "wild": """
        bear           | der Bär*          | Bären
        lion           | der Löwe*         | Löwen
        monkey         | der Affe*         | Affen
        elephant       | der Elefant*      | Elefanten
    """,
    "fruit": """
        apple          | der Apfel         | Äpfel
        banana         | die Banane        | Bananen
        orange         | die Orange        | Orangen
        pear           | die Birne         | Birnen
        cherry         | die Kirsche       | Kirschen
        strawberry     | die Erdbeere      | Erdbeeren
        lemon          | die Zitrone       | Zitronen
        tomato/tomatoes | die Tomate       | Tomaten
        carrot         | die Karotte       | Karotten
        onion          | die Zwiebel       | Zwiebeln
    """,
    "dish": """
        soup           | die Suppe         | Suppen
        egg            | das Ei            | Eier
        potato/potatoes | die Kartoffel    | Kartoffeln
        sausage        | die Wurst         | Würste
        salad          | der Salat         | Salate
        meat           | das Fleisch       | -
        rice           | der Reis          | -
        fish           | der Fisch         | -
    """,
    "baked": """
        cake           | der Kuchen        | Kuchen
        cookie         | der Keks          | Kekse
        roll           | das Brötchen      | Brötchen
        pizza          | die Pizza         | Pizzas
        bread          | das Brot          | -
    """,
    "staple": """
        cheese         | der Käse          | -
        butter         | die Butter        | -
        chocolate      | die Schokolade    | -
        honey          | der Honig         | -
        ice cream      | das Eis           | -
        ham            | der Schinken      | -
    """,
    "drink": """
        water          | das Wasser        | -
        milk           | die Milch         | -
        coffee         | der Kaffee        | -
        tea            | der Tee           | -
        juice          | der Saft          | -
        beer           | das Bier          | -
        wine           | der Wein          | -
        lemonade       | die Limonade      | -
    """,
    "text": """
        book           | das Buch          | Bücher
        letter         | der Brief         | Briefe
        story          | die Geschichte    | Geschichten
        poem           | das Gedicht       | Gedichte
        report         | der Bericht       | Berichte
        email          | die E-Mail        | E-Mails
    """,
    "press": """
        newspaper      | die Zeitung       | Zeitungen
        magazine       | die Zeitschrift   | Zeitschriften
    """,
    "clothes": """
        shirt          | das Hemd          | Hemden
        dress          | das Kleid         | Kleider
        coat           | der Mantel        | Mäntel
        hat            | der Hut           | Hüte
        shoe           | der Schuh         | Schuhe
        jacket         | die Jacke         | Jacken
        skirt          | der Rock          | Röcke
        sock           | die Socke         | Socken
        sweater        | der Pullover      | Pullover
        scarf/scarves  | der Schal         | Schals
    """,
    "opening": """
        door           | die Tür           | Türen
        window         | das Fenster       | Fenster
    """,
    "luggage": """
        bag            | die Tasche        | Taschen
        box            | die Kiste         | Kisten
        suitcase       | der Koffer        | Koffer
        backpack       | der Rucksack      | Rucksäcke
    """,
    "furniture": """
        table          | der Tisch         | Tische
        chair          | der Stuhl         | Stühle
        bed            | das Bett          | Betten
        sofa           | das Sofa          | Sofas
        cupboard       | der Schrank       | Schränke
        desk           | der Schreibtisch  | Schreibtische
        bench          | die Bank          | Bänke
    """,
    "item": """
        key            | der Schlüssel     | Schlüssel
        phone          | das Handy         | Handys
        pen            | der Stift         | Stifte
        knife/knives   | das Messer        | Messer
        fork           | die Gabel         | Gabeln
        spoon          | der Löffel        | Löffel
        ring           | der Ring          | Ringe
        ticket         | das Ticket        | Tickets
        umbrella       | der Regenschirm   | Regenschirme
        picture        | das Bild          | Bilder
        ball           | der Ball          | Bälle
    """,
    "tableware": """
        cup            | die Tasse         | Tassen
        glass          | das Glas          | Gläser
        plate          | der Teller        | Teller
        bottle         | die Flasche       | Flaschen
        vase           | die Vase          | Vasen
    """,
    "vehicle": """
        car            | das Auto          | Autos
        bicycle        | das Fahrrad       | Fahrräder
        bus            | der Bus           | Busse
        train          | der Zug           | Züge
        ship           | das Schiff        | Schiffe
        airplane       | das Flugzeug      | Flugzeuge
    """,
    "device": """
        lamp           | die Lampe         | Lampen
        computer       | der Computer      | Computer
        radio          | das Radio         | Radios
        camera         | die Kamera        | Kameras
        television     | der Fernseher     | Fernseher
        clock          | die Uhr           | Uhren
        mirror         | der Spiegel       | Spiegel
    """,
    "gift": """
        gift           | das Geschenk      | Geschenke
        flower         | die Blume         | Blumen
        toy            | das Spielzeug     | Spielzeuge
        doll           | die Puppe         | Puppen
        guitar         | die Gitarre       | Gitarren
    """,
    "nature": """
        tree           | der Baum          | Bäume
        star           | der Stern         | Sterne
    """,
    "unique": """
        sun            | die Sonne         | -
        moon           | der Mond          | -
        sky            | der Himmel        | -
    """,
    "show": """
        movie          | der Film          | Filme
        song           | das Lied          | Lieder
    """,
    "matter": """
        question       | die Frage         | Fragen
        answer         | die Antwort       | Antworten
        problem        | das Problem       | Probleme
        word           | das Wort          | Wörter
        sentence       | der Satz          | Sätze
        idea           | die Idee          | Ideen
        rule           | die Regel         | Regeln
    """,
    "language": """
        German         | das Deutsch       | -
        English        | das Englisch      | -
        French         | das Französisch   | -
        Spanish        | das Spanisch      | -
        Italian        | das Italienisch   | -
    """,
}

# Places say where and where to. Fourth column: English preposition and German preposition of the location
# (dative, "at the station" -> "am Bahnhof"); fifth: German preposition of the direction ("to the station" ->
# "zum Bahnhof"); "zu" takes the dative, the two-way prepositions "in", "an", "auf" the accusative ("ins Kino").
PLACES = {
    "room": """
        kitchen        | die Küche         | Küchen         | in in     | in
        bathroom       | das Badezimmer    | Badezimmer     | in in     | in
        bedroom        | das Schlafzimmer  | Schlafzimmer   | in in     | in
        living room    | das Wohnzimmer    | Wohnzimmer     | in in     | in
        room           | das Zimmer        | Zimmer         | in in     | in
        basement       | der Keller        | Keller         | in in     | in
        office         | das Büro          | Büros          | in in     | in
        apartment      | die Wohnung       | Wohnungen      | in in     | in
        house          | das Haus          | Häuser         | in in     | in
        garden         | der Garten        | Gärten         | in in     | in
        balcony        | der Balkon        | Balkone        | on auf    | auf
    """,
    "venue": """
        school         | die Schule        | Schulen        | at in     | in
        restaurant     | das Restaurant    | Restaurants    | in in     | in
        supermarket    | der Supermarkt    | Supermärkte    | in in     | in
        hotel          | das Hotel         | Hotels         | in in     | in
        cinema         | das Kino          | Kinos          | at in     | in
        theater        | das Theater       | Theater        | at in     | in
        museum         | das Museum        | Museen         | at in     | in
        library        | die Bibliothek    | Bibliotheken   | in in     | in
        hospital       | das Krankenhaus   | Krankenhäuser  | in in     | in
        church         | die Kirche        | Kirchen        | in in     | in
        castle         | das Schloss       | Schlösser      | in in     | zu
        bakery         | die Bäckerei      | Bäckereien     | in in     | zu
        university     | die Universität   | Universitäten  | at an     | zu
        station        | der Bahnhof       | Bahnhöfe       | at an     | zu
        airport        | der Flughafen     | Flughäfen      | at an     | zu
    """,
    "outdoors": """
        park           | der Park          | Parks          | in in     | in
        zoo            | der Zoo           | Zoos           | at in     | in
        city           | die Stadt         | Städte         | in in     | in
        village        | das Dorf          | Dörfer         | in in     | in
        forest         | der Wald          | Wälder         | in in     | in
        street         | die Straße        | Straßen        | on auf    | auf
        market         | der Markt         | Märkte         | at auf    | auf
        bridge         | die Brücke        | Brücken        | on auf    | auf
        mountain       | der Berg          | Berge          | on auf    | auf
        island         | die Insel         | Inseln         | on auf    | auf
        beach          | der Strand        | Strände        | at an     | an
        lake           | der See           | Seen           | at an     | an
        river          | der Fluss         | Flüsse         | at an     | zu
        sea            | das Meer          | Meere          | at an     | an
    """,
}

# Names of several classes at once, used by the verb and adjective tables.
GROUPS = {
    "male": ("man", "kinsman"),
    "female": ("woman", "kinswoman"),
    "people": ("man", "woman", "kinsman", "kinswoman", "acquaintance", "stranger"),
    "beast": ("animal", "wild"),
    "living": ("man", "woman", "kinsman", "kinswoman", "acquaintance", "stranger", "animal", "wild"),
    "food": ("fruit", "dish", "baked", "staple"),
    "reading": ("text", "press"),
    "place": ("room", "venue", "outdoors"),
    "object": ("opening", "furniture", "luggage", "item", "tableware", "device", "gift"),
    "portable": ("luggage", "item", "tableware"),
    "goods": (
        *("fruit", "dish", "baked", "staple", "drink", "text", "press", "clothes"),
        *("furniture", "luggage", "item", "tableware", "vehicle", "device", "gift"),
    ),
}

# What one does not call one's own: "my neighbor", but no "my queen" or "her river".
UNOWNED = ("man", "woman", "stranger", "wild", "nature", "venue", "outdoors")

# Of these one person has one at a time, and of the last three people do not share one: "my mothers", "our husband".
UNIQUE_KIN = ("father", "mother", "husband", "wife", "girlfriend")
UNSHARED_KIN = ("husband", "wife", "girlfriend")

# People and towns known by name; the gender of a person chooses "Lehrer" or "Lehrerin".
NAMES = {
    "male": ("Peter", "Paul", "Tom", "Leon"),
    "female": ("Anna", "Maria", "Lisa", "Julia"),
}
CITIES = """
    Berlin    | Berlin
    Hamburg   | Hamburg
    Munich    | München
    Cologne   | Köln
    Vienna    | Wien
    Rome      | Rom
    London    | London
    Paris     | Paris
    Germany   | Deutschland
    Austria   | Österreich
    France    | Frankreich
    Italy     | Italien
    England   | England
    Spain     | Spanien
"""

# A profession stands without an article in German: "She is a doctor." -> "Sie ist Ärztin."
PROFESSIONS = """
    teacher   | Lehrer      | Lehrerin
    doctor    | Arzt        | Ärztin
    student   | Student     | Studentin
    cook      | Koch        | Köchin
    baker     | Bäcker      | Bäckerin
    singer    | Sänger      | Sängerin
    artist    | Künstler    | Künstlerin
    lawyer    | Anwalt      | Anwältin
    farmer    | Bauer       | Bäuerin
    engineer  | Ingenieur   | Ingenieurin
    journalist | Journalist | Journalistin
    pilot     | Pilot       | Pilotin
"""

# Compounds: English modifier | its German joining form | heads from the tables above. The last word, the head,
# decides gender, plural and meaning: die Küche + der Tisch = der Küchentisch.
COMPOUNDS = """
    kitchen      | Küchen       | table, chair, lamp, door, window, cupboard, clock, knife
    garden       | Garten       | table, chair, door, bench
    living room  | Wohnzimmer   | table, lamp, door, window
    bathroom     | Badezimmer   | door, window, lamp, mirror
    bedroom      | Schlafzimmer | door, window, lamp, cupboard
    office       | Büro         | chair, lamp, door, window
    house        | Haus         | key, door
    car          | Auto         | key, door
    hotel        | Hotel        | room, bed, key
    park         | Park         | bench
    school       | Schul        | bag, book, bus
    train        | Zug          | ticket
    cinema       | Kino         | ticket
    apple        | Apfel        | juice, cake, tree
    orange       | Orangen      | juice
    cherry       | Kirsch       | juice, cake, tree
    carrot       | Karotten     | juice, soup, cake
    tomato       | Tomaten      | juice, soup, salad
    potato       | Kartoffel    | soup, salad
    onion        | Zwiebel      | soup
    fish         | Fisch        | soup
    lemon        | Zitronen     | cake, ice cream
    strawberry   | Erdbeer      | cake, ice cream
    chocolate    | Schokoladen  | cake, ice cream
    coffee       | Kaffee       | cup
    tea          | Tee          | cup
    wine         | Wein         | glass, bottle
    beer         | Bier         | glass, bottle
    water        | Wasser       | glass, bottle
    milk         | Milch        | bottle
    summer       | Sommer       | dress, jacket
    winter       | Winter       | coat, jacket, shoe
    leather      | Leder        | shoe, jacket, bag
    picture      | Bilder       | book
    police       | Polizei      | car
"""
