"""Fixed expressions: greetings, thanks and small talk, learnt whole.

The first table also occurs without its final mark ("Hello" -> "Hallo"). The second does not: a whole sentence ends with
a mark in German, typed or not ("How are you" -> "Wie geht es dir?"). "You" is informal throughout: "du".
"""

GREETINGS = """
    Hello!                       | Hallo!
    Hello.                       | Hallo.
    Hi!                          | Hi!
    Good morning!                | Guten Morgen!
    Good morning.                | Guten Morgen.
    Good day!                    | Guten Tag!
    Good afternoon!              | Guten Tag!
    Good evening!                | Guten Abend!
    Good night!                  | Gute Nacht!
    Good night.                  | Gute Nacht.
    Goodbye!                     | Auf Wiedersehen!
    Goodbye.                     | Auf Wiedersehen.
    Bye!                         | Tschüss!
    Thank you!                   | Danke!
    Thank you.                   | Danke.
    Thanks!                      | Danke!
    Thank you very much!         | Vielen Dank!
    Thank you very much.         | Vielen Dank.
    Many thanks!                 | Vielen Dank!
    Please.                      | Bitte.
    Please!                      | Bitte!
    You're welcome.              | Gern geschehen.
    You're welcome!              | Gern geschehen!
    You are welcome.             | Gern geschehen.
    Yes.                         | Ja.
    No.                          | Nein.
    Maybe.                       | Vielleicht.
    Of course.                   | Natürlich.
    Okay.                        | Okay.
    Sorry!                       | Entschuldigung!
    Sorry.                       | Entschuldigung.
    Excuse me!                   | Entschuldigung!
    Excuse me.                   | Entschuldigung.
    Welcome!                     | Willkommen!
    Congratulations!             | Herzlichen Glückwunsch!
    Happy birthday!              | Alles Gute zum Geburtstag!
    Merry Christmas!             | Frohe Weihnachten!
    Happy New Year!              | Frohes neues Jahr!
    Good luck!                   | Viel Glück!
    Have fun!                    | Viel Spaß!
    Cheers!                      | Prost!
    Enjoy your meal!             | Guten Appetit!
    Get well soon!               | Gute Besserung!
    Have a good trip!            | Gute Reise!
    Have a nice day!             | Schönen Tag noch!
    Have a nice weekend!         | Schönes Wochenende!
    See you later!               | Bis später!
    See you soon!                | Bis bald!
    See you tomorrow!            | Bis morgen!
    Help!                        | Hilfe!
    Look out!                    | Pass auf!
    Nice to meet you.            | Freut mich.
"""

SMALL_TALK = """
    How are you?                 | Wie geht es dir?
    What is your name?           | Wie heißt du?
    I love you.                  | Ich liebe dich.
    I don't know.                | Ich weiß es nicht.
    I do not know.               | Ich weiß es nicht.
    I don't understand.          | Ich verstehe nicht.
    I do not understand.         | Ich verstehe nicht.
    No problem.                  | Kein Problem.
    Hello, how are you?          | Hallo, wie geht es dir?
    How are you today?           | Wie geht es dir heute?
    I am fine.                   | Mir geht es gut.
    I'm fine.                    | Mir geht es gut.
    I am fine, thank you.        | Mir geht es gut, danke.
    I'm fine, thank you.         | Mir geht es gut, danke.
    And you?                     | Und dir?
    Where are you from?          | Woher kommst du?
    Where do you come from?      | Woher kommst du?
    How old are you?             | Wie alt bist du?
    I am sorry.                  | Es tut mir leid.
    I'm sorry.                   | Es tut mir leid.
    Yes, please.                 | Ja, bitte.
    No, thank you.               | Nein, danke.
    What time is it?             | Wie spät ist es?
    What is that?                | Was ist das?
    What is this?                | Was ist das?
    Who is that?                 | Wer ist das?
    Can you help me?             | Kannst du mir helfen?
    Can you help me, please?     | Kannst du mir bitte helfen?
    How much does it cost?       | Wie viel kostet es?
    How much is it?              | Wie viel kostet es?
    I am from Germany.           | Ich komme aus Deutschland.
    I don't have time.           | Ich habe keine Zeit.
    I have no time.              | Ich habe keine Zeit.
    I have a question.           | Ich habe eine Frage.
    I am at home.                | Ich bin zu Hause.
    Let's go!                    | Gehen wir!
    Come in!                     | Komm herein!
    Sit down, please.            | Setz dich bitte hin.
    Take care!                   | Pass auf dich auf!
    What's up?                   | Was ist los?
    What happened?               | Was ist passiert?
    Everything is fine.          | Alles ist gut.
    It is raining.               | Es regnet.
    It is snowing.               | Es schneit.
    The sun is shining.          | Die Sonne scheint.
    It is cold.                  | Es ist kalt.
    It is warm.                  | Es ist warm.
    It is hot.                   | Es ist heiß.
    It is late.                  | Es ist spät.
    The weather is nice.         | Das Wetter ist schön.
    I miss you.                  | Ich vermisse dich.
    I like you.                  | Ich mag dich.
    Do you speak English?        | Sprichst du Englisch?
    Do you speak German?         | Sprichst du Deutsch?
    I speak a little German.     | Ich spreche ein bisschen Deutsch.
    Where is the bathroom?       | Wo ist das Badezimmer?
    The bill, please.            | Die Rechnung, bitte.
    I don't like it.             | Ich mag es nicht.
    I like it.                   | Ich mag es.
    That is right.               | Das stimmt.
    That is good.                | Das ist gut.
    That is a good idea.         | Das ist eine gute Idee.
    Don't worry!                 | Keine Sorge!
    I am a beginner.             | Ich bin Anfänger.
"""
