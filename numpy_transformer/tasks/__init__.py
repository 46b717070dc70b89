"""What models are asked to do beyond translation: complete a text, fill in words, classify, parse, transcribe.

opening.py           a model and its tokenizer from a run, a checkpoint, or a GPT-2 or BERT folder
completion.py        a language model goes on with a text
parsing.py           a translator from sentences to trees parses English
bracket_scores.py    how right trees are, counted as EVALB counts
reading.py           an encoder fills in words, or says what class a text is of
transcription.py     a model that hears writes down what is said
"""
