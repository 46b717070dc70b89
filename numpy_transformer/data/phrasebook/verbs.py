"""The verb tables: one table per pattern of objects.

A row is `english | German | German participle | what the object may be`. Notes inside a row:

- `eat ate eaten`: irregular past and participle; one irregular form serves as both (`buy bought`). Phrasal verbs
  keep their particle behind the forms: `get got +up`;
- `essen (iss)`: the stem of the second and third person singular, where its vowel changes: du isst, er isst;
- `auf·machen`: a separable prefix, which goes to the end of a main clause;
- `sich`: reflexive; a participle `ist gelaufen` takes "sein" in the perfect, all others take "haben";
- `*` behind the English verb: a state rather than an act. It takes no progressive, perfect or imperative;
- `~`: an act without a progressive (nobody "is seeing" a dog).
"""

TRANSITIVE = """
    eat ate eaten              | essen (iss)           | gegessen      | food
    drink drank drunk          | trinken               | getrunken     | drink
    read read                  | lesen (lies)          | gelesen       | reading
    write wrote written        | schreiben             | geschrieben   | text
    buy bought                 | kaufen                | gekauft       | goods
    sell sold                  | verkaufen             | verkauft      | goods
    order                      | bestellen             | bestellt      | food drink
    taste                      | probieren             | probiert      | food
    cook                       | kochen                | gekocht       | dish
    bake                       | backen                | gebacken      | baked
    cut cut                    | schneiden             | geschnitten   | fruit
    see saw seen ~             | sehen (sieh)          | gesehen       | living vehicle nature unique place
    hear heard ~               | hören                 | gehört        | living show
    look +for                  | suchen                | gesucht       | living portable clothes
    find found                 | finden                | gefunden      | portable clothes
    lose lost                  | verlieren             | verloren      | item luggage
    take took taken            | nehmen (nimm)         | genommen      | portable
    hold held                  | halten (hält)         | gehalten      | item tableware
    carry                      | tragen (träg)         | getragen      | luggage
    wear wore worn             | tragen (träg)         | getragen      | clothes
    wash                       | waschen (wäsch)       | gewaschen     | clothes fruit
    clean                      | putzen                | geputzt       | room opening
    repair                     | reparieren            | repariert     | vehicle device furniture
    use                        | benutzen              | benutzt       | device item
    draw drew drawn            | zeichnen              | gezeichnet    | beast nature unique gift
    photograph                 | fotografieren         | fotografiert  | beast nature unique venue
    build built                | bauen                 | gebaut        | house bridge ship hotel school church
    visit                      | besuchen              | besucht       | people city museum zoo castle
    meet met                   | treffen (triff)       | getroffen     | people
    ask                        | fragen                | gefragt       | people
    kiss                       | küssen                | geküsst       | people
    greet                      | grüßen                | gegrüßt       | people
    wake woke woken            | wecken                | geweckt       | people
    feed fed                   | füttern               | gefüttert     | beast
    catch caught               | fangen (fäng)         | gefangen      | beast ball
    throw threw thrown         | werfen (wirf)         | geworfen      | ball key
    learn                      | lernen                | gelernt       | language word song poem
    speak spoke spoken         | sprechen (sprich)     | gesprochen    | language
    sing sang sung             | singen                | gesungen      | song
    answer                     | beantworten           | beantwortet   | question letter email
    forget forgot forgotten    | vergessen (vergiss)   | vergessen     | item matter
    explain                    | erklären              | erklärt       | matter
    love *                     | lieben                | geliebt       | living food drink place
    like *                     | mögen                 | gemocht       | living food drink place show
    hate *                     | hassen                | gehasst       | living food
    know knew known *          | kennen                | gekannt       | people venue outdoors show rule word
    need *                     | brauchen              | gebraucht     | portable device clothes people
    have had *                 | haben                 | gehabt        | animal goods matter
    understand understood *    | verstehen             | verstanden    | language matter text people
    want *                     | wollen                | gewollt       | animal goods
    miss *                     | vermissen             | vermisst      | people animal
"""

SEPARABLE = """
    open                       | auf·machen            | aufgemacht    | opening luggage bottle
    close                      | zu·machen             | zugemacht     | opening luggage bottle
    turn +on                   | an·machen             | angemacht     | lamp computer radio television
    turn +off                  | aus·machen            | ausgemacht    | lamp computer radio television
    put put +on                | an·ziehen             | angezogen     | clothes
    take took taken +off       | aus·ziehen            | ausgezogen    | clothes
    try +on                    | an·probieren          | anprobiert    | clothes
    clean +up                  | auf·räumen            | aufgeräumt    | room
    call                       | an·rufen              | angerufen     | people
    pick +up                   | ab·holen              | abgeholt      | people
    invite                     | ein·laden (läd)       | eingeladen    | people
    look +at                   | an·schauen            | angeschaut    | living nature unique picture
    bring brought +along       | mit·bringen           | mitgebracht   | gift portable baked
    bring brought +back        | zurück·bringen        | zurückgebracht | portable reading
    throw threw thrown +away   | weg·werfen (wirf)     | weggeworfen   | item reading
"""

INTRANSITIVE = """
    sleep slept                | schlafen (schläf)     | geschlafen
    work                       | arbeiten              | gearbeitet
    study                      | lernen                | gelernt
    laugh                      | lachen                | gelacht
    cry                        | weinen                | geweint
    smile                      | lächeln               | gelächelt
    dance                      | tanzen                | getanzt
    sing sang sung             | singen                | gesungen
    cook                       | kochen                | gekocht
    eat ate eaten              | essen (iss)           | gegessen
    play                       | spielen               | gespielt
    wait                       | warten                | gewartet
    smoke                      | rauchen               | geraucht
    swim swam swum             | schwimmen             | ist geschwommen
    run ran run                | laufen (läuf)         | ist gelaufen
    hike                       | wandern               | ist gewandert
    watch +TV                  | fern·sehen (sieh)     | ferngesehen
    go went gone +shopping     | ein·kaufen            | eingekauft
"""

# These never stand with a place: "She gets up early." The separable ones among them take "sein".
PLAIN = """
    get got gotten +up         | auf·stehen            | ist aufgestanden
    wake woke woken +up        | auf·wachen            | ist aufgewacht
    fall fell fallen +asleep   | ein·schlafen (schläf) | ist eingeschlafen
    arrive                     | an·kommen             | ist angekommen
    come came come +back       | zurück·kommen         | ist zurückgekommen
    go went gone +out          | aus·gehen             | ist ausgegangen
    hurry                      | sich beeilen          | beeilt
    rest                       | sich aus·ruhen        | ausgeruht
    get got gotten +dressed    | sich an·ziehen        | angezogen
    sit sat +down              | sich hin·setzen       | hingesetzt
"""

POSITION = """
    live *                     | wohnen                | gewohnt
    sit sat                    | sitzen                | gesessen
    stand stood                | stehen                | gestanden
    lie lay lain               | liegen                | gelegen
    stay                       | bleiben               | ist geblieben
"""

MOTION = """
    go went gone               | gehen                 | ist gegangen
    run ran run                | laufen (läuf)         | ist gelaufen
    come came come             | kommen                | ist gekommen
    drive drove driven         | fahren (fähr)         | ist gefahren
"""

JOURNEY = """
    drive drove driven         | fahren (fähr)         | ist gefahren
    travel                     | reisen                | ist gereist
    fly flew flown             | fliegen               | ist geflogen
    move                       | ziehen                | ist gezogen
"""

# Things that lie are laid, things that stand are stood, pictures are hung; the place is in the accusative.
PLACING = """
    put put                    | legen                 | gelegt        | item reading clothes
    put put                    | stellen               | gestellt      | tableware luggage
"""

DATIVE = """
    help                       | helfen (hilf)         | geholfen      | living
    thank                      | danken                | gedankt       | people
    follow                     | folgen                | ist gefolgt   | living
    congratulate               | gratulieren           | gratuliert    | people
    listen +to                 | zu·hören              | zugehört      | people
    trust *                    | vertrauen             | vertraut      | living
    believe *                  | glauben               | geglaubt      | people
"""

# Two objects: the receiver in the dative comes first, the thing in the accusative second.
DITRANSITIVE = """
    give gave given            | geben (gib)           | gegeben       | food portable reading gift
    show showed shown          | zeigen                | gezeigt       | portable reading clothes place animal
    send sent                  | schicken              | geschickt     | text gift ticket picture
    bring brought              | bringen               | gebracht      | food portable reading
    buy bought                 | kaufen                | gekauft       | goods
    sell sold                  | verkaufen             | verkauft      | vehicle device furniture
    lend lent                  | leihen                | geliehen      | portable reading vehicle
    tell told                  | erzählen              | erzählt       | story
    write wrote written        | schreiben             | geschrieben   | letter email poem
    read read                  | vor·lesen (lies)      | vorgelesen    | text
"""

# Preposition and case belong to the verb and must be learnt with it.
PREPOSITIONAL = """
    wait +for                  | warten auf Akk        | gewartet      | people vehicle letter answer
    think thought +of          | denken an Akk         | gedacht       | people animal place
    dream +of                  | träumen von Dat       | geträumt      | living vehicle place
    laugh +about               | lachen über Akk       | gelacht       | story movie picture answer
    talk +about                | sprechen (sprich) über Akk | gesprochen | people show matter reading
    talk +to                   | sprechen (sprich) mit Dat | gesprochen | people
    play +with                 | spielen mit Dat       | gespielt      | living ball toy doll
    dance +with                | tanzen mit Dat        | getanzt       | people
    work +with                 | arbeiten mit Dat      | gearbeitet    | people computer
    remember *                 | sich erinnern an Akk  | erinnert      | people place show story
    look +forward +to          | sich freuen auf Akk   | gefreut       | cake gift letter movie
    complain +about            | sich beschweren über Akk | beschwert  | people dish hotel room
    take took taken +care +of  | sich kümmern um Akk   | gekümmert     | living
    fall fell fallen +in +love +with | sich verlieben in Akk | verliebt | people city
"""

# These take a whole clause: "She knows that he is tired." -> "Sie weiß, dass er müde ist."
CLAUSAL = """
    know knew known *          | wissen                | gewusst
    think thought *            | glauben               | geglaubt
    hope *                     | hoffen                | gehofft
    say said *                 | sagen                 | gesagt
    hear heard *               | hören                 | gehört
"""

# These take an infinitive with "zu": "He tries to sleep." -> "Er versucht, zu schlafen."
INFINITIVAL = """
    try                        | versuchen             | versucht
    forget forgot forgotten    | vergessen (vergiss)   | vergessen
    promise                    | versprechen (versprich) | versprochen
    plan                       | planen                | geplant
    decide                     | beschließen           | beschlossen
"""

# What animals do, too; all else is left to people.
ANIMAL_VERBS = {
    "TRANSITIVE": ("eat", "drink", "see", "hear", "find", "look", "catch"),
    "INTRANSITIVE": ("sleep", "run", "play", "wait", "swim", "eat"),
    "PLAIN": ("wake", "fall", "come"),
    "POSITION": ("sit", "stand", "lie"),
}

# Where one runs, swims or hikes is not asked: "He swims in the office."
NEVER_PLACED = ("run", "swim", "hike")

# The auxiliaries and modals are irregular; persons are ich, du, er/sie/es, wir, sie.
IRREGULAR_PRESENT = {
    "sein": ("bin", "bist", "ist", "sind", "sind"),
    "haben": ("habe", "hast", "hat", "haben", "haben"),
    "werden": ("werde", "wirst", "wird", "werden", "werden"),
    "wissen": ("weiß", "weißt", "weiß", "wissen", "wissen"),
    "wollen": ("will", "willst", "will", "wollen", "wollen"),
    "mögen": ("mag", "magst", "mag", "mögen", "mögen"),
}
PRETERITE = {
    "sein": ("war", "warst", "war", "waren", "waren"),
    "haben": ("hatte", "hattest", "hatte", "hatten", "hatten"),
}
MODALS = {
    "can": ("kann", "kannst", "kann", "können", "können"),
    "must": ("muss", "musst", "muss", "müssen", "müssen"),
    "may": ("darf", "darfst", "darf", "dürfen", "dürfen"),
    "should": ("sollte", "solltest", "sollte", "sollten", "sollten"),
    "want": ("will", "willst", "will", "wollen", "wollen"),
    "have to": ("muss", "musst", "muss", "müssen", "müssen"),
    "wanted": ("wollte", "wolltest", "wollte", "wollten", "wollten"),
    "had to": ("musste", "musstest", "musste", "mussten", "mussten"),
    "would like": ("möchte", "möchtest", "möchte", "möchten", "möchten"),
}
