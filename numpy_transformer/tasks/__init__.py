"""What models are asked to do beyond translation: complete a text, fill in masked words, classify.

opening.py           a model and its tokenizer from a run, a checkpoint, or a GPT-2 or BERT folder
completion.py        a language model goes on with a text
reading.py           an encoder fills in words, or says what class a text is of
"""
