"""Sound as a sequence of vectors: recordings, their features, and the corpora of short sounds.

audio_file.py        samples of a WAV, FLAC or OGG file
mel.py               the filter bank: how strong a sound is at some dozens of pitches
features.py          samples to a sequence of feature vectors, which take the place of a text's embedded tokens
augmentation.py      the same sound faster, noisier, with holes: what a model should not mind
tones.py             telephone tones, generated
spoken_digits.py     the Free Spoken Digit Dataset, from a folder or its archive
digit_strings.py     its recordings alone, and joined to strings of two to five
sound_corpus.py      what a model learns from: sounds, each with its text
known_sounds.py      these corpora by name
sound_batches.py     the same as padded arrays
"""
