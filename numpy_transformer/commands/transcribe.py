"""Write what is said in sound files: python translate.py --audio FILE.wav ... [options]."""

import argparse
import sys
from pathlib import Path

from numpy_transformer.backend.blas import limit_blas_threads
from numpy_transformer.commands.latest import named_or_latest
from numpy_transformer.commands.text_lines import open_output
from numpy_transformer.commands.translation_options import parse_arguments
from numpy_transformer.errors import InputError
from numpy_transformer.seeing.sound_picture import check_picture, save_sound_picture
from numpy_transformer.storage.shipped import shipped_model
from numpy_transformer.tasks.transcription import Transcriber

WITH_AUDIO = {"audio", "model", "output", "device", "beam", "alpha", "scores", "attention"}


def transcribe(options: argparse.Namespace) -> None:
    """One line for each file, in their order. Nothing is written unless all files can be read."""
    check_audio(options)
    model = None if options.model is None else options.model[0]
    path = named_or_latest(model, kind="sound") if model is None else shipped_model(model) or Path(model)
    transcriber = Transcriber.load(path, device=options.device)
    limit_blas_threads(1)  # the matrix products of one step are small
    sounds = [transcriber.read(file) for file in options.audio]
    transcriber.pack()
    beam = 4 if options.beam is None else options.beam
    found = transcriber.transcribe([sound.features for sound in sounds], beam=beam, alpha=options.alpha)
    with open_output(options.output) as output:
        for transcript in found:
            score = f"{transcript.score:.4f}\t" if options.scores else ""
            output.write(f"{score}{transcript.text}\n".encode())
    if options.attention is not None:
        [sound], [transcript] = sounds, found
        save_sound_picture(
            options.attention,
            sound.spectrogram,
            transcriber.settings,
            words=transcriber.words(transcript),
            weights=transcriber.attention(sound.features, transcript.ids),
        )
        print(f"attention: {options.attention}", file=sys.stderr)


def check_audio(options: argparse.Namespace) -> None:
    """Raises InputError for options that have no meaning with --audio."""
    usual = vars(parse_arguments([]))
    for name, value in vars(options).items():
        if name not in WITH_AUDIO and value != usual[name]:
            given = "TEXT" if name == "text" else f"--{name.replace('_', '-')}"
            raise InputError(f"{given} has no meaning with --audio, which writes what is said in sound files")
    if options.model is not None and len(options.model) > 1:
        raise InputError("--audio takes one --model")
    if options.attention is not None:
        check_picture(options.attention)
        if len(options.audio) > 1:
            raise InputError("--attention shows one sound: give --audio exactly one file")
