"""Evaluation: the official VQA metric, baselines, intervals, calibration, further measurements and a report."""

from vqa.data.metric import normalize_answer, official_accuracy, soft_scores, vqa_accuracy

__all__ = ["normalize_answer", "official_accuracy", "soft_scores", "vqa_accuracy"]
