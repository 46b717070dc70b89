"""The commands train.py and translate.py: they read options, and report invalid ones in one clear line."""
