"""What train.py and translate.py do: options in, one clear line for what cannot be done."""
