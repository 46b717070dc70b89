"""Trained models in the formats of other programs: CTranslate2, PyTorch, ONNX (docs/export.md)."""
