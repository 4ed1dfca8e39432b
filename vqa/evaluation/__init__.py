"""Scoring: the official VQA metric and what stands around it."""

from vqa.data.metric import normalize_answer, official_accuracy, soft_scores, vqa_accuracy

__all__ = ["normalize_answer", "official_accuracy", "soft_scores", "vqa_accuracy"]
